"""What users' own posts say of a trait's options, beyond what everybody's do.

How that is weighed against everybody's is in `options.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.design import code_of
from clientnest_assets.models.effects import BLOCK, Effects, Matrix, Vector, spread_of, with_blocks
from clientnest_assets.models.traits import LABEL

Counts = npt.NDArray[np.int64]
Array = TypeVar("Array", Vector, Counts)

ENTITY: Final = ("user_id", "platform")


@dataclass(frozen=True)
class Left:
    """What everybody's effects leave of posts.

    Attributes:
        posts: in their order.
        missed: of each, its label less the effects.
        number: of each, the number of its block.
        entities: user_id and platform, a row an entity, ordered.
        blocks: `entity` and `noise` of each block, in the order of their numbers; a block is of one entity.
    """

    posts: pl.DataFrame
    missed: Vector
    number: Counts
    entities: pl.DataFrame
    blocks: pl.DataFrame

    @classmethod
    def of(cls, posts: pl.DataFrame, effects: Effects) -> Self:
        """From labelled posts, all known at the moment for which this is asked."""
        keys = with_blocks(posts).select(*ENTITY, BLOCK, effects.noise_of("platform").alias("noise"))
        entities = keys.select(ENTITY).unique().sort(*ENTITY)
        keys = keys.join(entities.with_row_index("entity"), on=list(ENTITY), how="left", maintain_order="left")
        blocks = keys.unique(["entity", BLOCK], keep="first", maintain_order=True).with_row_index("number")
        number = keys.join(blocks, on=["entity", BLOCK], how="left", maintain_order="left")["number"]
        missed = posts[LABEL].to_numpy() - effects.adds(posts)
        return cls(posts, missed, number.cast(pl.Int64).to_numpy(), entities, blocks.select("entity", "noise"))


@dataclass(frozen=True)
class Own:
    """What the posts of each user on each platform say of a trait's options, beyond what everybody's do.

    Attributes:
        entities: user_id and platform, a row an entity.
        information: by entity, the options' inverse covariance as far as its posts tell it.
        evidence: by entity, that times the estimate.
        posts: by entity and option.
    """

    entities: pl.DataFrame
    information: Matrix
    evidence: Vector
    posts: Counts

    @classmethod
    def of(cls, left: Left, trait: str, names: tuple[str, ...]) -> Self:
        """From what everybody's effects leave of posts."""
        options = len(names)
        code = left.posts.select(code_of(trait, names).fill_null(options)).to_series().to_numpy()
        places = left.number * (options + 1) + code
        shape = (left.blocks.height, options + 1)
        posts = np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)
        missed = np.bincount(places, left.missed, minlength=shape[0] * shape[1]).reshape(shape)
        precision, of_entity = left.blocks["noise"].to_numpy() ** -2.0, left.blocks["entity"].to_numpy()
        share = posts / posts.sum(axis=1, keepdims=True)
        evidence: Vector = (missed - share * missed.sum(axis=1, keepdims=True)) * precision[:, None]
        known = posts[:, :options]
        information: Matrix = -known[:, :, None] * share[:, None, :options]
        information[:, np.arange(options), np.arange(options)] += known
        return cls(
            left.entities,
            sums(information * precision[:, None, None], of_entity, left.entities.height),
            sums(evidence[:, :options], of_entity, left.entities.height),
            sums(known, of_entity, left.entities.height),
        )

    def spread(self) -> float:
        """How far users' own effects spread around everybody's."""
        information, axes = np.linalg.eigh(self.information)
        evidence = np.einsum("nkj,nk->nj", axes, self.evidence)
        return spread_of(information.clip(0).ravel(), evidence.ravel())

    def at(self, requests: pl.DataFrame) -> Own:
        """A row for each request, in their order; zeros for those without posts."""
        found = requests.select(ENTITY).join(
            self.entities.with_row_index("entity"), on=list(ENTITY), how="left", maintain_order="left"
        )["entity"]
        place = found.fill_null(self.entities.height).to_numpy()
        return Own(
            requests.select(ENTITY),
            with_zeros(self.information)[place],
            with_zeros(self.evidence)[place],
            with_zeros(self.posts)[place],
        )


def with_zeros(values: Array) -> Array:
    """The array and a line of zeros behind."""
    return np.concatenate([values, np.zeros((1, *values.shape[1:]), values.dtype)])


def sums(values: Array, group: Counts, groups: int) -> Array:
    """Sums of lines by group, added in the order of the lines."""
    total = np.zeros((groups, *values.shape[1:]), values.dtype)
    np.add.at(total, group, values)
    return total
