"""What each hour of the week adds on a platform, learned from posts set against others of their own accounts.

How one account differs from its platform is in `accounts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.models.design import Design
from clientnest_assets.models.effects import (
    DECIMALS,
    Effects,
    Evidence,
    Matrix,
    Vector,
    fit_effects,
    gather,
)
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.pooling import likeliest, log_evidence, posterior
from clientnest_assets.models.posting_times.week import (
    HOUR_OF_SLOT,
    HOURS,
    SLOTS,
    WEEKDAYS,
    around,
    hours_alike,
)
from clientnest_assets.models.traits import LABEL

_SMOOTHNESS, _HOUR, _WEEKDAY, _SLOT = "smoothness_hours", "hour", "weekday", "slot"
SCALES: Final[Mapping[str, tuple[float, ...]]] = {
    _SMOOTHNESS: (6.0, 4.0, 2.5, 1.5, 0.8),
    _HOUR: (0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0),
    _WEEKDAY: (0.0, 0.03, 0.06, 0.12, 0.25, 0.5),
    _SLOT: (0.0, 0.03, 0.06, 0.12, 0.25),
}
"""How far hours, weekdays, and the hours of one weekday beyond both, may spread on a platform, in log engagement."""


@dataclass(frozen=True)
class Curve:
    """One platform's hours of the week.

    Attributes:
        uplift: by slot, log engagement beyond that of the platform's posts at the times at which they appear.
        error: standard error of it, for the mean of accounts in general.
        posts: the platform's posts by slot.
        form: what the form of a post adds.
        noise: variance of a post around all this.
    """

    uplift: Vector
    error: Vector
    posts: Vector
    form: Effects
    noise: float

    @property
    def usual(self) -> Vector:
        """The parts of the platform's posts that appear at each hour of the day."""
        hours: Vector = self.posts.reshape(WEEKDAYS, HOURS).sum(axis=0) / self.posts.sum()
        return hours

    @property
    def nearby_posts(self) -> Vector:
        """The posts that bear on each slot: those in it and next to it."""
        return around(self.posts, spec.NEARBY_HOURS)

    def left_over(self, rows: pl.DataFrame) -> Vector:
        """What form and hour leave of the label of the platform's posts."""
        slots = rows[spec.SLOT].cast(pl.Int64).to_numpy()
        remaining: Vector = rows[LABEL].to_numpy() - self.form.adds(rows) - self.uplift[slots]
        return remaining

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {
            "uplift": self.uplift.tolist(),
            "error": self.error.tolist(),
            "posts": self.posts.astype(int).tolist(),
            "form": self.form.to_json(),
            "noise": self.noise,
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        uplift, error, posts = (np.array(card[name], dtype=np.float64) for name in ("uplift", "error", "posts"))
        return cls(uplift, error, posts, Effects.from_json(card["form"]), card["noise"])


@dataclass(frozen=True)
class FittedCurves:
    """The curves by platform, the scales by which they were drawn together, and the covariance of each curve."""

    curves: Mapping[str, Curve]
    scales: Mapping[str, float]
    covariances: Mapping[str, Matrix]


def fit_curves(rows: pl.DataFrame) -> FittedCurves:
    """The curves of the platforms that have MIN_CONTRASTS.

    A platform's hours of the day, its weekdays, and each weekday's hours beyond both have priors around 0. Those of
    hours tie neighbours together, on the circle. How wide the priors are is what makes the evidence likeliest: on all
    platforms together, since one has only seven weekdays.

    Args:
        rows: labelled posts with their BLOCK, ordered.
    """
    design = Design.of(rows, spec.TERMS, min_count=spec.MIN_COUNT, given={spec.SLOT: tuple(map(str, range(SLOTS)))})
    found = {name: each for name, each in gather(design, rows, LABEL).items() if each.freedom >= spec.MIN_CONTRASTS}
    effects = {name: fit_effects(design, {name: each})[0] for name, each in found.items()}
    hours = {name: _of_slots(each, effects[name], name) for name, each in found.items()}
    noise = {name: effects[name].noise[name] ** 2 for name in found}

    def likelihood(scales: Mapping[str, float]) -> float:
        covariance = prior(scales)
        return sum(log_evidence(*hours[name], covariance, noise[name]) for name in hours)

    scales = likeliest(SCALES, likelihood)
    curves, covariances = {}, {}
    for name, sums in hours.items():
        of_platform = rows.filter(pl.col("platform") == name)
        posts = np.bincount(of_platform[spec.SLOT].cast(pl.Int64).to_numpy(), minlength=SLOTS).astype(np.float64)
        against_usual = np.eye(SLOTS) - posts / posts.sum()
        mean, covariance = posterior(*sums, prior(scales), noise[name])
        covariances[name] = against_usual @ covariance @ against_usual.T
        curves[name] = Curve(
            uplift=_rounded(against_usual @ mean),
            error=_rounded(np.sqrt(np.diag(covariances[name]).clip(0))),
            posts=posts,
            form=_form_of(effects[name]),
            noise=round(noise[name], DECIMALS),
        )
    return FittedCurves(curves, scales, covariances)


def prior(scales: Mapping[str, float]) -> Matrix:
    """Covariance of the slots before any evidence."""
    alike = hours_alike(scales[_SMOOTHNESS])
    all_days, own_day, all_hours = np.ones((WEEKDAYS, WEEKDAYS)), np.eye(WEEKDAYS), np.ones((HOURS, HOURS))
    covariance: Matrix = (
        scales[_HOUR] ** 2 * np.kron(all_days, alike)
        + scales[_WEEKDAY] ** 2 * np.kron(own_day, all_hours)
        + scales[_SLOT] ** 2 * np.kron(own_day, alike)
    )
    return covariance


def seen_of_accounts(rows: pl.DataFrame) -> Vector:
    """How much of the spread of accounts is left in the mean of those seen, by hour of the day.

    The sum of the squared parts that accounts have of the posts around the hour: 1 / their number, if they post alike.
    """
    accounts = rows["account_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    hours = HOUR_OF_SLOT[rows[spec.SLOT].cast(pl.Int64).to_numpy()]
    counts = np.bincount(accounts * HOURS + hours, minlength=(accounts.max() + 1) * HOURS).reshape(-1, HOURS)
    near = around(counts.astype(np.float64), spec.NEARBY_HOURS)
    total = near.sum(axis=0)
    parts: Vector = (near**2).sum(axis=0) / np.maximum(total, 1.0) ** 2
    return np.where(total > 0, parts, 1.0)


def _of_slots(evidence: Evidence, effects: Effects, platform: str) -> tuple[Matrix, Vector]:
    """The sums of the slots alone, when form and days have been given what is theirs.

    Their effects are integrated out under the priors that `fit_effects` found, so that what cannot be told apart from a
    day or a form is not counted as evidence for an hour.
    """
    design = effects.design
    slots = design.positions(spec.TERMS[-1]).ravel()
    others = np.arange(design.width - slots.size)
    spread = np.concatenate(
        [np.full(design.positions(term).size, effects.spreads[term.name]) for term in spec.TERMS[:-1]]
    )
    among = evidence.products[np.ix_(others, others)] + np.diag(effects.noise[platform] ** 2 / spread**2)
    shared = evidence.products[np.ix_(slots, others)]
    taken = np.linalg.solve(among, np.column_stack([shared.T, evidence.with_target[others]]))
    products = evidence.products[np.ix_(slots, slots)] - shared @ taken[:, :-1]
    return (products + products.T) / 2, evidence.with_target[slots] - shared @ taken[:, -1]


def _form_of(effects: Effects) -> Effects:
    vocabulary = {term.trait: effects.design.vocabulary[term.trait] for term in spec.FORM}
    design = Design(spec.FORM, vocabulary)
    return Effects(
        design,
        effects.means[: design.width],
        {term.name: effects.spreads[term.name] for term in spec.FORM},
        effects.noise,
    )


def _rounded(values: Vector) -> Vector:
    rounded: Vector = np.round(values, DECIMALS) + 0.0
    return rounded
