"""Whether the features that a model was trained on are still there, with the meaning that they had."""

from __future__ import annotations

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.errors import ForeignModelError


def views_of(model: Artefact) -> list[FeatureView]:
    """The feature views whose features the model's rows need.

    Raises:
        ForeignModelError: one of them has another definition than when the model was trained, or is gone.
    """
    changed = [
        name
        for name, trained_on in model.card["views"].items()
        if name not in VIEWS or VIEWS[name].definition_hash != trained_on["definition"]
    ]
    if changed:
        raise ForeignModelError(
            f"the model {model.version} was trained on another definition of the feature view {', '.join(changed)} "
            "than there is now: train it again"
        )
    return [VIEWS[name] for name in model.card["views"]]
