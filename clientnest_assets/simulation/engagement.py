"""Success: a post's expected engagement, and the counts that platforms show of it over the days.

The expectation at seven days is exactly known and goes to the truth. Observed counts are negative
binomial around it: one gamma factor a post, then independent Poisson increments between snapshots,
so that cumulative counts are consistent and every later snapshot continues the earlier ones.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import PLATFORMS
from clientnest_assets.simulation import effects, planted
from clientnest_assets.simulation.accounts import Accounts
from clientnest_assets.simulation.effects import CATEGORIES, Effects
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.world import DAY, HOUR, MINUTE, SECOND, FloatArray, IntArray, World
from clientnest_assets.simulation.zones import LocalTime

MATURE_AGE = 7 * DAY
SNAPSHOT_AGES = np.array([1, 6, 24, 48, 72, 120, 168, 240, 336, 504, 672]) * HOUR
"""Ages at which a post is asked for; the question comes shortly after, never before."""
_LAST_AGE = 28 * DAY
_RESTATED_SHARE, _LARGEST_RESTATEMENT = 0.02, 0.03
_MATURE_SNAPSHOT = int(np.flatnonzero(SNAPSHOT_AGES == MATURE_AGE)[0])
_COMMENTS_KEPT = 0.17
_CLICK_RATE = np.array([0.012, 0.015, 0.006, 0.022, 0.0])
_TIKTOK = PLATFORMS.index("tiktok")


def accrued(age: FloatArray, platform: IntArray) -> FloatArray:
    """Share of a post's seven-day engagement reached at an age in microseconds; 1 at seven days, more later.

    A stretched exponential with the platform's half-life.
    """

    def curve(at: FloatArray) -> FloatArray:
        half_lives = at / (effects.HALF_LIFE_HOURS[platform] * HOUR)
        share: FloatArray = 1 - np.exp2(-(half_lives**effects.ACCRUAL_SHAPE))
        return share

    share: FloatArray = curve(np.maximum(age, 0.0)) / curve(np.full_like(age, MATURE_AGE))
    return share


def components(
    posts: pl.DataFrame,
    users: Users,
    accounts: Accounts,
    drawn: Effects,
    day: int,
    treatment: FloatArray,
    local_time: LocalTime,
) -> pl.DataFrame:
    """The parts whose sum is the log of each post's expected engagement score at seven days.

    Args:
        posts: rows of `posts.compose` that are published on this day.
        users: the authors.
        accounts: the accounts, with their followers at the time.
        drawn: the effects this world drew.
        day: index of the day of publication.
        treatment: what running experiments add, by user.
        local_time: for the hour and weekday of the audience, which is the author's.
    """
    account, user = posts["account"].to_numpy(), posts["user"].to_numpy()
    platform, category = posts["platform_index"].to_numpy(), posts["category"].to_numpy()
    published_at, zone = posts["final_at"].to_numpy(), users.zone[user]
    length = posts["content"].str.len_chars().to_numpy()
    from_best_length = np.log(np.maximum(length, 1) / effects.BEST_LENGTH[platform])
    length_effect = np.maximum(-effects.LENGTH_CURVATURE * from_best_length**2, effects.LENGTH_FLOOR)
    from_best_count = posts["hashtag_count"].to_numpy() - effects.BEST_HASHTAG_COUNT[platform]
    count_effect = np.maximum(-effects.HASHTAG_COUNT_CURVATURE * from_best_count**2, effects.HASHTAG_COUNT_FLOOR)
    viral = planted.viral_platform(day, len(PLATFORMS))
    went_viral = np.zeros(len(posts), np.bool_) if viral is None else platform == viral
    season = effects.SEASON_AMPLITUDE * np.sin(2 * np.pi * day / effects.SEASON_PERIOD_DAYS)
    return pl.DataFrame(
        {
            "log_platform": effects.PLATFORM_LEVEL[platform],
            "log_followers": effects.FOLLOWER_EXPONENT
            * np.log(accounts.followers[account] / effects.REFERENCE_FOLLOWERS),
            "log_skill": users.skill[user] + accounts.skill[account],
            "log_category": effects.CATEGORY_EFFECT[category],
            "log_platform_category": drawn.interaction[platform, category],
            "log_hour": drawn.hour[platform, local_time.hour(published_at, zone)],
            "log_weekday": effects.WEEKDAY_EFFECT[platform, local_time.weekday(published_at, zone)],
            "log_hashtag_count": count_effect,
            "log_hashtags": posts["hashtag_lift"],
            "log_length": np.where(length > 0, length_effect, 0.0),
            "log_media": effects.MEDIA_EFFECT[platform, posts["media"].to_numpy()],
            "log_ai": effects.AI_EFFECT[platform] * posts["ai_generated"].to_numpy(),
            "log_trend": np.full(len(posts), effects.TREND_PER_YEAR * day / 365 + season),
            "log_treatment": treatment[user],
            "log_planted": np.log(planted.VIRAL_FACTOR) * went_viral,
        }
    )


def log_expected_score(parts: pl.DataFrame) -> FloatArray:
    """The sum of the components of each post, added in their order.

    Not by Polars: it adds columns in parallel, in an order that differs from run to run, and so do the
    last bits, on which draws depend.
    """
    total: FloatArray = np.stack([part.to_numpy() for part in parts.iter_columns()]).sum(axis=0)
    return total


def snapshots(
    world: World, day: int, posts: pl.DataFrame, log_expected: FloatArray, engagement_rate: FloatArray
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All observations and comments that the posts published on one day will ever get.

    Args:
        world: the world.
        day: index of the day of publication.
        posts: rows of `posts.compose`, with their id.
        log_expected: log of the expected engagement score at seven days.
        engagement_rate: of the account, which ties reach to engagement.

    Returns:
        Rows of post_metrics and of comments (account_id, post_id, sentiment position, created_at), both
        with moments as int64 and without ids.
    """
    rng = world.rng("engagement", day)
    rows, ages = len(posts), len(SNAPSHOT_AGES)
    platform, published_at = posts["platform_index"].to_numpy(), posts["final_at"].to_numpy()
    parts = effects.ENGAGEMENT_PARTS[platform]
    luck = rng.gamma(effects.DISPERSION[platform]) / effects.DISPERSION[platform]
    total = np.exp(log_expected) / (parts @ effects.SCORE_WEIGHTS) * luck

    jitter = rng.integers(MINUTE, 25 * MINUTE, (rows, ages)) + rng.integers(0, 90 * MINUTE, (rows, ages)) * (
        SNAPSHOT_AGES >= DAY
    )
    collected_at = _after_outage(world, day, published_at[:, None] + SNAPSHOT_AGES + jitter)
    share = accrued((collected_at - published_at[:, None]).astype(np.float64), platform[:, None])
    expected_gain = np.diff(share, axis=1, prepend=0.0) * total[:, None]
    counts = np.cumsum(rng.poisson(expected_gain[:, :, None] * parts[:, None, :]), axis=1)

    reach_at_maturity = total / np.clip(engagement_rate * rng.lognormal(0.0, 0.25, rows), 0.004, 0.6)
    people = np.maximum((reach_at_maturity[:, None] * share).astype(np.int64), counts.sum(axis=2))
    views = (people * rng.uniform(1.08, 1.9, rows)[:, None]).astype(np.int64)
    clicks = np.cumsum(rng.poisson(np.diff(views, axis=1, prepend=0) * _CLICK_RATE[platform][:, None]), axis=1)
    clicks = np.minimum(clicks, views)

    # A restatement takes some back in one answer; the next stands on the full counts again. The answer
    # at maturity is spared: its expectation is the truth.
    restated = rng.random((rows, ages)) < _RESTATED_SHARE
    restated[:, _MATURE_SNAPSHOT] = False
    taken = restated * rng.uniform(0.002, _LARGEST_RESTATEMENT, (rows, ages))
    counts[:, :, 0] -= np.ceil(counts[:, :, 0] * taken).astype(np.int64)

    metrics = pl.DataFrame(
        {
            "post_id": np.repeat(posts["id"].to_numpy(), ages),
            "collected_at": collected_at.ravel(),
            "likes_count": counts[:, :, 0].ravel(),
            "comments_count": counts[:, :, 1].ravel(),
            "shares_count": counts[:, :, 2].ravel(),
            # TikTok tells no clicks: what a platform does not give is null.
            "clicks_count": pl.Series(clicks.ravel()).zip_with(
                pl.Series(np.repeat(platform != _TIKTOK, ages)), pl.Series([None], dtype=pl.Int64)
            ),
            "reach": people.ravel(),
            "impressions": views.ravel(),
        }
    )
    return metrics, _comments(posts, platform, counts[:, -1, 1], total, rng)


