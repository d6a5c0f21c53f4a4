"""Tables of the warehouse as series: one row a series and day on which its value is known.

What is made of them is in `states.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.growth.quantity import GROUP, SERIES, VALUE

TOTAL: Final = "total"
"""The sum of all plans, a series of its own."""
CENTS: Final = 100

FOLLOWERS_BY_DAY: Final = Upstream(
    "facts",
    "fact_social_daily",
    columns=(("account_id", pl.Int64()), ("platform", pl.String()), (DAY, pl.Date()), ("followers", pl.Int64())),
    days_back=None,
)
SUBSCRIPTIONS: Final = Upstream(
    "facts",
    "fact_subscription_events",
    columns=(
        ("subscription_event_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("occurred_at", MOMENT),
        ("to_tier", pl.String()),
        ("mrr_after", pl.Float64()),
    ),
    moment="occurred_at",
    days_back=None,
)
MRR_BY_DAY: Final = Upstream(
    "marts",
    "mrr_movements",
    columns=((DAY, pl.Date()), ("is_subscriptions_missing", pl.Boolean())),
    days_back=None,
)


def followers(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """One row per account and day on which its platform told its followers before `until`, by account and day.

    An account's platform is the last one told.
    """
    told = (
        inputs["fact_social_daily"]
        .filter(pl.col(DAY) < until.date(), pl.col("followers") >= 0)
        .select(
            pl.col("account_id").alias(SERIES),
            pl.col("platform").fill_null("unknown").alias(GROUP),
            DAY,
            pl.col("followers").cast(pl.Float64).alias(VALUE),
        )
        .collect()
    )
    return told.sort(SERIES, DAY).with_columns(pl.col(GROUP).last().over(SERIES))


def mrr(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """One row per plan that ever earned, and TOTAL, and day on which subscriptions were loaded, by plan and day.

    A series starts with its first revenue. A day that was never loaded has no row: nothing is known of it, which is not
    that nothing changed. In whole cents up to the end, so that plans add up to their total.
    """
    changes = _changes(inputs["fact_subscription_events"], until)
    days = _loaded_days(inputs["mrr_movements"], until)
    if changes.is_empty() or days.is_empty():
        return pl.DataFrame(
            schema={SERIES: pl.String(), GROUP: pl.String(), DAY: pl.Date(), VALUE: pl.Float64()},
        )
    first = changes.group_by(SERIES).agg(pl.col(DAY).min().alias("first"))
    ends = changes.select(pl.col(DAY).min().alias("first")).hstack(days.select(pl.col(DAY).max().alias("last")))
    every = ends.select(pl.date_ranges("first", "last").alias(DAY)).explode(DAY)
    return (
        first.join(every, how="cross")
        .filter(pl.col(DAY) >= pl.col("first"))
        .join(changes, on=[SERIES, DAY], how="left")
        .sort(SERIES, DAY)
        .with_columns((pl.col("cents").fill_null(0).cum_sum().over(SERIES) / CENTS).round(2).alias(VALUE))
        .join(days, on=DAY, how="semi")
        .sort(SERIES, DAY)
        .select(SERIES, pl.col(SERIES).alias(GROUP), DAY, VALUE)
    )


def _loaded_days(movements: pl.LazyFrame, until: datetime) -> pl.DataFrame:
    return (
        movements.filter(pl.col(DAY) < until.date(), ~pl.col("is_subscriptions_missing")).select(DAY).unique().collect()
    )


def _changes(events: pl.LazyFrame, until: datetime) -> pl.DataFrame:
    """What each day added to each plan's revenue and to the total's, in cents; a move is a loss here and a gain there."""
    cents = (pl.col("mrr_after") * CENTS).round().cast(pl.Int64)
    steps = (
        events.filter(pl.col("occurred_at") < until)
        .sort("user_id", "occurred_at", "subscription_event_id")
        .with_columns(pl.col("occurred_at").dt.date().alias(DAY), cents=cents)
        .with_columns(
            tier_before=pl.col("to_tier").shift(1).over("user_id"),
            cents_before=pl.col("cents").shift(1).over("user_id"),
        )
    )
    gained = steps.select(DAY, pl.col("to_tier").alias(SERIES), "cents")
    lost = steps.select(DAY, pl.col("tier_before").alias(SERIES), (-pl.col("cents_before")).alias("cents"))
    parts = pl.concat([gained, lost]).drop_nulls()
    earning = parts.filter(pl.col("cents") != 0).select(SERIES).unique()
    parts = parts.join(earning, on=SERIES, how="semi")
    whole = parts.with_columns(pl.lit(TOTAL).alias(SERIES))
    return pl.concat([parts, whole]).group_by(SERIES, DAY).agg(pl.col("cents").sum()).sort(SERIES, DAY).collect()
