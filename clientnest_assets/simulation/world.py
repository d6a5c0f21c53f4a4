"""The parameters of one simulated world, its calendar and its sources of chance.

Not here: what happens in the world (`story.py`) and how strong each effect is (`effects.py`).

Everything random is drawn from a stream keyed by (seed, process, day index), so that what happens
on a day never depends on how many days follow it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from clientnest_assets.errors import ClientNestError

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Durations in microseconds: all moments of the simulation are int64 microseconds since 1970, UTC."""

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

EARLIEST = date(2000, 1, 1)


class WorldError(ClientNestError):
    """The arguments describe no world that can be simulated."""


@dataclass(frozen=True)
class World:
    """One world: `users` people sign up within the first `signup_days` of `days` days.

    Past `signup_days` (by default all of `days`) people go on signing up at the same pace, which is
    what lets a world be continued: see `extended`.

    Raises:
        WorldError: an argument is out of range; the message names it.
    """

    users: int
    days: int
    seed: int
    last_day: date
    """The last simulated UTC day; it is complete."""
    signup_days: int | None = None

    def __post_init__(self) -> None:
        if self.users < 1:
            raise WorldError(f"a world needs at least 1 user, got users={self.users}")
        if self.days < 1:
            raise WorldError(f"a world lasts at least 1 day, got days={self.days}")
        if self.seed < 0:
            raise WorldError(f"a seed is 0 or more, got seed={self.seed}")
        if self.signup_days is not None and not 1 <= self.signup_days <= self.days:
            raise WorldError(f"signup_days lies between 1 and days={self.days}, got {self.signup_days}")
        if (self.last_day - EARLIEST).days < self.days:
            raise WorldError(f"{self.days} days up to {self.last_day} would begin before {EARLIEST}: choose fewer days")

    @property
    def first_day(self) -> date:
        """The first simulated UTC day."""
        return self.last_day - timedelta(days=self.days - 1)

    @property
    def launch_days(self) -> int:
        """Over how many days the `users` people sign up."""
        return self.days if self.signup_days is None else self.signup_days

    @property
    def end(self) -> int:
        """The first moment after the world's last day."""
        return self.day_start(self.days)

    def day_start(self, day: int) -> int:
        """The first moment of the day with this index; the first day has index 0."""
        epoch_days = (self.first_day - date(1970, 1, 1)).days
        return (epoch_days + day) * DAY

    def weekday(self, day: int) -> int:
        """0 for Monday to 6 for Sunday."""
        return (self.first_day + timedelta(days=day)).weekday()

    def extended(self, extra_days: int) -> World:
        """The same world some days later: its first `days` days are exactly the days of this one.

        Raises:
            WorldError: `extra_days` is below 1.
        """
        if extra_days < 1:
            raise WorldError(f"time passes forward: extra_days is at least 1, got {extra_days}")
        return replace(
            self,
            days=self.days + extra_days,
            last_day=self.last_day + timedelta(days=extra_days),
            signup_days=self.launch_days,
        )

    def rng(self, process: str, day: int) -> np.random.Generator:
        """The stream of chance of one process on one day."""
        return np.random.default_rng([self.seed, zlib.crc32(process.encode()), day])


def as_datetime(moment: int) -> datetime:
    """A moment as a Python datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
