"""What to expect of an account before any of its posts: its platform's mean, how many follow it, and who its author is.

Three numbers learned from the accounts of the training rows: how engagement grows with followers; how far accounts differ
beyond that, which says how soon an account's own posts count for more than this; and how much of that difference is the
author's, which says what their other accounts tell of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.additive import Indices, Vector
from clientnest_assets.models.encoding import looked_up

DECIMALS: Final = 6
"""Of what is learned: beyond, sums depend on how they are added."""
PRIOR_ACCOUNTS: Final = 5.0
"""No growth with followers counts like so many accounts, one natural logarithm off the mean: few accounts say little."""
MIN_PRIOR_POSTS: Final = 0.5
MAX_PRIOR_POSTS: Final = 20.0
"""Bounds of the posts that the expectation counts like, against estimates from few accounts."""
PRIOR_PAIRS: Final = 20.0
"""That accounts of one author have nothing in common counts like so many pairs of them."""
MAX_SHARED: Final = 0.9


@dataclass(frozen=True)
class Audience:
    """What followers add to a platform's mean.

    Attributes:
        column: log followers, as known when a post was written; None where the model does not see them.
        growth: log engagement for each unit of log followers.
        means: mean log followers by platform.
        prior_posts: the variance of an account's posts, as a multiple of that between accounts: so many posts of its own
            tell as much of an account as its platform and followers do.
        shared: the part of the variance between accounts that accounts of one author have in common.
    """

    column: str | None = None
    growth: float = 0.0
    means: Mapping[str, float] = field(default_factory=dict)
    prior_posts: float = MIN_PRIOR_POSTS
    shared: float = 0.0

    @classmethod
    def fit(cls, rows: pl.DataFrame, beyond: Vector, column: str | None) -> Self:
        """Learned from posts, by the account.

        Growth is the slope over accounts' means, each weighted by how well n posts tell it, n / (n + 1), shrunk by
        PRIOR_ACCOUNTS. The expectation's weight is the ratio of the variance of an account's posts to that between
        accounts, both by the moments of an unbalanced one-way analysis of variance (Searle, Casella and McCulloch,
        Variance Components, 1992, 3.6). What authors share is the mean product of two of their accounts' means, shrunk by
        PRIOR_PAIRS.

        Args:
            rows: posts with `account_id`, `user_id`, `platform` and the column.
            beyond: their log engagement less their platform's mean and what their form adds.
            column: log followers, null where unknown.
        """
        _, account = np.unique(rows["account_id"].to_numpy(), return_inverse=True)
        bare = cls(column) if column is None else cls(column, means=_means(rows, column))
        followers = bare.centred(rows)
        known = ~np.isnan(followers)
        growth = round(_slope(account[known], followers[known], beyond[known]), DECIMALS)
        left = beyond - np.nan_to_num(growth * followers)
        prior_posts = _prior_posts(account, left)
        shared = _shared(account, rows["user_id"].to_numpy(), left, prior_posts)
        return cls(column, growth, bare.means, round(prior_posts, DECIMALS), round(shared, DECIMALS))

    def weight(self, posts: Vector) -> Vector:
        """What the mean of so many posts of another account tells of the author.

        A precision, in units of the variance between accounts: the mean varies around the author by what accounts of one
        author differ, and by its own posts.
        """
        return posts / ((1 - self.shared) * posts + self.prior_posts)

    def level(self, posts: Vector, mean: Vector, others_weight: Vector, others_total: Vector) -> Vector:
        """What is expected of an account beyond its followers: the best linear prediction from all that its author posted.

        Henderson's for nested random effects (Searle, Casella and McCulloch 1992, 7.4): first the author from the other
        accounts, then the account around the author from its own posts.

        Args:
            posts: of the account itself.
            mean: theirs; anything where there are none.
            others_weight: the sum of `weight` over the author's other accounts.
            others_total: the sum of `weight` times mean over them.
        """
        heard = others_weight * self.shared + 1
        author = others_total * self.shared / heard
        unknown = 1 - self.shared + self.shared / heard
        own = unknown * posts / (unknown * posts + self.prior_posts)
        return author + own * (mean - author)

    def adds(self, rows: pl.DataFrame) -> Vector:
        """What each row's followers add to its platform's mean: 0 where they are unknown."""
        added: Vector = np.nan_to_num(self.growth * self.centred(rows))
        return added

    def centred(self, rows: pl.DataFrame) -> Vector:
        """Log followers less the platform's mean; not a number where either is unknown."""
        if self.column is None or not self.means:
            return np.full(rows.height, np.nan)
        followers: Vector = rows[self.column].cast(pl.Float64).to_numpy()
        return followers - looked_up(rows["platform"], self.means, np.nan)

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "column": self.column,
            "growth": self.growth,
            "means": dict(self.means),
            "prior_posts": self.prior_posts,
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["column"], card["growth"], card["means"], card["prior_posts"], card["shared"])


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


def _shared(account: Indices, user: npt.NDArray[Any], beyond: Vector, prior_posts: float) -> float:
    first = np.unique(account, return_index=True)[1]
    _, author = np.unique(user[first], return_inverse=True)
    posts = np.bincount(account).astype(np.float64)
    mean = np.bincount(account, weights=beyond) / posts
    weight = posts / (posts + prior_posts)
    apart = weight * (mean - np.average(mean, weights=weight))
    # Over all pairs of one author's accounts: the square of the sum less the sum of squares.
    products = np.bincount(author, weights=apart) ** 2 - np.bincount(author, weights=apart**2)
    pairs = np.bincount(author, weights=weight) ** 2 - np.bincount(author, weights=weight**2)
    within = float(((beyond - mean[account]) ** 2).sum()) / max(len(beyond) - len(mean), 1)
    between = max(within / prior_posts, 1e-9)
    return float(np.clip(products.sum() / (pairs.sum() + 2 * PRIOR_PAIRS) / between, 0, MAX_SHARED))
