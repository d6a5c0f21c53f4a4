"""Leaving: each user's hazard of being gone for good from one day to the next, and who goes.

Whoever is gone visits, writes and asks no more. The hazard is known by its formula and written to
the truth; see `effects.py` for the constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clientnest_assets.simulation import effects
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.world import DAY, BoolArray, FloatArray, IntArray, World

_CLOSES_LOGIN = 0.25


@dataclass(frozen=True)
class Departures:
    """What churn did on one day, over the users who were there when it began."""

    present: IntArray
    hazard: FloatArray
    is_leaving: BoolArray
    left: IntArray
    """Who left, and when."""
    left_at: IntArray


def hazard(users: Users, present: IntArray, day_start: int) -> FloatArray:
    """The chance that each of these users leaves on the day that begins at `day_start`."""
    tenure_days = (day_start - users.joined_at[present]) / DAY
    last_seen = np.maximum(users.last_login[present], users.joined_at[present])
    silent_days = (day_start - last_seen) / DAY - effects.INACTIVITY_FREE_DAYS
    log_factor = (
        effects.INACTIVITY_RATE * np.clip(silent_days, 0.0, effects.INACTIVITY_MAX_DAYS)
        + effects.FAILED_POST_RATE * np.minimum(users.failed_posts[present], effects.FAILED_POST_MAX)
        + effects.OPEN_TICKET_RATE * np.minimum(users.open_tickets[present], effects.OPEN_TICKET_MAX)
    )
    newcomer = 1 + effects.NEWCOMER_FACTOR * np.exp(-tenure_days / effects.NEWCOMER_DAYS)
    settled = 1 - (1 - effects.MONTHLY_CHURN[users.tier[present]]) ** (1 / 30)
    chance: FloatArray = np.minimum(settled * newcomer * np.exp(log_factor), effects.MAX_DAILY_HAZARD)
    return chance


def leave(world: World, day: int, users: Users) -> Departures:
    """Draws who leaves on this day, before anything else happens on it."""
    rng = world.rng("churn", day)
    present = np.flatnonzero(~users.is_gone)
    chance = hazard(users, present, world.day_start(day))
    is_leaving = rng.random(len(present)) < chance
    left = present[is_leaving]
    left_at = world.day_start(day) + rng.integers(0, DAY, len(left))
    users.is_gone[left] = True
    closing = rng.random(len(left)) < _CLOSES_LOGIN
    users.is_active[left[closing]] = False
    users.updated_at[left[closing]] = left_at[closing]
    users.failed_posts *= np.exp(-1 / effects.FAILED_POST_MEMORY_DAYS)
    return Departures(present, chance, is_leaving, left, left_at)
