"""Sessions: who visits the app on a day, when, and how long. Everything a user does happens inside one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clientnest_assets.simulation import planted
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.world import HOUR, SECOND, FloatArray, IntArray, World
from clientnest_assets.simulation.zones import LocalTime

_HOURS = np.array([1, 0.6, 0.4, 0.3, 0.4, 0.8, 2, 4, 6, 8, 8, 7, 7, 7, 7, 7, 6, 5, 5, 6, 7, 6, 4, 2])
_HOUR_SHARES = _HOURS / _HOURS.sum()
_WEEKDAY_VISITS = np.array([1.08, 1.12, 1.1, 1.06, 1.0, 0.78, 0.82])
_MOOD_PERSISTENCE, _MOOD_SD = 0.97, 0.14
_FADES, _RECOVERS = 0.007, 0.03
"""Chance a day to begin losing interest, and to find it again."""
_FADING_STEP, _DEEPEST_MOOD = 0.22, -4.0
_DEVICES, _DEVICE_SHARES = ("desktop", "mobile", "tablet"), np.array([0.52, 0.42, 0.06])
_SHORTEST_SECONDS, _LONGEST_SECONDS = 20, 4 * 3600


@dataclass(frozen=True)
class Visits:
    """The sessions of one day, ordered by user and start."""

    user: IntArray
    start: IntArray
    seconds: IntArray
    first_of: IntArray
    """By user: where their sessions begin."""
    count_of: IntArray
    """By user: how many they have."""

    def moments(self, users: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """For each given user, who must have visited: the start of one of their sessions, and a moment in it."""
        session = self.first_of[users] + (rng.random(len(users)) * self.count_of[users]).astype(np.int64)
        share = rng.uniform(0.4, 1.0, len(users))
        start = self.start[session]
        return start, start + (share * self.seconds[session] * SECOND).astype(np.int64)


def visit(world: World, day: int, users: Users, newcomers: int, local_time: LocalTime) -> Visits:
    """Draws the day's sessions and moves the users' last login. The last `newcomers` users joined today."""
    rng = world.rng("visits", day)
    settled = len(users) - newcomers
    _wander(users, settled, rng)
    rate: FloatArray = users.session_rate[:settled] * np.exp(users.mood[:settled]) * _WEEKDAY_VISITS[world.weekday(day)]
    counts = rng.poisson(np.where(users.is_gone[:settled], 0.0, rate))
    user = np.concatenate([np.repeat(np.arange(settled), counts), np.arange(settled, len(users))])
    returning = len(user) - newcomers
    hours = rng.choice(24, returning, p=_HOUR_SHARES)
    start = np.concatenate(
        [
            local_time.at_local_hour(
                world.day_start(day), hours, rng.integers(0, HOUR, returning), users.zone[user[:returning]]
            ),
            users.joined_at[settled:] + rng.integers(SECOND, 20 * SECOND, newcomers),
        ]
    )
    seconds = np.clip(rng.lognormal(np.log(420.0), 0.95, len(user)), _SHORTEST_SECONDS, _LONGEST_SECONDS).astype(
        np.int64
    )
    day_end = world.day_start(day + 1)
    start = np.minimum(start, day_end - _SHORTEST_SECONDS * SECOND - 1)
    seconds = np.minimum(seconds, (day_end - 1 - start) // SECOND)
    window = planted.outage_window(day, world.day_start(day))
    if window is not None:
        open_ = (start + seconds * SECOND < window[0]) | (start >= window[1])
        user, start, seconds = user[open_], start[open_], seconds[open_]
    order = np.lexsort((start, user))
    user, start, seconds = user[order], start[order], seconds[order]
    np.maximum.at(users.last_login, user, start)
    np.maximum.at(users.updated_at, user, start)
    count_of = np.bincount(user, minlength=len(users))
    return Visits(user, start, seconds, np.cumsum(count_of) - count_of, count_of)


def _wander(users: Users, settled: int, rng: np.random.Generator) -> None:
    """Moves the moods of all but today's newcomers by a day."""
    fading, draw = users.is_fading[:settled], rng.random(settled)
    users.is_fading[:settled] = np.where(fading, draw > _RECOVERS, draw < _FADES)
    step = rng.normal(0.0, _MOOD_SD, settled)
    usual = _MOOD_PERSISTENCE * users.mood[:settled] + step
    falling = np.maximum(users.mood[:settled] - _FADING_STEP + step, _DEEPEST_MOOD)
    users.mood[:settled] = np.where(users.is_fading[:settled], falling, usual)


def session_rows(world: World, day: int, visits: Visits) -> pl.DataFrame:
    """The day's rows of user_sessions, in order of time, without ids."""
    rng = world.rng("devices", day)
    rows = len(visits.user)
    away = rng.random(rows) < 0.2
    address = np.where(away, rng.integers(0, 1 << 17, rows), visits.user * 2654435761 % (1 << 17))
    return (
        pl.DataFrame(
            {
                "user_id": visits.user + 1,
                "created_at": visits.start,
                "duration": visits.seconds,
                "device": pl.Series(_DEVICES).gather(rng.choice(len(_DEVICES), rows, p=_DEVICE_SHARES)),
                "block": 18 + (address >> 16),
                "high": (address >> 8) & 255,
                "low": address & 255,
            }
        )
        # 198.18.0.0/15 is set aside for tests: these addresses belong to nobody.
        .with_columns(ip_address=pl.format("198.{}.{}.{}", "block", "high", "low"))
        .sort("created_at", maintain_order=True)
    )


def no_visits() -> Visits:
    """A day on which nobody comes."""
    nothing = np.empty(0, np.int64)
    return Visits(nothing, nothing, nothing, nothing, nothing)
