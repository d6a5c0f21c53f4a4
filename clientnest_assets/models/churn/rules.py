"""The naive rules: the share that left among training examples alike in one thing. What each is, says `spec.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.churn import spec

TENTHS: Final = 10
PRIOR_EXAMPLES: Final = 10.0
"""The share of all counts like so many examples in each group."""


@dataclass(frozen=True)
class ShareRule:
    """The share that left by the value of one column; a value that training did not see gets the share of all."""

    column: str
    shares: pl.DataFrame
    overall: float

    @classmethod
    def fit(cls, column: str, values: pl.Series, left: pl.Series) -> Self:
        """The shares of the training examples."""
        overall = float(left.cast(pl.Float64).to_numpy().mean())
        counts = (
            pl.DataFrame({"value": values, "left": left})
            .group_by("value")
            .agg(pl.col("left").sum(), pl.len().alias("examples"))
        )
        share = (pl.col("left") + PRIOR_EXAMPLES * overall) / (pl.col("examples") + PRIOR_EXAMPLES)
        return cls(column, counts.select("value", share=share), overall)

    def predict(self, values: pl.Series) -> Vector:
        """One share a value."""
        found = pl.DataFrame({"value": values}).join(
            self.shares, on="value", how="left", nulls_equal=True, maintain_order="left"
        )
        return found["share"].fill_null(self.overall).to_numpy()


@dataclass(frozen=True)
class NaiveRules:
    """The three rules, fitted on the training examples."""

    tier: ShareRule
    recency: ShareRule
    risk: ShareRule
    recency_edges: tuple[float, ...]

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> Self:
        """The shares of the training examples."""
        silence = rows[spec.DAYS_SINCE_VISIT].to_numpy()
        edges = tuple(float(edge) for edge in np.unique(np.quantile(silence, np.arange(1, TENTHS) / TENTHS)))
        left = rows[spec.LABEL]
        return cls(
            tier=ShareRule.fit(spec.TIER, rows[spec.TIER], left),
            recency=ShareRule.fit(spec.DAYS_SINCE_VISIT, _banded(rows, edges), left),
            risk=ShareRule.fit(spec.CHURN_RISK, rows[spec.CHURN_RISK].round(6), left),
            recency_edges=edges,
        )

    def predict(self, rows: pl.DataFrame) -> dict[str, Vector]:
        """Each rule's chances, by its name."""
        return {
            spec.TIER_RATE: self.tier.predict(rows[spec.TIER]),
            spec.RECENCY: self.recency.predict(_banded(rows, self.recency_edges)),
            spec.RISK_SCORE: self.risk.predict(rows[spec.CHURN_RISK].round(6)),
        }


def _banded(rows: pl.DataFrame, edges: tuple[float, ...]) -> pl.Series:
    return pl.Series(np.searchsorted(np.array(edges), rows[spec.DAYS_SINCE_VISIT].to_numpy()))
