"""How far a post may come out from what is predicted: an interval that covers as often as it says, and a distribution.

Conformalised quantile regression (Romano, Patterson and Candès, "Conformalized quantile regression", NeurIPS 2019): two
quantile models say how wide, and what they missed by on posts that they did not see moves both bounds outward, or inward,
until the right share lies between. By platform and size of the account, each drawn towards what holds for more posts where
it has few. Both bounds alike: a level that shifted while it was calibrated would move one of them for good. The models
themselves are in `trees.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.encoding import looked_up
from clientnest_assets.models.engagement import spec

BAND: Final = "follower_band"
UNKNOWN: Final = "unknown"
BANDS: Final = {"under 1,000": 1_000, "1,000 to 10,000": 10_000, "10,000 and more": math.inf}
"""Followers by band: the number that is too many for it."""

PRIOR_POSTS: Final = 100
"""The offset from n posts errs by about 1 / √n in log engagement, and groups differ by about 0.1: so what holds for all
counts like so many of a group's own posts."""
NARROWEST: Final = 1e-3
DECIMALS: Final = 6
CUMULATIVE: Final = (0.0, 0.01, 0.03, spec.TAIL, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1 - spec.TAIL, 0.97, 0.99, 1.0)
"""Chances at which the shape of the distribution is kept."""
_BOUNDS: Final = (CUMULATIVE.index(spec.TAIL), CUMULATIVE.index(1 - spec.TAIL))

ALL: Final = ""


def bands(rows: pl.DataFrame, followers: str | None) -> pl.Series:
    """The band of each row by the account's followers, from their logarithm; UNKNOWN where that is."""
    if followers is None:
        return pl.Series(BAND, [UNKNOWN] * rows.height, dtype=pl.String)
    count = np.round(np.exp(rows[followers].cast(pl.Float64).to_numpy()) - 1)
    # What is not a number sorts behind every number of followers.
    found: pl.Series = pl.Series(BAND, [*BANDS, UNKNOWN])[np.searchsorted(list(BANDS.values()), count, side="right")]
    return found


@dataclass(frozen=True)
class Bounds:
    """What a post is predicted to get, and within which bounds; one entry a post, on the scale of the label."""

    low: Vector
    point: Vector
    high: Vector

    def above_zero(self) -> Bounds:
        """The bounds without what no score can be."""
        return Bounds(np.clip(self.low, 0, None), self.point, np.maximum(self.high, 0))


@dataclass(frozen=True)
class Spread:
    """What unseen posts taught of the bounds.

    Attributes:
        offsets: by how much both bounds move outward, for ALL, by platform, and by platform and band.
        shape: at each of CUMULATIVE, how far from the prediction: -1 is the lower bound, 1 the upper.
    """

    offsets: Mapping[str, float]
    shape: tuple[float, ...]

    @classmethod
    def fit(cls, groups: pl.DataFrame, said: Bounds, label: Vector) -> Self:
        """Learned from posts that none of the models behind `said` has seen.

        Args:
            groups: platform and BAND of each post.
            said: what the quantile models and the point model say.
            label: what became of it, on the same scale.
        """
        offsets = _offsets(groups, np.maximum(said.low - label, label - said.high))
        bounds = cls(offsets, ()).bounds(groups, said)
        apart = label - bounds.point
        width = np.where(apart < 0, bounds.point - bounds.low, bounds.high - bounds.point)
        shape = np.quantile(apart / np.maximum(width, NARROWEST), CUMULATIVE)
        # The bounds are where they are: what lies between and beyond them keeps to its side.
        lower, upper = _BOUNDS
        shape[:lower], shape[upper + 1 :] = np.minimum(shape[:lower], -1), np.maximum(shape[upper + 1 :], 1)
        shape[lower : upper + 1] = np.clip(shape[lower : upper + 1], -1, 1)
        shape[[lower, upper]] = -1, 1
        return cls(offsets, tuple(np.round(shape, DECIMALS).tolist()))

    def bounds(self, groups: pl.DataFrame, said: Bounds) -> Bounds:
        """The bounds moved. They never cross, and what is predicted lies between them."""
        offset = _by_group(groups, self.offsets)
        return Bounds(np.minimum(said.low - offset, said.point), said.point, np.maximum(said.high + offset, said.point))

    def below(self, bounds: Bounds, ends: Vector) -> Vector:
        """The chance that a post stays below each of its ends, one line a post; not a number where an end is none."""
        apart = ends - bounds.point[:, None]
        width = np.where(apart < 0, (bounds.point - bounds.low)[:, None], (bounds.high - bounds.point)[:, None])
        chance: Vector = np.interp(apart / np.maximum(width, NARROWEST), self.shape, CUMULATIVE)
        return np.where(np.isnan(ends), np.nan, chance)

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {"offsets": dict(self.offsets), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["offsets"], tuple(card["shape"]))


def _offsets(groups: pl.DataFrame, beyond: Vector) -> dict[str, float]:
    """By group, the offset that holds INTERVAL of the posts, each drawn towards that of the wider group.

    Args:
        groups: platform and BAND of each post.
        beyond: how far each outcome lies beyond the nearer bound, negative within.
    """
    offsets = {ALL: _conformal(beyond)}
    platform, band = (groups[name].to_numpy() for name in ("platform", BAND))
    for name in sorted(groups["platform"].unique()):
        is_here = platform == name
        offsets[name] = _drawn(beyond[is_here], offsets[ALL])
        for size in (*BANDS, UNKNOWN):
            if (chosen := is_here & (band == size)).any():
                offsets[_key(name, size)] = _drawn(beyond[chosen], offsets[name])
    return {name: round(offset, DECIMALS) for name, offset in offsets.items()}


def _drawn(beyond: Vector, wider: float) -> float:
    weight = len(beyond) / (len(beyond) + PRIOR_POSTS)
    return weight * _conformal(beyond) + (1 - weight) * wider


def _conformal(beyond: Vector) -> float:
    """The offset that holds INTERVAL of posts to come: the ⌈(n + 1) INTERVAL⌉-th of n, the greatest if there is none."""
    rank = math.ceil((len(beyond) + 1) * spec.INTERVAL)
    return float(np.sort(beyond)[min(rank, len(beyond)) - 1])


def _by_group(groups: pl.DataFrame, offsets: Mapping[str, float]) -> Vector:
    """Each row's offset: that of its platform and band, else of its platform, else of all."""
    platform = groups["platform"]
    own = looked_up(groups.select(_key_of(pl.col("platform"), pl.col(BAND))).to_series(), offsets, np.nan)
    return np.where(np.isnan(own), looked_up(platform, offsets, offsets[ALL]), own)


def _key(platform: str, band: str) -> str:
    return f"{platform}, {band}"


def _key_of(platform: pl.Expr, band: pl.Expr) -> pl.Expr:
    return pl.concat_str(platform, band, separator=", ")
