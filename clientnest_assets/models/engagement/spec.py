"""What the engagement model is: its label, the columns it reads, its parameters, the rules it must beat.

No computing here, so that the specification reads as one page.
"""

from __future__ import annotations

from typing import Any, Final

from clientnest_assets.features.point_in_time import age_column, column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.encoding import FeatureSet

TASK: Final = "engagement"
CONTENT: Final[FeatureView] = VIEWS["content"]
HISTORY: Final[FeatureView] = VIEWS["user_engagement_history"]

LABEL: Final = "log_engagement"
"""log1p of the mature engagement_score: errors count alike for small accounts and large ones."""
LABEL_KNOWN_AT: Final = "mature_at"

MIN_MATURE_POSTS: Final = 200
"""Fewer mature posts than this teach nothing that the naive rules do not know."""

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

FEATURES: Final = FeatureSet(
    numeric=(
        *(column(CONTENT, name) for name in _CONTENT_NUMBERS),
        *(column(HISTORY, name) for name in HISTORY.feature_names),
        age_column(HISTORY),
        "planned_hour",
        "planned_weekday",
        "days_ahead",
        "hours_since_previous_post",
        "posts_in_1_day",
        "posts_in_7_days",
    ),
    categorical=("platform", column(CONTENT, "content_category"), column(CONTENT, "media_type")),
    sets=(column(CONTENT, "hashtags"),),
)

MIN_COUNT: Final = 20
"""A category or hashtag seen in fewer training posts is treated as unknown."""
MAX_HASHTAGS: Final = 64

MAX_ROUNDS: Final = 2000
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "regression",
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
