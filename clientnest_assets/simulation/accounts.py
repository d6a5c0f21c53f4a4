"""Connected social accounts: who connects which, how followers grow, and what the platforms say each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import PLATFORMS
from clientnest_assets.simulation import effects, planted
from clientnest_assets.simulation.entities import Entities
from clientnest_assets.simulation.users import Users, handles
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import DAY, MINUTE, SECOND, BoolArray, FloatArray, IntArray, World

_CONNECTS_FIRST, _CONNECTS_ANOTHER = 0.6, 0.1
_PLATFORM_SHARES = np.array([0.21, 0.20, 0.27, 0.17, 0.15])
_MEDIAN_FOLLOWERS = np.array([800.0, 700.0, 1300.0, 600.0, 1500.0])
_FOLLOWERS_SD = 1.25
_FAMOUS_SHARE, _FAME_TAIL = 0.04, 1.3
_DRIFT_WHEN_GONE = -0.0003
_POSTS_PER_SESSION = np.array([0.21, 0.16, 0.19, 0.13, 0.13])


@dataclass
class Accounts(Entities):
    """Every account ever connected."""

    user: IntArray
    platform: IntArray
    connected_at: IntArray
    followers: FloatArray
    drift: FloatArray
    """Daily growth of log followers while the owner is there."""
    volatility: FloatArray
    following: IntArray
    posts_count: IntArray
    engagement_rate: FloatArray
    usual_engagement_rate: FloatArray
    skill: FloatArray
    posts_per_session: FloatArray
    failure_chance: FloatArray
    asked_at: IntArray
    """The account's usual time of day for being asked, in microseconds."""
    last_sync: IntArray
    synced_posts_count: IntArray


def connect(world: World, day: int, users: Users, visits: Visits) -> Accounts:
    """The accounts connected on one day, by visitors who want more of them, in order of time."""
    rng = world.rng("connect", day)
    visitors = np.flatnonzero(visits.count_of > 0)
    connected = np.bitwise_count(users.platforms_used[visitors]).astype(np.int64)
    chance = np.where(connected == 0, _CONNECTS_FIRST, _CONNECTS_ANOTHER)
    chance = np.where(connected < users.accounts_wanted[visitors], chance, 0.0)
    user = visitors[rng.random(len(visitors)) < chance]
    count = len(user)
    free = (users.platforms_used[user][:, None] >> np.arange(len(PLATFORMS))) & 1 == 0
    shares = np.cumsum(free * _PLATFORM_SHARES, axis=1)
    platform = (rng.random(count)[:, None] * shares[:, -1:] >= shares).sum(axis=1)
    _, connected_at = visits.moments(user, rng)
    famous = rng.random(count) < _FAMOUS_SHARE
    fame = np.where(famous, 3 * (1 + rng.pareto(_FAME_TAIL, count)), 1.0)
    followers = np.clip(rng.lognormal(np.log(_MEDIAN_FOLLOWERS[platform]), _FOLLOWERS_SD, count) * fame, 12, 8e6)
    posts_count = rng.lognormal(4.5, 1.2, count).astype(np.int64)
    rate = effects.REACH_ENGAGEMENT_RATE[platform] * rng.lognormal(0.0, 0.5, count)
    accounts = Accounts(
        user=user,
        platform=platform,
        connected_at=connected_at,
        followers=followers,
        drift=rng.normal(0.0016, 0.0014, count) + 0.001 * (followers < 500),
        volatility=rng.uniform(0.001, 0.004, count),
        following=np.clip(rng.lognormal(5.3, 0.9, count), 5, 7500).astype(np.int64),
        posts_count=posts_count,
        engagement_rate=rate.copy(),
        usual_engagement_rate=rate,
        skill=rng.normal(0.0, effects.ACCOUNT_SKILL_SD, count),
        posts_per_session=_POSTS_PER_SESSION[platform] * rng.lognormal(-0.2, 0.65, count),
        failure_chance=rng.beta(0.5, 12.0, count),
        asked_at=rng.integers(0, DAY - 40 * MINUTE, count),
        last_sync=np.minimum(connected_at + rng.integers(5 * SECOND, 60 * SECOND, count), world.day_start(day + 1) - 1),
        synced_posts_count=posts_count.copy(),
    )
    users.platforms_used[user] |= 1 << platform
    order = np.argsort(connected_at, kind="stable")
    for name, values in vars(accounts).items():
        setattr(accounts, name, values[order])
    return accounts


def grow(world: World, day: int, users: Users, accounts: Accounts) -> None:
    """Moves followers and engagement rates by one day. What nobody asks for any more stands still."""
    rng = world.rng("followers", day)
    is_held = users.is_active[accounts.user]
    drift = np.where(users.is_gone[accounts.user], _DRIFT_WHEN_GONE, accounts.drift)
    step = drift + accounts.volatility * rng.normal(size=len(accounts))
    accounts.followers *= np.exp(np.where(is_held, step, 0.0))
    away = np.log(accounts.engagement_rate / accounts.usual_engagement_rate)
    step = -0.2 * away + rng.normal(0.0, 0.12, len(accounts))
    accounts.engagement_rate *= np.exp(np.where(is_held, step, 0.0))


def ask_platforms(world: World, day: int, users: Users, accounts: Accounts, connected_today: int) -> pl.DataFrame:
    """The day's rows of account_metrics in order of time, without ids: one for each account still held.

    An account connected today is asked at once; the others at about their usual time of day.
    """
    rng = world.rng("ask", day)
    earlier = len(accounts) - connected_today
    asked_at = world.day_start(day) + accounts.asked_at[:earlier] + rng.integers(0, 40 * MINUTE, earlier)
    window = planted.outage_window(day, world.day_start(day))
    if window is not None:
        shut = (asked_at >= window[0]) & (asked_at < window[1])
        asked_at = np.where(shut, window[1] + rng.integers(0, 60 * MINUTE, earlier), asked_at)
    is_held: BoolArray = users.is_active[accounts.user[:earlier]]
    asked = np.flatnonzero(is_held)
    accounts.last_sync[asked] = asked_at[asked]
    asked = np.concatenate([asked, np.arange(earlier, len(accounts))])
    accounts.synced_posts_count[asked] = accounts.posts_count[asked]
    return pl.DataFrame(
        {
            "account_id": asked + 1,
            "collected_at": accounts.last_sync[asked],
            "followers_count": accounts.followers[asked].astype(np.int64),
            "following_count": accounts.following[asked],
            "posts_count": accounts.posts_count[asked],
            "engagement_rate": accounts.engagement_rate[asked].round(5),
        }
    ).sort("collected_at", maintain_order=True)


def account_rows(users: Users, accounts: Accounts) -> pl.DataFrame:
    """The social_media_accounts table, as of each account's last sync."""
    return pl.DataFrame(
        {
            "id": np.arange(1, len(accounts) + 1),
            "user_id": accounts.user + 1,
            "platform": pl.Series(PLATFORMS).gather(accounts.platform),
            "handle": handles(users, accounts.user, accounts.platform),
            "followers_count": accounts.followers.astype(np.int64),
            "following_count": accounts.following,
            "posts_count": accounts.synced_posts_count,
            "engagement_rate": accounts.engagement_rate.round(5),
            "connected_at": accounts.connected_at,
            "last_sync": accounts.last_sync,
            "updated_at": accounts.last_sync,
        }
    )
