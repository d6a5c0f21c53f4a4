"""The forecast itself: a series goes on from where it stands, by a drift of its own, drawn towards that of its group.

A random walk with drift per series, over thousands of short series at once. Its own drift is the mean daily move,
discounted by age; how far it is trusted, by empirical Bayes: C. N. Morris, "Parametric empirical Bayes inference", JASA
78 (1983). Trends fade as in E. S. Gardner and E. McKenzie, "Forecasting trends in time series", Management Science 31
(1985). How wide intervals are is learned in `intervals.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.additive import Vector
from clientnest_assets.models.growth.moving import HALF_LIVES, MEAN_MOVE, MOVES, VARIANCE, days_column, drift_column
from clientnest_assets.models.growth.quantity import GROUP, HORIZON, LABEL, Quantity
from clientnest_assets.models.growth.states import LEVEL

DAMPINGS: Final = (1.0, 0.98, 0.95, 0.9)
"""What is left of a drift after each day: the candidates between which training chooses."""
UNPOOLED: Final = (28, 1.0)
"""Half-life and damping where series are too few to choose by: the naive rule's month, but smooth."""
DECIMALS: Final = 9
"""Of what is learned: beyond, sums depend on how they are added."""
MIN_DRIFT_DAYS: Final = 7.0
"""Of fewer days of its own a series' drift is not counted when it is learned how far drifts differ."""
MIN_GROUP: Final = 20
"""A group of fewer states is taken as all are."""
PRIOR_MOVES: Final = 10
"""The group's variance counts like so many moves of the series' own."""


@dataclass(frozen=True)
class Prior:
    """What is expected of a series before its own days are seen, on the quantity's scale.

    Attributes:
        drift: mean daily move.
        spread: variance of that from series to series.
        variance: of a daily move around its series' drift.
    """

    drift: float
    spread: float
    variance: float


@dataclass(frozen=True)
class Drift:
    """A fitted recipe.

    Attributes:
        half_life: of the discounted mean, in days.
        damping: what is left of a drift after each day.
        overall: for a group that is not among the groups.
        groups: what is expected by group; empty where series have nothing in common.
    """

    half_life: int
    damping: float
    overall: Prior
    groups: Mapping[str, Prior]

    @classmethod
    def fit(cls, rows: pl.DataFrame, quantity: Quantity) -> Self:
        """The half-life and damping with the least mean absolute error over the rows, priors by moments for each.

        Of a quantity that is not pooled nothing is chosen: a handful of series that rise and fall together would choose
        what suited their last season.
        """
        if not quantity.is_pooled:
            return cls(*UNPOOLED, Prior(0.0, 0.0, 0.0), {})
        states = rows.unique([quantity.series, AS_OF], keep="first", maintain_order=True)
        actual = rows[LABEL].to_numpy()
        fitted = {half_life: _priors(states, half_life) for half_life in HALF_LIVES}
        candidates = [
            cls(half_life, damping, *fitted[half_life]) for damping, half_life in product(DAMPINGS, HALF_LIVES)
        ]
        errors = [
            round(float(np.mean(np.abs(candidate.expected(rows, quantity)[0] - actual))), DECIMALS)
            for candidate in candidates
        ]
        return candidates[int(np.argmin(errors))]

    def expected(self, rows: pl.DataFrame, quantity: Quantity) -> tuple[Vector, Vector]:
        """The value expected at each row's horizon, on the quantity's scale, and the standard deviation around it.

        The variance of h days ahead is h times that of a day, and the square of the (damped) days times that of the
        drift, which is not known exactly.
        """
        drift, days, moves, variance = (
            rows[name].fill_null(0.0).to_numpy().astype(np.float64)
            for name in (drift_column(self.half_life), days_column(self.half_life), MOVES, VARIANCE)
        )
        prior, spread, usual = self._prior_of(rows)
        if quantity.is_pooled:
            own = np.maximum(moves - 1, 0)
            variance = (PRIOR_MOVES * usual + own * variance) / (PRIOR_MOVES + own)
            of_drift = np.divide(variance, days, out=np.full(len(days), np.inf), where=days > 0)
            trust = np.divide(spread, spread + of_drift, out=np.zeros(len(days)), where=spread + of_drift > 0)
            drift = prior + trust * (drift - prior)
            left = spread * (1 - trust)
        else:
            left = np.divide(variance, days, out=np.zeros(len(days)), where=days > 0)
        ahead = (rows[HORIZON] + rows["days_since_observed"]).to_numpy().astype(np.float64)
        effective = ahead if self.damping == 1 else self.damping * (1 - self.damping**ahead) / (1 - self.damping)
        level: Vector = rows[LEVEL].to_numpy()
        return level + drift * effective, np.sqrt(ahead * variance + effective**2 * left)

    def _prior_of(self, rows: pl.DataFrame) -> tuple[Vector, Vector, Vector]:
        names = list(self.groups)

        def of(attribute: str) -> Vector:
            values = [getattr(prior, attribute) for prior in self.groups.values()]
            expression = pl.col(GROUP).replace_strict(
                names, values, default=getattr(self.overall, attribute), return_dtype=pl.Float64
            )
            return rows.select(expression).to_series().to_numpy()

        return of("drift"), of("spread"), of("variance")

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return asdict(self)

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        groups = {name: Prior(**prior) for name, prior in card["groups"].items()}
        return cls(card["half_life"], card["damping"], Prior(**card["overall"]), groups)


