"""A small world of users who visit and leave: open tickets and failed posts drive them away, and the plan matters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF, column
from clientnest_assets.features.sets import FeatureSet, feature_set
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.examples import examples
from clientnest_assets.models.model import Trained, Training

FIRST = date(2025, 1, 6)
DAYS = 160
UNTIL = datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=DAYS)
SET = feature_set(spec.TASK)
TIERS = np.array(["free", "starter", "business"])
MONTHLY = np.array([0.25, 0.12, 0.04])


@dataclass(frozen=True)
class World:
    """`hazard`, a row a user and a column a day: the chance to leave on the day; NaN before sign-up and once gone. `tickets` likewise."""

    user_days: pl.DataFrame
    posts: pl.DataFrame
    hazard: np.ndarray
    tickets: np.ndarray
    tier: np.ndarray

    @property
    def inputs(self) -> dict[str, pl.LazyFrame]:
        return {"fact_users_daily": self.user_days.lazy(), "social_posts": self.posts.lazy()}


def make_world(users: int = 700, seed: int = 3) -> World:
    rng = np.random.default_rng(seed)
    joined = rng.integers(0, DAYS - 40, users)
    tier = rng.choice(3, users, p=[0.6, 0.3, 0.1])
    rate = np.clip(rng.lognormal(-0.3, 0.6, users), 0.25, 4)
    tickets = (rng.random((users, DAYS)) < 0.006).astype(float)
    for day in range(1, DAYS):
        tickets[:, day] = np.maximum(tickets[:, day], tickets[:, day - 1] * (rng.random(users) < 0.95))
    fails = rng.random((users, DAYS)) < 0.008
    recent = np.stack([fails[:, max(0, day - 7) : day].sum(axis=1) for day in range(DAYS)], axis=1)
    daily = 1 - (1 - MONTHLY[tier]) ** (1 / 30)
    hazard = np.minimum(daily[:, None] * np.exp(1.2 * tickets + 1.0 * recent), 0.3)
    number = np.arange(DAYS)[None, :]
    leaves = (rng.random((users, DAYS)) < hazard) & (number >= joined[:, None])
    left = np.where(leaves.any(axis=1), leaves.argmax(axis=1), DAYS)
    is_there = (number >= joined[:, None]) & (number < left[:, None])
    sessions = np.where(is_there, rng.poisson(rate[:, None], (users, DAYS)), 0)
    sessions[np.arange(users), joined] = np.maximum(1, sessions[np.arange(users), joined])
    user, day = np.nonzero(number >= joined[:, None])
    week = np.stack([sessions[:, max(0, n - 6) : n + 1].sum(axis=1) for n in range(DAYS)], axis=1)
    whose, when = np.nonzero(fails & is_there)
    return World(
        user_days=pl.DataFrame(
            {
                "user_id": user + 1,
                "day": FIRST + pl.Series(day).cast(pl.Int32) * timedelta(days=1),
                "sessions": sessions[user, day],
                "session_seconds": sessions[user, day] * 300,
                "subscription_tier": TIERS[tier[user]],
                "user_tenure_days": day - joined[user],
                "churn_risk": np.where(week[user, day] < 2, 0.4, 0.2),
            }
        ).with_columns(pl.col("day").cast(pl.Date)),
        posts=pl.DataFrame(
            {
                "id": np.arange(len(whose)) + 1,
                "user_id": whose + 1,
                "status": "failed",
                "updated_at": pl.Series(
                    [datetime(2025, 1, 6, 12, tzinfo=UTC) + timedelta(days=int(n)) for n in when], dtype=MOMENT
                ),
            },
            schema_overrides={"user_id": pl.Int64},
        ),
        hazard=np.where(is_there, hazard, np.nan),
        tickets=tickets,
        tier=tier,
    )


def with_features(rows: pl.DataFrame, world: World, features: FeatureSet = SET) -> pl.DataFrame:
    """The rows with what the store would say: tickets and plan, and of all else that nothing is known."""
    place = (rows["user_id"] - 1).to_numpy(), day_numbers(rows) - 1
    known = {
        "support__open_tickets": pl.Series(world.tickets[place].astype(np.int64)),
        "user_activity__subscription_tier": pl.Series(TIERS[world.tier[place[0]]]),
    }
    unknown = {
        column(view, feature.name): pl.lit(None, feature.dtype)
        for view in features.views
        for feature in view.features
        if feature.name in features.features[view.name]
    }
    return rows.with_columns(**(unknown | known))


def day_numbers(rows: pl.DataFrame) -> np.ndarray:
    """The number of the day that begins at each row's moment."""
    return (rows[AS_OF].dt.date() - FIRST).dt.total_days().to_numpy()


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def rows(world: World) -> pl.DataFrame:
    return with_features(examples(world.inputs, UNTIL), world)


def training_of(rows: pl.DataFrame, *, threads: int = 1, features: FeatureSet | None = SET) -> Training:
    return Training(rows=rows, features=features, until=UNTIL, threads=threads)


@pytest.fixture(scope="session")
def trained(rows: pl.DataFrame) -> Trained:
    return CHURN.train(training_of(rows))
