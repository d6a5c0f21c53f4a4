"""What the posts of an account, and all posts of its author, had told of them by a moment.

In NumPy: for a draft and its author's few posts, a query would take longer to plan than to run. What a post tells of its
author beyond its form is the caller's (`level.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.additive import Indices, Vector
from clientnest_assets.models.splits import LABEL_KNOWN_AT

TOLD: Final = ("posts", "surplus", "author_weight", "author_total", "surplus_5", "surplus_60", "surplus_std_20")
"""How many posts have matured; their decayed mean surplus; what they tell of the author, as a weight and as that weight
times what they tell; the mean surplus of the last 5 and 60, and the standard deviation of the last 20."""
ENTITIES: Final = ("account", "user")
COLUMNS: Final = tuple(f"{entity}_level__{name}" for entity in ENTITIES for name in TOLD)
_ALL: Final = 2**62 - 1


def known_levels(
    rows: pl.DataFrame, past: pl.DataFrame, surplus: Vector, half_life: int, weight: Callable[[Vector], Vector]
) -> dict[str, npt.NDArray[Any]]:
    """COLUMNS: what was known of each row's account and user at its `as_of`; not a number where nothing was.

    A post counts from the moment its outcome was known, that moment included. What is known of one entity does not depend,
    to the last bit, on which others there are.

    Args:
        rows: account_id, user_id and `as_of`.
        past: account_id, user_id, post_id, `as_of` and LABEL_KNOWN_AT, in any order.
        surplus: of each post of the past.
        half_life: after so many posts of its entity a post counts half for the decayed mean.
        weight: what the mean of so many posts of an account tells of its author.
    """
    known_at = past[LABEL_KNOWN_AT].to_numpy()
    order = np.lexsort((past["post_id"].to_numpy(), past[AS_OF].to_numpy(), known_at))
    # Not a time sorts last, and no moment comes after it.
    known = np.searchsorted(known_at[order], rows[AS_OF].to_numpy(), side="right")
    # Accounts and users are told at once: each post twice, and each row.
    account, of_rows = _codes(past["account_id"], rows["account_id"])
    user, user_of_rows = _codes(
        past["user_id"], rows["user_id"], first=1 + max(account.max(initial=0), of_rows.max(initial=0))
    )
    steps = _author_steps(_Runs.of(account[order]), surplus[order], half_life, weight)
    runs = _Runs.of(np.concatenate([account[order], user[order]]))
    place, is_known = runs.newest(np.concatenate([of_rows, user_of_rows]), np.tile(known, 2), len(order))
    told = runs.told(np.tile(surplus[order], 2), np.tile(steps, (2, 1)), half_life)
    found: dict[str, npt.NDArray[Any]] = {}
    for name, values in zip(TOLD, told, strict=True):
        columns = np.full((2, rows.height), np.nan)
        columns.ravel()[is_known] = values[place[is_known]]
        found |= {f"{entity}_level__{name}": column for entity, column in zip(ENTITIES, columns, strict=True)}
    return found


@dataclass(frozen=True)
class _Runs:
    """Posts, in the order in which they came to be known, by entity.

    Attributes:
        order: their places, entity by entity.
        code: the entity of each, in that order.
        number: how many posts of its entity came before it.
    """

    order: Indices
    code: Indices
    number: Indices

    @classmethod
    def of(cls, code: Indices) -> Self:
        order = np.argsort(code, kind="stable")
        in_order = code[order]
        starts = np.flatnonzero(np.diff(in_order, prepend=-1))
        return cls(order, in_order, np.arange(len(code)) - np.repeat(starts, np.diff(starts, append=len(code))))

    def newest(self, code: Indices, known: Indices, posts: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """For each entity asked for, where its newest post among the first `known` of the posts is, and whether there is one."""
        span = posts + 1
        place = np.searchsorted(self.code * span + self.order % max(posts, 1), code * span + known, side="left") - 1
        is_known = (place >= 0) & (code > 0)
        is_known[is_known] = self.code[place[is_known]] == code[is_known]
        return place, is_known

    def told(self, surplus: Vector, steps: Vector, half_life: int) -> list[Vector]:
        """TOLD at each post, of it and those before it."""
        x = surplus[self.order]
        squares = np.column_stack([x, x**2])
        author_weight, author_total = self.sums(steps[self.order], _ALL).T
        total, square = self.sums(squares, 20).T
        posts = self.number + 1.0
        last_20 = np.minimum(posts, 20)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.where(last_20 > 1, (square - total**2 / last_20) / (last_20 - 1), np.nan)
        return [
            posts,
            self.decayed_mean(x, half_life),
            author_weight,
            author_total,
            self.sums(x[:, None], 5)[:, 0] / np.minimum(posts, 5),
            self.sums(x[:, None], 60)[:, 0] / np.minimum(posts, 60),
            np.sqrt(np.maximum(variance, 0)),
        ]

    def decayed_mean(self, values: Vector, half_life: int) -> Vector:
        """The mean of each value and those before it, in which one counts half after so many others."""
        decay = 0.5 ** (1 / half_life)
        weights = (1 - decay ** (self.number + 1.0)) / (1 - decay)
        mean: Vector = self.sums(values[:, None], _ALL, decay)[:, 0] / weights
        return mean

    def sums(self, values: Vector, length: int, decay: float = 1.0) -> Vector:
        """Columnwise sums of the last `length` values of the entity, each decayed by how many came after it.

        Made of sums of 1, 2, 4, … values: in the same order for every post, however many others there are.
        """
        window, reach, span = np.zeros_like(values), 0, 1
        longest = int(self.number.max(initial=-1))
        while reach <= longest and reach < length:
            if length & span:
                window += decay**reach * self.before(values, reach)
                reach += span
            values = values + decay**span * self.before(values, span)
            span *= 2
        return window

    def before(self, values: Vector, by: int) -> Vector:
        """What stands so many places before in the entity; 0 where there is nothing."""
        earlier = np.zeros_like(values)
        earlier[by:] = values[: max(len(values) - by, 0)]
        earlier[self.number < by] = 0
        return earlier


def _codes(past: pl.Series, rows: pl.Series, first: int = 1) -> tuple[Indices, Indices]:
    """A number for each entity of either, from the first on; 0 for null."""
    ranks = pl.concat([past, rows]).rank("dense").cast(pl.Float64).to_numpy()
    codes = np.nan_to_num(ranks + (first - 1)).astype(np.int64)
    return codes[: len(past)], codes[len(past) :]


def _author_steps(accounts: _Runs, surplus: Vector, half_life: int, weight: Callable[[Vector], Vector]) -> Vector:
    """By what each post changes its account's part of what is told of the author: weight, and weight times mean.

    So what is told of an author adds up over the posts of all accounts.
    """
    weights = weight(accounts.number.astype(np.float64) + 1)
    parts = np.column_stack([weights, weights * accounts.decayed_mean(surplus[accounts.order], half_life)])
    steps = np.empty_like(parts)
    steps[accounts.order] = parts - accounts.before(parts, 1)
    return steps
