"""Suggested times on another clock than the author's.

What is learned is the hour on the author's clock, because audiences wake, work and rest by it. A caller elsewhere is
told when that hour next begins, which settles all there is to a clock: a zone that lies half an hour off, and the day
on which one of the two changes to summer time. So 18:00 in Kolkata is 13:30 in Berlin in winter and 14:30 in summer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from clientnest_assets.features.local_time import UTC
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.posting_times.examples import ZONE

NEXT: Final = "next_at"
WEEK: Final = timedelta(days=7)


def on_the_clock_of(zone: str, slots: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The slots, in their order, with the next moment at which each begins, and weekday and time of it in a zone.

    Adds `next_at` (UTC), `weekday_there` (1 Monday to 7 Sunday) and `time_there` (such as 13:30). An hour that the
    author's clock leaps over is told for the week after; of one that comes twice the first is told.

    Args:
        zone: the caller's, an IANA name.
        slots: weekday and hour on the author's clock and author_timezone, in which null stands for the caller's own and
            a name that nobody knows for UTC, as in the warehouse.
        now: an aware moment.

    Raises:
        ModelError: there is no such zone.
    """
    if not _is_zone(zone):
        raise ModelError(f"there is no time zone {zone!r}: give an IANA name such as Europe/Berlin")
    parts = [
        part.with_columns(_next(name if name is None or _is_zone(name) else UTC, zone, now).alias(NEXT))
        for (name,), part in slots.with_row_index("__row").partition_by(ZONE, as_dict=True).items()
    ]
    empty = slots.with_row_index("__row").clear().with_columns(pl.lit(None, pl.Datetime("us", UTC)).alias(NEXT))
    there = pl.col(NEXT).dt.convert_time_zone(zone)
    return (
        pl.concat([empty, *parts])
        .sort("__row")
        .drop("__row")
        .with_columns(
            there.dt.weekday().cast(pl.Int64).alias("weekday_there"), there.dt.strftime("%H:%M").alias("time_there")
        )
    )


def _next(author_zone: str | None, caller_zone: str, now: datetime) -> pl.Expr:
    zone = author_zone or caller_zone
    today = now.astimezone(ZoneInfo(zone)).date()
    ahead = (pl.col("weekday") - today.isoweekday()) % 7
    first = pl.lit(today).cast(pl.Datetime("us")) + pl.duration(days=ahead, hours=pl.col("hour"))
    weeks = [
        (first + week * WEEK)
        .dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone(UTC)
        for week in range(3)
    ]
    return pl.coalesce(pl.when(each > now).then(each) for each in weeks)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
