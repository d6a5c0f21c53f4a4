"""Plans: how they start, renew each 30 days, move up and down, and end."""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import TIERS
from clientnest_assets.simulation.churn import Departures
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import DAY, IntArray, World

MONTHLY_PRICE = np.array([0, 19, 49, 149, 499]) * 100
"""US cents a month by tier."""
ANNUAL_DISCOUNT_PERCENT = 20
_UPGRADES = np.array([0.0035, 0.0025, 0.0018, 0.0008, 0.0])
_DOWNGRADES = np.array([0.0, 0.0, 0.0014, 0.0014, 0.0014])
"""Chance a session-day, by tier. Nobody steps down to free but by cancelling."""


def revenue_cents(users: Users, who: IntArray) -> IntArray:
    """Monthly recurring revenue of these users, in US cents."""
    discount = np.where(users.is_annual[who], ANNUAL_DISCOUNT_PERCENT, 0)
    cents: IntArray = MONTHLY_PRICE[users.tier[who]] * (100 - discount) // 100
    return cents


def subscription_rows(
    world: World, day: int, users: Users, newcomers: IntArray, departures: Departures, visits: Visits
) -> pl.DataFrame:
    """The day's subscription events in order of time, without ids; the users' tiers move along."""
    day_start = world.day_start(day)
    events = [_rows("start", users, newcomers, None, users.joined_at[newcomers])]

    paying = users.tier[departures.left] > 0
    leavers, left_at = departures.left[paying], departures.left_at[paying]
    before = users.tier[leavers]
    users.tier[leavers] = 0
    users.updated_at[leavers] = np.maximum(users.updated_at[leavers], left_at)
    events.append(_rows("cancel", users, leavers, before, left_at))

    due = (users.tier > 0) & ~users.is_gone & (users.renews_at >= day_start) & (users.renews_at < day_start + DAY)
    renewing = np.flatnonzero(due)
    events.append(_rows("renew", users, renewing, users.tier[renewing], users.renews_at[renewing]))
    users.renews_at[renewing] += 30 * DAY

    rng = world.rng("plans", day)
    free_to_move = (visits.count_of > 0) & ~due & (users.joined_at < day_start)
    visitors = np.flatnonzero(free_to_move)
    draw = rng.random(len(visitors))
    up = draw < _UPGRADES[users.tier[visitors]]
    down = draw > 1 - _DOWNGRADES[users.tier[visitors]]
    for name, who, step in (("upgrade", visitors[up], 1), ("downgrade", visitors[down], -1)):
        _, at = visits.moments(who, rng)
        before = users.tier[who]
        users.tier[who] = before + step
        users.renews_at[who] = at + 30 * DAY
        users.updated_at[who] = np.maximum(users.updated_at[who], at)
        events.append(_rows(name, users, who, before, at))
    return pl.concat(events).sort("occurred_at", maintain_order=True)


def _rows(event: str, users: Users, who: IntArray, before: IntArray | None, at: IntArray) -> pl.DataFrame:
    tiers = pl.Series(TIERS)
    return pl.DataFrame(
        {
            "user_id": who + 1,
            "event": pl.Series([event]).new_from_index(0, len(who)),
            "from_tier": pl.Series([None] * len(who), dtype=pl.String) if before is None else tiers.gather(before),
            "to_tier": tiers.gather(users.tier[who]),
            "mrr": revenue_cents(users, who) / 100,
            "occurred_at": at,
        }
    )
