"""Comparing a variant with the control from counts, means and variances alone: tests, intervals, corrections.

One element an experiment's comparison, in NumPy arrays of one length; NaN where something is undefined. What the
numbers mean for an experiment is said in `verdicts.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
POWER: Final = 0.8
"""An effect counts as detectable if so large a share of experiments like this one would find it."""


@dataclass(frozen=True)
class Sample:
    """What one side of each comparison measured.

    Attributes:
        users: how many were measured.
        mean: of their values.
        variance: sample variance of their values.
    """

    users: FloatArray
    mean: FloatArray
    variance: FloatArray

    @property
    def squared_error(self) -> FloatArray:
        """The variance of the mean."""
        return _quotient(self.variance, np.where(self.users > 1, self.users, np.nan))


@dataclass(frozen=True)
class Compared:
    """The treatment's mean less the control's, and how far it can be trusted.

    Attributes:
        difference: treatment less control.
        low: lower end of the difference's 95 % interval.
        high: its upper end.
        p_value: two-sided, of no difference.
        detectable: the smallest difference, either way, that four of five such experiments would find.
        quantile: of the standardised difference, to each side of the interval.
    """

    difference: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    detectable: FloatArray
    quantile: FloatArray


def compare_means(control: Sample, treatment: Sample) -> Compared:
    """Welch's test (1947), which lets the variances differ, and its interval. Undefined where nothing varies."""
    from scipy import stats

    with np.errstate(all="ignore"):
        error = np.sqrt(control.squared_error + treatment.squared_error)
        error = np.where(error > 0, error, np.nan)
        freedom = error**4 / (
            control.squared_error**2 / (control.users - 1) + treatment.squared_error**2 / (treatment.users - 1)
        )
        difference = treatment.mean - control.mean
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
        return Compared(
            difference,
            difference - quantile * error,
            difference + quantile * error,
            2 * stats.t.sf(np.abs(difference / error), freedom),
            (quantile + stats.t.ppf(POWER, freedom)) * error,
            quantile,
        )


def compare_shares(control: Sample, treatment: Sample) -> Compared:
    """The two-proportion test with pooled variance, and Newcombe's hybrid score interval (1998, method 10).

    Undefined where nobody or everybody did it: nothing varies.
    """
    from scipy import stats

    with np.errstate(all="ignore"):
        users = control.users + treatment.users
        pooled = (control.users * control.mean + treatment.users * treatment.mean) / users
        error = np.sqrt(pooled * (1 - pooled) * (1 / control.users + 1 / treatment.users))
        error = np.where(error > 0, error, np.nan)
        difference = treatment.mean - control.mean
        quantile = np.full_like(error, stats.norm.ppf((1 + CONFIDENCE) / 2))
        control_low, control_high = _wilson(control, quantile)
        low, high = _wilson(treatment, quantile)
        return Compared(
            difference,
            difference - np.hypot(treatment.mean - low, control_high - control.mean),
            difference + np.hypot(high - treatment.mean, control.mean - control_low),
            2 * stats.norm.sf(np.abs(difference / error)),
            (quantile + stats.norm.ppf(POWER)) * error,
            quantile,
        )


def lift(control: Sample, treatment: Sample, quantile: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Treatment's mean over control's, less 1, with Fieller's interval (1954).

    Of means, the interval holds 0 exactly where that of the difference does. Undefined where the control's mean is not
    positive; without an interval where that mean cannot be told from 0.
    """
    with np.errstate(all="ignore"):
        base = np.where(control.mean > 0, control.mean, np.nan)
        ratio = treatment.mean / base
        uncertainty = quantile**2 * control.squared_error / base**2
        uncertainty = np.where(uncertainty < 1, uncertainty, np.nan)
        half = quantile / base * np.sqrt(treatment.squared_error * (1 - uncertainty) + ratio**2 * control.squared_error)
        return ratio - 1, (ratio - half) / (1 - uncertainty) - 1, (ratio + half) / (1 - uncertainty) - 1


def split_p_value(users: FloatArray) -> float:
    """How likely so uneven a split is if equal numbers were meant: the chi-square test of the users of each variant."""
    from scipy import stats

    return float(stats.chisquare(users).pvalue) if len(users) > 1 and users.sum() > 0 else float("nan")


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's correction (1979): each p-value as if it were the only one looked at. NaN counts as not looked at."""
    order = np.argsort(p_values)
    looked_at = int(np.isfinite(p_values).sum())
    left = np.maximum(looked_at - np.arange(len(order)), 1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * left), 1)
    return adjusted


def _wilson(sample: Sample, quantile: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The score interval of a share (Wilson 1927)."""
    squared = quantile**2
    centre = sample.mean + squared / (2 * sample.users)
    half = quantile * np.sqrt(sample.mean * (1 - sample.mean) / sample.users + squared / (4 * sample.users**2))
    scale = 1 + squared / sample.users
    return (centre - half) / scale, (centre + half) / scale


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator != 0)
