"""Users: who signs up when, who they are, and what the app's auth_user table says of them.

Their visits are in `visits.py`, their plans in `subscriptions.py`, their leaving in `churn.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import PLATFORMS, TIERS
from clientnest_assets.simulation import effects, planted
from clientnest_assets.simulation.entities import Entities
from clientnest_assets.simulation.world import DAY, HOUR, MINUTE, BoolArray, FloatArray, IntArray, World
from clientnest_assets.simulation.zones import ZONE_WEIGHTS, ZONES, LocalTime

LAUNCH_SHARE_OF_DAYS, LAUNCH_SHARE_OF_USERS = 0.15, 0.35
_WEEKDAY_SIGNUPS = np.array([1.15, 1.2, 1.15, 1.1, 0.95, 0.7, 0.75])
_TIER_AT_SIGNUP = np.array([0.62, 0.2, 0.11, 0.05, 0.02])
_ACCOUNTS_WANTED = np.array([0.10, 0.34, 0.26, 0.16, 0.09, 0.05])
_SIGNUP_HOURS = np.array([1, 1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 7, 8, 8, 7, 6, 6, 7, 7, 6, 4, 2]) / 114
_CATEGORY_TASTE = np.array([2.0, 2.4, 1.6, 1.6, 2.4])

_FIRST_NAMES = (
    "Ada", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Luis", "Maya", "Noah",
    "Olga", "Pavel", "Quinn", "Rosa", "Samir", "Tara", "Uma", "Victor", "Wanda", "Xavier", "Yara", "Zoe", "Amara",
    "Diego", "Priya", "Kenji", "Lena", "Mateo", "Nina", "Omar", "Sofia", "Tomas",
)  # fmt: skip
_LAST_NAMES = (
    "Adler", "Brown", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hughes", "Ivanov", "Jensen", "Khan", "Lopez",
    "Martin", "Nguyen", "Okafor", "Patel", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Vargas", "Weber", "Xu",
    "Young", "Zimmer", "Becker", "Cohen", "Diaz", "Evans", "Moreau", "Nowak", "Sato", "Taylor",
)  # fmt: skip


@dataclass
class Users(Entities):
    """Everybody who ever signed up. Moments are microseconds, 0 where there was none yet."""

    joined_at: IntArray
    zone: IntArray
    first_name: IntArray
    last_name: IntArray
    tier: IntArray
    is_annual: BoolArray
    renews_at: IntArray
    last_login: IntArray
    updated_at: IntArray
    is_active: BoolArray
    is_gone: BoolArray
    session_rate: FloatArray
    """Sessions a day when in a usual mood."""
    mood: FloatArray
    """A slowly wandering log factor of how much they do."""
    is_fading: BoolArray
    """Whether they are losing interest: their mood falls day by day until they recover."""
    preferred_hour: FloatArray
    wordiness: FloatArray
    skill: FloatArray
    ai_share: FloatArray
    accounts_wanted: IntArray
    platforms_used: IntArray
    """Bit mask of the platforms on which an account is connected."""
    category_taste: FloatArray
    """Cumulative shares of the categories, one row a user."""
    failed_posts: FloatArray
    """Posts that failed lately, forgotten at an exponential rate."""
    open_tickets: IntArray


def signups_by_day(world: World) -> IntArray:
    """How many people sign up on each day: a launch wave, then a steady pace with a rhythm of the week."""
    launch_days = max(1, round(world.launch_days * LAUNCH_SHARE_OF_DAYS))
    days = np.arange(world.days)
    weights = _WEEKDAY_SIGNUPS[(world.weekday(0) + days) % 7]
    planned = days < world.launch_days
    first = days < launch_days
    share = np.ones(world.days)
    if launch_days < world.launch_days:
        wave = weights * np.exp(-2.0 * days / launch_days)
        steady = weights[planned & ~first].sum()
        share = np.where(
            first,
            LAUNCH_SHARE_OF_USERS * wave / wave[first].sum(),
            (1 - LAUNCH_SHARE_OF_USERS) * weights / steady,
        )
    else:
        share = weights / weights[planned].sum()
    # The sum is exactly 1 at the planned end but for rounding; half-way rounding would be a coin's toss there.
    cumulative = np.floor(np.cumsum(share) * world.users + 1e-6).astype(np.int64)
    return np.diff(cumulative, prepend=0)


def sign_up(world: World, day: int, count: int, local_time: LocalTime) -> Users:
    """The people who sign up on one day, in order of time."""
    rng = world.rng("signup", day)
    zone = rng.choice(len(ZONES), count, p=ZONE_WEIGHTS)
    hours = rng.choice(24, count, p=_SIGNUP_HOURS)
    moments = local_time.at_local_hour(world.day_start(day), hours, rng.integers(0, HOUR, count), zone)
    # Leaves room for a first visit within the day.
    moments = np.minimum(moments, world.day_start(day + 1) - 20 * MINUTE - rng.integers(0, 20 * MINUTE, count))
    window = planted.outage_window(day, world.day_start(day))
    if window is not None:
        shut = (moments >= window[0]) & (moments < window[1])
        moments = np.where(shut, window[1] + rng.integers(0, HOUR, count), moments)
    order = np.argsort(moments, kind="stable")
    joined_at, zone = moments[order], zone[order]
    tier = rng.choice(len(TIERS), count, p=_TIER_AT_SIGNUP)
    taste = rng.gamma(np.broadcast_to(_CATEGORY_TASTE, (count, len(_CATEGORY_TASTE)))) + 0.02
    return Users(
        joined_at=joined_at,
        zone=zone,
        first_name=rng.integers(0, len(_FIRST_NAMES), count),
        last_name=rng.integers(0, len(_LAST_NAMES), count),
        tier=tier,
        is_annual=rng.random(count) < 0.25,
        renews_at=np.where(tier > 0, joined_at + 30 * DAY, 0),
        last_login=np.zeros(count, np.int64),
        updated_at=joined_at.copy(),
        is_active=np.ones(count, np.bool_),
        is_gone=np.zeros(count, np.bool_),
        session_rate=np.clip(rng.lognormal(np.log(0.9) + 0.15 * (tier > 0), 0.85), 0.12, 12.0),
        mood=rng.normal(0.0, 0.3, count),
        is_fading=np.zeros(count, np.bool_),
        preferred_hour=rng.normal(13.0, 4.0, count) % 24,
        wordiness=rng.lognormal(0.0, 0.4, count),
        skill=rng.normal(0.0, effects.USER_SKILL_SD, count),
        ai_share=rng.beta(1.2, 3.2, count),
        accounts_wanted=rng.choice(len(_ACCOUNTS_WANTED), count, p=_ACCOUNTS_WANTED),
        platforms_used=np.zeros(count, np.int64),
        category_taste=np.cumsum(taste, axis=1) / taste.sum(axis=1, keepdims=True),
        failed_posts=np.zeros(count),
        open_tickets=np.zeros(count, np.int64),
    )


def no_users(world: World, local_time: LocalTime) -> Users:
    """The world before anybody has come."""
    return sign_up(world, 0, 0, local_time)


def user_rows(users: Users) -> pl.DataFrame:
    """The auth_user table as it stands."""
    first = pl.Series(_FIRST_NAMES).gather(users.first_name)
    last = pl.Series(_LAST_NAMES).gather(users.last_name)
    frame = pl.DataFrame(
        {
            "id": np.arange(1, len(users) + 1),
            "first": first,
            "last": last,
            "subscription_tier": pl.Series(TIERS).gather(users.tier),
            "date_joined": users.joined_at,
            "last_login": users.last_login,
            "is_active": users.is_active,
            "timezone": pl.Series([zone[0] for zone in ZONES]).gather(users.zone),
            "country": pl.Series([zone[1] for zone in ZONES]).gather(users.zone),
            "updated_at": users.updated_at,
        }
    )
    return frame.with_columns(
        email=pl.format(
            "{}.{}{}@mail.example", pl.col("first").str.to_lowercase(), pl.col("last").str.to_lowercase(), "id"
        ),
        full_name=pl.format("{} {}", "first", "last"),
        last_login=pl.when(pl.col("last_login") > 0).then("last_login"),
    )


def handles(users: Users, owners: IntArray, platforms: IntArray) -> pl.Series:
    """The public names of accounts, out of their owners' names."""
    frame = pl.DataFrame(
        {
            "first": pl.Series(_FIRST_NAMES).gather(users.first_name[owners]),
            "last": pl.Series(_LAST_NAMES).gather(users.last_name[owners]),
            "user_id": owners + 1,
            "platform": pl.Series(PLATFORMS).gather(platforms),
        }
    )
    return frame.select(
        pl.format(
            "{}{}_{}_{}",
            pl.col("first").str.to_lowercase(),
            pl.col("last").str.to_lowercase(),
            "user_id",
            pl.col("platform").str.slice(0, 2),
        ).alias("handle")
    ).to_series()
