"""Where people live: time zones with their weights, and the conversion of moments to local time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from clientnest_assets.simulation.world import DAY, HOUR, IntArray, World, as_datetime

ZONES: tuple[tuple[str, str, float], ...] = (
    ("America/New_York", "US", 0.16),
    ("America/Chicago", "US", 0.09),
    ("America/Los_Angeles", "US", 0.11),
    ("America/Toronto", "CA", 0.05),
    ("America/Sao_Paulo", "BR", 0.06),
    ("America/Mexico_City", "MX", 0.04),
    ("Europe/London", "GB", 0.11),
    ("Europe/Berlin", "DE", 0.08),
    ("Europe/Paris", "FR", 0.06),
    ("Europe/Madrid", "ES", 0.05),
    ("Africa/Lagos", "NG", 0.02),
    ("Asia/Dubai", "AE", 0.02),
    ("Asia/Kolkata", "IN", 0.07),
    ("Asia/Singapore", "SG", 0.03),
    ("Asia/Tokyo", "JP", 0.02),
    ("Australia/Sydney", "AU", 0.03),
)
"""IANA name, country and share of the users."""

ZONE_WEIGHTS = np.array([weight for _, _, weight in ZONES]) / sum(weight for _, _, weight in ZONES)
_MARGIN_DAYS = 40


class LocalTime:
    """Converts moments to the local time of zones, given by their position in `ZONES`."""

    def __init__(self, world: World) -> None:
        self._start = world.day_start(-2)
        hours = pl.datetime_range(
            as_datetime(self._start),
            as_datetime(world.end) + timedelta(days=_MARGIN_DAYS),
            "1h",
            time_zone="UTC",
            eager=True,
        )
        self._offsets = np.stack(
            [
                (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_microseconds().to_numpy()
                for local in (hours.dt.convert_time_zone(name) for name, _, _ in ZONES)
            ]
        )

    def offset(self, moments: IntArray, zones: IntArray) -> IntArray:
        """Local time minus UTC, in microseconds. Exact: all these zones change at a full hour of UTC."""
        found: IntArray = self._offsets[zones, (moments - self._start) // HOUR]
        return found

    def hour(self, moments: IntArray, zones: IntArray) -> IntArray:
        """Local hour of the day, 0 to 23."""
        return (moments + self.offset(moments, zones)) % DAY // HOUR

    def weekday(self, moments: IntArray, zones: IntArray) -> IntArray:
        """Local weekday, 0 for Monday. 1 January 1970 was a Thursday."""
        return ((moments + self.offset(moments, zones)) // DAY + 3) % 7

    def at_local_hour(self, day_start: int, hours: IntArray, within: IntArray, zones: IntArray) -> IntArray:
        """The moment of a UTC day at which it is that local hour, plus microseconds within the hour."""
        offset = self.offset(np.full(len(zones), day_start + DAY // 2), zones)
        return day_start + (hours * HOUR + within - offset) % DAY
