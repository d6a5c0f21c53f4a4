"""Whether a view's last seven days still look like the days that models learned from.

Seven days at a time, so that each weekday is there on both sides. Two measures, and a feature counts as drifted only
where both say so: the population stability index, which says how large a change is, and a two-sample test, which says
whether chance explains it (Kolmogorov-Smirnov for numbers and lengths of lists, chi-square for categories), adjusted
for the features of the view that are tested together. Both are computed in `comparison.py`.

The two samples share entities, whose values go along with each other. That makes the difference of the samples smaller
than that of independent ones: the test rather misses a drift than invents one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.store import (
    DRIFTED,
    MAJOR,
    MODERATE,
    MOVES_WITH_TIME,
    NO_REFERENCE,
    NOT_FILLED,
    STABLE,
    TOO_FEW,
)
from clientnest_assets.features.upstream import mapped_days
from clientnest_assets.features.view import FeatureView
from clientnest_assets.partitions import Window, monday

RECENT_DAYS: Final = 7
REFERENCE_DAYS: Final = 28
WEEK: Final = timedelta(days=7)

MODERATE_INDEX: Final = 0.1
MAJOR_INDEX: Final = 0.25
"""The usual readings of the population stability index (`statistics.stability_index`)."""
LEVEL: Final = 0.001
"""The largest share of false discoveries among the features of a view and day that the test calls changed."""


def reference_window(day: date, trained: Iterable[date] = ()) -> Window:
    """What a day is compared with: the last four weeks that the newest model learned from.

    The model of a week learns from posts whose engagement was mature at the week's end, seven days after they were
    published: from the days before that week. Where there is no model, the week before the day's own stands for it:
    the newest whose model can be there when the day is computed.

    Args:
        day: the day.
        trained: the Mondays of the weeks that have a model; of those only the ones that were over by the day count.
    """
    week = max((each for each in trained if each + WEEK <= day), default=monday(day) - WEEK)
    return Window(week - timedelta(days=REFERENCE_DAYS), week)


def recent_window(day: date) -> Window:
    """The day, and the six before it."""
    return Window.of_days(day - timedelta(days=RECENT_DAYS - 1), day)


def judged(view: FeatureView, compared: pl.DataFrame, first_day: date) -> pl.DataFrame:
    """The compared rows with `verdict`, `drifted` and `severity`, the p-values adjusted for a day's other features.

    By Benjamini and Hochberg's procedure (1995), which also holds where tests go along with each other. Features that
    move with time are apart. A sum over 30 days grows for the first 30 days there are: nothing is judged by a reference
    that begins before the view's look-back is filled.

    Args:
        view: the view.
        compared: rows of `comparison.COMPARED_SCHEMA`.
        first_day: the first day of the view that is stored.
    """
    filled = first_day + timedelta(days=max((mapped_days(each) for each in view.upstream), default=0))
    moves = pl.col("feature").is_in([feature.name for feature in view.features if feature.moves_with_time])
    p_value = pl.col("p_value")
    adjusted = (
        (p_value * p_value.count() / p_value.rank("ordinal"))
        .cum_min(reverse=True)
        .over(DAY, moves, order_by=[p_value.is_null(), p_value])
    )
    is_changed = (pl.col("psi") >= MODERATE_INDEX) & (p_value < LEVEL)
    verdict = (
        pl.when(pl.col("reference_entities") == 0)
        .then(pl.lit(NO_REFERENCE))
        .when(pl.col("psi").is_null())
        .then(pl.lit(TOO_FEW))
        .when(pl.col("reference_first_day") < filled)
        .then(pl.lit(NOT_FILLED))
        .when(~is_changed)
        .then(pl.lit(STABLE))
        .when(moves)
        .then(pl.lit(MOVES_WITH_TIME))
        .otherwise(pl.lit(DRIFTED))
    )
    severity = pl.when(pl.col("psi") >= MAJOR_INDEX).then(pl.lit(MAJOR)).otherwise(pl.lit(MODERATE))
    return (
        compared.with_columns(adjusted.alias("p_value"))
        .with_columns(verdict.alias("verdict"))
        .with_columns((pl.col("verdict") == DRIFTED).alias("drifted"))
        .with_columns(pl.when("drifted").then(severity).alias("severity"))
    )


def with_since(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The rows with `since`: the first day of the unbroken run of days, up to the row's own, on which it was drifted.

    Args:
        rows: `feature`, `day`, `drifted` of days without a hole.
        before: `feature`, `day`, `drifted`, `since` of the day before the first of them, as it was stored.
    """
    names = ["feature", DAY, "drifted", "since"]
    begins = pl.col("drifted") & ~pl.col("drifted").shift(1, fill_value=False)
    since = pl.when(begins).then(pl.coalesce("since", DAY)).forward_fill().over("feature", order_by=DAY)
    known = (
        pl.concat([before.select(names), rows.with_columns(pl.lit(None, pl.Date).alias("since")).select(names)])
        .with_columns(since)
        .select("feature", DAY, pl.when("drifted").then("since"))
    )
    return rows.join(known, on=["feature", DAY], how="left", maintain_order="left")
