"""The suggester: what hashtags add, and how well they go with a draft, learned from the same posts.

How it is judged is in `evaluation.py`, what is said to people in `scoring.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import polars as pl

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.models.encoding import require_columns
from clientnest_assets.models.hashtags.lift import Lifts
from clientnest_assets.models.hashtags.relevance import Relevance
from clientnest_assets.models.hashtags.use import HASHTAGS
from clientnest_assets.models.traits import with_traits

CONTENT: Final = VIEWS["content"]
_FEATURES: Final = (
    "content_category",
    "media_type",
    "content_length",
    "ai_generated",
    "hashtag_count",
    "hashtags",
    "words",
)


@dataclass(frozen=True)
class Suggester:
    """What was learned."""

    lifts: Lifts
    relevance: Relevance

    @classmethod
    def fit(cls, posts: pl.DataFrame) -> Self:
        """From `described` labelled posts, ordered by `as_of` and post_id.

        Raises:
            NotEnoughDataError: says how many posts, or hashtags, there are and what is needed.
        """
        lifts = Lifts.fit(posts)
        return cls(lifts, Relevance.fit(posts, lifts.tags))

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {"lifts": self.lifts.to_json(), "relevance": self.relevance.to_json()}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(Lifts.from_json(card["lifts"]), Relevance.from_json(card["relevance"]))


def described(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a post's traits, its hashtags (each once, none where unknown) and words, from joined features.

    Raises:
        ForeignModelError: a feature is not among the rows.
    """
    require_columns(rows, [column(CONTENT, name) for name in _FEATURES])
    hashtags = pl.col(column(CONTENT, "hashtags")).fill_null([]).list.unique(maintain_order=True).alias(HASHTAGS)
    words = pl.col(column(CONTENT, "words")).alias("words")
    known = with_traits(rows.lazy(), column(CONTENT, "")).with_columns(hashtags, words)
    return known.drop(column(CONTENT, name) for name in _FEATURES).collect()
