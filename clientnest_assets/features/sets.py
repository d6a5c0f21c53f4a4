"""Feature sets: which features a model reads, by name and variant, so that two can be trained side by side.

A model's own derived columns are its business; here is only what it takes from the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView, FeatureViewError

STANDARD: Final = "standard"


@dataclass(frozen=True)
class FeatureSet:
    """What one variant of a model reads of the store: features by view.

    Attributes:
        name: the model's task.
        variant: tells it from other sets of the task.
        description: what the variant is for.
        features: names of features by the name of their view, in the order in which a model sees them.
    """

    name: str
    variant: str
    description: str
    features: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuses a set that names what no view has."""
        unknown = [
            f"{view}.{feature}"
            for view, features in self.features.items()
            for feature in features
            if view not in VIEWS or feature not in VIEWS[view].feature_names
        ]
        if unknown:
            raise FeatureViewError(f"the feature set {self.full_name} names what no view has: {', '.join(unknown)}")

    @property
    def full_name(self) -> str:
        """Name and variant."""
        return f"{self.name}/{self.variant}"

    @property
    def views(self) -> list[FeatureView]:
        """The views that it reads."""
        return [VIEWS[name] for name in self.features]

    @property
    def columns(self) -> list[str]:
        """Its features' names in a joined frame."""
        return [column(VIEWS[view], feature) for view, features in self.features.items() for feature in features]


def all_features_of(*views: str, without: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Every feature of the views, by view, but for those left out (`<view>.<feature>`)."""
    left_out = set(without)
    return {
        view: tuple(name for name in VIEWS[view].feature_names if f"{view}.{name}" not in left_out) for view in views
    }


def feature_set(name: str, variant: str = STANDARD) -> FeatureSet:
    """The declared set.

    Raises:
        FeatureViewError: there is none; the message names those there are.
    """
    if (name, variant) not in SETS:
        known = ", ".join(sorted(each.full_name for each in SETS.values()))
        raise FeatureViewError(f"there is no feature set {name}/{variant}; there are: {known}")
    return SETS[name, variant]


_SETS: Final = (
    FeatureSet(
        "engagement",
        STANDARD,
        "A post's own form and how its account's posts have done.",
        all_features_of("content", "user_engagement_history"),
    ),
)
SETS: Final[Mapping[tuple[str, str], FeatureSet]] = {(each.name, each.variant): each for each in _SETS}
