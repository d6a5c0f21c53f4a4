"""Platform assets: one collection of one platform each, run by the hour. Only where a connections file is configured."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.arrivals import Arrival, tell
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.sources.platforms.collecting import Collector
from clientnest_assets.sources.platforms.connections import load_connections
from clientnest_assets.sources.platforms.outcomes import Collected, Status
from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.spec import Platform

GROUP = "platforms"
COLLECT = "collect_platforms"
ALL_ACCOUNTS_ANSWERED = "all_accounts_answered"
REASONS_SHOWN = 20


def platform_key(platform: str) -> dg.AssetKey:
    """The asset key of a platform's collections."""
    return dg.AssetKey([GROUP, platform])


def platform_assets(installation: Installation) -> list[dg.AssetsDefinition]:
    """One asset per platform; none where no connections file is configured."""
    if installation.settings.platform_connections is None:
        return []
    return [_platform_asset(platform) for platform in PLATFORMS.values()]


def platform_jobs(installation: Installation) -> list[UnresolvedAssetJobDefinition]:
    """The job that collects from all platforms, where there are any."""
    if installation.settings.platform_connections is None:
        return []
    description = "Post and account metrics of every connected account."
    return [dg.define_asset_job(COLLECT, dg.AssetSelection.groups(GROUP), description=description)]


def platform_schedules(jobs: list[UnresolvedAssetJobDefinition], *, running: bool) -> list[dg.ScheduleDefinition]:
    """The hourly schedule of the job; at twenty past, when an app that collects by the full hour is done."""
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            name=f"{COLLECT}_hourly",
            job=job,
            cron_schedule="20 * * * *",
            execution_timezone="UTC",
            default_status=status,
            description="All platforms, every hour.",
        )
        for job in jobs
    ]


def arrivals(collected: Collected) -> list[Arrival]:
    """What a collection did to the raw tables, as Dagster is told it."""
    return [
        Arrival(
            table,
            collected.source,
            landed.days_changed,
            {
                "collected_at": collected.collected_at.isoformat(),
                "rows_written": landed.rows_written,
                "rows_already_held": landed.rows_already_held,
                "rows_quarantined": landed.rows_quarantined,
            },
        )
        for table, landed in collected.tables.items()
    ]


def extend_calendar(installation: Installation, day: date) -> None:
    """Gives an embedded installation the day: rows of a day that it does not have would never be carried on."""
    if installation.settings.first_day:
        return
    before = installation.calendar if installation.has_data else Calendar(day, day)
    installation.keep_calendar(before.extended(day, day))


def _platform_asset(platform: Platform) -> dg.AssetsDefinition:
    key = platform_key(platform.name)
    unsupported = "; ".join(f"{column}: {reason}" for column, reason in platform.unsupported.items())

    @dg.asset(
        key=key,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"python", "deltalake"},
        code_version="1",
        description=(
            f"One collection from {platform.name}: each connected account's numbers, and those of its posts of the last "
            f"28 days, into `raw/account_metrics` and `raw/post_metrics`.\n\nAlways null: {unsupported}."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                ALL_ACCOUNTS_ANSWERED, asset=key, description="No connected account failed, and none was postponed."
            )
        ],
    )
    def collection(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        file = installation.settings.platform_connections
        assert file is not None
        connections, folder = load_connections(file), installation.home / GROUP
        collector = Collector(connections, installation.lake, installation.app_database_url, folder)
        extend_calendar(installation, datetime.now(UTC).date())
        collected = collector.collect(platform)
        tell(context.instance, arrivals(collected), f"collected from {platform.name}")
        collector.told(platform)
        yield _all_accounts_answered(collected)
        yield dg.MaterializeResult(metadata=_figures(collected))

    return collection


def _all_accounts_answered(collected: Collected) -> dg.AssetCheckResult:
    silent = [each for each in collected.outcomes if each.status is not Status.DONE]
    return dg.AssetCheckResult(
        passed=not silent,
        check_name=ALL_ACCOUNTS_ANSWERED,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "accounts_postponed": len(collected.with_status(Status.POSTPONED)),
            "accounts_failed": len(collected.with_status(Status.FAILED)),
            "reasons": [f"{each.account_id}: {each.reason}" for each in silent[:REASONS_SHOWN]],
        },
    )


def _figures(collected: Collected) -> dict[str, int | str]:
    return {
        "collected_at": collected.collected_at.isoformat(),
        "accounts_done": len(collected.with_status(Status.DONE)),
        "accounts_postponed": len(collected.with_status(Status.POSTPONED)),
        "accounts_failed": len(collected.with_status(Status.FAILED)),
        "rows_received": collected.total("rows"),
        "rows_written": sum(each.rows_written for each in collected.tables.values()),
        "rows_already_held": sum(each.rows_already_held for each in collected.tables.values()),
        "rows_quarantined": collected.total("rows_quarantined"),
        "posts_unanswered": collected.total("posts_unanswered"),
    }
