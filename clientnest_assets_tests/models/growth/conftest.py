"""A small world of accounts that grow each at its own pace, and of plans that gain and lose subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.growth.declaration import FOLLOWER_GROWTH, MRR_GROWTH
from clientnest_assets.models.model import Model, Trained, Training

FIRST = date(2025, 1, 6)
DAYS = 120
UNTIL = datetime(2025, 5, 6, tzinfo=UTC)
"""The end of the last day: a Tuesday, so that Mondays are found and not assumed."""


def follower_table(accounts: int = 150, days: int = DAYS, seed: int = 3) -> pl.DataFrame:
    """fact_social_daily: one day in ten is not asked for, a third of the accounts come later, some are given up."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(0.0016, 0.0014, accounts)
    start = rng.normal(np.log(3_000), 1.5, accounts)
    moves = drift[:, None] + rng.normal(0, 0.0025, (accounts, days))
    followers = np.exp(start[:, None] + np.cumsum(moves, axis=1)).astype(np.int64)
    connected = np.where(rng.random(accounts) < 0.33, rng.integers(0, days * 2 // 3, accounts), 0)
    ended = np.where(rng.random(accounts) < 0.05, rng.integers(days // 2, days, accounts), days)
    day = np.arange(days)
    is_told = (day >= connected[:, None]) & (day < ended[:, None]) & (rng.random((accounts, days)) > 0.1)
    account, told = np.nonzero(is_told)
    return pl.DataFrame(
        {
            "account_id": account + 1,
            "platform": np.array(["instagram", "linkedin"])[account % 2],
            "day": pl.Series([FIRST]).new_from_index(0, len(told))
            + pl.Series(told * 86_400_000).cast(pl.Duration("ms")),
            "followers": followers[account, told],
        }
    )


FEW_PLANS = {"free": (0.0, 0.5), "starter": (19.0, 0.35), "professional": (49.0, 0.15)}
ALL_PLANS = {
    "free": (0.0, 0.3),
    "starter": (19.0, 0.25),
    "professional": (49.0, 0.2),
    "business": (99.0, 0.15),
    "enterprise": (199.0, 0.1),
}
"""By name the price, and the share of newcomers."""


def subscription_tables(
    users: int = 600, days: int = DAYS, seed: int = 4, plans: Mapping[str, tuple[float, float]] = FEW_PLANS
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """fact_subscription_events and mrr_movements: newcomers start on a plan, a tenth moves up, a fifth cancels."""
    rng = np.random.default_rng(seed)
    prices = {name: price for name, (price, _) in plans.items()}
    started = rng.uniform(0, days, users)
    tier = rng.choice(list(prices), users, p=[share for _, share in plans.values()])
    rows = [(started, tier, np.arange(users))]
    for share, target in ((0.1, "professional"), (0.2, "free")):
        who = np.flatnonzero(rng.random(users) < share)
        rows.append((rng.uniform(started[who], days), np.full(len(who), target), who))
    at, to_tier, user = (np.concatenate([each[place] for each in rows]) for place in range(3))
    moment = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    events = pl.DataFrame(
        {
            "subscription_event_id": np.arange(len(at)) + 1,
            "user_id": user + 1,
            "occurred_at": moment + pl.Series((at * 86_400e6).astype(np.int64)).cast(pl.Duration("us")),
            "to_tier": to_tier,
            "mrr_after": [prices[name] for name in to_tier],
        }
    )
    loaded = pl.DataFrame({"day": pl.date_range(FIRST, UNTIL.date(), closed="left", eager=True)})
    return events, loaded.with_columns(is_subscriptions_missing=pl.lit(value=False))


def training_of(model: Model, inputs: Inputs, until: datetime = UNTIL) -> Training:
    return Training(rows=model.examples(inputs, until), features=None, until=until)


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    events, movements = subscription_tables()
    return {
        "fact_social_daily": follower_table().lazy(),
        "fact_subscription_events": events.lazy(),
        "mrr_movements": movements.lazy(),
    }


@pytest.fixture(scope="session")
def followers_trained(inputs: Inputs) -> Trained:
    return FOLLOWER_GROWTH.train(training_of(FOLLOWER_GROWTH, inputs))


@pytest.fixture(scope="session")
def mrr_trained(inputs: Inputs) -> Trained:
    return MRR_GROWTH.train(training_of(MRR_GROWTH, inputs))
