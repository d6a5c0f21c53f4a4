"""The jobs that schedules start. People backfill by selecting assets, not by these."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.defs.dbt import DIMENSIONS, FACTS, MARTS, RESTATED, STAGING
from clientnest_assets.defs.models import MODELS
from clientnest_assets.defs.partitions import Partitions

CLOSE, REFRESH, RESTATE, TRAIN = "close_day", "refresh_today", "restate", "train"


def jobs(partitions: Partitions) -> list[UnresolvedAssetJobDefinition]:
    """The jobs, each over one kind of partition."""
    restated = dg.AssetSelection.assets(*([FACTS, name] for name in RESTATED))
    marts = dg.AssetSelection.groups(MARTS)
    warehouse = dg.AssetSelection.groups("raw", "warehouse", STAGING, DIMENSIONS, FACTS, MARTS)
    everything = dg.AssetSelection.all() - dg.AssetSelection.groups(MODELS)
    return [
        dg.define_asset_job(
            CLOSE,
            everything,
            partitions_def=partitions.daily,
            description="A whole day, from the app's database to the predictions and the docs.",
        ),
        dg.define_asset_job(
            REFRESH,
            warehouse,
            partitions_def=partitions.daily,
            description="Today as far as it has come: raw tables, facts and marts.",
        ),
        dg.define_asset_job(
            RESTATE,
            restated | marts,
            partitions_def=partitions.daily,
            description="The days whose posts the platforms still restate, and the marts over them.",
        ),
        dg.define_asset_job(
            TRAIN,
            dg.AssetSelection.groups(MODELS),
            partitions_def=partitions.weekly,
            description="Every model, for one week.",
        ),
    ]
