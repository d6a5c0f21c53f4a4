"""How far apart two samples are, and whether chance explains it: numbers in, numbers out.

Which samples are compared, and what follows, is in `comparison.py` and `drift.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BINS: Final = 10
SMOOTHING: Final = 0.5
"""Added to each bin's count: a bin that is empty on one side gives no infinite index."""
LEAST_EXPECTED: Final = 5
"""The least count that a cell of a chi-square test must be expected to have (Cochran 1954)."""


@dataclass(frozen=True)
class Distribution:
    """A sample of numbers, sorted, and how many nulls there are beside them. Nulls rank below every number."""

    values: Floats
    nulls: int

    @property
    def size(self) -> int:
        """Numbers and nulls."""
        return self.values.size + self.nulls

    @cached_property
    def points(self) -> Floats:
        """The different numbers, sorted."""
        return np.unique(self.values)

    @cached_property
    def deciles(self) -> Floats:
        """Upper ends of all but the last of at most BINS bins that hold as many numbers each; ties are not cut."""
        if not self.values.size:
            return self.values
        return np.unique(np.quantile(self.values, np.arange(1, BINS) / BINS, method="inverted_cdf"))

    def share_up_to(self, points: Floats, *, inclusive: bool) -> Floats:
        """The share of all that lies below each point, or at it too."""
        below = np.searchsorted(self.values, points, side="right" if inclusive else "left")
        return np.asarray((below + self.nulls) / self.size)

    def counts(self, upper_ends: Floats) -> Counts:
        """How many numbers lie in each bin, the last one being open, and the nulls as a bin of their own."""
        up_to = np.searchsorted(self.values, upper_ends, side="right")
        return np.append(np.diff(up_to, prepend=0, append=self.values.size), self.nulls)

    @cached_property
    def own_counts(self) -> Counts:
        """The counts in its own deciles."""
        return self.counts(self.deciles)

    @cached_property
    def own_shares(self) -> tuple[Floats, Floats]:
        """The share at or below each of its points, and the share below it."""
        return self.share_up_to(self.points, inclusive=True), self.share_up_to(self.points, inclusive=False)


def stability_index(reference: Counts, recent: Counts) -> float:
    """The population stability index of counts by bin: the sum of (q - p) ln(q / p) over the bins' shares.

    Siddiqi, Credit Risk Scorecards (2006), ch. 9. Under 0.1 is usually read as no change, over 0.25 as a large one.
    Bins that are empty in both do not count; SMOOTHING is added to the others.
    """
    used = (reference + recent) > 0
    p, q = (_shares(counts[used]) for counts in (reference, recent))
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(reference: Distribution, recent: Distribution) -> tuple[float, float]:
    """Statistic and p-value of the two-sample Kolmogorov-Smirnov test.

    The largest distance of two step functions is reached at a point of one of them, or just below it. The p-value is
    that of the limiting distribution: ties make it larger than need be, never smaller. `scipy.stats.ks_2samp` gives
    the same statistic; here what belongs to the reference is worked out once for many recent samples.
    """
    from scipy.special import kolmogorov

    at, below = reference.own_shares
    gaps = [
        np.array([reference.nulls / reference.size - recent.nulls / recent.size]),
        at - recent.share_up_to(reference.points, inclusive=True),
        below - recent.share_up_to(reference.points, inclusive=False),
    ]
    distance = float(np.abs(np.concatenate(gaps)).max())
    n, m = reference.size, recent.size
    return distance, float(kolmogorov(np.sqrt(n * m / (n + m)) * distance))


def chi_square(reference: Counts, recent: Counts) -> tuple[float, float]:
    """Statistic and p-value of Pearson's test that two rows of counts by cell have the same shares.

    Cells that expect fewer than LEAST_EXPECTED in the smaller sample are put together; a single cell tells nothing.
    """
    from scipy.special import chdtrc

    table = np.stack([reference, recent]).astype(np.float64)
    rare = _expected(table).min(axis=0) < LEAST_EXPECTED
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = _expected(table)
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def _shares(counts: Counts) -> Floats:
    smoothed = counts + SMOOTHING
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)


def _expected(table: Floats) -> Floats:
    return np.asarray(table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum(), dtype=np.float64)
