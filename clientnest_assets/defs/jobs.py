"""The jobs that schedules start. People backfill by selecting assets, not by these.

A night goes in three steps, each begun by the success of the one before (`schedules.py`): yesterday is
landed; then the days that its rows may still change are closed anew; then what waits is scored.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.dbt import DIMENSIONS, FACTS, INTERMEDIATE, LAYERS, MARTS, REFERENCE, STAGING
from clientnest_assets.defs.events import ROLLUPS
from clientnest_assets.defs.models import MODELS_GROUP
from clientnest_assets.defs.partitions import WINDOWED, Partitions
from clientnest_assets.defs.predictions import PREDICTIONS

REFRESH, LAND, CLOSE, CORRECT, PREDICT, TRAIN = (
    "refresh_today",
    "land_day",
    "close_window",
    "correct_days",
    "predict_day",
    "train",
)
RETRY_FAILED_ONLY = {"dagster/retry_strategy": "FROM_ASSET_FAILURE"}
"""A retry makes what failed and what hangs on it. By steps, as Dagster does otherwise, it would make whole layers."""
BUILDS_WAREHOUSE = {"clientnest/builds": "warehouse"}
"""Of the runs with this tag one is at work at a time, see `dagster.yaml`."""


def jobs(partitions: Partitions) -> list[UnresolvedAssetJobDefinition]:
    """The jobs, each over one kind of partition."""
    groups = dg.AssetSelection.groups
    windowed = dg.AssetSelection.tag(WINDOWED, "")
    # Part of the intermediate layer is for dimensions, part for facts and marts.
    after_facts = groups(INTERMEDIATE) & windowed.downstream()

    def daily(name: str, selection: dg.AssetSelection, description: str) -> UnresolvedAssetJobDefinition:
        return dg.define_asset_job(
            name,
            selection,
            partitions_def=partitions.daily,
            description=description,
            tags=RETRY_FAILED_ONLY | (BUILDS_WAREHOUSE if name != PREDICT else {}),
        )

    return [
        daily(
            REFRESH,
            groups("raw", ROLLUPS, "warehouse", *LAYERS),
            "Today as far as it has come: raw tables, dimensions, facts and marts.",
        ),
        daily(
            LAND,
            groups("raw", ROLLUPS, "warehouse", REFERENCE, STAGING, INTERMEDIATE, DIMENSIONS) - after_facts,
            "A day's rows, from the app and the inbox into the warehouse.",
        ),
        daily(
            CLOSE,
            groups(FACTS, "features", MARTS, "experiments", "docs") | after_facts,
            "The days that newly landed rows may still change: facts, features, marts and the docs site.",
        ),
        daily(
            CORRECT,
            # The views among them are gone since their dimensions were built anew.
            windowed | after_facts | groups("features"),
            "Days long closed that a late or restated row is about: facts, features and marts by day.",
        ),
        daily(PREDICT, groups(PREDICTIONS), "What the models in use say of the day."),
        dg.define_asset_job(
            TRAIN,
            groups(MODELS_GROUP),
            partitions_def=partitions.weekly,
            description="Every model, for one week, and whether it is put in use.",
            tags=RETRY_FAILED_ONLY,
        ),
    ]
