"""Clock time where somebody is: hours and weekdays in each row's own time zone.

Moments stay UTC everywhere else.
"""

from __future__ import annotations

import polars as pl

UTC = "UTC"
_ROW = "__row"


def with_local_time(frame: pl.DataFrame, moment: str, zone: str, *, hour: str, weekday: str) -> pl.DataFrame:
    """The frame, in its order, with the local hour (0 to 23) and weekday (1 Monday to 7 Sunday) of a moment.

    Rows are converted zone by zone: each zone's rules are looked up once, not once a row. A zone that is
    null or that nobody knows counts as UTC.

    Args:
        frame: the rows.
        moment: a UTC column; null gives null.
        zone: a column of IANA names.
        hour: name of the column to add.
        weekday: name of the column to add.
    """
    parts = [
        part.with_columns(
            local.dt.hour().cast(pl.Int64).alias(hour),
            local.dt.weekday().cast(pl.Int64).alias(weekday),
        )
        for (name,), part in frame.with_row_index(_ROW).partition_by(zone, as_dict=True).items()
        for local in [_local(part[moment], name)]
    ]
    if not parts:
        empty = pl.Series(dtype=pl.Int64)
        return frame.with_columns(empty.alias(hour), empty.alias(weekday))
    return pl.concat(parts).sort(_ROW).drop(_ROW)


def _local(moments: pl.Series, zone: str | None) -> pl.Series:
    try:
        return moments.dt.convert_time_zone(zone or UTC)
    except pl.exceptions.ComputeError:
        return moments.dt.convert_time_zone(UTC)
