"""Cutting days of events into pieces that fit in memory, by how many rows each day has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.partitions import Window

MICROSECOND = timedelta(microseconds=1)
SLICE_ROWS = 500_000
"""About so many events are in memory at a time: some 150 MB. Half as many take longer, twice as many half as much again."""


def rows_by_day(events: pl.LazyFrame, window: Window) -> dict[date, int]:
    """How many of the events each day of the window has, 0 included."""
    counted = events.filter(inside(window)).group_by(DAY).len("rows").collect()
    return {**dict.fromkeys(window.days(), 0), **dict(counted.iter_rows())}


def packed(rows: dict[date, int], most: int = SLICE_ROWS) -> Iterator[Window]:
    """The days, which are consecutive, in windows of at most `most` rows; a day with more is a window of its own."""
    start, together = min(rows), 0
    for day in sorted(rows):
        if together and together + rows[day] > most:
            yield Window(start, day)
            start, together = day, 0
        together += rows[day]
    yield Window.of_days(start, max(rows))


def spans(rows: dict[date, int], most: int = SLICE_ROWS) -> Iterator[tuple[datetime, datetime]]:
    """The days in spans of time of about `most` rows: from a moment up to but without another. None for empty days."""
    for window in packed(rows, most):
        held = sum(rows[day] for day in window.days())
        pieces = -(-held // most)
        for piece in range(pieces):
            length = (window.end_at - window.start_at) / pieces
            end = window.end_at if piece == pieces - 1 else window.start_at + (piece + 1) * length
            yield window.start_at + piece * length, end


def inside(window: Window) -> pl.Expr:
    """True for the rows of the window's days."""
    return pl.col(DAY).is_between(window.start, window.end, closed="left")


def between(span: tuple[datetime, datetime], moment: str) -> pl.Expr:
    """True for the rows of the span: by their day as well, so that other days' files are not opened."""
    start, end = span
    days = pl.col(DAY).is_between(start.date(), (end - MICROSECOND).date())
    return days & pl.col(moment).is_between(start, end, closed="left")
