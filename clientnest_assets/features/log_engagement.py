"""Log engagement, the scale on which posts compare, in whole millionths: such numbers add up exactly.

Sums of floats depend on the order of adding, and so on the window they are computed in; sums of integers do not. Nor is
anything divided by a constant alone: Polars multiplies a column by its reciprocal and divides a single row, and the last
bits differ.
"""

from __future__ import annotations

from typing import Final

import polars as pl

LOG: Final = "log engagement"
"""The unit: natural logarithm of 1 + the mature engagement_score."""
MILLION: Final = 1_000_000


def millionths(score: str = "mature_engagement_score") -> pl.Expr:
    """Log engagement of a mature engagement_score, in whole millionths."""
    return (pl.col(score).cast(pl.Float64).log1p() * MILLION).round().cast(pl.Int64)


def mean_of(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Mean log engagement of so many posts whose millionths add up to the total; null for none."""
    return pl.when(count > 0).then(total / (count * MILLION))


def shrunk_mean(total: pl.Expr, count: pl.Expr, prior: pl.Expr, prior_posts: int) -> pl.Expr:
    """As `mean_of`, drawn towards the prior, which counts like so many posts.

    The credibility formula of H. Bühlmann, "Experience rating and credibility", ASTIN Bulletin 4 (1967).
    """
    return (total + prior * (prior_posts * MILLION)) / ((count + prior_posts) * MILLION)


def std_of(total: pl.Expr, squares: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Standard deviation of log engagement, from the sums of millionths and of their squares; null below two posts.

    The squares of 20,000 posts of a billion each still fit 64 bits.
    """
    surplus = (squares - total.cast(pl.Float64) ** 2 / count).clip(0)
    return pl.when(count > 1).then((surplus / ((count - 1) * MILLION**2)).sqrt())
