"""The `platform_timing` view: how posts do at each hour of the week on a platform, whoever posts them.

What hours suit one account is in `account_audience.py`. Which hours to suggest to somebody is a model's business.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.daily import AGE, day_by_day, last_days
from clientnest_assets.features.log_engagement import LOG, MILLION, mean_of, millionths
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import ONE_DAY, Window, midnight

DAYS: Final = 90
RECENT_DAYS: Final = 30
HOUR_PRIOR: Final = 10
WEEKDAY_PRIOR: Final = 40
SLOT_PRIOR: Final = 40
"""Posts whose evidence counts like the prior's: the variance of posts around their account's mean, about 0.8², over
that of what is estimated, about 0.25² among hours, and 0.12² among weekdays and among hours of one weekday."""
SLOT: Final = ("platform", "weekday", "hour")

_POSTS = f"matured posts of the last {DAYS} days"

FEATURES: Final = (
    Feature("posts", pl.Int64(), f"The {_POSTS} in the slot.", "posts", 0, minimum=0, max_null_share=0.0),
    Feature(
        "share_of_posts",
        pl.Float64(),
        f"The slot's part of the platform's {_POSTS}; of 168 slots the mean is 0.006.",
        "ratio",
        minimum=0,
        maximum=1,
        max_null_share=0.0,
    ),
    Feature("mean_log_engagement", pl.Float64(), f"Mean over the slot's {_POSTS}; null without any.", LOG, minimum=0),
    Feature(
        "uplift",
        pl.Float64(),
        "Mean over the slot's posts of what each got beyond the other posts of its account; null where no account has "
        "another.",
        LOG,
    ),
    Feature(
        "shrunk_uplift",
        pl.Float64(),
        "uplift, drawn towards what hour and weekday add on the platform, which are drawn towards 0.",
        LOG,
        0.0,
        max_null_share=0.0,
    ),
    Feature(
        "shrunk_uplift_error",
        pl.Float64(),
        "Standard error of shrunk_uplift; null while no account on the platform has two posts.",
        LOG,
        minimum=0,
    ),
    Feature(
        "shrunk_engagement",
        pl.Float64(),
        "shrunk_uplift above the mean of the platform's posts: what its average author may expect.",
        LOG,
        max_null_share=0.0,
    ),
    Feature(
        "trend",
        pl.Float64(),
        f"What the slot's posts of the last {RECENT_DAYS} days alone got beyond shrunk_uplift, the platform's own trend "
        "taken out, drawn towards 0.",
        LOG,
        0.0,
        max_null_share=0.0,
    ),
)


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per platform with matured posts, hour of the week and day of the window, slots without a post too."""
    scored = inputs["fact_posts"].drop_nulls("mature_engagement_score")
    posts = scored.select(
        "platform",
        "account_id",
        "mature_at",
        pl.col("published_at").dt.date().alias(DAY),
        weekday=pl.col("local_published_date").dt.weekday().cast(pl.Int64),
        hour=pl.col("local_published_hour"),
        exact=millionths(),
    )

    def rows_of(day: date) -> pl.LazyFrame:
        return _shrunk(_slots(last_days(posts, day, DAYS).filter(pl.col("mature_at") < midnight(day + ONE_DAY))))

    return day_by_day(window, rows_of).select(
        *SLOT, "event_at", "known_at", *(feature.name for feature in FEATURES), DAY
    )


