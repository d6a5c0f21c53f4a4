"""Who was active at which moment, what their visits said of them then, and whether they came again.

From days with a visit alone. What else is known of a user is joined in `examples.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.churn.spec import DAYS_SINCE_VISIT, ENTITY, LABEL, SINCE_FIRST_VISIT, VISITS, Definition
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import ONE_DAY, Window, midnight

MONDAY: Final = 0
MOST_DAYS: Final = 1 << 20
"""More than any day's number since 1970."""


def at_week_ends(user_days: pl.DataFrame, until: datetime, definition: Definition) -> pl.DataFrame:
    """Each user at the end of each Sunday at which they were active, and whether they were gone then.

    Grain: one row per user and Sunday, ordered by `as_of` and user_id, of those whose truth was known before `until`:
    ENTITY, AS_OF, VISITS, SINCE_FIRST_VISIT, LABEL, LABEL_KNOWN_AT.

    Args:
        user_days: user_id, day, sessions, session_seconds; days before `until`.
        until: the end of what is known, a midnight.
        definition: who is judged, and what being gone is.
    """
    visits = visits_of(user_days, definition)
    if visits.is_empty():
        return with_truth(_at(visits, until.date(), 0, definition), visits, definition)
    first: date = visits[DAY].dt.min()  # type: ignore[assignment]
    monday = first + ((MONDAY - first.weekday()) % 7) * ONE_DAY
    # The last moment is the one whose truth is known just before `until`.
    days = (until - definition.horizon - midnight(monday)).days
    count = max(0, -(-days // definition.every.days))
    return with_truth(_at(visits, monday, count, definition), visits, definition)


def at_ends_of_days(user_days: pl.DataFrame, known: Window, definition: Definition) -> pl.DataFrame:
    """As `at_week_ends`, at the end of each day whose truth came to be known in the window.

    Args:
        user_days: as there, days before the window's end.
        known: the days on which truth came to be known.
        definition: who is judged, and what being gone is; not how often.
    """
    visits = visits_of(user_days, definition)
    daily = replace(definition, every=ONE_DAY)
    active = _at(visits, known.start - definition.horizon, len(known.days()), daily)
    return with_truth(active, visits, definition)


def at_end_of_day(user_days: pl.DataFrame, until: datetime, definition: Definition) -> pl.DataFrame:
    """Each user who is active at a midnight, ordered by user_id: ENTITY, AS_OF, VISITS, SINCE_FIRST_VISIT."""
    return _at(visits_of(user_days, definition), until.date(), 1, definition)


def visits_of(user_days: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """One row per user and day with a visit, in order, with what their visits up to that day say, and the next one."""
    first, number = pl.col("first_day"), pl.col("visit_days")
    return (
        user_days.filter(pl.col("sessions") > 0)
        .group_by(ENTITY, DAY)
        .agg(pl.col("session_seconds").sum(), one=pl.lit(1, pl.Int64))
        .sort(ENTITY, DAY)
        .with_columns(
            first_day=pl.col(DAY).first().over(ENTITY),
            next_day=pl.col(DAY).shift(-1).over(ENTITY),
            last_gap_days=(pl.col(DAY) - pl.col(DAY).shift(1)).dt.total_days().over(ENTITY),
            visit_days=pl.int_range(1, pl.len() + 1).over(ENTITY),
            recent_visit_days=pl.col("one").rolling_sum_by(DAY, window_size=definition.active_within).over(ENTITY),
        )
        .with_columns(
            mean_visit_seconds=pl.col("session_seconds").cum_sum().over(ENTITY) / number,
            mean_gap_days=pl.when(number > 1).then((pl.col(DAY) - first).dt.total_days() / (number - 1)),
        )
    )


def _at(visits: pl.DataFrame, first: date, count: int, definition: Definition) -> pl.DataFrame:
    """The users active at `count` midnights, `every` apart, the first at the beginning of `first`.

    A visit is a user's last at the moments after its day, up to the day of their next one: each row of `visits` is
    repeated for those, which takes no join.
    """
    every = definition.every.days
    until_active = pl.col(DAY) + definition.active_within
    last = pl.min_horizontal("next_day", until_active)
    number = (pl.lit(first) - pl.col(DAY)).dt.total_days().neg()
    past_first = (last - pl.lit(first)).dt.total_days()
    as_of_day = pl.lit(first) + pl.duration(days=pl.col("moment") * every)
    silence = (pl.col("as_of_day") - pl.col(DAY)).dt.total_days() - 1
    return (
        visits.with_columns(
            low=(number // every + 1).clip(0),
            end=(past_first // every + 1).clip(None, count),
        )
        .filter(pl.col("low") < pl.col("end"))
        .with_columns(moment=pl.int_ranges("low", "end"))
        .explode("moment")
        .with_columns(as_of_day=as_of_day)
        .with_columns(
            pl.col("as_of_day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(MOMENT).alias(AS_OF),
            silence.alias(DAYS_SINCE_VISIT),
            (pl.col("as_of_day") - pl.col("first_day")).dt.total_days().sub(1).alias(SINCE_FIRST_VISIT),
            silence_ratio=silence / pl.col("mean_gap_days"),
        )
        .with_columns(visit_share=pl.col("visit_days") / (pl.col(SINCE_FIRST_VISIT) + 1))
        .select(ENTITY, AS_OF, *VISITS, SINCE_FIRST_VISIT)
        .sort(AS_OF, ENTITY)
    )


def with_truth(active: pl.DataFrame, visits: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """The rows, in their order, with LABEL: no visit on the last days of the horizon; and when that was known."""
    known_at = pl.col(AS_OF) + definition.horizon
    visited = np.sort(_place(visits, pl.col(DAY)))
    first, end = (_place(active, moment.dt.date()) for moment in (known_at - definition.quiet, known_at))
    is_gone = np.searchsorted(visited, first) == np.searchsorted(visited, end)
    return active.with_columns(pl.Series(LABEL, is_gone), known_at.alias(LABEL_KNOWN_AT))


def _place(rows: pl.DataFrame, day: pl.Expr) -> npt.NDArray[np.int64]:
    """One number for user and day, ordered by the user first."""
    place = pl.col(ENTITY) * MOST_DAYS + day.cast(pl.Int32).cast(pl.Int64)
    return rows.select(place=place)["place"].to_numpy()


def day_before(moment: str) -> pl.Expr:
    """The day that ends at a midnight."""
    return (pl.col(moment) - timedelta(days=1)).dt.date()
