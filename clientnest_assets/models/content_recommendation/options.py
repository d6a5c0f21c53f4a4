"""What is believed of a trait's options: from everybody's posts, from those of a plan, and from a user's own.

The beliefs of everybody come out of the joint regression (`models/effects.py`); here a user's own posts are added to
them, each source by how much it has seen. What is said of it all is in `scoring.py`.

A user's own effects are drawn around everybody's from a normal distribution whose spread is learned from all users;
what a user's posts leave unexplained, compared within blocks of one account, tells them: empirical Bayes (B. Efron and
C. Morris, JASA 70 (1975)). A user without posts has everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from clientnest_assets.models.content_recommendation.own import Counts, Left, Own, sums, with_zeros
from clientnest_assets.models.design import Term, code_of
from clientnest_assets.models.effects import Effects, Matrix, Vector

_COVARIANCE_DECIMALS = 9


@dataclass(frozen=True)
class Belief:
    """What is believed of a trait's options, a row a request, a column an option.

    Attributes:
        everybody: mean effect on the platform, from all posts.
        tier: what posts of the user's plan add to it.
        own: what the user's own posts add to both.
        own_covariance: of what is not known of that, between options.
        covariance: of the sum, likewise.
        posts: of everybody, of the platform, of the plan, and the user's own, by option.
    """

    everybody: Vector
    tier: Vector
    own: Vector
    own_covariance: Matrix
    covariance: Matrix
    posts: tuple[Counts, Counts, Counts, Counts]

    @property
    def mean(self) -> Vector:
        """The expected effect, on log engagement."""
        total: Vector = self.everybody + self.tier + self.own
        return total


@dataclass(frozen=True)
class Options:
    """What everybody's posts tell of one trait.

    Arrays by platform and option, by plan and option, and, for the covariance, by platform, plan and two options. The
    last platform and the last plan stand for one that was not seen.

    Attributes:
        trait: the column.
        names: of its options.
        platforms, tiers: those seen.
        on_platform: mean effects.
        in_tier: what is added to them.
        covariance: of the sums.
        posts: by option; `posts_platform`, `posts_tier` likewise.
        own_spread: how far users' own effects spread around these.
    """

    trait: str
    names: tuple[str, ...]
    platforms: tuple[str, ...]
    tiers: tuple[str, ...]
    on_platform: Vector
    in_tier: Vector
    covariance: Matrix
    posts: Counts
    posts_platform: Counts
    posts_tier: Counts
    own_spread: float

    @classmethod
    def of(cls, trait: str, names: tuple[str, ...], effects: Effects, covariance: Matrix, left: Left) -> Self:
        """From the joint regression; what it leaves of the posts tells how users differ.

        Where they do, a mean over few of them is uncertain beyond what the regression, which knows of posts alone,
        says: by the variance between users over their number, those with many posts counting as more than one of the
        others.
        """
        design, rows, own = effects.design, left.posts, Own.of(left, trait, names)
        own_spread = own.spread()
        platforms, tiers = design.vocabulary["platform"], design.vocabulary["subscription_tier"]
        everywhere, on_platform, in_tier = (Term(trait, by) for by in (None, "platform", "subscription_tier"))
        chosen = [design.vocabulary[trait].index(name) for name in names]
        places = design.positions(everywhere)[0, chosen]
        by_platform = design.positions(on_platform)[:, chosen]
        by_tier = design.positions(in_tier)[:, chosen]
        shape = (len(platforms) + 1, len(tiers) + 1)
        together = np.zeros((*shape, len(names), len(names)))
        for platform, tier in np.ndindex(shape):
            parts = [places]
            alone = 0.0
            for position, found, term in ((platform, by_platform, on_platform), (tier, by_tier, in_tier)):
                if position < len(found):
                    parts.append(found[position])
                else:
                    alone += effects.spreads[term.name] ** 2
            together[platform, tier] = sum(covariance[np.ix_(one, other)] for one in parts for other in parts)
            together[platform, tier] += alone * np.eye(len(names))
        place = own.entities.select(code_of("platform", platforms).fill_null(len(platforms))).to_series().to_numpy()
        total = sums(own.posts, place, len(platforms) + 1)
        one_over_users = np.where(total > 0, sums(own.posts**2, place, len(platforms) + 1) / total.clip(1) ** 2, 1)
        together += (own_spread**2 * one_over_users)[:, None, :, None] * np.eye(len(names))
        return cls(
            trait,
            names,
            platforms,
            tiers,
            effects.means[places] + with_zeros(effects.means[by_platform]),
            with_zeros(effects.means[by_tier]),
            np.round(together, _COVARIANCE_DECIMALS),
            _posts(rows, trait, names)[0],
            _posts(rows, trait, names, "platform", platforms),
            _posts(rows, trait, names, "subscription_tier", tiers),
            own_spread,
        )

    def believe(self, requests: pl.DataFrame, own: Own) -> Belief:
        """What is believed for each request, in their order.

        Args:
            requests: user_id, platform, subscription_tier.
            own: what was known of the users' own posts.
        """
        platform = requests.select(code_of("platform", self.platforms).fill_null(len(self.platforms))).to_series()
        tier = requests.select(code_of("subscription_tier", self.tiers).fill_null(len(self.tiers))).to_series()
        on, of = platform.to_numpy(), tier.to_numpy()
        mine = own.at(requests)
        square = self.own_spread**2
        spread = np.eye(len(self.names)) * square
        # (information + 1 / spread²)⁻¹, written so that a spread of 0 is no exception.
        remaining: Matrix = np.linalg.solve(np.eye(len(self.names)) + square * mine.information, spread).astype(
            np.float64
        )
        return Belief(
            self.on_platform[on],
            self.in_tier[of],
            np.einsum("nij,nj->ni", remaining, mine.evidence),
            remaining,
            self.covariance[on, of] + remaining,
            (
                np.broadcast_to(self.posts, mine.posts.shape),
                self.posts_platform[on],
                self.posts_tier[of],
                mine.posts,
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {
            "trait": self.trait,
            "names": list(self.names),
            "platforms": list(self.platforms),
            "tiers": list(self.tiers),
            "on_platform": self.on_platform.tolist(),
            "in_tier": self.in_tier.tolist(),
            "covariance": self.covariance.tolist(),
            "posts": self.posts.tolist(),
            "posts_platform": self.posts_platform.tolist(),
            "posts_tier": self.posts_tier.tolist(),
            "own_spread": self.own_spread,
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(
            card["trait"],
            tuple(card["names"]),
            tuple(card["platforms"]),
            tuple(card["tiers"]),
            np.array(card["on_platform"]),
            np.array(card["in_tier"]),
            np.array(card["covariance"]),
            np.array(card["posts"]),
            np.array(card["posts_platform"]),
            np.array(card["posts_tier"]),
            card["own_spread"],
        )


def _posts(
    rows: pl.DataFrame, trait: str, names: tuple[str, ...], by: str | None = None, groups: tuple[str, ...] = ()
) -> Counts:
    """Posts by group, a last one for those not seen, and option."""
    group = pl.lit(0, pl.Int64) if by is None else code_of(by, groups)
    found = rows.select(group=group, option=code_of(trait, names)).drop_nulls()
    shape = (len(groups) + 1, len(names))
    places = found["group"].to_numpy() * len(names) + found["option"].to_numpy()
    return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)
