"""What to expect of an account before any of its posts: its platform's mean, and how many follow it.

Two numbers learned from the accounts of the training rows: how engagement grows with followers, and how far accounts
differ beyond that, which says how soon an account's own posts count for more than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.additive import Vector

DECIMALS: Final = 6
"""Of what is learned: beyond, sums depend on how they are added."""
PRIOR_ACCOUNTS: Final = 5.0
"""No growth with followers counts like so many accounts, one natural logarithm off the mean: few accounts say little."""
MIN_PRIOR_POSTS: Final = 0.5
MAX_PRIOR_POSTS: Final = 20.0
"""Bounds of the posts that the expectation counts like, against estimates from few accounts."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Audience:
    """What followers add to a platform's mean.

    Attributes:
        column: log followers, as known when a post was written; None where the model does not see them.
        growth: log engagement for each unit of log followers.
        means: mean log followers by platform.
        prior_posts: what is expected of an account counts like so many of its posts.
    """

    column: str | None = None
    growth: float = 0.0
    means: Mapping[str, float] = field(default_factory=dict)
    prior_posts: float = MIN_PRIOR_POSTS

    @classmethod
    def fit(cls, rows: pl.DataFrame, beyond: Vector, column: str | None) -> Self:
        """Learned from posts, by the account.

        Growth is the slope over accounts' means, each weighted by how well n posts tell it, n / (n + 1), shrunk by
        PRIOR_ACCOUNTS. The expectation's weight is the ratio of the variance of an account's posts to that between
        accounts, both by the moments of an unbalanced one-way analysis of variance (Searle, Casella and McCulloch,
        Variance Components, 1992, 3.6).

        Args:
            rows: posts with `account_id`, `platform` and the column.
            beyond: their log engagement less their platform's mean and what their form adds.
            column: log followers, null where unknown.
        """
        _, account = np.unique(rows["account_id"].to_numpy(), return_inverse=True)
        bare = cls(column) if column is None else cls(column, means=_means(rows, column))
        followers = bare.centred(rows)
        known = ~np.isnan(followers)
        growth = round(_slope(account[known], followers[known], beyond[known]), DECIMALS)
        left = beyond - np.nan_to_num(growth * followers)
        return cls(column, growth, bare.means, round(_prior_posts(account, left), DECIMALS))

    def adds(self, rows: pl.DataFrame) -> Vector:
        """What each row's followers add to its platform's mean: 0 where they are unknown."""
        added: Vector = np.nan_to_num(self.growth * self.centred(rows))
        return added

    def centred(self, rows: pl.DataFrame) -> Vector:
        """Log followers less the platform's mean; not a number where either is unknown."""
        if self.column is None or not self.means:
            return np.full(rows.height, np.nan)
        mean = pl.col("platform").replace_strict(
            list(self.means), list(self.means.values()), default=None, return_dtype=pl.Float64
        )
        return rows.select((pl.col(self.column) - mean).fill_null(float("nan"))).to_series().to_numpy()

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "column": self.column,
            "growth": self.growth,
            "means": dict(self.means),
            "prior_posts": self.prior_posts,
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["column"], card["growth"], card["means"], card["prior_posts"])


def _means(rows: pl.DataFrame, column: str) -> dict[str, float]:
    known = rows.select("platform", column).drop_nulls()
    platform, followers = known["platform"].to_numpy(), known[column].to_numpy()
    return {
        name: round(float(followers[platform == name].mean()), DECIMALS) for name in sorted(known["platform"].unique())
    }


def _slope(account: Indices, followers: Vector, beyond: Vector) -> float:
    if not len(account):
        return 0.0
    posts = np.bincount(account)
    has_posts = posts > 0
    n = posts[has_posts]
    x, y = (np.bincount(account, weights=each)[has_posts] / n for each in (followers, beyond))
    weight = n / (n + 1)
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    return float((weight * x * y).sum() / ((weight * x**2).sum() + PRIOR_ACCOUNTS))


def _prior_posts(account: Indices, beyond: Vector) -> float:
    posts = np.bincount(account).astype(np.float64)
    accounts, count = len(posts), len(account)
    if accounts < 2 or count == accounts:
        return MIN_PRIOR_POSTS
    mean = np.bincount(account, weights=beyond) / posts
    within = float(((beyond - mean[account]) ** 2).sum()) / (count - accounts)
    spread = float((posts * (mean - beyond.mean()) ** 2).sum()) / (accounts - 1)
    between = (spread - within) / ((count - float((posts**2).sum()) / count) / (accounts - 1))
    return float(np.clip(within / max(between, 1e-9), MIN_PRIOR_POSTS, MAX_PRIOR_POSTS))
