"""How far predictions are from what happened. Which predictions are compared is the models' own matter."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs

DECIMALS: Final = 9
CONFIDENCE: Final = 0.95
"""Of an interval, where nothing else is said."""
WITHIN: Final = 1.96
"""Standard errors to each side of a 95 % interval, where the spread is known and not estimated."""
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


def clustered_interval(values: npt.NDArray[np.float64], cluster: pl.Series) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the mean, in which values of one cluster count together, rounded to DECIMALS.

    Of a single cluster nothing tells how much is chance: there is no interval, and both ends are None.
    """
    half = clustered_half(values, cluster)
    if half is None:
        return None, None
    mean = float(values.mean())
    return round(mean - half, DECIMALS), round(mean + half, DECIMALS)


def clustered_half(values: npt.NDArray[np.float64], cluster: pl.Series, confidence: float = CONFIDENCE) -> float | None:
    """Half the width of the interval of the mean, in which values of one cluster count together; None of a single one.

    By Student's t of one degree less than there are clusters: A. C. Cameron and D. L. Miller, "A practitioner's guide to
    cluster-robust inference", Journal of Human Resources 50 (2015).

    Args:
        values: finite ones.
        cluster: whose each is. Those of nobody are one cluster.
        confidence: of the interval, to both sides.
    """
    error = clustered_error(values, cluster)
    return None if error is None else student(cluster.n_unique(), confidence) * error


def clustered_error(values: npt.NDArray[np.float64], cluster: pl.Series) -> float | None:
    """The standard error of the mean, in which values of one cluster count together; None of a single cluster.

    As Liang and Zeger (1986) have it, with the correction for few clusters.
    """
    number = cluster.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    sums = np.bincount(number, values - values.mean())[np.unique(number)]
    if len(sums) < 2:
        return None
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))) / len(values)


def student(clusters: int, confidence: float = CONFIDENCE) -> float:
    """Standard errors to each side of an interval, where the spread is estimated from so many clusters, two at least."""
    from scipy.special import stdtrit

    return float(stdtrit(clusters - 1, (1 + confidence) / 2))
