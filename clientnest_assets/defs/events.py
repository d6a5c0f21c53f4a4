"""Events as assets: the inbox that consumers fill, each event once in raw, its rollups; and late events carried on.

The inbox is filled outside of Dagster, by `clientnest consume`. That a day got events after it was settled is read
from the tables' logs (`settling.behind`), told to Dagster as a materialisation of the inbox's day, and carried on by the
next backfill, or at once by the sensor `events_arrived`. Today is settled every five minutes anyway.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg
import polars as pl
from dagster import DagsterEventType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.contracts import DAY, ROLLUP_TABLES, Contract
from clientnest_assets.contracts.events import APP_EVENTS
from clientnest_assets.defs.partitions import CHUNKED, Partitions, by_day, window_of
from clientnest_assets.defs.raw import GROUP as RAW
from clientnest_assets.defs.raw import NOTHING_LOST, OWNERS, LandingConfig, column_schema, raw_key
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import DAYS_PER_CHUNK, ONE_DAY, Window

INBOX = "inbox"
ROLLUPS = "rollups"
SUMS_AGREE = "sums_agree"
REFRESH_EVENTS = "refresh_events"
INBOX_KEY = dg.AssetKey([INBOX, APP_EVENTS.name])
EVENTS_KEY = raw_key(APP_EVENTS.name)
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def rollup_key(table: str) -> dg.AssetKey:
    """The asset key of a rollup."""
    return dg.AssetKey([ROLLUPS, table])


def event_assets(partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The inbox as an external asset, raw events, and their rollups."""
    return [_inbox(partitions), _raw_events(partitions), *(_rollup(contract, partitions) for contract in ROLLUP_TABLES)]


def _inbox(partitions: Partitions) -> dg.AssetSpec:
    return dg.AssetSpec(
        INBOX_KEY,
        partitions_def=partitions.daily,
        group_name=INBOX,
        owners=OWNERS,
        kinds={"kafka", "deltalake"},
        description=(
            "Every valid delivery of an event, over Kafka or HTTP, exactly once; filled by `clientnest consume`. "
            f"Partition: UTC day of `{APP_EVENTS.cursor}`. Materialised here means: a settled day got more events."
        ),
        metadata={"dagster/column_schema": column_schema(APP_EVENTS)},
    )


def _raw_events(partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=EVENTS_KEY,
        deps=[INBOX_KEY],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=RAW,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        code_version="1",
        description=(
            f"{APP_EVENTS.description} Each event once: of its deliveries the one received first; the others are in "
            f"quarantine.\n\nPartition: UTC day of `{APP_EVENTS.cursor}`. A day settled again replaces itself."
        ),
        metadata={"dagster/column_schema": column_schema(APP_EVENTS)},
        check_specs=[
            dg.AssetCheckSpec(
                NOTHING_LOST,
                asset=EVENTS_KEY,
                blocking=True,
                description="Each day's rows in the inbox stand in raw or in quarantine.",
            )
        ],
    )
    def settled(
        context: dg.AssetExecutionContext, config: LandingConfig, installation: dg.ResourceParam[Installation]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        from clientnest_assets.sources.events.settling import settle_window

        window = window_of(context)
        done = settle_window(installation.lake, window, allow_empty=config.allow_empty)
        columns = ["in_raw", "in_inbox", "quarantined"]
        by_day(
            context,
            {
                day: {"dagster/partition_row_count": held, "rows_read_of_day": read, "rows_quarantined_of_day": bad}
                for day, held, read, bad in done.days.select(DAY, *columns).iter_rows()
            },
            EVENTS_KEY,
        )
        wrong = done.days.filter(pl.col("in_raw") + pl.col("quarantined") != pl.col("in_inbox"))
        in_raw, in_inbox, quarantined = done.days.select(columns).sum().row(0)
        yield dg.AssetCheckResult(
            passed=wrong.is_empty(),
            check_name=NOTHING_LOST,
            metadata={
                "days": done.days.height,
                "days_that_differ": [str(day) for day in wrong.get_column(DAY)],
                "rows_in_inbox": in_inbox,
                "rows_in_raw": in_raw,
                "rows_in_quarantine": quarantined,
            },
        )
        if not wrong.is_empty():
            # Not materialised, then: the same command settles it again, and nothing is built on it meanwhile.
            raise dg.Failure(f"{APP_EVENTS.name}: rows of the inbox are missing in raw", allow_retries=False)
        _tell(context.instance, done.outdated, f"an event of this day also came on a day of {window}, and earlier")
        yield dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows_read": in_inbox,
                "rows_written": in_raw,
                "rows_quarantined": quarantined,
                "delta_version": done.version,
                "days_to_settle_again": [str(day) for day in done.outdated],
            }
        )

    return settled


