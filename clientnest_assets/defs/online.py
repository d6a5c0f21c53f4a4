"""The online store as assets: each feature view's newest rows, published whenever its history has been made anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.jobs import CLOSE, CORRECT
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.online.latest import latest
from clientnest_assets.features.online.parity import SAMPLE, Parity, compare
from clientnest_assets.features.online.store import Generation
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.installation import Installation

GROUP = "online"
PARITY, FRESHNESS = "parity", "freshness"
PUBLISH, CHECK = "publish_features", "check_parity"


def online_key(view: FeatureView) -> dg.AssetKey:
    """The asset key of a view's newest rows."""
    return dg.AssetKey([GROUP, view.name])


def online_assets() -> list[dg.AssetsDefinition]:
    """One asset per feature view."""
    return [_online_asset(view) for view in VIEWS.values()]


def online_checks() -> list[dg.AssetChecksDefinition]:
    """Of each view: does the online store say what the lake says, and is it of today."""
    return [check for view in VIEWS.values() for check in (_parity(view), _freshness(view))]


def online_jobs() -> list[UnresolvedAssetJobDefinition]:
    """The job that publishes, and the one that only looks."""
    assets = dg.AssetSelection.groups(GROUP)
    return [
        dg.define_asset_job(PUBLISH, assets, description="Every view's newest rows into the online store, and checks."),
        dg.define_asset_job(
            CHECK,
            dg.AssetSelection.checks_for_assets(*(online_key(view) for view in VIEWS.values())),
            description="Whether the online store says what the lake says, and how old it is. Publishes nothing.",
        ),
    ]


def online_schedules(
    jobs: Iterable[UnresolvedAssetJobDefinition], *, running: bool
) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """The daily look, and the sensors that publish after features were made.

    Args:
        jobs: those of `jobs.py` and of `online_jobs`.
        running: whether they are on until somebody switches them in the UI.
    """
    by_name = {job.name: job for job in jobs}

    def publish_after(name: str, status: dg.DagsterRunStatus, description: str) -> dg.SensorDefinition:
        @dg.run_status_sensor(
            name=name,
            run_status=status,
            monitored_jobs=[by_name[CLOSE], by_name[CORRECT]],
            request_job=by_name[PUBLISH],
            default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
            description=description,
        )
        def publish(context: dg.RunStatusSensorContext) -> dg.RunRequest:
            return dg.RunRequest(run_key=context.dagster_run.run_id)

        return publish

    daily = dg.ScheduleDefinition(
        name=f"{CHECK}_daily",
        job=by_name[CHECK],
        cron_schedule="0 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )
    sensors = [
        publish_after(
            "publish_after_closing",
            dg.DagsterRunStatus.SUCCESS,
            "The newest features. A run of its own: predictions do not wait for the online store, nor fail with it.",
        ),
        publish_after(
            "publish_after_failed_closing",
            dg.DagsterRunStatus.FAILURE,
            "What was made of the features all the same: a mart that failed after them does not hold them back.",
        ),
    ]
    return [daily], sensors


def _online_asset(view: FeatureView) -> dg.AssetsDefinition:
    @dg.asset(
        key=online_key(view),
        deps=[feature_key(view)],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"polars"},
        code_version=f"{view.version}-{view.definition_hash[:12]}",
        description=(
            f"The newest row of each {', '.join(view.entity_keys)} as of now, for serving: what a point-in-time read "
            f"would find. Replaced in one switch; an older state never covers a newer one. {view.description}"
        ),
    )
    def published(installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        rows, position = latest(installation.lake, view, installation.calendar.now())
        done = installation.online_store.publish(view, rows, position)
        # Of others only what this publication has replaced, and what no view is any more.
        cleaned = installation.online_store.clean(VIEWS.values())
        return dg.MaterializeResult(
            metadata={
                "published": done.is_current,
                "rows": done.generation.rows,
                "written": done.written,
                "unchanged": done.unchanged,
                "removed": done.removed,
                "cleaned": cleaned,
                **_generation(done.generation),
            }
        )

    return published


def _parity(view: FeatureView) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view),
        name=PARITY,
        description=(
            f"{SAMPLE} entities, others each day, have the same values, status and age online as a point-in-time read "
            "of the lake as of now gives, and both know as many entities."
        ),
    )
    def parity(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
        now = installation.calendar.now()
        found = compare(installation.lake, installation.online_store, view, now, seed=now.toordinal())
        return dg.AssetCheckResult(
            passed=found.holds,
            description=None if found.holds else _what_differs(view, found),
            metadata={
                "sampled": found.sampled,
                "differing": found.differing,
                "entities_offline": found.entities_offline,
                "entities_online": found.entities_online,
                "differences": dg.TableMetadataValue(
                    [dg.TableRecord(row) for row in found.differences.to_dicts()],
                    dg.TableSchema([dg.TableColumn(name) for name in found.differences.columns]),
                ),
            },
        )

    return parity


def _freshness(view: FeatureView) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view),
        name=FRESHNESS,
        description=f"The newest row is at most {view.fresh_within / timedelta(hours=1):g} hours old.",
    )
    def freshness(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
        held, now = installation.online_store.generation(view), installation.calendar.now()
        problem = _staleness(view, held, now)
        age = held and held.newest_event_at and now - held.newest_event_at
        return dg.AssetCheckResult(
            passed=problem is None,
            severity=dg.AssetCheckSeverity.WARN,
            description=problem,
            metadata={
                **({"age_hours": round(age.total_seconds() / 3600, 1)} if age else {}),
                **(_generation(held) if held else {}),
            },
        )

    return freshness


def _what_differs(view: FeatureView, found: Parity) -> str:
    counts = (
        ""
        if found.entities_online == found.entities_offline
        else f" The lake knows {found.entities_offline} entities, the online store {found.entities_online}."
    )
    return (
        f"{found.differing} of {found.sampled} entities differ.{counts} Either the view was made anew since it was published, "
        f"or the online store was altered: materialise {online_key(view).to_user_string()}, which sets both right."
    )


def _staleness(view: FeatureView, held: Generation | None, now: datetime) -> str | None:
    """What is wrong with the age of a view's newest row; a view of which there is nothing to know is not stale."""
    if held is None:
        return f"it was never published: materialise {online_key(view).to_user_string()}"
    if held.newest_event_at is not None and now - held.newest_event_at > view.fresh_within:
        return (
            f"the newest row is of {held.newest_event_at:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}. Look whether "
            f"{feature_key(view).to_user_string()} was made and then published"
        )
    return None


def _generation(generation: Generation) -> dict[str, int | str]:
    """A generation for Dagster's UI."""
    position = generation.position
    return {
        "generation": generation.number,
        "delta_version": position.version,
        "as_of": position.as_of.isoformat(),
        "published_at": generation.published_at.isoformat(timespec="seconds"),
        **({"newest_event_at": generation.newest_event_at.isoformat()} if generation.newest_event_at else {}),
    }
