"""What the engagement model is: its label, the columns it reads, its parameters, the rules it must beat.

No computing here, so that the specification reads as one page.
"""

from __future__ import annotations

from typing import Any, Final

from clientnest_assets.features.point_in_time import age_column, column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.additive import Traits
from clientnest_assets.models.encoding import FeatureSet

TASK: Final = "engagement"
CONTENT: Final[FeatureView] = VIEWS["content"]
HISTORY: Final[FeatureView] = VIEWS["user_engagement_history"]

LABEL: Final = "log_engagement"
"""log1p of the mature engagement_score: errors count alike for small accounts and large ones."""
LABEL_KNOWN_AT: Final = "mature_at"

MIN_MATURE_POSTS: Final = 200
"""Fewer mature posts than this teach nothing that the naive rules do not know."""

_LEVEL_NUMBERS = ("posts", "surplus", "surplus_5", "surplus_60", "surplus_std_20")
_CONTENT_NUMBERS = (
    "content_length",
    "log_content_length",
    "word_count",
    "hashtag_count",
    "mention_count",
    "emoji_count",
    "exclamation_count",
    "number_count",
    "uppercase_share",
    "has_question",
    "has_link",
    "is_reply",
    "is_repost",
    "ai_generated",
)

_REQUEST_NUMBERS = ("days_ahead", "hours_since_previous_post", "posts_in_1_day", "posts_in_7_days")

TRAITS: Final = Traits(
    numeric=(*(column(CONTENT, name) for name in _CONTENT_NUMBERS), *_REQUEST_NUMBERS),
    levels=("planned_hour", "planned_weekday"),
    categorical=(column(CONTENT, "content_category"), column(CONTENT, "media_type")),
    sets=(column(CONTENT, "hashtags"), column(CONTENT, "words")),
    group="platform",
)
"""What a post's form is, for the additive model of what it adds to its account's level."""

CONTENT_EFFECT: Final = "content_effect"
ACCOUNT_LEVEL: Final = "account_level"
EXPECTED: Final = "expected_log_engagement"

FEATURES: Final = FeatureSet(
    numeric=(
        EXPECTED,
        ACCOUNT_LEVEL,
        CONTENT_EFFECT,
        *(f"{entity}_level__{name}" for entity in ("account", "user") for name in _LEVEL_NUMBERS),
        *(column(CONTENT, name) for name in _CONTENT_NUMBERS),
        *(column(HISTORY, name) for name in HISTORY.feature_names),
        age_column(HISTORY),
        "planned_hour",
        "planned_weekday",
        *_REQUEST_NUMBERS,
    ),
    categorical=("platform", column(CONTENT, "content_category"), column(CONTENT, "media_type")),
)
"""What the trees read."""

MIN_COUNT: Final = 20
"""A category, hashtag or word seen in fewer training posts is treated as unknown."""
MAX_MEMBERS: Final = 500
"""So many hashtags, and so many words, have an effect of their own at most."""
MIN_CONTRASTS: Final = 100
MAX_CONTRASTS: Final = 200_000
"""The newest so many posts teach what form adds: more would cost time and change nothing."""

MAX_TREES: Final = 150
ROWS_PER_TREE: Final = 40
"""A tree for each 40 training rows, up to 150: few rows do not teach many trees. Not tuned on each training:
stopping early on the newest rows was tried, and followed one shift of one account. Past 75 trees the error
hardly moves, because the trees start from EXPECTED."""
PARAMETERS: Final[dict[str, Any]] = {
    # Absolute error: a few viral posts and a few flops must not bend the rest.
    "objective": "regression_l1",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}

PLATFORM_MEAN: Final = "platform_mean"
TRAILING_MEAN: Final = "trailing_mean"
NAIVE_RULES: Final = {
    PLATFORM_MEAN: "mean log engagement of the platform's training posts",
    TRAILING_MEAN: "mean log engagement of the account's last 20 matured posts as known then; else platform_mean",
}
