"""How far truths have been from forecasts: the bounds of 80 % intervals, by horizon and size.

Split conformal prediction with errors in units of their expected spread: H. Papadopoulos, A. Gammerman and V. Vovk,
"Normalized nonconformity measures for regression conformal prediction" (2008); each bound for itself where errors are
many, since followers jump more than they fall; newer errors count more, as in R. Barber, E. Candès, A. Ramdas and
R. Tibshirani, "Conformal prediction beyond exchangeability", Annals of Statistics 51 (2023). Weeks of one series
resemble each other, so what is reached is measured on later weeks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from clientnest_assets.models.additive import Vector
from clientnest_assets.models.growth.quantity import HORIZONS, LEVEL

MIN_ERRORS: Final = 50
"""Of fewer errors a band's bounds are those of all bands of its horizon, and a horizon's those of all."""
FEWEST_ERRORS: Final = 20
"""Of fewer errors than this in all, the bounds are those of a normal distribution."""
NORMAL: Final = 1.2816
"""Its 90 % quantile."""
THIN: Final = 1.5
"""By so much wider than expected an interval is that no error has confirmed."""
ERROR_HALF_LIFE_DAYS: Final = 28
"""An error so much older than the newest counts half."""
DECIMALS: Final = 6

Bounds = tuple[float, float]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Intervals:
    """Multiples of the expected spread to be added to a forecast, lower and upper.

    Attributes:
        edges: values between which bands lie.
        bounds: for each horizon, one pair a band.
    """

    edges: tuple[float, ...]
    bounds: Mapping[int, tuple[Bounds, ...]]

    @classmethod
    def fit(
        cls,
        edges: Sequence[float],
        horizon: Indices,
        value: Vector,
        error: Vector,
        spread: Vector,
        age_days: Vector,
        *,
        is_symmetric: bool,
    ) -> Self:
        """Learned from errors, each with its horizon, value, expected spread and age; where no spread was, not at all.

        Args:
            edges: values between which bands lie.
            horizon: days ahead.
            value: the series' value when it was forecast.
            error: truth less forecast.
            spread: standard deviation that was expected of it.
            age_days: of the forecast, before the newest.
            is_symmetric: whether an error counts on both sides, because there are too few to tell them apart.
        """
        band = np.searchsorted(np.asarray(edges), value, side="right")
        has_spread = spread > 0
        horizon, band = horizon[has_spread], band[has_spread]
        score = error[has_spread] / spread[has_spread]
        weight = 0.5 ** (age_days[has_spread] / ERROR_HALF_LIFE_DAYS)
        if is_symmetric:
            score, weight = np.concatenate([score, -score]), np.tile(weight / 2, 2)
            horizon, band = np.tile(horizon, 2), np.tile(band, 2)
        whole = _bounds(score, weight) if len(score) >= FEWEST_ERRORS else (-THIN * NORMAL, THIN * NORMAL)

        def of(ahead: int, place: int) -> Bounds:
            of_horizon = horizon == ahead
            own = of_horizon & (band == place)
            if own.sum() >= MIN_ERRORS:
                return _bounds(score[own], weight[own])
            return _bounds(score[of_horizon], weight[of_horizon]) if of_horizon.sum() >= MIN_ERRORS else whole

        places = range(len(edges) + 1)
        return cls(tuple(edges), {ahead: tuple(of(ahead, place) for place in places) for ahead in HORIZONS})

    def around(self, forecast: Vector, horizon: Indices, value: Vector, spread: Vector) -> tuple[Vector, Vector]:
        """Lower and upper bounds, with the forecast between them, also where errors were to one side of it."""
        band = np.searchsorted(np.asarray(self.edges), value, side="right")
        table = np.array([self.bounds[ahead] for ahead in HORIZONS])
        multiples = table[np.searchsorted(np.array(HORIZONS), horizon), band]
        return forecast + np.minimum(multiples[:, 0], 0) * spread, forecast + np.maximum(multiples[:, 1], 0) * spread

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {
            "edges": list(self.edges),
            "bounds": {str(ahead): [list(pair) for pair in pairs] for ahead, pairs in self.bounds.items()},
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        bounds = {int(ahead): tuple((low, high) for low, high in pairs) for ahead, pairs in card["bounds"].items()}
        return cls(tuple(card["edges"]), bounds)


def _bounds(score: Vector, weight: Vector) -> Bounds:
    """The scores between which the next one lies with chance LEVEL, a tail as likely as the other.

    The next one counts as much as the newest, and might lie anywhere: its weight is added to each tail.
    """
    order = np.argsort(score, kind="stable")
    ordered, share = score[order], np.round(np.cumsum(weight[order]) / (weight.sum() + 1), DECIMALS)
    tail = (1 - LEVEL) / 2
    upper = min(int(np.searchsorted(share, 1 - tail)), len(ordered) - 1)
    from_above = np.round(np.cumsum(weight[order][::-1]) / (weight.sum() + 1), DECIMALS)
    lower = max(len(ordered) - 1 - int(np.searchsorted(from_above, 1 - tail)), 0)
    return round(float(ordered[lower]), DECIMALS), round(float(ordered[upper]), DECIMALS)
