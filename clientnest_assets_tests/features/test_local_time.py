"""Clock time by zone, across a change of clocks, and for zones that do not exist."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from clientnest_assets.features.local_time import with_local_time


def test_each_row_is_read_on_its_own_clock_in_place():
    winter, summer = datetime(2025, 1, 5, 23, 30, tzinfo=UTC), datetime(2025, 7, 6, 23, 30, tzinfo=UTC)
    rows = [
        (winter, "Europe/Berlin"),
        (summer, "Asia/Kolkata"),
        (summer, "Europe/Berlin"),
        (winter, None),
        (winter, "Mars/Olympus"),
        (None, "Europe/Berlin"),
    ]
    frame = pl.DataFrame(rows, schema={"at": pl.Datetime("us", "UTC"), "zone": pl.String}, orient="row")
    found = with_local_time(frame, "at", "zone", hour="hour", weekday="weekday")
    assert found.select("at", "zone").equals(frame)
    assert found.select("hour", "weekday").rows() == [(0, 1), (5, 1), (1, 1), (23, 7), (23, 7), (None, None)]


def test_no_rows_give_no_rows():
    empty = pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "zone": pl.String})
    found = with_local_time(empty, "at", "zone", hour="hour", weekday="weekday")
    assert found.schema["hour"] == pl.Int64
    assert found.is_empty()
