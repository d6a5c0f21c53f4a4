"""A small world of posts whose traits matter, of users who differ in fame, in taste, and in what works for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.content_recommendation.declaration import CONTENT_RECOMMENDATION
from clientnest_assets.models.content_recommendation.examples import examples
from clientnest_assets.models.model import Trained, Training

START = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2025, 4, 12, tzinfo=UTC)
DAYS = 90
CATEGORIES = ("Educational", "General", "Interactive", "Promotional")
EFFECT = np.array([0.3, 0.0, 0.1, -0.4])
MEDIA = ("image", "text", "video")
MEDIA_EFFECT = {"twitter": np.array([0.0, -0.2, 0.2]), "linkedin": np.array([0.1, 0.1, -0.2])}
PLATFORMS = ("twitter", "linkedin")
NOISE = 0.5

World = Callable[..., pl.DataFrame]


def make_posts(posts: int = 4000, users: int = 100, own: float = 0.0, seed: int = 3) -> pl.DataFrame:
    """Rows of fact_posts, one account a user. Famous authors love to promote, which does not work.

    Args:
        posts: how many.
        users: who write them; odd ones on twitter, even ones on linkedin.
        own: what the posts of a user's own best category, of `own_best`, get on top.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, posts)
    fame = rng.normal(0, 1.2, users)
    published = np.sort(rng.uniform(0, DAYS, posts))
    taste = rng.random((posts, len(CATEGORIES)))
    taste[:, 3] += 0.4 * fame[user]
    category, media, platform = taste.argmax(axis=1), rng.integers(0, 3, posts), user % 2
    media_effect = np.stack([MEDIA_EFFECT[name] for name in PLATFORMS])
    log = (
        4
        + fame[user]
        + EFFECT[category]
        + media_effect[platform, media]
        + own * (category == user // 4 % len(CATEGORIES))
    )
    at = START + pl.Series((published * 86_400e6).astype(np.int64)).cast(pl.Duration("us"))
    return pl.DataFrame(
        {
            "post_id": np.arange(1, posts + 1),
            "user_id": user + 1,
            "account_id": user + 1001,
            "platform": pl.Series(PLATFORMS).gather(platform),
            "subscription_tier": pl.Series(("free", "business")).gather(user // 2 % 2),
            "content_category": pl.Series(CATEGORIES).gather(category),
            "media_type": pl.Series(MEDIA).gather(media),
            "ai_generated": rng.random(posts) < 0.3,
            "content_length": rng.integers(0, 300, posts),
            "hashtag_count": rng.integers(0, 5, posts),
            "published_at": at.cast(MOMENT),
            "local_published_date": at.dt.date(),
            "local_published_hour": at.dt.hour().cast(pl.Int64),
            "mature_at": (at + pl.Series([10_080]).cast(pl.Duration("ms"))[0] * 60).cast(MOMENT),
            "mature_engagement_score": np.exp(log + rng.normal(0, NOISE, posts)).round().astype(np.int64),
        }
    )


def train_on(rows: pl.DataFrame, threads: int = 1) -> Trained:
    return CONTENT_RECOMMENDATION.train(Training(rows=rows, features=None, until=UNTIL, threads=threads))


@pytest.fixture(scope="session")
def world() -> World:
    return make_posts


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    return examples({"fact_posts": make_posts().lazy()}, UNTIL)


@pytest.fixture(scope="session")
def trained(rows: pl.DataFrame) -> Trained:
    return train_on(rows)
