"""The rows of the truth: what the simulation knows of posts, users' days and accounts and the app does not.

Files and folder are in `truth.py`, effects and planted events in `truth_effects.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from scipy.stats import gamma

from clientnest_assets.contracts.app import PLATFORMS
from clientnest_assets.simulation import effects
from clientnest_assets.simulation.accounts import Accounts
from clientnest_assets.simulation.churn import Departures
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.world import FloatArray, IntArray, World

_GRID = np.linspace(-4.0, 14.0, 55)
_DRAWS = 4000


def user_days(world: World, day: int, departures: Departures) -> pl.DataFrame:
    """One row for each user who was still there when the day began."""
    return pl.DataFrame(
        {
            "user_id": departures.present + 1,
            "day": pl.Series(np.full(len(departures.present), world.day_start(day)))
            .cast(pl.Datetime("us"))
            .cast(pl.Date),
            "churn_hazard": departures.hazard,
            "churned": departures.is_leaving,
        }
    )


def posts(published: pl.DataFrame, parts: pl.DataFrame, log_expected: FloatArray) -> pl.DataFrame:
    """One row a published post: what was to be expected of it, and the components of that."""
    platform: IntArray = published["platform_index"].to_numpy()
    return published.select(
        pl.col("id").alias("post_id"),
        (pl.col("user") + 1).alias("user_id"),
        (pl.col("account") + 1).alias("account_id"),
        "platform",
        pl.col("final_at").cast(pl.Datetime("us", "UTC")).alias("published_at"),
        pl.Series("expected_engagement_score", np.exp(log_expected)),
        pl.Series("expected_log1p_engagement_score", expected_log1p(log_expected, platform)),
    ).hstack(parts)


def accounts(people: Users, held: Accounts) -> pl.DataFrame:
    """One row an account: what it has by nature."""
    return pl.DataFrame(
        {
            "account_id": np.arange(1, len(held) + 1),
            "user_id": held.user + 1,
            "platform": pl.Series(PLATFORMS).gather(held.platform),
            "user_skill": people.skill[held.user],
            "account_skill": held.skill,
            "daily_log_follower_drift": held.drift,
            "usual_engagement_rate": held.usual_engagement_rate,
            "post_failure_chance": held.failure_chance,
            "posts_per_session": held.posts_per_session,
        }
    )


def expected_log1p(log_expected: FloatArray, platform: IntArray) -> FloatArray:
    """Mean of log(1 + engagement score) given the log of the expected score: the best possible forecast.

    Averaged over quantiles of the gamma factor and a fixed stream of Poisson draws on a grid of expected
    scores, interpolated; the error is below 0.005.
    """
    result = np.empty(len(log_expected))
    for position, means in enumerate(_log1p_means()):
        chosen = platform == position
        result[chosen] = np.interp(log_expected[chosen], _GRID, means)
    return result


@cache
def _log1p_means() -> tuple[FloatArray, ...]:
    """By platform, the mean of log(1 + score) on the grid of log expected scores."""
    means = []
    for position, (parts, shape) in enumerate(zip(effects.ENGAGEMENT_PARTS, effects.DISPERSION, strict=True)):
        rng = np.random.default_rng(position)
        luck = gamma.ppf((np.arange(_DRAWS) + 0.5) / _DRAWS, shape) / shape
        total = np.exp(_GRID)[:, None] / (parts @ effects.SCORE_WEIGHTS) * luck
        score = rng.poisson(total[:, :, None] * parts) @ effects.SCORE_WEIGHTS
        means.append(np.log1p(score).mean(axis=1))
    return tuple(means)
