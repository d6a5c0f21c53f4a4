"""Rollups of settled events, computed in the lake: per user and hour, per user and day.

The warehouse loads these and never a single event. Counts add up; distinct sessions do not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.contracts.events import APP_EVENTS, APP_EVENTS_DAILY, APP_EVENTS_HOURLY, COUNTED_AS
from clientnest_assets.lake import Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events.slices import inside, packed, rows_by_day
from clientnest_assets.sources.landing import raw_table

LAYER = "rollups"
ROLLUP_SOURCE = "rollup"
_COUNTS = ["events", *COUNTED_AS.values()]


def rollup_table(lake: Lake, contract: Contract) -> LakeTable:
    """The lake table of a rollup."""
    return lake.table(LAYER, contract.name, contract.landed_schema)


def roll_up(lake: Lake, contract: Contract, window: Window) -> pl.DataFrame:
    """Computes a rollup's days anew from all settled events, whichever source brought them, and replaces them.

    Returns:
        One row a day of the window: `day`, `events` in raw when it was read, `counted` in the rollup now, and the
        rollup's `rows`. `events` and `counted` are equal unless something is wrong.
    """
    table, compute = rollup_table(lake, contract), _COMPUTED[contract.name]

    def work() -> dict[date, int]:
        handle = table.open()
        events = raw_table(lake, APP_EVENTS).scan()
        rows = rows_by_day(events, window)
        for piece in packed(rows):
            made = compute(events.filter(inside(piece)))
            landed = made.with_columns(pl.lit(ROLLUP_SOURCE).alias(SOURCE)).select(
                pl.col(name).cast(dtype) for name, dtype in contract.landed_schema.items()
            )
            frame = landed.collect(engine="streaming").sort(DAY, contract.cursor, "id")
            table.replace_window(handle, frame, piece, source=ROLLUP_SOURCE, allow_empty=True)
            handle = table.open()
        return rows

    in_raw = with_fresh_input(work)
    days = pl.DataFrame({DAY: list(in_raw), "events": list(in_raw.values())}, schema={DAY: pl.Date, "events": pl.Int64})
    held = table.scan(window).group_by(DAY).agg(pl.col("events").sum().alias("counted"), pl.len().alias("rows"))
    joined = days.lazy().join(held, on=DAY, how="left").sort(DAY)
    return joined.with_columns(pl.col("counted", "rows").fill_null(0).cast(pl.Int64)).collect()


def hourly(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per user and hour in which they did something. Grain and columns: `AppEventsHourly`."""
    hour = pl.col("occurred_at").dt.truncate("1h").alias("hour")
    return (
        _by_session(events, [pl.col(DAY), pl.col("user_id"), hour])
        .group_by(DAY, "user_id", "hour")
        .agg(*_sums())
        .with_columns(_id(pl.col("hour").dt.strftime("%Y-%m-%dT%H")))
    )


def daily(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per user and day on which they did something. Grain and columns: `AppEventsDaily`."""
    features = (
        events.filter(pl.col("event_type") == "feature_used")
        .select(DAY, "user_id", "name")
        .unique()
        .group_by(DAY, "user_id")
        .agg(pl.col("name").sort().alias("features"))
    )
    return (
        _by_session(events, [pl.col(DAY), pl.col("user_id")])
        .group_by(DAY, "user_id")
        .agg(*_sums(), pl.col("first_at").min(), pl.col("last_at").max())
        .join(features, on=[DAY, "user_id"], how="left", nulls_equal=True)
        .with_columns(_id(pl.col(DAY).dt.strftime("%Y-%m-%d")), pl.col("features").fill_null([]))
    )


_COMPUTED: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    APP_EVENTS_HOURLY.name: hourly,
    APP_EVENTS_DAILY.name: daily,
}


def _by_session(events: pl.LazyFrame, keys: list[pl.Expr]) -> pl.LazyFrame:
    """Counted by session first: distinct sessions are then a count, which streams."""
    kinds = [(pl.col("event_type") == kind).sum().cast(pl.Int64).alias(name) for kind, name in COUNTED_AS.items()]
    return events.group_by(*keys, "session_id").agg(
        pl.len().cast(pl.Int64).alias("events"),
        *kinds,
        pl.col("occurred_at").min().alias("first_at"),
        pl.col("occurred_at").max().alias("last_at"),
    )


def _sums() -> list[pl.Expr]:
    return [*(pl.col(name).sum() for name in _COUNTS), pl.col("session_id").count().alias("sessions")]


def _id(time: pl.Expr) -> pl.Expr:
    return pl.format("{}/{}", time, pl.col("user_id").cast(pl.String).fill_null("-")).alias("id")
