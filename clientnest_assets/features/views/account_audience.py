"""The `account_audience` view: who follows an account, how that grows, and when its posts find their engagement.

How its posts do at all is in `user_engagement_history.py`. When a platform's audience is there, whoever posts,
is in `platform_timing.py`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.daily import day_by_day, last_days, sum_of
from clientnest_assets.features.log_engagement import LOG, MILLION, millionths
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import ONE_DAY, Window, midnight

CARRIED_DAYS: Final = 14
"""So many days an observation stands for the account where no newer one came."""
WEEK: Final = 7
MONTH: Final = 30
DAYS: Final = 90
MIN_POSTS: Final = 5
"""From fewer posts no best hour is told."""
PRIOR_POSTS: Final = 10
"""Posts of one account spread by about 0.8 around its mean, hours by about 0.25: 0.8² / 0.25² posts at an hour tell
as much of it as the mean of all does."""
EVENING: Final = (17, 22)
SATURDAY: Final = 6
ENGAGEMENT_CATEGORIES: Final = ("Low", "Medium", "High", "Excellent")

_TIMED = f"the account's matured posts of the last {DAYS} days"


def _count(name: str, what: str) -> Feature:
    return Feature(name, pl.Int64(), what, "posts", 0, minimum=0, max_null_share=0.0)


def _part(name: str, of_those: str) -> Feature:
    what = f"Part of the engagement of {_TIMED} that went to those published {of_those}; null where there was none."
    return Feature(name, pl.Float64(), what, "ratio", minimum=0, maximum=1)


def _rate(days: int) -> Feature:
    what = f"follower_growth_{days}d as a part of the followers before; null where there were none."
    return Feature(f"follower_growth_rate_{days}d", pl.Float64(), what, "ratio", minimum=-1)


FEATURES: Final = (
    Feature("followers", pl.Int64(), f"Followers, as last told in {CARRIED_DAYS} days.", "people", minimum=0),
    Feature("log_followers", pl.Float64(), "Natural logarithm of 1 + followers.", "log people", minimum=0),
    Feature(
        "following", pl.Int64(), f"Accounts it follows, as last told in {CARRIED_DAYS} days.", "accounts", minimum=0
    ),
    Feature("follower_growth_7d", pl.Int64(), f"followers less what they were {WEEK} days before.", "people"),
    Feature("follower_growth_30d", pl.Int64(), f"followers less what they were {MONTH} days before.", "people"),
    _rate(WEEK),
    _rate(MONTH),
    Feature(
        "follower_growth_acceleration",
        pl.Float64(),
        f"Daily growth rate of the last {WEEK} days less that of the last {MONTH}.",
        "ratio per day",
    ),
    Feature(
        "engagement_rate",
        pl.Float64(),
        f"The platform's own engagement rate, as last told in {CARRIED_DAYS} days.",
        "ratio",
        minimum=0,
    ),
    Feature(
        "engagement_category", pl.String(), "The product's category of engagement_rate.", values=ENGAGEMENT_CATEGORIES
    ),
    Feature(
        "days_since_observed",
        pl.Float64(),
        "Days from the last observation to the day's end.",
        "days",
        minimum=0,
        maximum=CARRIED_DAYS,
        max_null_share=0.0,
    ),
    _count("posts_published_7d", f"Posts published in the last {WEEK} days."),
    _count("posts_published_30d", f"Posts published in the last {MONTH} days."),
    _count("timed_posts_90d", f"Number of {_TIMED}: what the hours rest on."),
    Feature(
        "best_hour",
        pl.Int64(),
        f"The hour on the author's clock whose posts did best: the greatest mean of {_TIMED}, drawn towards their mean, "
        f"which counts like {PRIOR_POSTS} posts; the earliest of equals, null below {MIN_POSTS} posts.",
        "hour of the day",
        minimum=0,
        maximum=23,
    ),
    Feature("best_hour_uplift", pl.Float64(), "That drawn mean of best_hour less the mean of all.", LOG),
    _part("best_hour_share", "at best_hour"),
    Feature(
        "best_weekday",
        pl.Int64(),
        "The weekday on the author's clock whose posts did best, 1 Monday to 7 Sunday, found as best_hour is.",
        "weekday",
        minimum=1,
        maximum=7,
    ),
    Feature("best_weekday_uplift", pl.Float64(), "That drawn mean of best_weekday less the mean of all.", LOG),
    _part("best_weekday_share", "on best_weekday"),
    _part("evening_share", f"from {EVENING[0]}:00 to {EVENING[1]}:59 on the author's clock"),
    _part("weekend_share", "on a Saturday or Sunday of the author"),
)


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per account and day of the window, for each observed on the day or in the days it is carried over."""
    observations, posts = inputs["fact_social_daily"], _with_clock(inputs["fact_posts"])

    def rows_of(day: date) -> pl.LazyFrame:
        end = midnight(day + ONE_DAY)
        timed = last_days(posts, day, DAYS).filter(pl.col("score").is_not_null(), pl.col("mature_at") < end)
        return (
            _observed(observations, day)
            .join(_followers_before(observations, day, WEEK), on="account_id", how="left", validate="1:1")
            .join(_followers_before(observations, day, MONTH), on="account_id", how="left", validate="1:1")
            .join(_published(posts, day), on="account_id", how="left", validate="1:1")
            .join(_when(timed), on="account_id", how="left", validate="1:1")
            .with_columns(pl.col("posts_published_7d", "posts_published_30d", "timed_posts_90d").fill_null(0))
            .with_columns(
                pl.col("followers").log1p().alias("log_followers"),
                *_growth(WEEK),
                *_growth(MONTH),
                days_since_observed=(pl.lit(end) - pl.col("observed_at")) / ONE_DAY,
            )
            .with_columns(
                follower_growth_acceleration=pl.col("follower_growth_rate_7d") / WEEK
                - pl.col("follower_growth_rate_30d") / MONTH,
            )
        )

    return day_by_day(window, rows_of).select(
        "account_id", "event_at", "known_at", *(feature.name for feature in FEATURES), DAY
    )


