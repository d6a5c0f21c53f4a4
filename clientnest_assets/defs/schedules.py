"""When jobs run: today every five minutes, yesterday every night, models every week. UTC."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.behind import models_behind
from clientnest_assets.defs.dbt import SETTLED_AFTER_DAYS
from clientnest_assets.defs.jobs import CLOSE, CORRECT, LAND, PREDICT, REFRESH, TRAIN
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Window, spans

PARTITION = "dagster/partition"
MOST_DAYS_A_NIGHT = 31
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def schedules(
    partitions: Partitions, jobs: Iterable[UnresolvedAssetJobDefinition], *, running: bool
) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """The schedules, and the sensors that begin a night's second and third step.

    Args:
        partitions: the installation's days and weeks.
        jobs: those of `jobs.py`.
        running: whether they are on until somebody switches them in the UI.
    """
    by_name = {job.name: job for job in jobs}
    schedule_status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    sensor_status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    @dg.schedule(
        job=by_name[REFRESH], cron_schedule="*/5 * * * *", execution_timezone="UTC", default_status=schedule_status
    )
    def refresh_today_every_five_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Today's partition, unless the refresh before is still at work (one that is older than an hour is dead)."""
        unfinished = dg.RunsFilter(
            job_name=REFRESH,
            statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
            created_after=datetime.now(UTC) - timedelta(hours=1),
        )
        if context.instance.get_runs_count(unfinished):
            return dg.SkipReason("the refresh before this one is not done yet")
        today = partitions.daily.get_last_partition_key()
        return dg.RunRequest(partition_key=today) if today else dg.SkipReason("there is no day yet")

    @dg.schedule(
        job=by_name[LAND], cron_schedule="15 1 * * *", execution_timezone="UTC", default_status=schedule_status
    )
    def close_yesterday_nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Yesterday, once more and for good, and days before it whose nights failed. The next steps follow by success."""
        over = partitions.daily.get_partition_keys()[:-1]
        if not over:
            return dg.SkipReason("no day is over yet")
        landed = context.instance.get_runs(
            dg.RunsFilter(job_name=LAND, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
        )
        since = landed[0].tags.get(PARTITION, over[-1]) if landed else ""
        behind = [day for day in over if day > since][-MOST_DAYS_A_NIGHT:] if since else []
        return [dg.RunRequest(partition_key=day) for day in behind or over[-1:]]

    @dg.schedule(
        job=by_name[TRAIN], cron_schedule="0 4 * * 1", execution_timezone="UTC", default_status=schedule_status
    )
    def train_weekly(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """The newest week that is over."""
        week = partitions.weekly.get_last_partition_key()
        return dg.RunRequest(partition_key=week) if week else dg.SkipReason("no week is over yet")

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[by_name[LAND]],
        request_jobs=[by_name[CLOSE], by_name[CORRECT]],
        default_status=sensor_status,
    )
    def close_window_after_landing(
        context: dg.RunStatusSensorContext, installation: dg.ResourceParam[Installation]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """The landed day and those before it whose posts' numbers came with it; and days long before that are behind."""
        landed, run = context.dagster_run.tags.get(PARTITION), context.dagster_run.run_id
        if landed is None:
            return dg.SkipReason("the run was not about one day")
        earliest = str(date.fromisoformat(landed) - timedelta(days=SETTLED_AFTER_DAYS))
        start = max(earliest, partitions.daily.get_first_partition_key() or landed)
        behind = {day for days in models_behind(installation).values() for day in days if str(day) < start}
        return [
            *(_range(CORRECT, run, span) for span in spans(behind)),
            _range(CLOSE, run, Window.of_days(date.fromisoformat(start), date.fromisoformat(landed))),
        ]

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[by_name[CLOSE]],
        request_job=by_name[PREDICT],
        default_status=sensor_status,
    )
    def predict_after_closing(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        """The posts that wait at the end of the newest day closed."""
        closed = context.dagster_run.tags.get(RANGE_END) or context.dagster_run.tags.get(PARTITION)
        if closed is None:
            return dg.SkipReason("the run was not about days")
        return dg.RunRequest(run_key=context.dagster_run.run_id, partition_key=closed)

    return (
        [refresh_today_every_five_minutes, close_yesterday_nightly, train_weekly],
        [close_window_after_landing, predict_after_closing],
    )


def _range(job: str, landing: str, window: Window) -> dg.RunRequest:
    """One run of a job over a span of days, once after a landing."""
    return dg.RunRequest(
        job_name=job,
        run_key=f"{landing} {window}",
        tags={RANGE_START: str(window.start), RANGE_END: str(window.last_day)},
    )
