"""Two samples of a view's rows side by side, feature by feature: histograms and shares to look at, index and test.

What follows from them is in `drift.py`, the formulas are in `statistics.py`, the samples are drawn in `sample.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality import statistics
from clientnest_assets.features.quality.profile import kind_of
from clientnest_assets.features.quality.sample import members_column, sample
from clientnest_assets.features.quality.statistics import Counts, Distribution, Floats
from clientnest_assets.features.quality.store import CATEGORY, LIST, QUALITY_SCHEMA
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.partitions import Window

LEAST_ENTITIES: Final = 200
"""With fewer on a side nothing is tested: chance alone would give an index of (BINS - 1) (1 / n + 1 / m), some 0.1."""
PLOT_BINS: Final = 20
MOST_CATEGORIES: Final = 30
LEAST_SHOWN: Final = 5
"""A value that the declaration does not list is named only where so many rows of a sample have it."""

COMPARED_SCHEMA: Final = pl.Schema(
    {
        name: QUALITY_SCHEMA[name]
        for name in (
            "feature",
            DAY,
            "recent_entities",
            "reference_entities",
            "reference_first_day",
            "reference_last_day",
            "edges",
            "recent_histogram",
            "reference_histogram",
            "categories",
            "recent_shares",
            "reference_shares",
            "psi",
            "test",
            "statistic",
            "p_value",
        )
    }
)

Rows = npt.NDArray[np.int64]


def compare(view: FeatureView, drawn: pl.DataFrame, windows: Mapping[date, tuple[Window, Window]]) -> pl.DataFrame:
    """Each day's recent rows against its reference: rows of COMPARED_SCHEMA, the p-values of single tests.

    Args:
        view: the view.
        drawn: the candidates of all the windows (`sample.candidates`).
        windows: the reference and the recent window of each day.
    """
    rows = {window: sample(drawn, window) for pair in windows.values() for window in pair}
    found: list[dict[str, Any]] = []
    for feature in view.features:
        samples = _samples(feature, drawn, rows)
        found += [
            {
                "feature": feature.name,
                DAY: day,
                "recent_entities": rows[recent].size,
                "reference_entities": rows[reference].size,
                "reference_first_day": reference.start,
                "reference_last_day": reference.last_day,
                **samples[reference].pictured(samples[recent]),
                **(
                    samples[reference].tested(samples[recent])
                    if min(rows[reference].size, rows[recent].size) >= LEAST_ENTITIES
                    else {}
                ),
            }
            for day, (reference, recent) in windows.items()
        ]
    return pl.DataFrame(found, schema=COMPARED_SCHEMA)


def _samples(feature: Feature, drawn: pl.DataFrame, rows: Mapping[Window, Rows]) -> Mapping[Window, Any]:
    column = _CategoryColumn(feature, drawn) if kind_of(feature) == CATEGORY else _NumberColumn(feature, drawn)
    return {window: column.of(numbers) for window, numbers in rows.items()}


@dataclass(frozen=True)
class _Numbers:
    """A sample of numbers or of lengths of lists. What is no finite number counts as null."""

    distribution: Distribution
    is_whole: bool
    members: Mapping[str, Any]

    def pictured(self, recent: _Numbers) -> dict[str, Any]:
        """The histograms of this reference and the recent sample."""
        edges = self._edges if self.distribution.values.size else recent._edges
        return {
            "edges": edges.tolist(),
            "recent_histogram": recent._histogram(edges),
            "reference_histogram": self._histogram(edges) if self.distribution.size else None,
            **recent.members,
        }

    def tested(self, recent: _Numbers) -> dict[str, Any]:
        """How far the recent sample is from this reference."""
        statistic, p_value = statistics.kolmogorov_smirnov(self.distribution, recent.distribution)
        return {
            "psi": statistics.stability_index(
                self.distribution.own_counts, recent.distribution.counts(self.distribution.deciles)
            ),
            "test": "Kolmogorov-Smirnov",
            "statistic": statistic,
            "p_value": p_value,
        }

    @cached_property
    def _edges(self) -> Floats:
        """Edges of bins of one width, some PLOT_BINS, but for the outermost hundredths; whole numbers are not cut."""
        values = self.distribution.values
        if not values.size:
            return values
        low, high = np.quantile(values, [0.01, 0.99], method="inverted_cdf")
        if self.is_whole:
            width = np.ceil((high - low + 1) / PLOT_BINS)
            return np.asarray(np.arange(low - 0.5, high + 0.5 + width, width))
        return np.linspace(low, high, PLOT_BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])

    def _histogram(self, edges: Floats) -> list[int]:
        """Counts by bin; the first and the last bin hold what lies beyond, too."""
        if not edges.size:
            return []
        inner = np.searchsorted(self.distribution.values, edges[1:-1], side="left")
        return [int(count) for count in np.diff(inner, prepend=0, append=self.distribution.values.size)]


class _NumberColumn:
    """A feature's numbers, or the lengths of its lists, of all candidates."""

    def __init__(self, feature: Feature, drawn: pl.DataFrame) -> None:
        self._values = drawn[feature.name].to_numpy()
        self._is_whole = kind_of(feature) == LIST or feature.dtype.is_integer()
        self._members = _Members(feature, drawn) if kind_of(feature) == LIST else None

    def of(self, rows: Rows) -> _Numbers:
        """The sample that these rows are."""
        values = self._values[rows]
        known = np.sort(values[np.isfinite(values)])
        members = self._members.shares(rows) if self._members else {}
        return _Numbers(Distribution(known, rows.size - known.size), self._is_whole, members)


