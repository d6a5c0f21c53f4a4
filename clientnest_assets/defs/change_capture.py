"""Change capture as an asset: what the app's database has written since the last time, captured every minute.

Only where `CLIENTNEST_CHANGE_CAPTURE` is true. The raw tables that it lands in are told of by `arrivals.py`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.arrivals import Arrival, tell
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.sources.app_database import SOURCE_NAME
from clientnest_assets.sources.change_capture import (
    Capture,
    CaptureBusyError,
    Captured,
    capture_once,
    connected,
    has_slot,
    status,
    take_snapshot,
)

GROUP = "change_capture"
KEY = dg.AssetKey([GROUP, SOURCE_NAME])
CAPTURE = "capture_changes"
WATCH = "watch_change_capture"
CAPTURED_IN_TIME = "captured_in_time"
DESCRIPTION = "changes of the app's database were captured"


def capture_of(installation: Installation) -> Capture:
    """The capture of an installation's app database. Only by the clock do `updated_at` and commit times compare."""
    return Capture(
        installation.app_database_url,
        installation.lake,
        installation.pseudonym_key,
        installation.home,
        by_clock=installation.settings.first_day is not None,
    )


def report(installation: Installation, instance: dg.DagsterInstance, done: Mapping[str, Captured]) -> None:
    """Tells Dagster what a pass or a snapshot did, so that backfills carry it on."""
    extend_calendar(installation, done)
    tell(instance, arrivals(done), DESCRIPTION)


def arrivals(done: Mapping[str, Captured]) -> list[Arrival]:
    """What a pass did to the raw tables, as Dagster is told it. Tables of which nothing changed are left out."""
    return [
        Arrival(table, SOURCE_NAME, sorted(captured.days_changed), figures(captured))
        for table, captured in done.items()
        if captured.changes
    ]


def figures(captured: Captured) -> dict[str, int | list[str]]:
    """The counts of one table, by name."""
    counts = {name: value for name, value in vars(captured).items() if isinstance(value, int)}
    return {**counts, "rules": sorted(captured.rules), "columns_not_in_contract": sorted(captured.new_columns)}


def extend_calendar(installation: Installation, done: Mapping[str, Captured]) -> None:
    """Gives an embedded installation the days up to the newest change: others would never be carried on."""
    days = {day for captured in done.values() for day in captured.days_changed}
    if installation.settings.first_day or not days:
        return
    before = installation.calendar if installation.has_data else Calendar(min(days), max(days))
    newest = min(max(days), max(before.today(), datetime.now(UTC).date()))
    installation.keep_calendar(before.extended(before.first_day, newest))


def change_capture_assets(installation: Installation) -> list[dg.AssetsDefinition]:
    """The asset; none where change capture is off."""
    if not installation.settings.change_capture:
        return []

    @dg.asset(
        key=KEY,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "deltalake"},
        code_version="1",
        description=(
            "The changes of the app's mutable tables by logical replication: every version and every delete, into the "
            "same raw tables as the reading of windows. A snapshot first; then what was committed since the last time."
        ),
    )
    def captured(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        capture, together = capture_of(installation), dict[str, Captured]()

        def landed(done: Mapping[str, Captured]) -> None:
            report(installation, context.instance, done)
            for table, each in done.items():
                together.setdefault(table, Captured()).add(each)

        try:
            with connected(capture.url) as connection:
                if not has_slot(connection):
                    take_snapshot(capture, connection, landed)
                while not capture_once(capture, connection, landed).is_drained:
                    pass
        except CaptureBusyError as busy:
            # `clientnest capture` is at work: it does the same.
            return dg.MaterializeResult(metadata={"left_to_another": str(busy)})
        return dg.MaterializeResult(metadata={table: figures(each) for table, each in sorted(together.items())})

    return [captured]


def change_capture_checks(installation: Installation) -> list[dg.AssetChecksDefinition]:
    """The check of how far capturing is behind; none where change capture is off."""
    if not installation.settings.change_capture:
        return []

    @dg.asset_check(
        asset=KEY,
        name=CAPTURED_IN_TIME,
        description="The replication slot is sound, and what it has not captured yet is little and young.",
    )
    def in_time(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
        found = status(installation.app_database_url, installation.home)
        slot, seconds = found.slot, found.seconds_behind
        return dg.AssetCheckResult(
            passed=found.problem is None,
            description=found.problem,
            metadata={
                "wal_status": slot.wal_status if slot else "no slot",
                "bytes_behind": slot.bytes_behind if slot else 0,
                "bytes_kept": slot.bytes_kept if slot else 0,
                **({} if seconds is None else {"seconds_behind": round(seconds, 1)}),
            },
        )

    return [in_time]


def change_capture_jobs(installation: Installation) -> list[UnresolvedAssetJobDefinition]:
    """The job that captures, and the one that only looks how far behind it is."""
    if not installation.settings.change_capture:
        return []
    checks = dg.AssetSelection.checks_for_assets(KEY)
    return [
        dg.define_asset_job(
            CAPTURE, dg.AssetSelection.assets(KEY) - checks, description="What the app has written since the last time."
        ),
        dg.define_asset_job(WATCH, checks, description="How far change capture is behind."),
    ]


def change_capture_schedules(jobs: list[UnresolvedAssetJobDefinition], *, running: bool) -> list[dg.ScheduleDefinition]:
    """Capture every minute, unless the minute before is not done; look every quarter of an hour.

    Args:
        jobs: those of `change_capture_jobs`.
        running: whether they are on until somebody switches them in the UI.
    """
    by_name = {job.name: job for job in jobs}
    if not by_name:
        return []
    default_status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        job=by_name[CAPTURE], cron_schedule="* * * * *", execution_timezone="UTC", default_status=default_status
    )
    def capture_changes_every_minute(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """What the app has written, unless the run before is still at work (one that is older than a day is dead)."""
        unfinished = dg.RunsFilter(
            job_name=CAPTURE,
            statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
            created_after=datetime.now(UTC) - timedelta(days=1),
        )
        if context.instance.get_runs_count(unfinished):
            return dg.SkipReason("the capture before this one is not done yet")
        return dg.RunRequest()

    watch = dg.ScheduleDefinition(
        name=f"{WATCH}_every_quarter_of_an_hour",
        job=by_name[WATCH],
        cron_schedule="*/15 * * * *",
        execution_timezone="UTC",
        default_status=default_status,
    )
    return [capture_changes_every_minute, watch]
