"""How well a hashtag goes with a draft: by the words, hashtags and category of the posts that had it.

What it adds to engagement is `lift.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.design import code_of
from clientnest_assets.models.effects import DECIMALS, Matrix, Vector
from clientnest_assets.models.encoding import frequent_values
from clientnest_assets.models.traits import CATEGORY

ITEMS: Final = "items"
MIN_COUNT: Final = 20
MAX_ITEMS: Final = 2000
MAX_POSTS: Final = 100_000
"""The newest so many tell what goes with what; more take time and memory, and change nothing."""
PRIOR_POSTS: Final = 20
"""The posts of a hashtag are taken to be like all posts, which count like so many."""
MIN_ERRORS: Final = 4.0
"""An item goes with a hashtag, or away from it, from so many standard deviations of chance on: of a million pairs some
60 do so by chance."""


@dataclass(frozen=True)
class Relevance:
    """A Bernoulli naive Bayes classifier of posts with and without each hashtag, of the items that tell.

    Attributes:
        items: what posts have.
        absent: by hashtag, the logarithm of its odds in a post with none of the items that tell, less that in any post.
        present: hashtag, item, and what the item adds to it if it is there.
    """

    items: tuple[str, ...]
    absent: Vector
    present: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Vector]

    @classmethod
    def fit(cls, posts: pl.DataFrame, tags: tuple[str, ...]) -> Self:
        """From posts with hashtags, words and category, ordered by time: the newest MAX_POSTS of them."""
        from scipy import sparse

        rows = _with_items(posts.tail(MAX_POSTS))
        items = frequent_values(rows[ITEMS].explode(empty_as_null=True), MIN_COUNT, MAX_ITEMS)
        with_tag, with_item = (
            sparse.csr_array((np.ones(len(line)), (line, place)), shape=(rows.height, len(known)), dtype=np.float64)
            for known, (line, place) in (
                (tags, _members(rows, "hashtags", tags)),
                (items, _members(rows, ITEMS, items)),
            )
        )
        both = (with_tag.T @ with_item).toarray()
        of_tag, of_item = with_tag.sum(axis=0)[:, None], with_item.sum(axis=0)[None, :]
        chance = of_tag * of_item / max(rows.height, 1)
        share = of_item / max(rows.height, 1)
        tells = np.abs(both - chance) >= MIN_ERRORS * np.sqrt(chance + 1)
        tells &= np.array([f"#{tag}" for tag in tags])[:, None] != np.array(items, str)[None, :]
        with_both = ((both + PRIOR_POSTS * share) / (of_tag + PRIOR_POSTS)).clip(1e-6, 1 - 1e-6)
        share = share.clip(1e-6, 1 - 1e-6)
        without = np.where(tells, np.log((1 - with_both) / (1 - share)), 0)
        adds = np.log(with_both / share) - without
        line, place = np.nonzero(tells)
        return cls(
            items,
            np.round(without.sum(axis=1), DECIMALS),
            (line.astype(np.int64), place.astype(np.int64), np.round(adds[line, place], DECIMALS)),
        )

    def of(self, drafts: pl.DataFrame) -> Matrix:
        """Log of how many times likelier each hashtag is in the draft than in any post: drafts by hashtags."""
        from scipy import sparse

        line, place = _members(_with_items(drafts), ITEMS, self.items)
        shape = (drafts.height, len(self.items))
        there = sparse.csr_array((np.ones(len(line)), (line, place)), shape=shape, dtype=np.float64)
        tag, item, adds = self.present
        weights = sparse.csr_array((adds, (item, tag)), shape=(len(self.items), len(self.absent)))
        relevance: Matrix = (there @ weights).toarray() + self.absent
        return relevance

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        tag, item, adds = self.present
        told = sorted(set(item.tolist()))
        return {
            "items": [self.items[place] for place in told],
            "absent": self.absent.tolist(),
            "tag": tag.tolist(),
            "item": np.searchsorted(told, item).tolist(),
            "adds": adds.tolist(),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        present = (np.array(card["tag"], np.int64), np.array(card["item"], np.int64), np.array(card["adds"], float))
        return cls(tuple(card["items"]), np.array(card["absent"], float), present)


def _with_items(posts: pl.DataFrame) -> pl.DataFrame:
    """`hashtags` and `items` of posts: words, hashtags, each with its sign, and the category."""
    signed = pl.col("hashtags").list.eval(pl.lit("#") + pl.element())
    items = pl.concat_list(pl.col("words").fill_null([]), signed, pl.lit("category: ") + pl.col(CATEGORY))
    return posts.select("hashtags", items.alias(ITEMS))


def _members(
    rows: pl.DataFrame, name: str, known: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and place of each known member of a list, each once."""
    found = (
        rows.lazy()
        .select(name)
        .with_row_index("row")
        .explode(name, empty_as_null=True)
        .select(pl.col("row").cast(pl.Int64), place=code_of(name, known))
        .drop_nulls()
        .unique(maintain_order=True)
        .collect()
    )
    return found["row"].to_numpy(), found["place"].to_numpy()
