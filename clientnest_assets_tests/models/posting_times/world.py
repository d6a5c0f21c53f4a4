"""A small world with known hours: fame and skill that go along with bad hours, form that goes along with good ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.model import Training
from clientnest_assets.models.posting_times.examples import TIMED_POSTS, examples

START = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2025, 5, 1, tzinfo=UTC)
DAYS = 110
PLATFORMS = ("twitter", "linkedin")
PEAKS = {"twitter": 9, "linkedin": 17}
WEEKEND = -0.2


def true_hours(platform: str) -> np.ndarray:
    hours = np.arange(24)
    apart = np.minimum(np.abs(hours - PEAKS[platform]), 24 - np.abs(hours - PEAKS[platform]))
    return 0.8 * np.exp(-0.5 * (apart / 2.5) ** 2)


@dataclass(frozen=True)
class World:
    posts: pl.DataFrame
    own_peak: dict[int, int] = field(default_factory=dict)

    @property
    def inputs(self) -> Inputs:
        return {"fact_posts": self.posts.lazy()}

    def rows(self, until: datetime = UNTIL) -> pl.DataFrame:
        return examples(self.inputs, until)

    def training(self, until: datetime = UNTIL) -> Training:
        return Training(self.rows(until), None, until)


def make_world(
    posts: int = 6000, accounts: int = 60, *, seed: int = 3, effect: float = 1.0, own: float = 0.0, noise: float = 0.6
) -> World:
    """Accounts keep to hours of their own. The famous ones keep to bad hours, and video appears in good ones."""
    rng = np.random.default_rng(seed)
    account = rng.integers(0, accounts, posts)
    platform = np.array(PLATFORMS)[account % 2]
    fame = rng.normal(0, 1.0, accounts)
    favourite = (np.array([PEAKS[PLATFORMS[each % 2]] for each in range(accounts)]) + 6 + 3 * (fame > 0)) % 24
    hour = (
        np.where(
            rng.random(posts) < 0.5, np.round(rng.normal(favourite[account], 2.0)), rng.integers(0, 24, posts)
        ).astype(int)
        % 24
    )
    day = rng.integers(0, DAYS, posts)
    published = START + pl.Series(((day * 24 + hour) * 3600 + rng.integers(0, 3600, posts)) * 1_000_000).cast(
        pl.Duration("us")
    )
    hours = np.stack([true_hours(name) for name in PLATFORMS])[account % 2, hour]
    weekday = (START.weekday() + day) % 7
    is_video = rng.random(posts) < np.where(hours > 0.4, 0.7, 0.3)
    own_peak = rng.integers(0, 24, accounts)
    apart = np.abs(hour - own_peak[account])
    label = (
        5.0
        + fame[account]
        + effect * (hours + WEEKEND * (weekday >= 5))
        + own * np.exp(-0.5 * (np.minimum(apart, 24 - apart) / 3.0) ** 2)
        + 0.5 * is_video
        + rng.normal(0, noise, posts)
    )
    score = np.maximum(np.round(np.expm1(np.maximum(label, 0.0))), 0).astype(int)
    frame = pl.DataFrame(
        {
            "post_id": np.arange(1, posts + 1),
            "user_id": account + 1,
            "account_id": account + 1,
            "platform": platform,
            "subscription_tier": "free",
            "content_category": "General",
            "media_type": np.where(is_video, "video", "image"),
            "ai_generated": False,
            "content_length": 100,
            "hashtag_count": 1,
            "published_at": published,
            "local_published_date": published.dt.date(),
            "local_published_hour": hour,
            "mature_at": published + timedelta(days=7, minutes=10),
            "mature_engagement_score": score,
            "author_timezone": "UTC",
        }
    ).with_columns(pl.col("published_at", "mature_at").cast(MOMENT))
    return World(
        frame.select(pl.col(name).cast(dtype) for name, dtype in TIMED_POSTS.columns),
        {number + 1: int(own_peak[number]) for number in range(accounts)},
    )
