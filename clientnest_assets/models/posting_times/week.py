"""The hours of the week as places 0 to 167, from Monday 0:00 on, and how much alike neighbours are taken to be."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.effects import Matrix

HOURS: Final = 24
WEEKDAYS: Final = 7
SLOTS: Final = WEEKDAYS * HOURS
HOUR_OF_SLOT: Final = np.arange(SLOTS) % HOURS

Places = npt.NDArray[np.int64]


def slot_of(weekday: str, hour: str) -> pl.Expr:
    """The place of a weekday (1 Monday to 7 Sunday) and an hour (0 to 23), both columns of numbers or their text."""
    return (pl.col(weekday).cast(pl.Int64) - 1) * HOURS + pl.col(hour).cast(pl.Int64)


def hours_alike(smoothness_hours: float) -> Matrix:
    """Prior correlation of the hours of a day, by how far they are apart on the clock's circle.

    The periodic kernel of D. J. C. MacKay, "Introduction to Gaussian processes" (1998), also C. E. Rasmussen and C. K.
    I. Williams, "Gaussian Processes for Machine Learning" (2006), equation 4.31: 23:00 is next to 0:00.

    Args:
        smoothness_hours: the standard deviation of its bell, for hours close to each other.
    """
    hours = np.arange(HOURS)
    chord = np.sin(np.pi * (hours[:, None] - hours) / HOURS) * HOURS / np.pi
    alike: Matrix = np.exp(-0.5 * (chord / smoothness_hours) ** 2)
    return alike


def around(counts: Matrix, hours: int) -> Matrix:
    """The sum over each place and so many on either side, on the circle of the last axis."""
    near: Matrix = np.sum([np.roll(counts, shift, axis=-1) for shift in range(-hours, hours + 1)], axis=0)
    return near


def distance(slots: Places, others: Places) -> Places:
    """Hours between slots, on the circle of the week: Sunday's last hour is next to Monday's first."""
    apart = np.abs(slots - others)
    nearest: Places = np.minimum(apart, SLOTS - apart)
    return nearest
