"""How good predicted chances are: against what happened, by rank and by value. Drawing is in `sections.py`.

All take one entry an example: what happened, 1 or 0, and the chance it was given.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.metrics import DECIMALS
from clientnest_assets.models.model import Metric

LOG_LOSS, BRIER, AUC, PR_AUC, LIFT = "log_loss", "brier", "auc", "pr_auc", "lift_top_tenth"
METRICS: Final = (
    Metric(LOG_LOSS, "Mean of the negative logarithm of the chance given to what happened, in nats."),
    Metric(BRIER, "Mean squared difference between the chance and what happened (Brier 1950)."),
    Metric(
        AUC, "Chance that one who left was ranked above one who stayed; 0.5 is a coin's toss.", higher_is_better=True
    ),
    Metric(PR_AUC, "Average precision over the ranking; the share that left is a coin's toss.", higher_is_better=True),
    Metric(
        LIFT, "Share that left among the tenth with the highest chances, over the share of all.", higher_is_better=True
    ),
)
TOP_SHARE: Final = 0.1
LEAST: Final = 1e-6
"""No chance is nearer to 0 or 1: one example must not cost infinitely much."""


def chance_metrics(left: Vector, chance: Vector) -> dict[str, float | None]:
    """The METRICS; those that need both outcomes are null without."""
    values = {
        LOG_LOSS: float(log_losses(left, chance).mean()),
        BRIER: float(((chance - left) ** 2).mean()),
        AUC: auc(left, chance),
        PR_AUC: average_precision(left, chance),
        LIFT: lift(left, chance),
    }
    return {name: None if value is None else round(value, DECIMALS) for name, value in values.items()}


def log_losses(left: Vector, chance: Vector) -> Vector:
    """The negative logarithm of the chance given to what happened, by example."""
    bounded = np.clip(chance, LEAST, 1 - LEAST)
    return -np.where(left > 0, np.log(bounded), np.log1p(-bounded))


def auc(left: Vector, score: Vector) -> float | None:
    """The area under the ROC curve, ties counting half (Mann and Whitney 1947); None unless some left and some stayed."""
    from scipy.stats import rankdata

    positives = left.sum()
    negatives = len(left) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(score)[left > 0].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(left: Vector, score: Vector) -> float | None:
    """The sum of precision times gained recall over the distinct scores, downwards; None if nobody left."""
    if not left.sum():
        return None
    found, asked = gains(left, score)
    return float((np.diff(found, prepend=0.0) * found / asked).sum() / found[-1])


def lift(left: Vector, score: Vector) -> float | None:
    """The share that left in the top tenth over that of all; None if nobody left."""
    if not left.sum():
        return None
    found, asked = gains(left, score)
    top = math.ceil(TOP_SHARE * len(left))
    # Between distinct scores linear: among equals, the expectation over their order.
    return float(np.interp(top, np.append(0.0, asked), np.append(0.0, found)) / top / left.mean())


def gains(left: Vector, score: Vector) -> tuple[Vector, Vector]:
    """From each distinct score upwards, highest first: how many had left, and how many there were."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    asked = np.asarray(ends + 1, np.float64)
    return np.cumsum(left[order])[ends], asked
