"""The `user_engagement_history` view: how an account's posts have done, as known when each one matured.

Engagement here is log1p of the mature engagement_score, the scale on which posts compare. Young posts
are not looked at: their numbers are still growing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import RESTATEMENT_DAYS, Window

LOG = "log engagement"

FEATURES: Final = (
    Feature("matured_posts", pl.Int64(), "Matured posts of the account so far.", "posts", 0),
    Feature("mean_log", pl.Float64(), "Mean over all matured posts.", LOG),
    Feature("std_log", pl.Float64(), "Standard deviation over all matured posts; null for a single one.", LOG),
    Feature("mean_log_5", pl.Float64(), "Mean over the last 5 posts.", LOG),
    Feature("mean_log_20", pl.Float64(), "Mean over the last 20 posts.", LOG),
    Feature("std_log_20", pl.Float64(), "Standard deviation over the last 20 posts; null for a single one.", LOG),
    Feature("median_log_20", pl.Float64(), "Median over the last 20 posts.", LOG),
    Feature("min_log_20", pl.Float64(), "Least of the last 20 posts.", LOG),
    Feature("max_log_20", pl.Float64(), "Most of the last 20 posts.", LOG),
    Feature("decayed_mean_log", pl.Float64(), "Mean in which a post weighs half of one five posts later.", LOG),
    Feature("recent_against_older", pl.Float64(), "mean_log_5 less mean_log_20.", LOG),
    Feature(
        "slope_log_20", pl.Float64(), "Least-squares slope over the last 20 posts; null below 3.", f"{LOG} per post"
    ),
    Feature(
        "days_between_posts", pl.Float64(), "Mean days between publications among the last 20; null below 2.", "days"
    ),
    Feature("days_since_previous", pl.Float64(), "Days from the previous matured post's publication.", "days"),
)

RECENT: Final = 20
LATEST: Final = 5
HALF_LIFE_POSTS: Final = 5


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per account and moment at which posts of it matured in the window.

    Needs every matured post before the window's end. Each value is built from the posts up to its own row
    in a fixed order, so that a window never depends on where it ends.
    """
    value = pl.col("value")
    number = pl.col("number")
    recent = pl.min_horizontal(number, RECENT)
    # Over consecutive numbers the variance is (n² - 1) / 12, and only the covariance has to be rolled.
    covariance = (number * value).rolling_mean(RECENT, min_samples=1) - number.rolling_mean(
        RECENT, min_samples=1
    ) * value.rolling_mean(RECENT, min_samples=1)
    published = pl.col("published_at")
    gap_days = (published - published.shift(1)).dt.total_microseconds() / timedelta(days=1).total_seconds() / 1e6
    account = "account_id"
    return (
        inputs["fact_posts"]
        .filter(pl.col("mature_engagement_score").is_not_null(), pl.col("mature_at") < window.end_at)
        .select(
            account,
            "post_id",
            "published_at",
            "mature_at",
            pl.col("mature_engagement_score").cast(pl.Float64).log1p().alias("value"),
        )
        .drop_nulls([account, "mature_at"])
        .sort(account, "mature_at", "published_at", "post_id")
        .with_columns(number=pl.int_range(1, pl.len() + 1).cast(pl.Float64).over(account))
        .with_columns(
            matured_posts=number.cast(pl.Int64),
            mean_log=(value.cum_sum() / number).over(account),
            mean_square=((value**2).cum_sum() / number).over(account),
            mean_log_5=value.rolling_mean(LATEST, min_samples=1).over(account),
            mean_log_20=value.rolling_mean(RECENT, min_samples=1).over(account),
            std_log_20=value.rolling_std(RECENT, min_samples=2).over(account),
            median_log_20=value.rolling_median(RECENT, min_samples=1).over(account),
            min_log_20=value.rolling_min(RECENT, min_samples=1).over(account),
            max_log_20=value.rolling_max(RECENT, min_samples=1).over(account),
            decayed_mean_log=value.ewm_mean(half_life=HALF_LIFE_POSTS).over(account),
            slope_log_20=pl.when(number >= 3).then((covariance * 12).over(account) / (recent**2 - 1)),
            days_since_previous=gap_days.over(account),
            days_between_posts=gap_days.rolling_mean(RECENT - 1, min_samples=1).over(account),
        )
        .with_columns(
            std_log=pl.when(number > 1).then(
                ((pl.col("mean_square") - pl.col("mean_log") ** 2).clip(0) * number / (number - 1)).sqrt()
            ),
            recent_against_older=pl.col("mean_log_5") - pl.col("mean_log_20"),
        )
        .filter(pl.col("mature_at") >= window.start_at)
        .unique([account, "mature_at"], keep="last", maintain_order=True)
        .select(
            account,
            pl.col("mature_at").alias("event_at"),
            pl.col("mature_at").alias("known_at"),
            *(feature.name for feature in FEATURES),
            pl.col("mature_at").dt.date().alias(DAY),
        )
    )


OUTCOMES: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("post_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("published_at", MOMENT),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="mature_at",
    days_back=None,
    partition_days=RESTATEMENT_DAYS,
)
USER_ENGAGEMENT_HISTORY: Final = FeatureView(
    name="user_engagement_history",
    version=1,
    entity_keys=("account_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(OUTCOMES,),
    owner="data@clientnest.example",
    ttl=timedelta(days=365),
    description=(
        "One row per account and moment at which posts of it reached their mature engagement: level, spread and "
        "trend of the account's engagement so far."
    ),
)
