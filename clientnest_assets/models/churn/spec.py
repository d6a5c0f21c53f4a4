"""What the churn model is: who counts as active and as gone, its own columns, its parameters, the rules it must beat.

No computing here, so that the specification reads as one page. What it reads of the store is in `features/sets.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

TASK: Final = "churn"
ENTITY: Final = "user_id"
LABEL: Final = "is_gone"


@dataclass(frozen=True)
class Definition:
    """Who is judged, and what being gone is; all in whole days.

    Attributes:
        active_within: who was seen in these last days is active, and is judged.
        horizon: by the end of these next days they are gone, or not.
        quiet: gone is who is not seen in the last days of the horizon. As long as the horizon itself, only those would
            be called gone who leave before their next visit, and the model would tell who has left instead of
            foreseeing it.
        every: training looks at each user so often, from a Monday's beginning on: oftener would say the same again.
    """

    active_within: timedelta = timedelta(days=30)
    horizon: timedelta = timedelta(days=30)
    quiet: timedelta = timedelta(days=21)
    every: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        """Refuses what no visit could decide."""
        if not timedelta(0) < self.quiet <= self.horizon:
            raise ValueError(f"quiet days have to be some of the horizon's: {self.quiet} of {self.horizon}")


DAYS_SINCE_VISIT: Final = "days_since_visit"
VISITS: Final = (
    DAYS_SINCE_VISIT,
    "visit_days",
    "recent_visit_days",
    "mean_gap_days",
    "last_gap_days",
    "silence_ratio",
    "mean_visit_seconds",
    "visit_share",
)
"""What a user's visits say (`moments.py`). The share of days since the first visit that had one is the count again, of
which an older user has not more."""
SINCE_FIRST_VISIT: Final = "days_since_first_visit"
FAILED_POSTS: Final = ("failed_posts_7d", "failed_posts_30d")
TIER: Final = "subscription_tier"
TENURE: Final = "user_tenure_days"
"""Since sign-up; where that is unknown, since the first visit."""
OWN_NUMBERS: Final = (TENURE, *VISITS, *FAILED_POSTS)
"""What the trees read beside the feature set: all that can be said of a user by visits and failed posts alone."""
CHURN_RISK: Final = "churn_risk"
"""The product's transparent score, as the fact has it."""
UNKNOWN: Final = "unknown"
TENURE_BANDS: Final = {7: "under a week", 30: "under a month", 90: "under 3 months", 365: "under a year"}
"""By the days below which a user is in the band; the rest are LONGEST_TENURE."""
LONGEST_TENURE: Final = "a year or more"
TENURE_BAND: Final = "tenure_band"

MIN_COUNT: Final = 20
"""A category seen in fewer training examples is treated as unknown."""
MIN_USERS: Final = 20
"""So many users who left, and so many who stayed, are the least to learn from."""
MIN_LATER_USERS: Final = 10
"""So many of each are the least to judge by."""
CALIBRATION_GROUPS: Final = 4
"""A chance is calibrated by trees that have not learned from its user: a quarter of the users at a time."""

NUMBER_OF_TREES: Final = 100
"""Not tuned on each training. More of them rank later users no better: a user's weeks resemble each other, and are
learned by heart. Where there are few examples, leaves that need 60 keep the trees small."""
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 4,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
}
RISES_WITH: Final = frozenset({DAYS_SINCE_VISIT, *FAILED_POSTS, "support__open_tickets"})
"""All else alike, so far as trees know it, a longer silence, a failed post or an open ticket never makes the chance
smaller."""

MEDIUM_FROM: Final = 0.1
HIGH_FROM: Final = 0.3
"""Chances from which a user's band is medium, and high."""
REASONS: Final = 5

TIER_RATE: Final = "tier_rate"
RECENCY: Final = "recency"
RISK_SCORE: Final = "risk_score"
NAIVE_RULES: Final = {
    TIER_RATE: "the share of training examples of the plan that left",
    RECENCY: "the share of training examples that left, of those seen as long ago (tenths by days since the last visit)",
    RISK_SCORE: "the share of training examples that left, of those with the same transparent churn_risk score",
}
