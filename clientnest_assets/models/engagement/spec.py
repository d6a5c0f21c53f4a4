"""What the engagement model is: its label, its own columns, its parameters, the rules it must beat.

No computing here, so that the specification reads as one page. What it reads of the store is in `features/sets.py`.
"""

from __future__ import annotations

from typing import Any, Final

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView

TASK: Final = "engagement"
CONTENT: Final[FeatureView] = VIEWS["content"]
HISTORY: Final[FeatureView] = VIEWS["user_engagement_history"]

LABEL: Final = "log_engagement"
"""log1p of the mature engagement_score: errors count alike for small accounts and large ones."""
LABEL_KNOWN_AT: Final = "mature_at"

MIN_MATURE_POSTS: Final = 200
"""Fewer mature posts than this teach nothing that the naive rules do not know."""

CONTENT_EFFECT: Final = "content_effect"
ACCOUNT_LEVEL: Final = "account_level"
EXPECTED: Final = "expected_log_engagement"
EXPECTATIONS: Final = (EXPECTED, ACCOUNT_LEVEL, CONTENT_EFFECT)
LEVELS: Final = tuple(
    f"{entity}_level__{name}"
    for entity in ("account", "user")
    for name in ("posts", "surplus", "surplus_5", "surplus_60", "surplus_std_20")
)
FOLLOWERS: Final = "account_audience__log_followers"
"""What to expect of an account grows with it, where the feature set has it (`audience.py`)."""
SLOT: Final = ("hour", "weekday")
"""When the post is to appear, on the author's clock."""
REQUEST_NUMBERS: Final = ("days_ahead", "hours_since_previous_post", "posts_in_1_day", "posts_in_7_days")
"""What the model derives itself, beside what its feature set takes from the store (`columns.py`)."""

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
