"""Which page of the product tells people more of an asset. Where a partition has one, its metadata says so too."""

from collections.abc import Iterable

import dagster as dg

from clientnest_assets.defs.metadata import address_of
from clientnest_assets.defs.models import model_key, promotion_key, sets_of, task_of
from clientnest_assets.defs.performance import performance_key
from clientnest_assets.defs.predictions import PREDICTIONS
from clientnest_assets.defs.tuning import tuning_key
from clientnest_assets.installation import Installation
from clientnest_assets.models.registry import MODELS


def with_pages(assets: Iterable[dg.AssetsDefinition], installation: Installation) -> list[dg.AssetsDefinition]:
    """The assets, those of models with a link to the model's page, or to that of its searches."""
    paths = _paths()

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        path = paths.get(spec.key)
        # Not `page`: in the UI that of the newest partition would hide it.
        return spec.merge_attributes(metadata={"pages": address_of(installation, *path)}) if path else spec

    return [each.map_asset_specs(linked) for each in assets]


def _paths() -> dict[dg.AssetKey, tuple[str, ...]]:
    found: dict[dg.AssetKey, tuple[str, ...]] = {}
    for model in MODELS.values():
        for features in sets_of(model):
            found[model_key(model, features)] = ("models", task_of(model, features))
        for key in (promotion_key(model), dg.AssetKey([PREDICTIONS, model.name]), performance_key(model)):
            found[key] = ("models", model.name)
        found[tuning_key(model)] = ("models", model.name, "tuning")
    return found
