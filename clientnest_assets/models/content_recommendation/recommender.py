"""The recommender: effects of what a post has, and what is believed of each trait that can be chosen.

How it is judged is in `evaluation.py`, what is said to people in `scoring.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import polars as pl

from clientnest_assets.contracts.content_category import rules
from clientnest_assets.models.content_recommendation.options import Belief, Options
from clientnest_assets.models.content_recommendation.own import Left, Own
from clientnest_assets.models.design import Design, Term
from clientnest_assets.models.effects import Effects, fit_effects, gather, with_blocks
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.traits import (
    AI,
    CATEGORY,
    HASHTAG_COUNT,
    HOUR,
    LABEL,
    LENGTH,
    LENGTH_BANDS,
    MEDIA,
    UNKNOWN_MEDIA,
    WEEKDAY,
)

ADVISED: Final = (CATEGORY, MEDIA, LENGTH, AI)
HELD_FIXED: Final = (HOUR, WEEKDAY, HASHTAG_COUNT)
NO_ADVICE: Final = frozenset({rules().empty, LENGTH_BANDS[0], UNKNOWN_MEDIA})
"""Values that have an effect and are nothing to recommend."""
TERMS: Final = (
    *(Term(trait, by) for trait in ADVISED for by in (None, "platform", "subscription_tier")),
    *(Term(trait, by) for trait in HELD_FIXED for by in (None, "platform")),
)
MIN_COUNT: Final = 20
"""A value seen in fewer posts has no effect of its own."""
MIN_POSTS: Final = 200


@dataclass(frozen=True)
class Recommender:
    """What was learned; `options` by trait, in the order of ADVISED, without those that leave no choice."""

    effects: Effects
    options: Mapping[str, Options]

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> Self:
        """From labelled posts, ordered by `as_of` and post_id.

        Raises:
            NotEnoughDataError: says how many posts there are that can be compared, and how many are needed.
        """
        blocked = with_blocks(rows)
        design = Design.of(rows, TERMS, min_count=MIN_COUNT)
        evidence = gather(design, blocked, LABEL)
        compared = sum(each.freedom for each in evidence.values())
        if rows.height < MIN_POSTS or compared < MIN_POSTS / 2:
            raise NotEnoughDataError(
                f"{rows.height} posts with mature engagement, of which {compared} can be compared with another post of "
                f"their account: {MIN_POSTS} and {MIN_POSTS // 2} are needed. Train a later week, or import more history"
            )
        effects, covariance = fit_effects(design, evidence)
        names = {
            trait: tuple(value for value in design.vocabulary[trait] if value not in NO_ADVICE) for trait in ADVISED
        }
        left = Left.of(rows, effects)
        return cls(
            effects,
            {
                trait: Options.of(trait, values, effects, covariance, left)
                for trait, values in names.items()
                if len(values) > 1
            },
        )

    def own(self, past: pl.DataFrame) -> dict[str, Own]:
        """What the users' own posts tell, by trait; all of `past` has to be known."""
        left = Left.of(past, self.effects)
        return {trait: Own.of(left, trait, each.names) for trait, each in self.options.items()}

    def believe(self, requests: pl.DataFrame, past: pl.DataFrame) -> dict[str, Belief]:
        """What is believed of each trait for each request, from posts that were all known.

        Args:
            requests: user_id, platform, subscription_tier.
            past: labelled posts.
        """
        own = self.own(past)
        return {trait: each.believe(requests, own[trait]) for trait, each in self.options.items()}

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {"effects": self.effects.to_json(), "options": [each.to_json() for each in self.options.values()]}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        options = [Options.from_json(each) for each in card["options"]]
        return cls(Effects.from_json(card["effects"]), {each.trait: each for each in options})