def _rollup(contract: Contract, partitions: Partitions) -> dg.AssetsDefinition:
    key = rollup_key(contract.name)

    @dg.asset(
        key=key,
        deps=[EVENTS_KEY],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=ROLLUPS,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        code_version="1",
        description=f"{contract.description} Computed in the lake: single events never reach the warehouse.",
        metadata={"dagster/column_schema": column_schema(contract)},
        check_specs=[
            dg.AssetCheckSpec(
                SUMS_AGREE, asset=key, blocking=True, description="Each day's counts add up to the day's events in raw."
            )
        ],
    )
    def rolled_up(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        from clientnest_assets.sources.events.rollups import roll_up

        window = window_of(context)
        days = roll_up(installation.lake, contract, window)
        by_day(
            context,
            {day: {"dagster/partition_row_count": rows} for day, rows in days.select(DAY, "rows").iter_rows()},
            key,
        )
        wrong = days.filter(pl.col("events") != pl.col("counted"))
        events, counted, rows = days.select("events", "counted", "rows").sum().row(0)
        yield dg.AssetCheckResult(
            passed=wrong.is_empty(),
            check_name=SUMS_AGREE,
            metadata={
                "days_that_differ": [str(day) for day in wrong.get_column(DAY)],
                "events_in_raw": events,
                "events_counted": counted,
            },
        )
        if not wrong.is_empty():
            raise dg.Failure(f"{contract.name}: the counts are not those of raw", allow_retries=False)
        yield dg.MaterializeResult(metadata={"window": str(window), "rows": rows, "events": events})

    return rolled_up


def event_jobs(partitions: Partitions) -> list[UnresolvedAssetJobDefinition]:
    """The job of days that late events came for: settled, rolled up and loaded anew, and nothing else."""
    from clientnest_assets.defs.warehouse import warehouse_key

    tables = [contract.name for contract in ROLLUP_TABLES]
    keys = [EVENTS_KEY, *(key(table) for key in (rollup_key, warehouse_key) for table in tables)]
    return [
        dg.define_asset_job(
            REFRESH_EVENTS,
            dg.AssetSelection.assets(*keys),
            partitions_def=partitions.daily,
            description="Days that late events came for, from the inbox into the warehouse.",
        )
    ]


def event_sensors(
    partitions: Partitions, jobs: Iterable[UnresolvedAssetJobDefinition], *, running: bool
) -> list[dg.SensorDefinition]:
    """The sensor that carries late events on.

    Args:
        partitions: the installation's days.
        jobs: those of `event_jobs`, among others.
        running: whether it is on until somebody switches it in the UI.
    """
    (job,) = [job for job in jobs if job.name == REFRESH_EVENTS]

    @dg.sensor(
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
    def events_arrived(
        context: dg.SensorEvaluationContext, installation: dg.ResourceParam[Installation]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Days before today that events came for after they were settled."""
        observe_inbox(context.instance, installation)
        today = partitions.daily.get_last_partition_key() or ""
        late = {day: event for day, event in _unsettled(context.instance).items() if day < today}
        for window in _ranges(sorted(late)):
            newest = max(late[str(day)] for day in window.days())
            # The same arrival is carried on once; more of them on the same days are another.
            yield dg.RunRequest(
                run_key=f"{window.start}/{window.last_day}/{newest}",
                tags={RANGE_START: str(window.start), RANGE_END: str(window.last_day)},
            )
        if not late:
            yield dg.SkipReason("no events came for days before today")

    return [events_arrived]


def observe_inbox(instance: dg.DagsterInstance, installation: Installation) -> list[date]:
    """Tells Dagster of the days that got events since they were settled; returns those it had not been told of.

    By what the tables hold, not by what was told before: a day is told of again if it was settled without its newest
    events, as when they came in while it ran. Days that were never settled are made by any backfill.
    """
    from clientnest_assets.sources.events.settling import behind

    days = behind(installation.lake)
    if not days:
        return []
    settled, told = instance.get_materialized_partitions(EVENTS_KEY), _unsettled(instance)
    new = [day for day in days if str(day) in settled and str(day) not in told]
    _tell(instance, new, "events came for this day after it was settled")
    return new


def _tell(instance: dg.DagsterInstance, days: Iterable[date], description: str) -> None:
    for day in days:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(INBOX_KEY, partition=str(day), description=description)
        )


def _unsettled(instance: dg.DagsterInstance) -> dict[str, int]:
    """The days told of and not settled since, with the number of the event that told."""
    told, settled = (
        instance.event_log_storage.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION)
        for key in (INBOX_KEY, EVENTS_KEY)
    )
    return {str(day): event for day, event in told.items() if event > settled.get(day, 0)}


def _ranges(days: list[str]) -> Iterator[Window]:
    """Consecutive days together."""
    first: date | None = None
    for name, following in zip(days, [*days[1:], None], strict=False):
        day = date.fromisoformat(name)
        first = first or day
        if following != str(day + ONE_DAY):
            yield from Window.of_days(first, day).chunks(DAYS_PER_CHUNK)
            first = None
