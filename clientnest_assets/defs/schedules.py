"""When jobs run: today every five minutes, yesterday every night, models every week. UTC."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.jobs import CLOSE, REFRESH, RESTATE, TRAIN
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.partitions import RESTATEMENT_DAYS

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def schedules(
    partitions: Partitions, jobs: Iterable[UnresolvedAssetJobDefinition], *, running: bool
) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """The schedules, and the sensor that restates after a day is closed.

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
        """Today's partition, unless the refresh before is still at work."""
        unfinished = dg.RunsFilter(job_name=REFRESH, statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED])
        if context.instance.get_runs_count(unfinished):
            return dg.SkipReason("the refresh before this one is not done yet")
        today = partitions.daily.get_last_partition_key()
        return dg.RunRequest(partition_key=today) if today else dg.SkipReason("there is no day yet")

    @dg.schedule(job=by_name[CLOSE], cron_schedule="15 1 * * *", execution_timezone="UTC", default_status=schedule_status)
    def close_yesterday_nightly(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Yesterday's partition, once more and for good. The restatement follows when it has succeeded."""
        days = partitions.daily.get_partition_keys()
        return dg.RunRequest(partition_key=days[-2]) if len(days) > 1 else dg.SkipReason("no day is over yet")

    @dg.schedule(job=by_name[TRAIN], cron_schedule="0 4 * * 1", execution_timezone="UTC", default_status=schedule_status)
    def train_weekly(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """The newest week that is over."""
        week = partitions.weekly.get_last_partition_key()
        return dg.RunRequest(partition_key=week) if week else dg.SkipReason("no week is over yet")

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[by_name[CLOSE]],
        request_job=by_name[RESTATE],
        default_status=sensor_status,
    )
    def restate_after_close(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        """The 28 days before a closed day: their posts' numbers came with it."""
        closed = context.dagster_run.tags.get("dagster/partition")
        if closed is None:
            return dg.SkipReason("the run was not about one day")
        first = partitions.daily.get_first_partition_key()
        earliest = partitions.daily.time_window_for_partition_key(closed).start - timedelta(days=RESTATEMENT_DAYS)
        start = max(earliest.date().isoformat(), first or closed)
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags={RANGE_START: start, RANGE_END: closed})

    return (
        [refresh_today_every_five_minutes, close_yesterday_nightly, train_weekly],
        [restate_after_close],
    )
