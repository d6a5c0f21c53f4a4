"""The engagement models of a week side by side, one for each feature set."""

import dagster as dg

from clientnest_assets.defs.metadata import page, table
from clientnest_assets.defs.models import MODELS_GROUP, model_key
from clientnest_assets.defs.partitions import ONE_BY_ONE, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.installation import Installation
from clientnest_assets.models import store
from clientnest_assets.models.engagement.comparison import (
    COMPARISON_SCHEMA,
    better_than_standard,
    compare,
    comparison_sections,
)
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.page import sections_page

STANDARD_IS_BEST = "standard_is_best"


def comparison_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """One asset, by week."""
    sets = ENGAGEMENT.feature_sets
    key = dg.AssetKey([MODELS_GROUP, f"{ENGAGEMENT.name}_comparison"])

    @dg.asset(
        key=key,
        deps=[model_key(ENGAGEMENT, each) for each in sets],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS_GROUP,
        owners=OWNERS,
        kinds={"polars"},
        code_version="2",
        description=(
            "The engagement models of a week side by side, one for each feature set: the same posts to learn from, the "
            "same later posts to be measured on."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                STANDARD_IS_BEST,
                asset=key,
                description="No other variant has a lower mean error than the standard one beyond chance.",
            )
        ],
    )
    def engagement_comparison(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week, lake = window_of(context), installation.lake
        trained = [each for each in sets if week.start in store.trained_weeks(lake, each.task)]
        comparison = (
            compare({each.variant: store.evaluation_rows(lake, each.task, week.start) for each in trained})
            if len(trained) == len(sets)
            else COMPARISON_SCHEMA.to_frame()
        )
        title = f"{ENGAGEMENT.title}: feature sets side by side, week from {week.start}"
        told = comparison_sections(sets, comparison)
        content = sections_page(ENGAGEMENT, title, told, asset=key.to_user_string(), week=week.start)
        location = store.keep_pages(lake, key.path[-1], week.start, {store.PAGE_FILE: content.encode()})
        better = better_than_standard(comparison)
        return dg.MaterializeResult(
            metadata={
                **page(installation, "models", key.path[-1], week.start),
                "comparison": table(comparison),
                "features": {each.variant: len(each.columns) for each in sets},
                "window": str(week),
                "location": location,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=not better,
                    check_name=STANDARD_IS_BEST,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"better": better},
                )
            ],
        )

    return engagement_comparison
