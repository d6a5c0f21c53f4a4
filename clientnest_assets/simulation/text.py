"""What people write: posts by category, comments by sentiment, out of templates and word banks.

A post's category is carried by a marker sentence. Every other sentence is neutral: it holds none of
the words, and no question mark, by which the product tells categories apart, so that the category
the author meant is the one the product finds.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import polars as pl

from clientnest_assets.simulation.effects import CATEGORIES
from clientnest_assets.simulation.world import BoolArray, IntArray

MAX_FILLERS = 10

_TOPICS = (
    "our spring collection", "the new workshop", "fresh roasted coffee", "handmade ceramics", "the winter menu",
    "our online studio", "the garden project", "a better morning routine", "our cloud service", "the city marathon",
    "our bakery", "sustainable packaging", "the photo archive", "remote work", "the local market", "our mobile app",
    "a calmer inbox", "the summer festival", "natural skincare", "our podcast", "the design sprint", "home fitness",
    "the reading corner", "our delivery service", "vintage furniture", "the charity run", "small kitchens",
    "our annual report", "the community centre", "plant based cooking",
)  # fmt: skip
_ADJECTIVES = ("quiet", "bright", "honest", "simple", "bold", "fresh", "careful", "playful", "warm", "useful")
_MARKERS: dict[str, tuple[str, ...]] = {
    "Promotional": (
        "Big sale on everything around {topic} this week.",
        "Get a {adjective} discount on {topic} until Sunday.",
        "A limited offer for {topic}: {adjective} and gone soon.",
        "Buy one, share one: {topic} at a {adjective} price.",
        "Last hours of our {adjective} sale for {topic}!",
    ),
    "Educational": (
        "Five {adjective} tips for {topic}.",
        "A {adjective} guide to {topic}, step by step.",
        "How to get started with {topic} in a {adjective} way.",
        "New tutorial: {topic} made {adjective}.",
        "One {adjective} tip about {topic} that we use every day.",
    ),
    "Behind the Scenes": (
        "A {adjective} look behind the scenes of {topic}.",
        "Meet the {adjective} team that makes {topic} happen.",
        "The {adjective} story of how {topic} began.",
        "Our journey with {topic} has been {adjective} from day one.",
    ),
    "Interactive": (
        "A {adjective} question about {topic} for all of you.",
        "Quick poll on {topic}: {adjective} or not.",
        "Vote for your {adjective} favourite from {topic} today.",
        "What is your {adjective} moment with {topic}?",
        "Would you try {topic} if it were more {adjective}?",
    ),
    "General": (
        "A {adjective} day for {topic}.",
        "We are happy with {topic}, so {adjective} this year.",
        "Some {adjective} news about {topic}.",
        "Today it is all about {topic}, {adjective} as ever.",
    ),
}
_FILLERS = (
    "We spent the morning on {topic} and it felt {adjective}.",
    "Thank you for being part of {topic}.",
    "There is more {adjective} work to come on {topic}.",
    "It started as a {adjective} idea and grew from there.",
    "Small steps, {adjective} results.",
    "Have a {adjective} week, everyone.",
    "Nothing beats {topic} on a day like this.",
    "We are grateful for every {adjective} message about {topic}.",
    "Tomorrow we continue with {topic}.",
    "Save this for a {adjective} afternoon.",
)
_OPENERS = ("✨", "🚀", "Hello friends!", "Good morning!", "🎉", "Big news:", "💡", "Update:")
_CLOSERS = (
    "❤️", "👇", "😊", "🙌🙌", "🔥", "Link in bio.",
    "See https://clientnest.example/l/{number}", "More: https://clientnest.example/p/{number}",
)  # fmt: skip

_COMMENTS: dict[str, tuple[str, ...]] = {
    "positive": ("Love this, so {adjective}!", "Great work on {topic} 👏", "This made my day.", "Thank you!"),
    "neutral": ("Is this about {topic}?", "When does it start?", "Interesting.", "Saw this yesterday.", "Following."),
    "negative": ("Not a fan of {topic}.", "This is disappointing.", "My order never came.", "Less {adjective} now 👎"),
}  # fmt: skip


def _expand(templates: tuple[str, ...]) -> pl.Series:
    """Every template with every topic and adjective; templates come round evenly."""
    sentences = [
        template.format(topic=topic, adjective=adjective, number=100 + 7 * number)
        for number, (topic, adjective) in enumerate(product(_TOPICS, _ADJECTIVES))
        for template in templates
    ]
    return pl.Series(sentences, dtype=pl.String)


@cache
def _banks() -> dict[str, pl.Series]:
    markers = {category: _expand(templates) for category, templates in _MARKERS.items()}
    return {**markers, "filler": _expand(_FILLERS), "opener": _expand(_OPENERS), "closer": _expand(_CLOSERS)}


@cache
def _comment_banks() -> tuple[pl.Series, ...]:
    return tuple(_expand(_COMMENTS[sentiment]) for sentiment in ("positive", "neutral", "negative"))


def write_posts(categories: IntArray, fillers: IntArray, rng: np.random.Generator) -> pl.Series:
    """The text of each post.

    Args:
        categories: positions in `CATEGORIES`; posts of category Unknown stay empty.
        fillers: how many neutral sentences follow the marker, at most `MAX_FILLERS`.
        rng: where the choice of sentences comes from.
    """
    rows = len(categories)
    marker = pl.Series([None], dtype=pl.String).new_from_index(0, rows)
    draw = rng.random(rows)
    for position, category in enumerate(CATEGORIES[:-1]):
        bank = _banks()[category]
        chosen = categories == position
        marker = pl.select(
            pl.when(pl.Series(chosen)).then(bank.gather((draw * len(bank)).astype(np.int64))).otherwise(marker)
        ).to_series()
    pieces = [
        _pieces("opener", rng.random(rows) < 0.35, rng),
        marker,
        *(_pieces("filler", fillers > position, rng) for position in range(MAX_FILLERS)),
        _pieces("closer", rng.random(rows) < 0.45, rng),
    ]
    text = pl.select(pl.concat_str(pieces, separator=" ", ignore_nulls=True)).to_series()
    empty = pl.Series(categories == len(CATEGORIES) - 1)
    return pl.select(pl.when(empty).then(pl.lit("")).otherwise(text).alias("content")).to_series()


def write_comments(sentiments: IntArray, rng: np.random.Generator) -> pl.Series:
    """One comment for each sentiment, given by its position in the contract's order."""
    draw = rng.random(len(sentiments))
    text = pl.Series([None], dtype=pl.String).new_from_index(0, len(sentiments))
    for position, bank in enumerate(_comment_banks()):
        chosen = pl.Series(sentiments == position)
        text = pl.select(
            pl.when(chosen).then(bank.gather((draw * len(bank)).astype(np.int64))).otherwise(text)
        ).to_series()
    return text


def _pieces(bank: str, present: BoolArray, rng: np.random.Generator) -> pl.Series:
    """A sentence of the bank where one is present, else null."""
    sentences = _banks()[bank]
    chosen = sentences.gather(rng.integers(0, len(sentences), len(present)))
    return pl.select(pl.when(pl.Series(present)).then(chosen)).to_series()
