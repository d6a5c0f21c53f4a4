"""What a hashtag adds to engagement: for everybody, on a platform, and in a user's own posts.

All hashtags that enough accounts use are in one regression with what else a post has (`models/effects.py`), so that one
is not praised for the company it keeps, nor for who uses it. The number of hashtags is held fixed too: a lift is what a
hashtag adds in the place of an average one. How far a platform, and then a user, differs from that is told by what is
left of their posts, each hashtag by itself, and drawn to 0 as far as such differences turned out small. Which hashtags
are used enough is said in `use.py`, which go with a draft in `relevance.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.design import Design, Term, code_of
from clientnest_assets.models.effects import (
    BLOCK,
    DECIMALS,
    Effects,
    Vector,
    fit_effects,
    gather,
    spread_of,
    with_blocks,
)
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.hashtags.use import HASHTAGS, MIN_ACCOUNTS, MIN_POSTS, TAG, dead, used_enough
from clientnest_assets.models.traits import AI, CATEGORY, HASHTAG_COUNT, HOUR, LABEL, LENGTH, MEDIA, WEEKDAY

Counts = npt.NDArray[np.int64]

_OF_TAGS: Final = Term(HASHTAGS)
TERMS: Final = (
    _OF_TAGS,
    *(
        Term(trait, by)
        for trait in (CATEGORY, MEDIA, LENGTH, HASHTAG_COUNT, HOUR, WEEKDAY)
        for by in (None, "platform")
    ),
    Term(AI, "platform"),
)
MIN_COUNT: Final = 20
MIN_COMPARED: Final = 100

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Lifts:
    """What hashtags add to log engagement. Arrays by hashtag, those of platforms by platform and hashtag.

    The last platform stands for one that was not seen.

    Attributes:
        effects: of the joint regression, the hashtags' among them.
        tags: that enough posts of enough accounts have.
        mean: what a hashtag adds in the place of an average one, for everybody.
        error: standard deviation of what is not known of a hashtag's effect.
        posts, accounts: that have it.
        platforms: those seen.
        on_platform: what the platform adds to a hashtag's effect, as far as it is told apart.
        platform_error: standard deviation of what is not known of it.
        posts_platform: on the platform.
        own_spread: how far users' own effects spread around these.
        dead: hashtags out of use.
    """

    effects: Effects
    tags: tuple[str, ...]
    mean: Vector
    error: Vector
    posts: Counts
    accounts: Counts
    platforms: tuple[str, ...]
    on_platform: Vector
    platform_error: Vector
    posts_platform: Counts
    own_spread: float
    dead: tuple[str, ...]

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> Self:
        """From labelled posts with traits and hashtags, ordered by `as_of` and post_id.

        Raises:
            NotEnoughDataError: says how many posts, or hashtags, there are and what is needed.
        """
        seen = used_enough(rows)
        if seen.is_empty():
            raise NotEnoughDataError(
                f"none of {rows[HASHTAGS].explode(empty_as_null=True).drop_nulls().n_unique()} hashtags in {rows.height} "
                f"posts with mature engagement was used in {MIN_POSTS} posts of {MIN_ACCOUNTS} accounts: train a later "
                "week, or import more history"
            )
        tags = tuple(seen[TAG])
        design = Design.of(rows, TERMS, min_count=MIN_COUNT, given={HASHTAGS: tags})
        evidence = gather(design, with_blocks(rows), LABEL)
        compared = sum(each.freedom for each in evidence.values())
        if compared < MIN_COMPARED:
            raise NotEnoughDataError(
                f"{compared} posts with mature engagement can be compared with another post of their account, "
                f"{MIN_COMPARED} are needed: train a later week, or import more history"
            )
        effects, covariance = fit_effects(design, evidence)
        platforms = tuple(sorted(evidence))
        places = design.positions(_OF_TAGS)[0]
        posts = seen["posts"].cast(pl.Int64).to_numpy()
        # Of hashtags and their number the regression cannot tell what all of them add alike.
        away = np.eye(len(tags)) - posts / posts.sum()
        everybody = cls(
            effects,
            tags,
            np.round(away @ effects.means[places], DECIMALS) + 0.0,
            np.round(np.sqrt(np.diag(away @ covariance[np.ix_(places, places)] @ away.T).clip(0)), DECIMALS),
            posts,
            seen["accounts"].cast(pl.Int64).to_numpy(),
            platforms,
            np.zeros((len(platforms) + 1, len(tags))),
            np.zeros((len(platforms) + 1, len(tags))),
            np.zeros((len(platforms) + 1, len(tags)), np.int64),
            0.0,
            dead(rows, tags),
        )
        return everybody.with_platforms(rows).with_users(rows)

    def platform_places(self, rows: pl.DataFrame) -> Counts:
        """The place of each row's platform."""
        place = rows.select(code_of("platform", self.platforms).fill_null(len(self.platforms))).to_series()
        return place.to_numpy()

    def left(self, posts: pl.DataFrame, by: list[str]) -> pl.DataFrame:
        """What the effects leave of posts with a hashtag, against others of their account: one row by `by` and hashtag.

        `posts`, and when the newest was asked for, `last_used`; `information`, the inverse variance of what the hashtag
        adds beyond the effects as these posts tell it; and `evidence`, that times the estimate. Hashtags without an
        effect of their own are among them.

        Args:
            posts: labelled, with traits and hashtags.
            by: columns, platform among them.
        """
        # In whole millionths, because sums of floats depend on the number of threads.
        left = pl.Series("left", posts[LABEL].to_numpy() - self.effects.adds(posts))
        rows = with_blocks(posts.select(*dict.fromkeys((*by, "platform")), "account_id", AS_OF, "post_id", HASHTAGS))
        rows = rows.with_columns((left * _MILLION).round().cast(pl.Int64))
        block = pl.len().over(BLOCK).alias("in_block"), pl.col("left").sum().over(BLOCK).alias("left_in_block")
        with_tag = (
            rows.with_columns(block)
            .explode(HASHTAGS, empty_as_null=True)
            .drop_nulls(HASHTAGS)
            .group_by(*by, BLOCK, pl.col(HASHTAGS).alias(TAG))
            .agg(
                pl.len().cast(pl.Int64).alias("posts"),
                pl.col(AS_OF).max().alias("last_used"),
                pl.col("left").sum(),
                pl.first("in_block", "left_in_block"),
            )
        )
        share = pl.col("posts") / pl.col("in_block")
        millionths = (
            ((1 - share) * pl.col("posts") * _MILLION).round().cast(pl.Int64).alias("information"),
            (pl.col("left") - share * pl.col("left_in_block")).round().cast(pl.Int64).alias("evidence"),
        )
        precision = self.effects.noise_of("platform") ** -2 / _MILLION
        return (
            with_tag.with_columns(millionths)
            .group_by(*by, TAG)
            .agg(pl.col("posts", "information", "evidence").sum(), pl.col("last_used").max())
            .with_columns(pl.col("information", "evidence") * precision)
            .sort(*by, TAG)
        )

    def with_platforms(self, rows: pl.DataFrame) -> Self:
        """With what platforms add, which no regression of all of them together could tell from little."""
        left = self.left(rows, ["platform"]).filter(pl.col(TAG).is_in(self.tags))
        spread = spread_of(left["information"].to_numpy(), left["evidence"].to_numpy())
        place = (self.platform_places(left), left.select(code_of(TAG, self.tags)).to_series().to_numpy())
        mean, error = shrunk(left["information"].to_numpy(), left["evidence"].to_numpy(), spread)
        on_platform, platform_error = np.zeros(self.on_platform.shape), np.full(self.on_platform.shape, spread)
        posts = np.zeros(self.on_platform.shape, np.int64)
        on_platform[place], platform_error[place], posts[place] = mean, error, left["posts"].to_numpy()
        return replace(
            self,
            on_platform=np.round(on_platform, DECIMALS) + 0.0,
            platform_error=np.round(platform_error, DECIMALS),
            posts_platform=posts,
        )

    def with_users(self, rows: pl.DataFrame) -> Self:
        """With how far users' own effects spread."""
        left = self.left(rows, ["user_id", "platform"]).filter(pl.col(TAG).is_in(self.tags))
        tag = left.select(code_of(TAG, self.tags)).to_series().to_numpy()
        information = left["information"].to_numpy()
        evidence = left["evidence"].to_numpy() - information * self.on_platform[self.platform_places(left), tag]
        spread = spread_of(information, evidence)
        # A mean over few users is uncertain by what they differ, those with many posts counting as more than one.
        posts = left["posts"].to_numpy().astype(np.float64)
        one_over_users = np.bincount(tag, posts**2, len(self.tags)) / np.bincount(tag, posts, len(self.tags)) ** 2
        error: Vector = np.round(np.hypot(self.error, spread * np.sqrt(one_over_users)), DECIMALS).astype(np.float64)
        return replace(self, own_spread=spread, error=error)

    def of_users(self, past: pl.DataFrame) -> pl.DataFrame:
        """What users' own posts say of the hashtags they used: one row by user_id, platform and hashtag.

        `tag` is the hashtag's place, null for one that too few accounts have; `posts`, and `last_used`, the moment of the
        newest; `added` to what everybody's and the platform's posts say; `error`, the standard deviation of what is not
        known of that; and `weight`, how far it follows the own posts, from 0 to 1.

        Args:
            past: labelled posts, all known, with traits and hashtags.
        """
        left = self.left(past, ["user_id", "platform"]).with_columns(code_of(TAG, self.tags).alias("tag"))
        tag, is_shared = left["tag"].fill_null(0).to_numpy(), left["tag"].is_not_null().to_numpy()
        information = left["information"].to_numpy()
        on_platform = np.where(is_shared, self.on_platform[self.platform_places(left), tag], 0)
        alone = float(np.hypot(self.effects.spreads[HASHTAGS], self.own_spread))
        spread = np.where(is_shared, self.own_spread, alone)
        added, error = shrunk(information, left["evidence"].to_numpy() - information * on_platform, spread)
        weight = spread**2 * information / (1 + spread**2 * information)
        return left.select(
            "user_id",
            "platform",
            TAG,
            "tag",
            "posts",
            "last_used",
            pl.Series("added", added),
            pl.Series("error", error),
            pl.Series("weight", weight),
        )

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        arrays = ("mean", "error", "posts", "accounts", "on_platform", "platform_error", "posts_platform")
        return {
            "effects": self.effects.to_json(),
            "tags": list(self.tags),
            "platforms": list(self.platforms),
            "own_spread": self.own_spread,
            "dead": list(self.dead),
            **{name: getattr(self, name).tolist() for name in arrays},
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(
            Effects.from_json(card["effects"]),
            tuple(card["tags"]),
            np.array(card["mean"]),
            np.array(card["error"]),
            np.array(card["posts"]),
            np.array(card["accounts"]),
            tuple(card["platforms"]),
            np.array(card["on_platform"]),
            np.array(card["platform_error"]),
            np.array(card["posts_platform"]),
            card["own_spread"],
            tuple(card["dead"]),
        )


def shrunk(information: Vector, evidence: Vector, spread: float | Vector) -> tuple[Vector, Vector]:
    """Mean and standard deviation of effects that spread around 0, each measured by itself.

    Args:
        information: inverse variance of the estimate.
        evidence: that times the estimate.
        spread: standard deviation of the effects.
    """
    scale = 1 + spread**2 * information
    mean: Vector = spread**2 * evidence / scale
    error: Vector = spread / np.sqrt(scale)
    return mean, error
