"""Feature views as assets: each view's declaration gives its asset, partitioned by day."""

from collections.abc import Callable

import dagster as dg
import polars as pl

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.defs.dbt import FACTS
from clientnest_assets.defs.partitions import CHUNKED, LOOKS_BACK, Partitions, looking_back, window_of
from clientnest_assets.defs.raw import OWNERS, raw_key
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.store import LAYER, store_window, view_table
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import RESTATEMENT_DAYS, Window
from clientnest_assets.sources.landing import raw_table
from clientnest_assets.warehouse.read import read_table

POST_OUTCOMES = {
    "post_id": pl.Int64(),
    "account_id": pl.Int64(),
    "published_at": MOMENT,
    "mature_at": MOMENT,
    "mature_engagement_score": pl.Int64(),
}


def _social_posts(installation: Installation, window: Window) -> pl.LazyFrame:
    return raw_table(installation.lake, CONTRACTS["social_posts"]).scan()


def _fact_posts(installation: Installation, window: Window) -> pl.LazyFrame:
    matured = f"mature_at < '{window.end_at.isoformat()}'"
    return read_table(installation.warehouse_url, FACTS, "fact_posts", POST_OUTCOMES, where=matured).lazy()


UPSTREAM: dict[str, tuple[dg.AssetDep, Callable[[Installation, Window], pl.LazyFrame]]] = {
    "social_posts": (dg.AssetDep(raw_key("social_posts")), _social_posts),
    # What matures on a day was published up to 28 days before it.
    "fact_posts": (
        dg.AssetDep(dg.AssetKey([FACTS, "fact_posts"]), partition_mapping=looking_back(RESTATEMENT_DAYS)),
        _fact_posts,
    ),
}
"""The frames that views may read, by the name they use: the asset each comes from, and how it is read."""


def feature_key(view: FeatureView) -> dg.AssetKey:
    """The asset key of a view."""
    return dg.AssetKey([LAYER, view.name])


def feature_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset per feature view."""
    return [_feature_asset(view, partitions) for view in VIEWS.values()]


def _feature_asset(view: FeatureView, partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=feature_key(view),
        deps=[UPSTREAM[name][0] for name in view.upstream],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=LAYER,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        tags={LOOKS_BACK: ""},
        code_version=f"{view.version}-{view.definition_hash[:12]}",
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
    )
    def features(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        window = window_of(context)
        inputs = {name: UPSTREAM[name][1](installation, window) for name in view.upstream}
        rows = view.materialise(inputs, window)
        commit = store_window(installation.lake, view, rows, window)
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows": rows.height,
                "entities": rows.select(view.entity_keys).n_unique(),
                "delta_version": commit.version,
                "bytes": commit.bytes,
                "nulls": dg.TableMetadataValue(
                    [
                        dg.TableRecord(
                            {"feature": name, "share_of_nulls": round(rows[name].null_count() / rows.height, 4)}
                        )
                        for name in view.feature_names
                        if rows.height
                    ],
                    dg.TableSchema([dg.TableColumn("feature"), dg.TableColumn("share_of_nulls", "float")]),
                ),
                "location": view_table(installation.lake, view).location,
            }
        )

    return features


def _column_schema(view: FeatureView) -> dg.TableSchema:
    known = {feature.name: feature for feature in view.features}
    meanings = {
        view.event_time: "From when the values are true.",
        view.known_time: "From when the platform could know them.",
        "day": "The partition that computed the row.",
        **dict.fromkeys(view.entity_keys, "The entity."),
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
