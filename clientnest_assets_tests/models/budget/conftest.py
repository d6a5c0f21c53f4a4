"""A small world of channels: on instagram posts take from each other, on linkedin they do not, tiktok has three channels."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.budget.declaration import BUDGET
from clientnest_assets.models.model import Trained, Training

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
UNTIL = datetime(2025, 5, 5, tzinfo=UTC)
WEEKS = 17
PLATFORMS = ("instagram", "linkedin", "tiktok")
EXPONENTS = {"instagram": 0.6, "linkedin": 1.0, "tiktok": 1.0}
AI_EFFECT = 0.2
COST = 0.02
NEWCOMER = 999


def moments(days: np.ndarray) -> pl.Series:
    return MONDAY + pl.Series((days * 86_400e6).astype(np.int64)).cast(pl.Duration("us"))


def make_inputs(users: int = 120, weeks: int = WEEKS, seed: int = 11) -> Inputs:
    """Users differ in fame, and the famous post more: whoever does not compare within channels sees the opposite."""
    rng = np.random.default_rng(seed)
    presence = [(user, name) for user in range(users) for name in PLATFORMS[:2]]
    presence += [(user, "tiktok") for user in range(3)]
    user = np.array([each[0] for each in presence])
    platform = np.array([each[1] for each in presence])
    fame = rng.normal(0, 1.0, len(presence))
    counts = rng.poisson(2.5 * np.exp(0.3 * fame)[:, None] * rng.uniform(0.3, 2.0, (len(presence), weeks)))
    channel, week = np.nonzero(counts)
    in_week = counts[channel, week]
    channel, week, in_week = (np.repeat(each, in_week) for each in (channel, week, in_week))
    rows = len(channel)
    is_ai = rng.random(rows) < 0.3
    bend = np.array([EXPONENTS[name] - 1 for name in platform])
    log_mean = 4 + fame[channel] + bend[channel] * np.log(in_week) + AI_EFFECT * is_ai + 0.2 * np.sin(week)
    published = week * 7 + rng.uniform(0, 7, rows)
    score = rng.negative_binomial(4, 4 / (4 + np.exp(log_mean)))
    posts = pl.DataFrame(
        {
            "post_id": np.arange(rows) + 1,
            "user_id": user[channel] + 1,
            "platform": platform[channel],
            "published_at": moments(published),
            "ai_generated": is_ai,
            "mature_at": moments(published + 7.03),
            "mature_engagement_score": score,
        }
    )
    requests = posts.filter("ai_generated").select(
        "user_id",
        "platform",
        pl.lit("content_generation").alias("request_type"),
        pl.col("published_at").alias("created_at"),
        pl.lit(COST).alias("cost"),
    )
    held = posts.select("user_id", "platform").unique()
    # One who posts on linkedin only, and has connected an instagram account as well.
    first = posts.filter(platform="linkedin", user_id=1).with_columns(pl.lit(NEWCOMER, pl.Int64).alias("user_id"))
    posts = pl.concat([posts, first.with_columns(pl.col("post_id") + 10**6)])
    newcomer = pl.DataFrame({"user_id": [NEWCOMER, NEWCOMER], "platform": ["instagram", "linkedin"]})
    accounts = pl.concat([held, newcomer]).with_columns(
        pl.lit(MONDAY).cast(pl.Datetime("us", "UTC")).alias("valid_from"),
        pl.lit(None, pl.Datetime("us", "UTC")).alias("valid_to"),
    )
    return {"fact_posts": posts.lazy(), "fact_ai_requests": requests.lazy(), "dim_social_account": accounts.lazy()}


def training_of(inputs: Inputs, until: datetime = UNTIL) -> Training:
    return Training(rows=BUDGET.examples(inputs, until), features=None, until=until)


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    return make_inputs()


@pytest.fixture(scope="session")
def trained(inputs: Inputs) -> Trained:
    return BUDGET.train(training_of(inputs))
