"""What the parts of the engagement model share: names of columns, parameters, the rules it must beat.

No computing here. What the model is as a whole is in `declaration.py`, what it reads of the store in `features/sets.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView

TASK: Final = "engagement"
CONTENT: Final[FeatureView] = VIEWS["content"]
HISTORY: Final[FeatureView] = VIEWS["user_engagement_history"]

LABEL: Final = "log_engagement"
"""log1p of the mature engagement_score: errors count alike for small accounts and large ones."""
PREDICTED: Final = "predicted_log_engagement"

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
YOUNG_SURPLUS: Final = "young_surplus"
YOUNG: Final = ("young_posts", YOUNG_SURPLUS)
"""Posts of the account that are not mature yet (`young.py`)."""
DRIFT: Final = "drift"
"""How posts do lately, whoever writes them (`drift.py`)."""
REQUEST_NUMBERS: Final = ("days_ahead", "hours_since_previous_post", "posts_in_1_day", "posts_in_7_days")
"""What the model derives itself, beside what its feature set takes from the store (`columns.py`)."""

MIN_COUNT: Final = 20
"""A category, hashtag or word seen in fewer training posts is treated as unknown."""
MAX_MEMBERS: Final = 500
"""So many hashtags, and so many words, have an effect of their own at most."""
RECENT: Final = timedelta(days=180)
MIN_RECENT: Final = 1_500
"""The model learns from the posts of the last half a year, or the newest so many where those are fewer: what an account's
audience likes changes. Older ones still tell what is to be expected of their account."""
MIN_COMPARED: Final = 100
"""From fewer posts that can be compared with others of their account nothing is learned of form."""
MAX_COMPARED: Final = 200_000
"""The newest so many posts teach what form adds: more would cost time and change nothing."""

MAX_TREES: Final = 50
ROWS_PER_TREE: Final = 30
"""A tree for each 30 training rows, up to 50: few rows do not teach many trees. Not tuned on each training:
stopping early on the newest rows was tried, and followed one shift of one account. Three times as many, of half the learning
rate and twice the leaves, make the error no smaller, because the trees start from EXPECTED, and predictions take four times
as long."""
MAX_BOUND_TREES: Final = 30
"""Of each bound: with more, intervals are no better, and cover more than they say where posts are few."""
PARAMETERS: Final[dict[str, Any]] = {
    # Absolute error: a few viral posts and a few flops must not bend the rest.
    "objective": "regression_l1",
    "learning_rate": 0.1,
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}

LOW, HIGH = ("low_log_engagement", "high_log_engagement")
"""Bounds of the interval, on the scale of LABEL."""
INTERVAL: Final = 0.8
TAIL: Final = (1 - INTERVAL) / 2
POINT, BELOW, ABOVE = "point", "low", "high"
"""Names of the trees."""
QUANTILE_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    BELOW: {**PARAMETERS, "objective": "quantile", "alpha": TAIL},
    ABOVE: {**PARAMETERS, "objective": "quantile", "alpha": 1 - TAIL},
}

TIERS: Final = ("Low", "Medium", "High", "Viral")
CHANCES: Final = tuple(f"chance_{tier.lower()}" for tier in TIERS)
BOUNDARIES: Final = ("low_up_to", "medium_up_to", "high_up_to")
"""Quartiles of the scores of a post's platform: the greatest score of each tier but the last."""

PLATFORM_MEAN: Final = "platform_mean"
TRAILING_MEAN: Final = "trailing_mean"
NAIVE_RULES: Final = {
    PLATFORM_MEAN: "mean log engagement of the platform's training posts",
    TRAILING_MEAN: "mean log engagement of the account's last 20 matured posts as known then; else platform_mean",
}
