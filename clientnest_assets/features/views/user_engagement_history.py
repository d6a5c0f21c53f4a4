"""The views `user_engagement_history` and `author_engagement_history`: how an account's and a user's posts have done.

Two views of one shape, because a new account of a known user has a user's history and none of its own.
Young posts are not looked at: their numbers are still growing. How such posts do at an hour or on a
weekday is not said here but in `platform_timing.py` and `account_audience.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.contracts.content_category import rules
from clientnest_assets.features.log_engagement import LOG, mean_of, millionths, shrunk_mean, std_of
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import RESTATEMENT_DAYS, Window

RECENT: Final = 20
LATEST: Final = 5
HALF_LIFE_POSTS: Final = 5
DAYS: Final = 90
PRIOR_POSTS: Final = 10
"""Posts of one account spread by about 0.8 around its mean, categories by about 0.25: 0.8² / 0.25² posts of a
category tell as much of it as the mean of all does."""
CATEGORIES: Final = tuple((category, category.lower().replace(" ", "_")) for category in rules().categories)


def _features(whose: str) -> tuple[Feature, ...]:
    last = f"the last {RECENT} posts"
    days = f"posts that matured in the {DAYS} days before"
    level, count = pl.Float64(), pl.Int64()
    return (
        Feature(
            "matured_posts", count, f"Matured posts of the {whose} so far.", "posts", 0, minimum=1, moves_with_time=True
        ),
        Feature("mean_log", level, "Mean over all matured posts.", LOG, minimum=0),
        Feature("std_log", level, "Standard deviation over all matured posts; null for a single one.", LOG, minimum=0),
        Feature("mean_log_5", level, f"Mean over the last {LATEST} posts.", LOG, minimum=0),
        Feature("mean_log_20", level, f"Mean over {last}.", LOG, minimum=0),
        Feature("std_log_20", level, f"Standard deviation over {last}; null for a single one.", LOG, minimum=0),
        Feature("median_log_20", level, f"Median over {last}.", LOG, minimum=0),
        Feature("min_log_20", level, f"Least of {last}.", LOG, minimum=0),
        Feature("max_log_20", level, f"Most of {last}.", LOG, minimum=0),
        Feature(
            "decayed_mean_log",
            level,
            f"Mean in which a post weighs half of one {HALF_LIFE_POSTS} posts later.",
            LOG,
            minimum=0,
        ),
        Feature("recent_against_older", level, "mean_log_5 less mean_log_20.", LOG),
        Feature("slope_log_20", level, f"Least-squares slope over {last}; null below 3.", f"{LOG} per post"),
        Feature("days_between_posts", level, f"Mean days between publications among {last}; null below 2.", "days"),
        Feature("days_since_previous", level, "Days from the previous matured post's publication.", "days"),
        Feature("posts_90d", count, f"The {days}.", "posts", 0, minimum=0, max_null_share=0.0),
        Feature("mean_log_90d", level, f"Mean over the {days}; null without any.", LOG, minimum=0),
        Feature("std_log_90d", level, f"Standard deviation over the {days}; null below 2.", LOG, minimum=0),
        Feature("recent_against_90d", level, "mean_log_5 less mean_log_90d; null without the latter.", LOG),
        *(
            Feature(f"posts_90d_{slug}", count, f"The {name} {days}.", "posts", 0, minimum=0, max_null_share=0.0)
            for name, slug in CATEGORIES
        ),
        *(
            Feature(
                f"mean_log_90d_{slug}",
                level,
                f"Mean over the {name} {days}, drawn towards mean_log_90d, which counts like {PRIOR_POSTS} of them.",
                LOG,
                minimum=0,
            )
            for name, slug in CATEGORIES
        ),
    )


ACCOUNT_FEATURES: Final = _features("account")
USER_FEATURES: Final = _features("user")
NAMES: Final = tuple(feature.name for feature in ACCOUNT_FEATURES)
SO_FAR: Final = NAMES[: NAMES.index("posts_90d")]
"""The features that move with a post that matures only, not with one that passes out of the 90 days."""


def _of_accounts(inputs: Inputs, window: Window) -> pl.LazyFrame:
    return _history(inputs["fact_posts"], "account_id", window)


def _of_users(inputs: Inputs, window: Window) -> pl.LazyFrame:
    return _history(inputs["fact_posts"], "user_id", window)


def _history(posts: pl.LazyFrame, entity: str, window: Window) -> pl.LazyFrame:
    """One row per entity and moment in the window at which a post of it matured, or passed out of the 90 days.

    So a row holds from its moment until the next. Needs every matured post before the window's end. Each
    value is built from the posts up to its own row in a fixed order, so that a window never depends on
    where it ends.
    """
    matured = _matured(posts, entity, window)
    passed = matured.select(
        entity,
        pl.col("event_at") + pl.lit(timedelta(days=DAYS)),
        "content_category",
        "exact",
        posts=-pl.col("posts"),
    ).filter(pl.col("event_at") < window.end_at)
    return (
        pl.concat([matured, passed], how="diagonal")
        .sort(entity, "event_at", maintain_order=True)
        .with_columns(pl.col(SO_FAR).forward_fill().over(entity), *_counts_of_90_days(entity))
        .filter(pl.col("event_at") >= window.start_at)
        .unique([entity, "event_at"], keep="last", maintain_order=True)
        .with_columns(
            mean_log_90d=mean_of(pl.col("total"), pl.col("posts_90d")),
            std_log_90d=std_of(pl.col("total"), pl.col("squares"), pl.col("posts_90d")),
        )
        .with_columns(
            (pl.col("mean_log_5") - pl.col("mean_log_90d")).alias("recent_against_90d"),
            *(
                shrunk_mean(
                    pl.col(f"total_{slug}"), pl.col(f"posts_90d_{slug}"), pl.col("mean_log_90d"), PRIOR_POSTS
                ).alias(f"mean_log_90d_{slug}")
                for _, slug in CATEGORIES
            ),
        )
        .select(
            entity,
            "event_at",
            pl.col("event_at").alias("known_at"),
            *NAMES,
            pl.col("event_at").dt.date().alias(DAY),
        )
    )


def _matured(posts: pl.LazyFrame, entity: str, window: Window) -> pl.LazyFrame:
    """One row per matured post, in order, with SO_FAR as of that post."""
    value = pl.col("value")
    number = pl.col("number")
    recent = pl.min_horizontal(number, RECENT)
    # Over consecutive numbers the variance is (n² - 1) / 12, and only the covariance has to be rolled.
    covariance = (number * value).rolling_mean(RECENT, min_samples=1) - number.rolling_mean(
        RECENT, min_samples=1
    ) * value.rolling_mean(RECENT, min_samples=1)
    published = pl.col("published_at")
    gap_days = (published - published.shift(1)).dt.total_microseconds() / timedelta(days=1).total_seconds() / 1e6
    return (
        posts.filter(pl.col("mature_engagement_score").is_not_null(), pl.col("mature_at") < window.end_at)
        .drop_nulls([entity, "mature_at"])
        .sort(entity, "mature_at", "published_at", "post_id")
        .select(
            entity,
            "published_at",
            "content_category",
            event_at="mature_at",
            value=pl.col("mature_engagement_score").cast(pl.Float64).log1p(),
            exact=millionths(),
            posts=pl.lit(1, pl.Int64),
        )
        .with_columns(number=pl.int_range(1, pl.len() + 1).cast(pl.Float64).over(entity))
        .with_columns(
            matured_posts=number.cast(pl.Int64),
            mean_log=(value.cum_sum() / number).over(entity),
            mean_square=((value**2).cum_sum() / number).over(entity),
            mean_log_5=value.rolling_mean(LATEST, min_samples=1).over(entity),
            mean_log_20=value.rolling_mean(RECENT, min_samples=1).over(entity),
            std_log_20=value.rolling_std(RECENT, min_samples=2).over(entity),
            median_log_20=value.rolling_median(RECENT, min_samples=1).over(entity),
            min_log_20=value.rolling_min(RECENT, min_samples=1).over(entity),
            max_log_20=value.rolling_max(RECENT, min_samples=1).over(entity),
            decayed_mean_log=value.ewm_mean(half_life=HALF_LIFE_POSTS).over(entity),
            slope_log_20=pl.when(number >= 3).then((covariance * 12).over(entity) / (recent**2 - 1)),
            days_since_previous=gap_days.over(entity),
            days_between_posts=gap_days.rolling_mean(RECENT - 1, min_samples=1).over(entity),
        )
        .with_columns(
            std_log=pl.when(number > 1).then(
                ((pl.col("mean_square") - pl.col("mean_log") ** 2).clip(0) * number / (number - 1)).sqrt()
            ),
            recent_against_older=pl.col("mean_log_5") - pl.col("mean_log_20"),
        )
    )


def _counts_of_90_days(entity: str) -> list[pl.Expr]:
    """Exact running sums in which a post counts from its maturity until it passes out."""
    step, exact = pl.col("posts"), pl.col("exact")
    sums = {"posts_90d": step, "total": step * exact, "squares": step * exact**2}
    for name, slug in CATEGORIES:
        is_of = pl.col("content_category").eq_missing(pl.lit(name)).cast(pl.Int64)
        sums |= {f"posts_90d_{slug}": step * is_of, f"total_{slug}": step * exact * is_of}
    return [term.cum_sum().over(entity).alias(name) for name, term in sums.items()]


OUTCOMES: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("post_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("content_category", pl.String()),
        ("published_at", MOMENT),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="mature_at",
    days_back=None,
    partition_days=RESTATEMENT_DAYS,
)
ROW: Final = (
    "One row per {} and moment at which a post of it reached its mature engagement, or passed out of the "
    f"{DAYS} days: level, spread and trend of its engagement so far, and by category. A post's category is that of "
    "its text as the facts hold it."
)
USER_ENGAGEMENT_HISTORY: Final = FeatureView(
    name="user_engagement_history",
    version=2,
    entity_keys=("account_id",),
    features=ACCOUNT_FEATURES,
    compute=_of_accounts,
    upstream=(OUTCOMES,),
    owner="data@clientnest.example",
    ttl=timedelta(days=365),
    description=ROW.format("account"),
)
AUTHOR_ENGAGEMENT_HISTORY: Final = FeatureView(
    name="author_engagement_history",
    version=1,
    entity_keys=("user_id",),
    features=USER_FEATURES,
    compute=_of_users,
    upstream=(OUTCOMES,),
    owner="data@clientnest.example",
    ttl=timedelta(days=365),
    description=ROW.format("user, over all their accounts,"),
)
