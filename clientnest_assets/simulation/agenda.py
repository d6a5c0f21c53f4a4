"""Rows that are already decided but happen on a later day wait here for their day.

A post's snapshots, for example, are drawn when it is published, and handed out day by day. Keeping
them by day bounds memory by what is in flight, whatever the number of days.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from clientnest_assets.simulation.world import DAY, World


class Agenda:
    """Frames filed under the day of one of their columns (int64 microseconds)."""

    def __init__(self, world: World, due: str, *, keep_later: bool = False) -> None:
        """Rows due after the world's end are dropped, unless `keep_later` asks for them in `rest`."""
        self._world = world
        self._due = due
        self._keep_later = keep_later
        self._days: defaultdict[int, list[pl.DataFrame]] = defaultdict(list)

    def file(self, frame: pl.DataFrame) -> None:
        """Puts each row under its day."""
        if frame.is_empty():
            return
        frame = frame.sort(self._due, maintain_order=True)
        days = (frame[self._due].to_numpy() - self._world.day_start(0)) // DAY
        first_rows = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        ends = [*first_rows[1:].tolist(), len(days)]
        for start, end in zip(first_rows.tolist(), ends, strict=True):
            day = int(days[start])
            if self._keep_later or day < self._world.days:
                self._days[day].append(frame.slice(start, end - start))

    def take(self, day: int) -> pl.DataFrame | None:
        """The rows of one day in order of time, which are then gone from here; None if there are none."""
        frames = self._days.pop(day, [])
        return pl.concat(frames).sort(self._due, maintain_order=True) if frames else None

    def rest(self) -> pl.DataFrame | None:
        """All rows not taken yet."""
        frames = [frame for day in sorted(self._days) for frame in self._days[day]]
        return pl.concat(frames) if frames else None
