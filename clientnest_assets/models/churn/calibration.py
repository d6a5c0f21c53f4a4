"""Chances that mean what they say: a line through the log odds, fitted to make them right or to see whether they are.

Two numbers are enough for trees that are overconfident, or learned at another level (Platt 1999; Cox 1958). As a line
it keeps contributions to the log odds in proportion, so that reasons stay additive. Which chances are calibrated on
what is told in `predictor.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.churn.chances import LEAST
from clientnest_assets.models.errors import ModelError

ENOUGH: Final = 1e-7
"""The gradient at which the search ends."""
DECIMALS: Final = 9

WEAK: Final = (1e-4, 1e-4)
"""Precisions of intercept and slope around no change that only keep a perfect separation finite."""
TOWARDS_NO_CHANGE: Final = (1.0, 16.0)
"""Standard deviations of 1 and 0.25: a few dozen examples cannot turn the chances around, thousands do as they like."""


@dataclass(frozen=True)
class Line:
    """Log odds to better ones: `intercept + slope * log odds`.

    Attributes:
        intercept: 0 changes nothing.
        slope: 1 changes nothing; below, chances were too extreme.
        intercept_error: standard error.
        slope_error: standard error.
    """

    intercept: float = 0.0
    slope: float = 1.0
    intercept_error: float = 0.0
    slope_error: float = 0.0

    @classmethod
    def fit(cls, left: Vector, log_odds: Vector, whose: npt.NDArray[Any], precision: tuple[float, float]) -> Self:
        """The likeliest line, under a normal prior around no change.

        Args:
            left: what happened, 1 or 0.
            log_odds: of the predicted chance.
            whose: examples of one user are one observation for the standard errors (sandwich of Liang and Zeger 1986).
            precision: of the prior, of intercept and slope.

        Raises:
            ModelError: log odds are not finite.
        """
        from scipy.optimize import minimize

        if not np.isfinite(log_odds).all():
            raise ModelError(f"{(~np.isfinite(log_odds)).sum()} of {len(log_odds)} log odds are no finite numbers")
        terms = np.column_stack([np.ones_like(log_odds), log_odds])
        centre, prior = np.array([0.0, 1.0]), np.diag(precision)

        def loss(line: Vector) -> float:
            apart, said = line - centre, line[0] + line[1] * log_odds
            return float((np.logaddexp(0, said) - left * said).sum() + apart @ prior @ apart / 2)

        def slope(line: Vector) -> Vector:
            return np.asarray(prior @ (line - centre) - _scores(terms, left, line).sum(axis=0))

        def curvature(line: Vector) -> Vector:
            chance = sigmoid(line[0] + line[1] * log_odds)
            return _sums_of_products(terms * (chance * (1 - chance))[:, None], terms) + prior

        line = minimize(loss, centre, jac=slope, hess=curvature, method="trust-exact", options={"gtol": ENOUGH}).x
        bread = np.linalg.inv(curvature(line))
        _, user = np.unique(whose, return_inverse=True)
        by_user = np.column_stack([np.bincount(user, weights=each) for each in _scores(terms, left, line).T]).astype(
            np.float64
        )
        errors = np.sqrt(np.diag(bread @ _sums_of_products(by_user, by_user) @ bread))
        return cls(*(round(float(value), DECIMALS) for value in (*line, *errors)))

    def __call__(self, log_odds: Vector) -> Vector:
        """The better log odds."""
        return self.intercept + self.slope * log_odds

    def to_json(self) -> dict[str, float]:
        """For the model's card."""
        return {"intercept": self.intercept, "slope": self.slope}

    @classmethod
    def from_json(cls, card: Mapping[str, float]) -> Self:
        """Back from the card."""
        return cls(card["intercept"], card["slope"])


def sigmoid(log_odds: Vector) -> Vector:
    """The chance of which these are the log odds."""
    from scipy.special import expit

    chance: Vector = expit(log_odds)
    return chance


def log_odds_of(chance: Vector) -> Vector:
    """The log odds of a chance, bounded as losses are."""
    from scipy.special import logit

    log_odds: Vector = logit(np.clip(chance, LEAST, 1 - LEAST))
    return log_odds


def _scores(terms: Vector, left: Vector, line: Vector) -> Vector:
    return terms * (left - sigmoid(line[0] + line[1] * terms[:, 1]))[:, None]


def _sums_of_products(left: Vector, right: Vector) -> Vector:
    # Not by matrix product: BLAS divides a long sum among threads, and its last bits change with their number.
    sums: Vector = (left[:, :, None] * right[:, None, :]).sum(axis=0)
    return sums
