"""What daily views share: one row an entity at each day's end, sums over the days up to it, and trends.

Each day is computed by itself, from what lies in its own look-back: a value cannot depend on the window in which it is
computed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.view import MOMENT, Feature
from clientnest_assets.partitions import ONE_DAY, Window, midnight

AGE: Final = "age_days"
"""Whole days from a row's day to the day that is computed: 0 on the day itself."""
TREND_DAYS: Final = 28
"""A trend sets the last 7 days against the 21 before them."""
MOST_UNKNOWN: Final = 0.05
"""The largest share of a day's users whose own row may not have arrived, so that tenure and plan are unknown."""


def day_by_day(window: Window, rows_of: Callable[[date], pl.LazyFrame]) -> pl.LazyFrame:
    """What `rows_of` gives for each day, with the times of the day's end added as `event_at`, `known_at` and `day`."""
    return pl.concat(
        rows_of(day).with_columns(
            pl.lit(midnight(day + ONE_DAY), MOMENT).alias("event_at"),
            pl.lit(midnight(day + ONE_DAY), MOMENT).alias("known_at"),
            pl.lit(day).alias(DAY),
        )
        for day in window.days()
    )


def last_days(rows: pl.LazyFrame, day: date, days: int) -> pl.LazyFrame:
    """The rows of a day and of those before it, so many days in all, with AGE added."""
    age = (pl.lit(day) - pl.col(DAY)).dt.total_days()
    return rows.filter(pl.col(DAY) <= day, pl.col(DAY) > day - days * ONE_DAY).with_columns(age.alias(AGE))


def sum_of(column: str, days: int, *, before: int = 0) -> pl.Expr:
    """The column's sum over so many days, of which the last is `before` days before the one that is computed.

    For whole numbers and decimals, whose sums are exact in any order.
    """
    value = pl.col(column)
    return pl.when(pl.col(AGE).is_between(before, before + days - 1)).then(value).sum()


def trend(name: str) -> pl.Expr:
    """How `<name>_7d` stands to a mean week of the 21 days before, `<name>_21d`: log((1 + 7d) / (1 + 21d / 3)).

    0 is no change. The ones keep small numbers from making large ratios, and the logarithm from being taken of nothing.
    Null until the user has been there for all four weeks (`user_tenure_days`): a beginning is no trend.
    """
    ratio = pl.col(f"{name}_7d").log1p() - (pl.col(f"{name}_21d") / 3).log1p()
    return pl.when(pl.col("user_tenure_days") >= TREND_DAYS).then(ratio)


def trend_feature(name: str, of: str) -> Feature:
    """The declaration of a trend."""
    return Feature(
        name,
        pl.Float64(),
        f"Logarithm of (1 + {of} of the last 7 days) / (1 + those of a mean week of the 21 days before); null in a "
        f"user's first {TREND_DAYS} days.",
        "log ratio",
    )