def _slots(matured: pl.LazyFrame) -> pl.LazyFrame:
    """One row per platform and hour of the week, with its evidence as whole numbers, which add up exactly.

    What a post got beyond the mean of its account's other posts is its deviation from the mean of all of
    them, over 1 - 1 / n. It is weighed with 1 - 1 / n, for the mean of few others is noisy: so deviations
    are summed as they are, and an account with one post, which tells nothing, drops out.
    """
    number, total = pl.len().over("account_id"), pl.col("exact").sum().over("account_id")
    is_recent = pl.col(AGE) < RECENT_DAYS
    found = (
        matured.with_columns(
            deviation=pl.col("exact") - (total / number).round().cast(pl.Int64),
            weight=(MILLION - MILLION / number).round().cast(pl.Int64),
        )
        .group_by(SLOT)
        .agg(
            pl.len().cast(pl.Int64).alias("posts"),
            pl.col("exact", "deviation", "weight").sum(),
            pl.col("deviation").filter(is_recent).sum().alias("recent_deviation"),
            pl.col("weight").filter(is_recent).sum().alias("recent_weight"),
            # Squares of millionths, of a million posts a slot, are more than 64 bits hold.
            squares=pl.col("deviation").cast(pl.Int128).pow(2).sum(),
        )
    )
    return (
        matured.select("platform")
        .unique()
        .join(pl.LazyFrame({"weekday": range(1, 8)}), how="cross")
        .join(pl.LazyFrame({"hour": range(24)}), how="cross")
        .join(found, on=SLOT, how="left", validate="1:1")
        .with_columns(pl.col(*EVIDENCE).fill_null(0))
    )


def _shrunk(slots: pl.LazyFrame) -> pl.LazyFrame:
    """The slots with the view's features.

    Partial pooling in two steps, as A. Gelman and J. Hill, "Data Analysis Using Regression and Multilevel
    Models" (2007), chapter 12: hours and weekdays towards 0, each slot towards the sum of the two.
    """
    deviation, weight = pl.col("deviation"), pl.col("weight")
    by_hour, by_weekday, platform = ["platform", "hour"], ["platform", "weekday"], ["platform"]

    def over(keys: list[str], name: str) -> pl.Expr:
        return pl.col(name).sum().over(keys)

    def evidence(keys: list[str], prior: int) -> pl.Expr:
        return over(keys, "weight") + prior * MILLION

    hour_evidence, weekday_evidence = evidence(by_hour, HOUR_PRIOR), evidence(by_weekday, WEEKDAY_PRIOR)
    slot_evidence = weight + SLOT_PRIOR * MILLION
    of_prior = SLOT_PRIOR * MILLION / slot_evidence
    main_effects = over(by_hour, "deviation") / hour_evidence + over(by_weekday, "deviation") / weekday_evidence
    variance = pl.when(over(platform, "weight") > 0).then(over(platform, "squares") / over(platform, "weight"))
    own_trend = pl.when(over(platform, "recent_weight") > 0).then(
        over(platform, "recent_deviation") / over(platform, "recent_weight")
    )
    shrunk = pl.col("shrunk_uplift")
    recent = pl.col("recent_weight")
    return slots.with_columns(
        share_of_posts=pl.col("posts") / over(platform, "posts"),
        mean_log_engagement=mean_of(pl.col("exact"), pl.col("posts")),
        uplift=pl.when(weight > 0).then(deviation / weight),
        shrunk_uplift=(deviation + main_effects * SLOT_PRIOR * MILLION) / slot_evidence,
        shrunk_uplift_error=(
            variance * (1 / slot_evidence + of_prior**2 * (1 / hour_evidence + 1 / weekday_evidence))
        ).sqrt(),
        platform_mean=mean_of(over(platform, "exact"), over(platform, "posts")),
    ).with_columns(
        shrunk_engagement=pl.col("platform_mean") + shrunk,
        trend=(pl.col("recent_deviation") - recent * (shrunk + own_trend.fill_null(0)))
        / (recent + SLOT_PRIOR * MILLION),
    )


EVIDENCE: Final = ("posts", "exact", "deviation", "weight", "squares", "recent_deviation", "recent_weight")
POSTS: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("account_id", pl.Int64()),
        ("platform", pl.String()),
        ("published_at", MOMENT),
        ("local_published_date", pl.Date()),
        ("local_published_hour", pl.Int64()),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="published_at",
    days_back=DAYS - 1,
    where="mature_engagement_score is not null",
)
PLATFORM_TIMING: Final = FeatureView(
    name="platform_timing",
    version=1,
    entity_keys=SLOT,
    features=FEATURES,
    compute=_compute,
    upstream=(POSTS,),
    owner="data@clientnest.example",
    ttl=timedelta(days=7),
    description=(
        "One row per platform, hour of the week on the author's clock and day's end: how posts published then do, the "
        "author's own level taken out, and drawn towards the platform's where there are few."
    ),
)
