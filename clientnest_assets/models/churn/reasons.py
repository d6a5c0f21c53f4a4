"""Why a user's chance is what it is, in words: the features that move it most, and by how many points.

The contributions are LightGBM's own (Tree SHAP, Lundberg and Lee 2017) to the log odds. On the chance a reason is worth
what the chance would be less without it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.churn.calibration import sigmoid
from clientnest_assets.models.churn.spec import REASONS
from clientnest_assets.models.encoding import Matrix

LEAST_POINTS: Final = 0.05
"""What would be shown as 0.0 points is no reason."""

WORDS: Final[dict[str, tuple[str, str]]] = {
    "days_since_visit": ("last visit {} days ago", "no visit"),
    "visit_days": ("{} days with a visit so far", "no visit"),
    "recent_visit_days": ("{} days with a visit in the month up to the last one", "no visit"),
    "mean_gap_days": ("{} days from visit to visit on average", "a single day with a visit"),
    "last_gap_days": ("{} days between the last two visits", "a single day with a visit"),
    "silence_ratio": ("silent for {} times the usual gap", "a single day with a visit"),
    "visit_share": ("share of days with a visit: {}", "no visit"),
    "mean_visit_seconds": ("{} seconds on a day with a visit, on average", "no visit"),
    "failed_posts_7d": ("{} posts failed in the last 7 days", "no post failed in the last 7 days"),
    "failed_posts_30d": ("{} posts failed in the last 30 days", "no post failed in the last 30 days"),
    "user_tenure_days": ("signed up {} days ago", "sign-up unknown"),
    "user_activity__sessions_7d": ("{} sessions in the last 7 days", "sessions unknown"),
    "user_activity__sessions_30d": ("{} sessions in the last 30 days", "sessions unknown"),
    "user_activity__sessions_trend": (
        "sessions of the last week against those before (log ratio {})",
        "too new for a trend",
    ),
    "user_activity__posts_created_30d": ("{} posts written in the last 30 days", "posts unknown"),
    "user_activity__posts_published_30d": ("{} posts published in the last 30 days", "posts unknown"),
    "user_activity__days_since_last_post": ("last post written {} days ago", "no post written in the last 30 days"),
    "user_activity__connected_accounts": ("{} connected accounts", "connected accounts unknown"),
    "user_activity__subscription_tier": ("plan: {}", "plan unknown"),
    "author_engagement_history__mean_log_20": (
        "engagement of the last posts {} (mean of log)",
        "no post with mature engagement",
    ),
    "author_engagement_history__recent_against_older": (
        "engagement of the newest posts against those before (log ratio {})",
        "no post with mature engagement",
    ),
    "ai_usage__requests_30d": ("{} AI requests in the last 30 days", "AI use unknown"),
    "ai_usage__completed_share_30d": ("share of AI requests completed: {}", "no AI request in the last 30 days"),
    "support__open_tickets": ("{} open tickets", "tickets unknown"),
    "support__oldest_open_age_days": ("oldest open ticket {} days old", "no open ticket"),
    "support__opened_30d": ("{} tickets opened in the last 30 days", "tickets unknown"),
    "support__mean_resolution_hours_90d": ("{} hours until a ticket was solved", "no ticket solved in 90 days"),
}
"""How a feature's value is said, and its absence. What is not here is said by its name."""


def reasons(rows: pl.DataFrame, features: list[str], contributions: Matrix, log_odds: Vector) -> pl.Series:
    """The strongest reasons of each row, strongest first, such as `last visit 12 days ago: +8.2 points`.

    Points are hundredths of the chance, signed: positive makes leaving likelier. List of texts, one a row.

    Args:
        rows: with the features.
        features: their names, in the order of the contributions.
        contributions: to the calibrated log odds, a line a row and a column a feature.
        log_odds: calibrated, one a row.
    """
    strongest = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :REASONS]
    without = log_odds[:, None] - np.take_along_axis(contributions, strongest, axis=1)
    points = 100 * (sigmoid(log_odds)[:, None] - sigmoid(without))
    row, rank = np.nonzero(np.abs(points) >= LEAST_POINTS)
    told = pl.DataFrame({"row": row, "rank": rank, "feature": strongest[row, rank], "points": points[row, rank]})
    texts = pl.concat(
        [
            of_feature.select(
                "row", "rank", _said(features[number], rows[features[number]][of_feature["row"]]), "points"
            )
            for (number,), of_feature in told.partition_by("feature", as_dict=True).items()
        ]
        or [pl.DataFrame(schema={"row": pl.Int64, "rank": pl.Int64, "said": pl.String, "points": pl.Float64})]
    )
    sign = pl.when(pl.col("points") > 0).then(pl.lit("+")).otherwise(pl.lit("-"))
    size = pl.col("points").abs().round(1).cast(pl.String)
    by_row = (
        texts.sort("row", "rank")
        .group_by("row", maintain_order=True)
        .agg(pl.format("{}: {}{} points", "said", sign, size).alias("reasons"))
    )
    everyone = pl.DataFrame({"row": np.arange(rows.height)})
    found = everyone.join(by_row, on="row", how="left", maintain_order="left")
    return found["reasons"].fill_null(pl.lit([], pl.List(pl.String))).rename("reasons")


def _said(feature: str, values: pl.Series) -> pl.Series:
    there, absent = WORDS.get(feature, (f"{feature}: {{}}", f"{feature}: unknown"))
    numbers = values.round_sig_figs(3) if values.dtype.is_float() else values
    texts = numbers.cast(pl.String).to_frame("value")
    return texts.select(pl.format(there, "value").fill_null(pl.lit(absent)).alias("said"))["said"]
