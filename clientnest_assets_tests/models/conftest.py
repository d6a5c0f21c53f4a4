"""A small world for the models: accounts that differ, posts whose form matters, counts with noise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from clientnest_assets.features.sets import FeatureSet, feature_set
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.engagement.examples import FeatureFrames, labelled_requests, with_features
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.partitions import Window

START = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2025, 4, 1, tzinfo=UTC)
DAYS = 80
LEAN = feature_set(spec.TASK, "lean")
"""The set that reads no more than this world has."""


@dataclass(frozen=True)
class SmallWorld:
    posts: pl.DataFrame
    outcomes: pl.DataFrame
    observations: pl.DataFrame
    features: FeatureFrames
    truth: pl.DataFrame

    def rows(self) -> pl.DataFrame:
        return with_features(
            labelled_requests(self.posts, self.outcomes, self.observations, until=UNTIL), self.features
        )


def moments(days: np.ndarray) -> pl.Series:
    return START + pl.Series((days * 86_400e6).astype(np.int64)).cast(pl.Duration("us"))


def make_world(posts: int = 1500, accounts: int = 30, seed: int = 5) -> SmallWorld:
    rng = np.random.default_rng(seed)
    account = rng.integers(0, accounts, posts)
    created = np.sort(rng.uniform(0, DAYS, posts))
    ahead = rng.exponential(0.5, posts)
    platform = np.array(["twitter", "linkedin"])[account % 2]
    is_sale, is_video = rng.random(posts) < 0.4, rng.random(posts) < 0.5
    hour = ((created + ahead) * 24).astype(int) % 24
    log_mean = (
        4.0
        + rng.normal(0, 1.0, accounts)[account]
        - 0.7 * is_sale
        + 0.6 * is_video * (platform == "twitter")
        + 0.5 * np.cos((hour - 18) / 24 * 2 * np.pi)
    )
    score = rng.negative_binomial(6, 6 / (6 + np.exp(log_mean)))
    post_id = np.arange(1, posts + 1)
    frame = pl.DataFrame(
        {
            "post_id": post_id,
            "user_id": account // 2 + 1,
            "account_id": account + 1,
            "platform": platform,
            "status": "published",
            "created_at": moments(created),
            "planned_at": moments(created + ahead),
            "published_at": moments(created + ahead),
            "mature_at": moments(created + ahead + 7.02),
            "mature_engagement_score": score,
            "author_timezone": "UTC",
            "content": pl.Series(np.where(is_sale, "A sale, today only", "Some words of ours")),
            "content_category": pl.Series(np.where(is_sale, "Promotional", "General")),
            "media_type": pl.Series(np.where(is_video, "video", "image")),
        }
    ).with_columns(cs.datetime().cast(MOMENT))
    versions = frame.select(
        pl.col("post_id").alias("id"),
        "content",
        pl.lit(None, pl.List(pl.String)).alias("hashtags"),
        "media_type",
        pl.lit(value=False).alias("ai_generated"),
        "created_at",
        pl.col("published_at").alias("updated_at"),
        pl.lit("app_database").alias("source"),
        pl.col("published_at").dt.date().alias("day"),
    )
    window = Window.of_days(START.date(), UNTIL.date())
    return SmallWorld(
        posts=frame.select(
            "post_id", "user_id", "account_id", "platform", "created_at", "planned_at", "author_timezone"
        ),
        outcomes=frame.select(
            "post_id", "account_id", "platform", "published_at", "mature_at", "mature_engagement_score"
        ),
        observations=frame.select(
            "post_id",
            (pl.col("published_at") + timedelta(hours=25)).dt.date().alias("day"),
            (pl.col("published_at") + timedelta(hours=25)).alias("observed_at"),
            pl.Series("engagement_score", rng.binomial(score, 0.6)),
        ),
        features={
            spec.CONTENT: spec.CONTENT.materialise({"social_posts": versions.lazy()}, window),
            spec.HISTORY: spec.HISTORY.materialise({"fact_posts": frame.lazy()}, window),
        },
        truth=pl.DataFrame({"post_id": post_id, "expected_log1p_engagement_score": np.log1p(np.exp(log_mean)) - 0.08}),
    )


@pytest.fixture(scope="session")
def world() -> SmallWorld:
    return make_world()


@pytest.fixture(scope="session")
def rows(world: SmallWorld) -> pl.DataFrame:
    return world.rows()


def train(rows: pl.DataFrame, features: FeatureSet = LEAN, *, threads: int = 1) -> Trained:
    return ENGAGEMENT.train(Training(rows, features, UNTIL, threads=threads))


@pytest.fixture(scope="session")
def trained(rows: pl.DataFrame) -> Trained:
    return train(rows)
