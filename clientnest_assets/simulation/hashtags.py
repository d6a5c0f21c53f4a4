"""The hashtags of the world, the common ones first, and how a post comes by its own."""

from __future__ import annotations

import numpy as np

from clientnest_assets.simulation.world import FloatArray, IntArray

HASHTAGS: tuple[str, ...] = (
    "marketing", "smallbusiness", "socialmedia", "branding", "entrepreneur", "motivation", "business", "community",
    "innovation", "growth", "startup", "design", "mondaymotivation", "digitalmarketing", "contentcreator", "success",
    "leadership", "inspiration", "local", "handmade", "sustainability", "wellness", "productivity", "creativity",
    "strategy", "ecommerce", "remotework", "supportlocal", "weekend", "newarrivals", "behindthescenes", "customerlove",
    "photography", "foodie", "travel", "fitness", "fashion", "beauty", "technology", "ai", "data", "cloud",
    "education", "learning", "careers", "hiring", "diversity", "madewithlove", "shoplocal", "interiordesign",
    "coffee", "baking", "vegan", "mindfulness", "yoga", "running", "cycling", "outdoors", "gardening", "diy",
    "art", "music", "books", "podcast", "video", "reels", "trending", "viral", "followme", "likeforlike",
    "tbt", "fridayfeeling", "selfcare", "parenting", "pets", "dogsofinstagram", "cats", "architecture", "realestate",
    "finance", "investing", "crypto", "saas", "b2b", "sales", "networking", "events", "conference", "webinar",
    "nonprofit", "volunteer", "climate", "energy", "health", "nutrition", "skincare", "jewelry", "vintage", "teaching",
)  # fmt: skip
MAX_HASHTAGS = 10
_OWN_HASHTAGS = 8
_OWN_BONUS = 3.0
_POPULARITY = -0.6 * np.log(np.arange(1, len(HASHTAGS) + 1))


def choose_hashtags(counts: IntArray, users: IntArray, rng: np.random.Generator) -> IntArray:
    """Positions in `HASHTAGS`, without repetition, by popularity and each author's own favourites.

    Returns:
        One row a post and `MAX_HASHTAGS` columns, filled up with -1 past the post's count.
    """
    position = np.arange(len(HASHTAGS))
    # A multiplicative hash of author and hashtag gives everybody some eight favourites without keeping them.
    mixed = (users[:, None] * 7919 + position[None, :] * 104729 + users[:, None] * position[None, :] * 31) % 1009
    favourite = mixed < 1009 * _OWN_HASHTAGS / len(HASHTAGS)
    # The largest of log weight plus Gumbel noise are a weighted draw without replacement.
    keys: FloatArray = _POPULARITY + _OWN_BONUS * favourite + rng.gumbel(size=(len(counts), len(HASHTAGS)))
    chosen = np.argsort(-keys, axis=1, kind="stable")[:, :MAX_HASHTAGS]
    return np.where(np.arange(MAX_HASHTAGS)[None, :] < counts[:, None], chosen, -1)
