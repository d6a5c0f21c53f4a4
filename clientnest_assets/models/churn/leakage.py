"""The check that no feature is one that only a leaver has, looked at before anything is learned.

A login that is closed when somebody goes predicts leaving perfectly, and helps nobody: on the day that counts the model
has learned to read departures instead of foreseeing them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.churn.chances import auc
from clientnest_assets.models.churn.spec import ENTITY, LABEL
from clientnest_assets.models.encoding import ModelColumns, frequent_values
from clientnest_assets.models.errors import LeakingFeatureError

PERFECT: Final = 0.99
"""No honest feature ranks leavers this well by itself."""
BY_CHANCE: Final = 1e-6
"""Smaller than this must be the probability that all users with a trait left by chance."""
ABSENT: Final = "is absent"
PRESENT: Final = "is present"
ZERO: Final = "is 0"


@dataclass(frozen=True)
class Suspect:
    """What a feature says of leaving by itself."""

    feature: str
    auc: float
    words: str


def no_leaver_features(rows: pl.DataFrame, columns: ModelColumns) -> pl.DataFrame:
    """How well each feature ranks leavers by itself, best first: `feature`, `auc` (of the better direction).

    Args:
        rows: labelled examples with ENTITY and LABEL.
        columns: the features.

    Raises:
        LeakingFeatureError: names each feature that ranks leavers nearly perfectly, or that has a value, a presence or
            an absence which occurs with leavers alone, and in too many users for chance. False is 0.
    """
    left = rows[LABEL].cast(pl.Float64).to_numpy()
    ranks = {name: max(_auc(rows[name], left), 1 - _auc(rows[name], left)) for name in columns.numeric}
    alone = [
        f"{name} ranks those who left by itself (AUC {found:.3f})" for name, found in ranks.items() if found >= PERFECT
    ]
    alone += list(_only_of_leavers(rows, columns))
    if alone:
        raise LeakingFeatureError(
            f"only a leaver has: {'; '.join(alone)}. It is known because of the leaving, or after it, and says nothing of "
            "who is about to go: take it out of the feature set, or make it known at the moment it became known"
        )
    return pl.DataFrame(
        {"feature": list(ranks), "auc": list(ranks.values())}, schema={"feature": pl.String, "auc": pl.Float64}
    ).sort("auc", "feature", descending=[True, False])


def _auc(values: pl.Series, left: Vector) -> float:
    """With the missing below all: whether a value is there is told too."""
    found = auc(left, values.cast(pl.Float64).fill_nan(None).fill_null(-math.inf).to_numpy())
    return 0.5 if found is None else found


def _only_of_leavers(rows: pl.DataFrame, columns: ModelColumns) -> Iterator[str]:
    """The traits that occur with leavers alone. Users count, not examples: one user's weeks are one chance."""
    users = rows.group_by(ENTITY).agg(pl.col(LABEL).any()).get_column(LABEL)
    share = float(users.mean() or 0.0)  # type: ignore[arg-type]
    if not 0 < share < 1:
        return
    enough = math.log(BY_CHANCE) / math.log(share)
    for name in columns.names:
        for words, has_it in _traits(rows[name], is_text=name in columns.categorical):
            those = rows.filter(has_it)
            if those.height < rows.height and those.height and those[LABEL].all() and those[ENTITY].n_unique() > enough:
                yield f"{name}, which {words} in {those[ENTITY].n_unique()} users, all of whom left"


def _traits(values: pl.Series, *, is_text: bool) -> Sequence[tuple[str, pl.Series]]:
    absent = values.is_null()
    if is_text:
        return [
            (ABSENT, absent),
            *((f"is {value!r}", (values == value).fill_null(value=False)) for value in frequent_values(values, 2)),
        ]
    is_zero = (values.cast(pl.Float64) == 0).fill_null(value=False)
    return [(ABSENT, absent), (PRESENT, ~absent & ~is_zero), (ZERO, is_zero)]
