"""The geometry of the pages' small plots: numbers in, SVG coordinates out. Drawing them is the templates'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

WIDTH: Final = 320.0
HEIGHT: Final = 80.0


class Bar(NamedTuple):
    """One bin of a histogram: the recent values as a bar, the reference's height as a mark over it."""

    x: float
    width: float
    height: float
    mark: float | None


def bars(recent: Sequence[float], reference: Sequence[float] | None) -> list[Bar]:
    """A histogram's bins, all equally wide, as high as their share of the rows; the highest fills the plot.

    Bins are drawn equally wide because outer ones have no end, so the area says nothing and the height is the share.
    """
    shares = _shares(recent)
    marks: Sequence[float | None] = [None] * len(shares) if reference is None else _shares(reference)
    highest = max((each for each in (*shares, *marks) if each), default=1.0)
    width = WIDTH / max(len(shares), 1)
    return [
        Bar(
            round(number * width + 0.5, 2),
            round(width - 1, 2),
            round(HEIGHT * each / highest, 2),
            None if mark is None else round(HEIGHT * mark / highest, 2),
        )
        for number, (each, mark) in enumerate(zip(shares, marks, strict=True))
    ]


class Line(NamedTuple):
    """A series as the points of SVG polylines, one for each stretch without holes, and the range of its values."""

    stretches: list[str]
    low: float
    high: float


def line(values: Sequence[float | None], *, from_zero: bool = False) -> Line | None:
    """A series over the width of the plot; None if it has no value.

    Args:
        values: one a day.
        from_zero: whether the plot begins at 0, and not at the least value.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    if from_zero:
        low = min(low, 0.0)
    step = WIDTH / max(len(values) - 1, 1)
    stretches: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            stretches.append([])
        else:
            y = HEIGHT / 2 if high == low else HEIGHT - HEIGHT * (value - low) / (high - low)
            stretches[-1].append(f"{number * step:.1f},{y:.1f}")
    return Line([" ".join(points) for points in stretches if points], low, high)


class Dot(NamedTuple):
    """One week of a history."""

    x: float
    y: float
    week: date
    value: float


class Histories(NamedTuple):
    """Several series of the same weeks on one scale: their dots, a list each, and the range of all values."""

    series: list[list[Dot]]
    low: float
    high: float


def histories(weeks: Sequence[date], *series: Sequence[float | None]) -> Histories | None:
    """Values by week over the width of the plot, a week as far from another as they lie apart; None without a value."""
    known = [value for each in series for value in each if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    days = max((weeks[-1] - weeks[0]).days, 1)
    return Histories(
        [
            [
                Dot(
                    round(WIDTH * (week - weeks[0]).days / days, 1) if len(weeks) > 1 else WIDTH / 2,
                    HEIGHT / 2 if high == low else round(HEIGHT - HEIGHT * (value - low) / (high - low), 1),
                    week,
                    value,
                )
                for week, value in zip(weeks, each, strict=True)
                if value is not None
            ]
            for each in series
        ],
        low,
        high,
    )


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) or 1.0
    return [count / total for count in counts]
