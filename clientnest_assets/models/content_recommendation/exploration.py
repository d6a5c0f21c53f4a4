"""What to try for the sake of knowing: Thompson sampling, the same for the same user, platform and day.

W. R. Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 25 (1933): each option is
tried as often as it is likely to be the best one.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.content_recommendation.options import Belief
from clientnest_assets.models.effects import Matrix

Words = npt.NDArray[np.uint64]
Choice = npt.NDArray[np.bool_]

_JITTER: Final = 1e-9
"""What rounding may have taken from a covariance."""


def tried(requests: pl.DataFrame, trait: str, belief: Belief, choice: Choice) -> npt.NDArray[np.int64]:
    """The option that is best in one draw of each request's belief, of those it may be; the first where it may be none.

    Args:
        requests: user_id, platform, `as_of`.
        trait: the draws of different traits have nothing to do with each other.
        belief: of the trait.
        choice: whether the request may be answered with the option, a row a request.
    """
    options = belief.mean.shape[1]
    root = np.linalg.cholesky(belief.covariance + _JITTER * np.eye(options))
    drawn = belief.mean + np.einsum("nij,nj->ni", root, _normal(requests, trait, options))
    best: npt.NDArray[np.int64] = np.where(choice, drawn, -np.inf).argmax(axis=1)
    return best


def _normal(requests: pl.DataFrame, trait: str, options: int) -> Matrix:
    """Standard normal numbers, a line a request, that follow from user, platform, day, trait and place alone."""
    from scipy.special import ndtri

    platforms = requests["platform"].unique().sort().to_list()
    named = {name: _number(f"{trait}/{name}") for name in platforms}
    platform = requests["platform"].replace_strict(named, return_dtype=pl.UInt64).to_numpy()
    # What is not known draws as one day, and one user, that nobody has: NaN has no fixed value as a whole number.
    day, user = (
        each.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.uint64)
        for each in (requests[AS_OF].dt.epoch("d"), requests["user_id"])
    )
    seed = _mixed(_mixed(_mixed(user) ^ platform) ^ day)
    words = _mixed(seed[:, None] ^ _mixed(np.arange(1, options + 1, dtype=np.uint64)))
    normal: Matrix = ndtri(((words >> np.uint64(11)) + 0.5) / 2.0**53)
    return normal


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _mixed(words: Words) -> Words:
    """SplitMix64's mixing of 64 bits (G. Steele, D. Lea and C. Flood, OOPSLA 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
