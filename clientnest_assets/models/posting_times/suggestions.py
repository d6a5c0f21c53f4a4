"""From what to expect of each hour of the week to the few times that are suggested: the best, apart from each other."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.effects import Z80
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import Outlook
from clientnest_assets.models.posting_times.examples import ZONE
from clientnest_assets.models.posting_times.week import HOURS, SLOTS, Places, distance

OWN: Final = "own"
PLATFORM: Final = "platform"
MOSTLY: Final = 0.5
ANSWERS: Final = pl.Schema(
    {
        "platform": pl.String(),
        "account_id": pl.Int64(),
        ZONE: pl.String(),
        AS_OF: pl.Datetime("us", "UTC"),
        "rank": pl.Int64(),
        "weekday": pl.Int64(),
        "hour": pl.Int64(),
        "uplift": pl.Float64(),
        "uplift_low": pl.Float64(),
        "uplift_high": pl.Float64(),
        "platform_posts": pl.Int64(),
        "own_posts": pl.Int64(),
        "evidence": pl.String(),
    }
)
"""Grain: one row per request and suggested slot. Weekday (1 Monday to 7 Sunday) and hour are on the author's clock.
`uplift` is a ratio, 0.3 for 30 % more engagement than at the times at which the platform's posts appear; `uplift_low`
and `uplift_high` bound it with a chance of 80 %. `platform_posts` appeared within an hour of the slot, `own_posts`
within an hour of its hour on any day. `evidence` says whose posts settle most of what is this account's own: `own` or
`platform`.
"""


def best_slots(expected: Outlook, count: int) -> Places:
    """The places of the slots to suggest: a line a request, best first, -1 where there are no more.

    Suggested is a slot that is expected to do better than the usual times and that MIN_SLOT_POSTS of the platform bear
    on, APART_HOURS at least from every better one.
    """
    is_known = (expected.uplift > 0) & (expected.platform_posts >= spec.MIN_SLOT_POSTS)
    left = np.where(is_known, expected.uplift, -np.inf)
    every = np.arange(SLOTS)
    too_close = distance(every[:, None], every) < spec.APART_HOURS
    found = np.full((len(left), count), -1)
    line = np.arange(len(left))
    for rank in range(count):
        best = left.argmax(axis=1)
        found[:, rank] = np.where(left[line, best] > -np.inf, best, -1)
        left[too_close[best]] = -np.inf
    return found


def suggest(requests: pl.DataFrame, expected: Outlook, count: int) -> pl.DataFrame:
    """Up to so many slots a request, best first (ANSWERS); where there is none, there is no row.

    Args:
        requests: platform, account_id, author_timezone and `as_of`.
        expected: one line a request.
        count: the most slots of a request.
    """
    best = best_slots(expected, count)
    line, rank = np.nonzero(best >= 0)
    at = (line, best[line, rank])
    uplift, margin = expected.uplift[at], Z80 * expected.error[at]
    asked = requests.select("platform", "account_id", ZONE, AS_OF)[line]
    return asked.with_columns(
        pl.Series("rank", rank + 1),
        pl.Series("weekday", at[1] // HOURS + 1),
        pl.Series("hour", at[1] % HOURS),
        pl.Series("uplift", np.expm1(uplift)),
        pl.Series("uplift_low", np.expm1(uplift - margin)),
        pl.Series("uplift_high", np.expm1(uplift + margin)),
        pl.Series("platform_posts", expected.platform_posts[at]),
        pl.Series("own_posts", expected.own_posts[at]),
        pl.Series("evidence", np.where(expected.own_part[at] >= MOSTLY, OWN, PLATFORM)),
    ).select(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items())
