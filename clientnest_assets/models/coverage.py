"""Whether an interval that holds more than it says is worth its width. How often it holds, each model counts itself.

One that holds too few misleads. One that holds too many is honest, and may still tell more than anything simple would:
forecasts are to be as sharp as they can be while they are calibrated (T. Gneiting, F. Balabdaoui and A. E. Raftery,
"Probabilistic forecasts, calibration and sharpness", JRSS B 69 (2007)), and the interval score weighs the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from clientnest_assets.models.metrics import DECIMALS


@dataclass(frozen=True)
class Width:
    """Mean interval scores on the same rows, in the unit of what is predicted; lower is better."""

    ours: float
    naive: float
    """The best that any of the naive rules could have had."""

    @property
    def is_earned(self) -> bool:
        """Whether the interval tells more than a naive rule's does."""
        return self.ours < self.naive

    @property
    def words(self) -> str:
        """Both, to be put after a name of what they are of."""
        return f"interval score {self.ours:.3f}, {self.naive:.3f} for the best naive rule's interval; lower is better"


def interval_score(actual: pl.Expr, low: pl.Expr, high: pl.Expr, level: float) -> pl.Expr:
    """The width, and how far the outcome lies outside, times two over the share that may.

    R. L. Winkler (1972); eq. 43 of T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and
    estimation", JASA 102 (2007): it is least on average for the central interval of what is true.
    """
    return high - low + 2 / (1 - level) * ((low - actual).clip(0) + (actual - high).clip(0))


def width_of(
    rows: pl.DataFrame,
    actual: pl.Expr,
    interval: tuple[pl.Expr, pl.Expr],
    rules: Iterable[pl.Expr],
    *,
    level: float,
    alike: str | None = None,
) -> Width:
    """What the width of an interval is worth.

    A naive rule's interval is made in hindsight: of the rule's errors on these very rows it holds exactly the level, as
    many missed below as above. What is better than that tells more than the rule, whatever its interval had been at the
    time.

    Args:
        rows: outcomes with intervals, at least one.
        actual: what came.
        interval: lower and upper bound.
        rules: what each naive rule said.
        level: the share that the interval says to hold.
        alike: the column of what has errors of one size, such as the horizon; None if all have.
    """
    tail = (1 - level) / 2

    def end(error: pl.Expr, share: float) -> pl.Expr:
        found = error.quantile(share, "linear")
        return found.over(alike) if alike else found

    errors = [actual - rule for rule in rules]
    scored = [interval_score(each, end(each, tail), end(each, 1 - tail), level) for each in errors]
    ours, *naive = rows.select(
        each.mean().round(DECIMALS).alias(str(place))
        for place, each in enumerate([interval_score(actual, *interval, level), *scored])
    ).row(0)
    return Width(ours, min(naive))
