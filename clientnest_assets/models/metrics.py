"""How far predictions are from what happened. Which predictions are compared is the models' own matter."""

from __future__ import annotations

from typing import Final

import polars as pl
import polars.selectors as cs

DECIMALS: Final = 9
METRICS: Final = ("mae", "rmse", "spearman", "bias", "r2")
"""On the scale given: mean absolute error, root mean square error, rank correlation, mean of predicted
less actual, and the share of the variance explained. Spearman and R² are null where they are undefined."""


def _expressions(actual: str, predicted: str) -> list[pl.Expr]:
    error = pl.col(predicted) - pl.col(actual)
    spread = ((pl.col(actual) - pl.col(actual).mean()) ** 2).sum()
    spearman = pl.corr(actual, predicted, method="spearman")
    return [
        pl.len().alias("rows"),
        error.abs().mean().alias("mae"),
        (error**2).mean().sqrt().alias("rmse"),
        pl.when(spearman.is_not_nan()).then(spearman).alias("spearman"),
        error.mean().alias("bias"),
        pl.when(spread > 0).then(1 - (error**2).sum() / spread).alias("r2"),
    ]


def regression_metrics(rows: pl.DataFrame, actual: str, predicted: str) -> dict[str, float | None]:
    """The METRICS of one prediction over all rows, and how many `rows` there were.

    Rounded to DECIMALS: the last bits of a sum depend on how Polars divides it among threads.
    """
    return rows.select(_expressions(actual, predicted)).with_columns(cs.float().round(DECIMALS)).row(0, named=True)


def regression_metrics_by(rows: pl.DataFrame, group: str, actual: str, predicted: str) -> pl.DataFrame:
    """The METRICS by group, one row a group, in the order of its name; rounded likewise."""
    return (
        rows.group_by(group).agg(_expressions(actual, predicted)).with_columns(cs.float().round(DECIMALS)).sort(group)
    )