def _after_outage(world: World, day: int, moments: IntArray) -> IntArray:
    """Questions due within an outage are asked when it is over. Each row stays strictly in order."""
    for later in range(day, day + int(_LAST_AGE // DAY) + 2):
        window = planted.outage_window(later, world.day_start(later))
        if window is not None:
            shut = (moments >= window[0]) & (moments < window[1])
            moments = np.where(shut, window[1] + (moments - window[0]) // 20, moments)
    gaps = np.arange(moments.shape[1]) * SECOND
    ordered: IntArray = np.maximum.accumulate(moments - gaps, axis=1) + gaps
    return ordered


def _comments(
    posts: pl.DataFrame, platform: IntArray, counts: IntArray, total: FloatArray, rng: np.random.Generator
) -> pl.DataFrame:
    """The part of the comments that ClientNest keeps, spread over the accrual of their post."""
    kept = rng.binomial(counts, _COMMENTS_KEPT)
    post = np.repeat(np.arange(len(posts)), kept)
    reached = rng.random(len(post)) * 0.98
    half_lives = (-np.log2(1 - reached)) ** (1 / effects.ACCRUAL_SHAPE)
    age = np.minimum(half_lives * effects.HALF_LIFE_HOURS[platform[post]] * HOUR, _LAST_AGE).astype(np.int64)
    promotional = posts["category"].to_numpy()[post] == CATEGORIES.index("Promotional")
    lively = np.clip(0.5 + 0.04 * np.log1p(total[post]) - 0.12 * promotional, 0.2, 0.8)
    draw = rng.random(len(post))
    return pl.DataFrame(
        {
            "account_id": posts["account"].to_numpy()[post] + 1,
            "post_id": posts["id"].to_numpy()[post],
            "sentiment": np.where(draw < lively, 0, np.where(draw < lively + 0.6 * (1 - lively), 1, 2)),
            "created_at": posts["final_at"].to_numpy()[post] + MINUTE + age,
        }
    )