def _observed(observations: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """What was last known of each account at the day's end. Not every observation tells everything."""
    told = ("followers", "following", "engagement_rate", "engagement_category")
    return (
        last_days(observations, day, CARRIED_DAYS)
        .sort("account_id", DAY)
        .group_by("account_id", maintain_order=True)
        .agg(pl.col("observed_at").last(), pl.col(told).drop_nulls().last())
    )


def _followers_before(observations: pl.LazyFrame, day: date, days: int) -> pl.LazyFrame:
    return _observed(observations, day - days * ONE_DAY).select(
        "account_id", pl.col("followers").alias(f"followers_{days}d_before")
    )


def _growth(days: int) -> tuple[pl.Expr, pl.Expr]:
    """Followers gained in so many days, and as a part of those before."""
    before = pl.col(f"followers_{days}d_before")
    gained = pl.col("followers") - before
    return (
        gained.alias(f"follower_growth_{days}d"),
        pl.when(before > 0).then(gained / before).alias(f"follower_growth_rate_{days}d"),
    )


def _published(posts: pl.LazyFrame, day: date) -> pl.LazyFrame:
    return (
        last_days(posts, day, MONTH)
        .with_columns(one=pl.lit(1, pl.Int64))
        .group_by("account_id")
        .agg(sum_of("one", WEEK).alias("posts_published_7d"), sum_of("one", MONTH).alias("posts_published_30d"))
    )


def _with_clock(posts: pl.LazyFrame) -> pl.LazyFrame:
    """The posts with their day, and with hour and weekday on the author's clock."""
    return posts.with_columns(
        pl.col("published_at").dt.date().alias(DAY),
        exact=millionths(),
        score=pl.col("mature_engagement_score"),
        hour=pl.col("local_published_hour"),
        weekday=pl.col("local_published_date").dt.weekday().cast(pl.Int64),
    )


def _when(timed: pl.LazyFrame) -> pl.LazyFrame:
    """One row per account with matured posts: when those that found engagement were published."""
    is_evening = pl.col("hour").is_between(*EVENING)
    is_weekend = pl.col("weekday") >= SATURDAY
    accounts = timed.group_by("account_id").agg(
        pl.len().cast(pl.Int64).alias("timed_posts_90d"),
        pl.col("exact").sum().alias("total"),
        pl.col("score").sum().alias("all_score"),
        pl.col("score").filter(is_evening).sum().alias("evening_score"),
        pl.col("score").filter(is_weekend).sum().alias("weekend_score"),
    )
    return (
        accounts.join(_best(timed, accounts, "hour"), on="account_id", how="left", validate="1:1")
        .join(_best(timed, accounts, "weekday"), on="account_id", how="left", validate="1:1")
        .with_columns(_share("evening_score").alias("evening_share"), _share("weekend_score").alias("weekend_share"))
    )


def _best(timed: pl.LazyFrame, accounts: pl.LazyFrame, slot: str) -> pl.LazyFrame:
    """The slot that did best, by the mean of its posts drawn towards that of all: as in `shrunk_mean`, less the latter.

    In whole numbers as far as it goes, so that slots that did alike are equal and the earliest is taken.
    """
    posts, slot_posts = pl.col("timed_posts_90d"), pl.col("slot_posts")
    beyond_mean = pl.col("slot_total") * posts - pl.col("total") * slot_posts
    return (
        timed.group_by("account_id", slot)
        .agg(
            pl.len().cast(pl.Int64).alias("slot_posts"),
            pl.col("exact").sum().alias("slot_total"),
            pl.col("score").sum().alias("slot_score"),
        )
        .join(accounts.filter(pl.col("timed_posts_90d") >= MIN_POSTS), on="account_id", validate="m:1")
        .with_columns(uplift=beyond_mean / posts / MILLION / (slot_posts + PRIOR_POSTS))
        .sort("account_id", "uplift", slot, descending=[False, True, False])
        .unique("account_id", keep="first", maintain_order=True)
        .select(
            "account_id",
            pl.col(slot).alias(f"best_{slot}"),
            pl.col("uplift").alias(f"best_{slot}_uplift"),
            _share("slot_score").alias(f"best_{slot}_share"),
        )
    )


def _share(score: str) -> pl.Expr:
    """A part of the account's engagement; null where there was none."""
    return pl.when(pl.col("all_score") > 0).then(pl.col(score) / pl.col("all_score"))


OBSERVATIONS: Final = Upstream(
    "facts",
    "fact_social_daily",
    columns=(
        ("account_id", pl.Int64()),
        (DAY, pl.Date()),
        ("observed_at", MOMENT),
        ("followers", pl.Int64()),
        ("following", pl.Int64()),
        ("engagement_rate", pl.Float64()),
        ("engagement_category", pl.String()),
    ),
    days_back=MONTH + CARRIED_DAYS - 1,
)
POSTS: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("account_id", pl.Int64()),
        ("published_at", MOMENT),
        ("local_published_date", pl.Date()),
        ("local_published_hour", pl.Int64()),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="published_at",
    days_back=DAYS - 1,
)
ACCOUNT_AUDIENCE: Final = FeatureView(
    name="account_audience",
    version=1,
    entity_keys=("account_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(OBSERVATIONS, POSTS),
    owner="data@clientnest.example",
    ttl=timedelta(days=7),
    description=(
        f"One row per account and day's end, for accounts observed in the last {CARRIED_DAYS} days: followers and their "
        "growth, the platform's engagement rate, and the hours and weekdays at which its posts did best."
    ),
)
