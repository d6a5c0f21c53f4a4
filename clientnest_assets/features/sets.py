"""Feature sets: which features a model reads, by name and variant, so that two can be trained side by side.

Every set declared here is trained: a variant more is an entry more. What a model makes of its set, and columns
of its own, are its business (`models/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView, FeatureViewError
from clientnest_assets.features.views.user_engagement_history import SO_FAR

STANDARD: Final = "standard"


@dataclass(frozen=True)
class FeatureSet:
    """What one variant of a model reads of the store: features by view.

    Attributes:
        name: the model's task.
        variant: tells it from other sets of the task.
        description: what the variant is for.
        features: names of features by the name of their view, in the order in which a model sees them.
        left_out: why a feature (`<view>.<feature>`) is in no set of the task.
    """

    name: str
    variant: str
    description: str
    features: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses a set that names what no view has."""
        named = [(view, feature) for view, features in self.features.items() for feature in features]
        named += [(view, feature) for view, _, feature in (name.partition(".") for name in self.left_out)]
        unknown = [
            f"{view}.{feature}"
            for view, feature in named
            if view not in VIEWS or feature not in VIEWS[view].feature_names
        ]
        if unknown:
            raise FeatureViewError(f"the feature set {self.full_name} names what no view has: {', '.join(unknown)}")

    @property
    def full_name(self) -> str:
        """Name and variant."""
        return f"{self.name}/{self.variant}"

    @property
    def task(self) -> str:
        """Under which a model trained on it is kept: the standard one under the name alone."""
        return self.name if self.variant == STANDARD else f"{self.name}_{self.variant}"

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


def variants(name: str) -> list[FeatureSet]:
    """Every set of that name, the standard one first."""
    return [each for each in SETS.values() if each.name == name]


_HISTORY: Final = {"user_engagement_history": SO_FAR}
"""Not its levels by category over 90 days: on an account that rises they made predictions worse."""

_SETS: Final = (
    FeatureSet(
        "engagement",
        STANDARD,
        "A post's form, how its account's posts have done, and how many follow the account.",
        all_features_of("content") | _HISTORY | {"account_audience": ("log_followers",)},
    ),
    FeatureSet(
        "engagement",
        "lean",
        "The least the model can do with: a post's form, and how its account's posts have done.",
        all_features_of("content") | _HISTORY,
    ),
    FeatureSet(
        "engagement",
        "wide",
        "Everything the store knows of the post, its account, its author and its slot.",
        all_features_of(*VIEWS),
    ),
    FeatureSet(
        "early_signal",
        STANDARD,
        "What the engagement model reads, as known a day after publication.",
        all_features_of("content") | _HISTORY | {"account_audience": ("log_followers",)},
    ),
    FeatureSet(
        "churn",
        STANDARD,
        "How much a user visits, posts and asks the AI, how their posts do, their plan, and the tickets they opened.",
        {
            "user_activity": (
                "sessions_7d",
                "sessions_30d",
                "sessions_trend",
                "posts_created_30d",
                "posts_published_30d",
                "days_since_last_post",
                "connected_accounts",
                "subscription_tier",
            ),
            "author_engagement_history": ("mean_log_20", "recent_against_older"),
            "ai_usage": ("requests_30d", "completed_share_30d"),
            "support": ("open_tickets", "oldest_open_age_days", "opened_30d", "mean_resolution_hours_90d"),
        },
    ),
    FeatureSet(
        "hashtags",
        STANDARD,
        "What a post's text and form say: its hashtags, what they go along with, and what else moves engagement.",
        {
            "content": (
                "content_category",
                "media_type",
                "content_length",
                "ai_generated",
                "hashtag_count",
                "hashtags",
                "words",
            )
        },
    ),
)
SETS: Final[Mapping[tuple[str, str], FeatureSet]] = {(each.name, each.variant): each for each in _SETS}
