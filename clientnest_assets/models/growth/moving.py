"""How series move: running sums over their days, from which mean, spread and discounted drift are told.

Which days are taken in, and what else is known of a series, is decided in `states.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from clientnest_assets.models.additive import Vector

HALF_LIVES: Final = (14, 28, 56, 112)
"""Days after which a day's move counts half: the candidates between which training chooses."""
VARIANCE: Final = "variance"
MOVES: Final = "moves"
MEAN_MOVE: Final = "mean_move"


def drift_column(half_life: int) -> str:
    """The name of the mean daily move under a half-life."""
    return f"drift_{half_life}"


def days_column(half_life: int) -> str:
    """The name of how many days of equal weight tell that mean as well."""
    return f"drift_days_{half_life}"


@dataclass
class Moving:
    """Running sums over each series' moves, day after day; a move over a gap counts for its days."""

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    value: Vector
    moves: npt.NDArray[np.int64]
    total: Vector
    days: Vector
    squares: Vector
    absolute: Vector
    discounted: dict[int, tuple[Vector, Vector, Vector]]
    """By half-life, the sums of w·move, w·days and w²·days."""

    @classmethod
    def still(cls, series: int) -> Self:
        """So many series before their first day."""

        def zeros() -> Vector:
            return np.zeros(series)

        return cls(
            first=np.full(series, -1),
            last=np.full(series, -1),
            value=np.full(series, np.nan),
            moves=np.zeros(series, np.int64),
            total=zeros(),
            days=zeros(),
            squares=zeros(),
            absolute=zeros(),
            discounted={half_life: (zeros(), zeros(), zeros()) for half_life in HALF_LIVES},
        )

    def advance(self, day: int, values: Vector) -> None:
        """Takes in the next day."""
        is_seen = ~np.isnan(values)
        has_moved = is_seen & (self.last >= 0)
        days = np.where(has_moved, day - self.last, 0).astype(np.float64)
        move = np.where(has_moved, values - self.value, 0.0)
        per_day = np.divide(move, days, out=np.zeros(len(move)), where=has_moved)
        self.moves += has_moved
        self.total += move
        self.days += days
        self.squares += move * per_day
        self.absolute += np.abs(per_day)
        for half_life, (moves, weights, squares) in self.discounted.items():
            factor = 0.5 ** (1 / half_life)
            self.discounted[half_life] = (
                moves * factor + move,
                weights * factor + days,
                squares * factor**2 + days,
            )
        self.first = np.where(is_seen & (self.first < 0), day, self.first)
        self.last = np.where(is_seen, day, self.last)
        self.value = np.where(is_seen, values, self.value)

    def tell(self, rows: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        """The columns of STATE that moves tell, for these series; not a number where none does."""

        def ratio(above: Vector, below: Vector) -> Vector:
            quotient: Vector = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
            return quotient

        moves = self.moves[rows]
        around = self.squares[rows] - np.nan_to_num(ratio(self.total[rows] ** 2, self.days[rows]))
        told: dict[str, npt.NDArray[np.generic]] = {
            VARIANCE: np.maximum(ratio(around, (moves - 1).astype(np.float64)), 0.0),
            MOVES: moves,
            MEAN_MOVE: ratio(self.absolute[rows], moves.astype(np.float64)),
        }
        for half_life, (total, weights, squares) in self.discounted.items():
            told[drift_column(half_life)] = ratio(total[rows], weights[rows])
            told[days_column(half_life)] = ratio(weights[rows] ** 2, squares[rows])
        return told