@dataclass(frozen=True)
class _Categories:
    """A sample of categories: how many rows have each, nulls last."""

    counts: Counts
    size: int
    names: pl.Series
    declared: Collection[str]

    def pictured(self, recent: _Categories) -> dict[str, Any]:
        """The shares of the most frequent values in this reference and in the recent sample."""
        both = (self.counts + recent.counts)[:-1]
        shown = [
            code for code in _most_frequent(both) if self.names[code] in self.declared or both[code] >= LEAST_SHOWN
        ]
        return {
            "categories": [self.names[code] for code in shown],
            "recent_shares": _shares(recent.counts[shown], recent.size),
            "reference_shares": _shares(self.counts[shown], self.size),
        }

    def tested(self, recent: _Categories) -> dict[str, Any]:
        """How far the recent sample is from this reference.

        What the reference seldom or never has counts as one category, new values among it.
        """
        cells = _most_frequent(self.counts[:-1])
        counts = [
            np.array([*each.counts[cells], each.size - each.counts[[*cells, -1]].sum(), each.counts[-1]])
            for each in (self, recent)
        ]
        statistic, p_value = statistics.chi_square(*counts)
        return {
            "psi": statistics.stability_index(*counts),
            "test": "chi-square",
            "statistic": statistic,
            "p_value": p_value,
        }


class _CategoryColumn:
    """A feature's categories of all candidates, as codes in alphabetical order."""

    def __init__(self, feature: Feature, drawn: pl.DataFrame) -> None:
        values = drawn[feature.name]
        self._names = values.drop_nulls().unique().sort()
        self._codes = values.rank("dense").fill_null(len(self._names) + 1).to_numpy().astype(np.int64) - 1
        self._declared = ("true", "false") if feature.dtype == pl.Boolean else feature.values or ()

    def of(self, rows: Rows) -> _Categories:
        """The sample that these rows are."""
        counts = np.bincount(self._codes[rows], minlength=len(self._names) + 1)
        return _Categories(counts, rows.size, self._names, self._declared)


class _Members:
    """The members of a feature's lists, of all candidates: which row has which, by code in alphabetical order."""

    def __init__(self, feature: Feature, drawn: pl.DataFrame) -> None:
        pairs = (
            drawn.lazy()
            .select(pl.col(members_column(feature.name)).alias("member"))
            .with_row_index("row")
            .explode("member")
            .drop_nulls()
            .filter(pl.len().over("member") >= LEAST_SHOWN)
            .with_columns(pl.col("member").rank("dense").cast(pl.Int64).alias("code") - 1)
            .collect(engine="in-memory")
        )
        self._names = pairs["member"].unique().sort()
        self._rows, self._codes = pairs["row"].to_numpy(), pairs["code"].to_numpy()
        self._candidates = drawn.height

    def shares(self, rows: Rows) -> dict[str, Any]:
        is_drawn = np.zeros(self._candidates, dtype=np.bool_)
        is_drawn[rows] = True
        counts = np.bincount(self._codes[is_drawn[self._rows]], minlength=len(self._names))
        shown = [code for code in _most_frequent(counts) if counts[code] >= LEAST_SHOWN]
        return {
            "categories": [self._names[code] for code in shown],
            "recent_shares": _shares(counts[shown], rows.size),
        }


def _most_frequent(counts: Counts) -> list[int]:
    """The codes of the highest counts, highest first, those equal in it in their order; none that has no rows."""
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    return [int(code) for code in order if counts[code] > 0]


def _shares(counts: Counts, rows: int) -> list[float] | None:
    return (counts / rows).tolist() if rows else None
