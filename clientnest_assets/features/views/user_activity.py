"""The `user_activity` view: what a user did in the app over 1, 7 and 30 days, and who they are at the day's end.

Tenure, recency, segment, plan and revenue are the fact's, as they stand there. AI use and support have views of their own.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl
import polars.selectors as cs

from clientnest_assets.contracts import DAY
from clientnest_assets.contracts.app import TIERS
from clientnest_assets.features.daily import AGE, MOST_UNKNOWN, day_by_day, last_days, sum_of, trend, trend_feature
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.partitions import Window

DAYS: Final = 30
SEGMENTS: Final = ("New", "Power User", "Active", "Inactive", "Churned")
UNKNOWN: Final = "unknown"
"""What the warehouse writes where a user's own row has not arrived."""


def _count(name: str, what: str, unit: str, maximum: float | None = None) -> Feature:
    return Feature(name, pl.Int64(), what, unit, 0, minimum=0, maximum=maximum, max_null_share=0.0)


FEATURES: Final = (
    Feature(
        "tenure_days",
        pl.Int64(),
        "Whole days from sign-up to the day's end; null where the user's own row has not arrived.",
        "days",
        0,
        minimum=0,
        max_null_share=MOST_UNKNOWN,
        moves_with_time=True,
    ),
    _count("sessions_1d", "Sessions that began on the day.", "sessions"),
    _count("sessions_7d", "Sessions of the last 7 days.", "sessions"),
    _count("sessions_30d", "Sessions of the last 30 days.", "sessions"),
    trend_feature("sessions_trend", "sessions"),
    _count("active_days_7d", "Days with a session among the last 7.", "days", 7),
    _count("active_days_30d", "Days with a session among the last 30.", "days", 30),
    trend_feature("active_days_trend", "days with a session"),
    _count("session_seconds_1d", "Length of the day's sessions, unknown lengths as 0.", "seconds"),
    _count("session_seconds_7d", "Length of the last 7 days' sessions, unknown lengths as 0.", "seconds"),
    _count("session_seconds_30d", "Length of the last 30 days' sessions, unknown lengths as 0.", "seconds"),
    Feature(
        "mean_session_seconds_30d",
        pl.Float64(),
        "session_seconds_30d / sessions_30d; null without sessions.",
        "seconds",
        minimum=0,
    ),
    _count("posts_created_7d", "Posts written in the last 7 days, whatever became of them.", "posts"),
    _count("posts_created_30d", "Posts written in the last 30 days, whatever became of them.", "posts"),
    trend_feature("posts_created_trend", "posts written"),
    _count("posts_published_1d", "Posts published on the day.", "posts"),
    _count("posts_published_7d", "Posts published in the last 7 days.", "posts"),
    _count("posts_published_30d", "Posts published in the last 30 days.", "posts"),
    Feature(
        "days_since_last_login",
        pl.Int64(),
        "Whole days from the last login to the day's end, 0 with one on the day; null before the first.",
        "days",
        minimum=0,
        moves_with_time=True,
    ),
    Feature(
        "days_since_last_post",
        pl.Int64(),
        "Days since a post was last written, 0 with one on the day; null without any in the last 30 days.",
        "days",
        minimum=0,
        maximum=DAYS - 1,
    ),
    Feature(
        "user_segment",
        pl.String(),
        "The product's user segment at the day's end.",
        default="New",
        values=SEGMENTS,
        max_null_share=0.0,
    ),
    Feature(
        "subscription_tier",
        pl.String(),
        "The plan at the day's end; unknown where the user's own row has not arrived.",
        values=(*TIERS, UNKNOWN),
        max_null_share=0.0,
    ),
    _count("connected_accounts", "Social accounts connected at the day's end.", "accounts"),
    Feature(
        "mrr",
        pl.Float64(),
        "Monthly recurring revenue at the day's end.",
        "USD",
        0.0,
        minimum=0,
        max_null_share=0.0,
    ),
)


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per user and day of the window, for each that the fact has.

    Of the days before the window only rows on which something happened are needed.
    """
    users = inputs["fact_users_daily"]

    def rows_of(day: date) -> pl.LazyFrame:
        return (
            users.filter(pl.col(DAY) == day)
            .join(_done_by(users, day), on="user_id", how="left", validate="1:1")
            .with_columns(cs.matches(r"_\d+d$").fill_null(0))
            .with_columns(
                tenure_days=pl.col("user_tenure_days"),
                sessions_1d=pl.col("sessions"),
                session_seconds_1d=pl.col("session_seconds"),
                posts_published_1d=pl.col("posts_published"),
                mean_session_seconds_30d=pl.when(pl.col("sessions_30d") > 0).then(
                    pl.col("session_seconds_30d") / pl.col("sessions_30d")
                ),
            )
            .with_columns(trend(name).alias(f"{name}_trend") for name in ("sessions", "active_days", "posts_created"))
        )

    return day_by_day(window, rows_of).select(
        "user_id", "event_at", "known_at", *(feature.name for feature in FEATURES), DAY
    )


def _done_by(users: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """What each user did in the 30 days up to a day's end; who did nothing has no row."""
    done = ("sessions", "posts_created", "posts_published")
    return (
        last_days(users, day, DAYS)
        .filter(pl.any_horizontal(pl.col(done) > 0))
        .with_columns(active_days=(pl.col("sessions") > 0).cast(pl.Int64))
        .group_by("user_id")
        .agg(
            sum_of("sessions", 30).alias("sessions_30d"),
            sum_of("active_days", 7).alias("active_days_7d"),
            sum_of("active_days", 30).alias("active_days_30d"),
            sum_of("session_seconds", 7).alias("session_seconds_7d"),
            sum_of("session_seconds", 30).alias("session_seconds_30d"),
            sum_of("posts_created", 30).alias("posts_created_30d"),
            sum_of("posts_published", 7).alias("posts_published_7d"),
            sum_of("posts_published", 30).alias("posts_published_30d"),
            *(sum_of(name, 21, before=7).alias(f"{name}_21d") for name in ("sessions", "active_days", "posts_created")),
            pl.when(pl.col("posts_created") > 0).then(AGE).min().alias("days_since_last_post"),
        )
    )


USERS: Final = Upstream(
    "facts",
    "fact_users_daily",
    columns=(
        ("user_id", pl.Int64()),
        (DAY, pl.Date()),
        ("user_tenure_days", pl.Int64()),
        ("days_since_last_login", pl.Int64()),
        ("user_segment", pl.String()),
        ("subscription_tier", pl.String()),
        ("connected_accounts", pl.Int64()),
        ("mrr", pl.Float64()),
        ("sessions", pl.Int64()),
        ("sessions_7d", pl.Int64()),
        ("session_seconds", pl.Int64()),
        ("posts_created", pl.Int64()),
        ("posts_created_7d", pl.Int64()),
        ("posts_published", pl.Int64()),
    ),
    days_back=DAYS - 1,
    where="day >= {start} or sessions > 0 or posts_created > 0 or posts_published > 0",
)
USER_ACTIVITY: Final = FeatureView(
    name="user_activity",
    version=1,
    entity_keys=("user_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(USERS,),
    owner="data@clientnest.example",
    ttl=timedelta(days=3),
    description="One row per user and day, active or not: visits, posts and recency up to the day's end, and their trends.",
)
