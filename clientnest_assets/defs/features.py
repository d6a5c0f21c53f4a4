"""Feature views as assets: each view's declaration gives its asset, partitioned by day."""

from collections.abc import Iterable
from datetime import date

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.feature_checks import feature_check_results, feature_check_specs
from clientnest_assets.defs.metadata import table
from clientnest_assets.defs.partitions import (
    CHUNKED,
    LOOKS_BACK,
    VERSIONED,
    Partitions,
    data_version,
    looking_back,
    window_of,
)
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.quality.measure import measure
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import SETS
from clientnest_assets.features.store import LAYER, store_window, view_table
from clientnest_assets.features.upstream import RAW, Upstream, mapped_days, reaches_back
from clientnest_assets.features.view import DEFINITION, KEYS, FeatureView
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.models.store import trained_weeks

QUALITY_SHOWN = ("null_share", "mean", "psi", "verdict", "since")


def feature_key(view: FeatureView) -> dg.AssetKey:
    """The asset key of a view."""
    return dg.AssetKey([LAYER, view.name])


def feature_assets(
    partitions: Partitions, views: Iterable[FeatureView] = tuple(VIEWS.values())
) -> list[dg.AssetsDefinition]:
    """One asset per feature view."""
    return [_feature_asset(view, partitions) for view in views]


def _feature_asset(view: FeatureView, partitions: Partitions) -> dg.AssetsDefinition:
    code_version = f"{view.version}-{view.definition_hash[:12]}"

    @dg.asset(
        key=feature_key(view),
        deps=[_dep(upstream) for upstream in view.upstream],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=LAYER,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        tags={VERSIONED: "", **_looks_back(view)},
        code_version=code_version,
        description=(
            f"{view.description}\n\nEntity: {', '.join(view.entity_keys)}. Rows are stale after {view.ttl.days} days."
            if view.ttl
            else view.description
        ),
        metadata={
            "dagster/column_schema": _column_schema(view),
            "version": view.version,
            "owner": view.owner,
        },
        check_specs=feature_check_specs(feature_key(view)),
    )
    def features(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        window = window_of(context)
        inputs = {
            each.table: each.read(installation.lake, installation.warehouse_url, window) for each in view.upstream
        }
        # A day that is not over has no end to tell of yet: its rows would count as whole from midnight on.
        is_known = pl.max_horizontal(view.event_time, view.known_time) <= installation.calendar.now()
        rows = view.materialise(inputs, window).filter(is_known)
        commit = store_window(installation.lake, view, rows, window)
        quality = measure(installation.lake, view, rows, window, _trained_weeks(installation.lake, view))
        return dg.MaterializeResult(
            data_version=data_version(code_version, commit.version),
            metadata={
                "window": str(window),
                "rows": rows.height,
                "entities": rows.select(view.entity_keys).n_unique(),
                "delta_version": commit.version,
                "bytes": commit.bytes,
                "quality_of_last_day": table(
                    quality.filter(pl.col(DAY) == window.last_day).select("feature", *QUALITY_SHOWN)
                ),
                "location": view_table(installation.lake, view).location,
            },
            check_results=list(feature_check_results(context, feature_key(view), view, quality, window)),
        )

    return features


def _trained_weeks(lake: Lake, view: FeatureView) -> set[date]:
    """The weeks that have a model which reads the view."""
    tasks = {each.task for each in SETS.values() if view.name in each.features}
    return {week for task in tasks for week in trained_weeks(lake, task)}


def _dep(upstream: Upstream) -> dg.AssetDep:
    key = dg.AssetKey([upstream.layer, upstream.table])
    days = mapped_days(upstream)
    # A table of the lake that is read from its beginning is shown by the day that is new.
    if days == 0 or upstream.layer == RAW:
        return dg.AssetDep(key)
    return dg.AssetDep(key, partition_mapping=looking_back(days))


def _looks_back(view: FeatureView) -> dict[str, str]:
    days = reaches_back(view.upstream)
    return {} if days == 0 else {LOOKS_BACK: "" if days is None else str(days)}


def _column_schema(view: FeatureView) -> dg.TableSchema:
    known = {feature.name: feature for feature in view.features}
    meanings = {
        view.event_time: "From when the values are true.",
        view.known_time: "From when the platform could know them.",
        DEFINITION: "SHA-256 of the view's definition that computed the row.",
        DAY: "The partition that computed the row.",
        **{name: KEYS[name].description for name in view.entity_keys},
    }
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                str(dtype),
                description=f"{known[name].description} [{known[name].unit}]"
                if name in known and known[name].unit
                else known[name].description
                if name in known
                else meanings[name],
            )
            for name, dtype in view.schema.items()
        ]
    )