def usual_move(rows: pl.DataFrame) -> Vector:
    """The mean absolute daily move of each row's series, and of all where it has none: the unit of scaled errors.

    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22 (2006).
    """
    own = rows[MEAN_MOVE].fill_null(0.0).to_numpy()
    known = own[own > 0]
    return np.where(own > 0, own, float(known.mean()) if len(known) else 1.0)


def _priors(states: pl.DataFrame, half_life: int) -> tuple[Prior, dict[str, Prior]]:
    """By the method of moments: drifts differ by more than the noise in each explains."""
    days = pl.col(days_column(half_life))
    known = (
        states.drop_nulls([VARIANCE, drift_column(half_life)])
        .filter(days >= MIN_DRIFT_DAYS)
        .select(
            GROUP,
            VARIANCE,
            pl.col(drift_column(half_life)).alias("drift"),
            (pl.col(VARIANCE) / days).alias("noise"),
        )
    )
    by_group = {str(name): part for (name,), part in known.partition_by(GROUP, as_dict=True).items()}
    return _prior(known), {name: _prior(part) for name, part in sorted(by_group.items()) if part.height >= MIN_GROUP}


def _prior(known: pl.DataFrame) -> Prior:
    if known.is_empty():
        return Prior(0.0, 0.0, 0.0)
    drift, noise, variance = (known[name].to_numpy() for name in ("drift", "noise", VARIANCE))
    mean, spread = _mean_and_spread(drift, noise)
    return Prior(round(mean, DECIMALS), round(spread, 2 * DECIMALS), round(float(np.median(variance)), 2 * DECIMALS))


def _mean_and_spread(drift: Vector, noise: Vector) -> tuple[float, float]:
    """Their mean, and the variance between them beyond the noise (a variance) in each.

    By bisection, as in R. C. Paule and J. Mandel, "Consensus values and weighting factors", Journal of Research of the
    National Bureau of Standards 87 (1982).
    """
    # A series that stood still is not infinitely sure of its drift, and would decide alone.
    noise = np.maximum(noise, max(float(np.median(noise)) * 0.01, 1e-18))

    def mean_at(spread: float) -> float:
        return float(np.average(drift, weights=1 / (spread + noise)))

    def surplus(spread: float) -> float:
        return float(np.sum((drift - mean_at(spread)) ** 2 / (spread + noise))) - (len(drift) - 1)

    low, high = 0.0, float(np.var(drift)) * 2
    if len(drift) < 2 or surplus(low) <= 0:
        return mean_at(low), 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(middle) > 0 else (low, middle)
    return mean_at(high), high
