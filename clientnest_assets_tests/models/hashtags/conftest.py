"""A small world of hashtags: some lift, some are merely frequent, some are those of famous authors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.hashtags.declaration import HASHTAGS
from clientnest_assets.models.model import Trained, Training

START = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2025, 5, 12, tzinfo=UTC)
DAYS = 120
LIFT = {"good1": 0.5, "good2": 0.4, "good3": 0.3, "bad": -0.4}
PLAIN = ("frequent", *(f"plain{number}" for number in range(12)))
FAMOUS = "famous"
OVEN = "oven"
TAGS = (*LIFT, *PLAIN, FAMOUS, OVEN)
PLATFORMS = ("twitter", "linkedin")
NOISE = 0.5


def make_posts(posts: int = 6000, users: int = 120, seed: int = 11, own: float = 0.0) -> pl.DataFrame:
    """Labelled posts with the content view's features, ordered; users are half on each platform.

    `frequent` is in every third post, `famous` in those of the tenth of the users whose posts get ten times as much, `oven`
    only where the text has the word bread and lifts by 0.4 there. For user 1, `plain0` adds `own`.
    """
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, posts)
    is_famous = user < users // 10
    chance = np.full((posts, len(TAGS)), 0.06)
    chance[:, TAGS.index("frequent")] = 0.33
    chance[:, TAGS.index(FAMOUS)] = np.where(is_famous, 0.5, 0.003)
    bakes = rng.random(posts) < 0.2
    chance[:, TAGS.index(OVEN)] = np.where(bakes, 0.5, 0.002)
    has = rng.random((posts, len(TAGS))) < chance
    effect = np.array([*LIFT.values(), *np.zeros(len(PLAIN)), 0.0, 0.4])
    log = 3.5 + 2.3 * is_famous + rng.normal(0, 0.6, users)[user] + has @ effect
    log += own * (has[:, TAGS.index("plain0")] & (user == 0))
    published = START + pl.Series((np.sort(rng.uniform(0, DAYS, posts)) * 86_400e6).astype(np.int64)).cast(
        pl.Duration("us")
    )
    words = [["some", "bread"] if baking else ["some", "words"] for baking in bakes]
    return pl.DataFrame(
        {
            "post_id": np.arange(1, posts + 1),
            "user_id": user + 1,
            "account_id": user + 1001,
            "platform": pl.Series(PLATFORMS).gather(user % 2),
            AS_OF: published.cast(MOMENT),
            "hour": "12",
            "weekday": "3",
            "log_engagement": np.log1p(np.exp(log + rng.normal(0, NOISE, posts)).round()),
            "label_known_at": (published + timedelta(days=7)).cast(MOMENT),
            "content__content_category": "General",
            "content__media_type": "image",
            "content__content_length": 80,
            "content__ai_generated": False,
            "content__hashtag_count": has.sum(axis=1),
            "content__hashtags": [[tag for tag, there in zip(TAGS, line, strict=True) if there] for line in has],
            "content__words": words,
        }
    )


def without(posts: pl.DataFrame, tag: str, when: pl.Expr) -> pl.DataFrame:
    """The posts as they had been without the hashtag where the condition holds."""
    tags = pl.col("content__hashtags")
    goes = when & tags.list.contains(tag)
    return posts.with_columns(
        pl.when(goes).then(tags.list.set_difference([tag])).otherwise(tags).alias("content__hashtags"),
        pl.col("content__hashtag_count") - goes.cast(pl.Int64),
        pl.col("log_engagement") - goes.cast(pl.Float64) * LIFT[tag],
    )


def make_draft(**given: object) -> pl.DataFrame:
    """A draft of a new user on twitter, without hashtags."""
    row = {
        "post_id": 1_000_001,
        "user_id": 9_999,
        "account_id": 99_999,
        "platform": "twitter",
        AS_OF: UNTIL,
        "content__content_category": "General",
        "content__media_type": "image",
        "content__content_length": 80,
        "content__ai_generated": False,
        "content__hashtag_count": 0,
        "content__hashtags": [],
        "content__words": ["some", "words"],
    }
    schema = {
        AS_OF: MOMENT,
        **dict.fromkeys(("content__hashtags", "content__words"), pl.List(pl.String)),
        **dict.fromkeys(("content__content_category", "content__media_type"), pl.String),
    }
    return pl.DataFrame([{**row, **given}], schema_overrides=schema)


def train_on(rows: pl.DataFrame, threads: int = 1) -> Trained:
    return HASHTAGS.train(Training(rows=rows, features=HASHTAGS.feature_sets[0], until=UNTIL, threads=threads))


@pytest.fixture(scope="session")
def posts() -> pl.DataFrame:
    return make_posts()


@pytest.fixture(scope="session")
def trained(posts: pl.DataFrame) -> Trained:
    return train_on(posts)
