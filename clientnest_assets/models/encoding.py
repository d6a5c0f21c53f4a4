"""From named features to the numbers LightGBM takes, by a vocabulary frozen at training.

Text never reaches LightGBM: a text column ends the process. Which features there are is each model's
own specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.errors import ForeignModelError

UNKNOWN = 0
"""The code of a value that training did not see, or saw too seldom. Null stays missing."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ModelColumns:
    """The columns a booster reads. A truth value counts as 0 or 1."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them, in the order of the encoded matrix."""
        return [*self.numeric, *self.categorical]


@dataclass(frozen=True)
class Encoder:
    """Columns with their frozen vocabulary. Codes of a category are 1, 2, … in the vocabulary's order."""

    columns: ModelColumns
    vocabulary: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: pl.DataFrame, columns: ModelColumns, *, min_count: int) -> Self:
        """The vocabulary of the training rows; a value seen less often than `min_count` is unknown."""
        return cls(columns, {name: frequent_values(rows[name], min_count) for name in columns.categorical})

    @property
    def categorical_positions(self) -> list[int]:
        """Which columns of the encoded matrix hold codes."""
        first = len(self.columns.numeric)
        return list(range(first, first + len(self.columns.categorical)))

    def encode(self, rows: pl.DataFrame) -> Matrix:
        """One line per row, one column per feature, missing as NaN. Columns are taken by name, never by place.

        Raises:
            ForeignModelError: a column the model was trained on is not among the rows.
        """
        require_columns(rows, self.columns.names)
        # One after the other: to hand out the columns to threads costs one row more than it saves a million.
        return rows.select_seq(self._numbers).to_numpy(order="fortran")

    # Built once: it takes longer than encoding a row does.
    @cached_property
    def _numbers(self) -> list[pl.Expr]:
        codes = [category_code(name, self.vocabulary[name]) for name in self.columns.categorical]
        return [each.cast(pl.Float64) for each in (*map(pl.col, self.columns.numeric), *codes)]

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "numeric": list(self.columns.numeric),
            "categorical": list(self.columns.categorical),
            "vocabulary": {name: list(values) for name, values in self.vocabulary.items()},
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        columns = ModelColumns(tuple(card["numeric"]), tuple(card["categorical"]))
        return cls(columns, {name: tuple(values) for name, values in card["vocabulary"].items()})


def frequent_values(values: pl.Series, min_count: int, limit: int | None = None) -> tuple[str, ...]:
    """The values seen at least `min_count` times, at most `limit` of them by frequency, in alphabetical order."""
    counts = values.drop_nulls().alias("value").value_counts().filter(pl.col("count") >= min_count)
    chosen = counts.sort("count", "value", descending=[True, False])["value"].head(limit or counts.height)
    return tuple(sorted(chosen.to_list()))


def category_code(name: str, vocabulary: tuple[str, ...]) -> pl.Expr:
    """The code of a text column: 1, 2, … for the vocabulary, UNKNOWN for other text, null for null."""
    # An Enum looks its values up three times as quickly as a replacement does.
    place = pl.col(name).cast(pl.String).cast(pl.Enum(vocabulary), strict=False).to_physical().cast(pl.Int64)
    return pl.when(pl.col(name).is_not_null()).then((place + 1).fill_null(UNKNOWN)).alias(name)


def looked_up(keys: pl.Series, values: Mapping[str, float], default: float) -> npt.NDArray[np.float64]:
    """The value of each text; the default for others, and for null."""
    table = np.array([*values.values(), default])
    found: npt.NDArray[np.float64] = table[
        np.nan_to_num(places(keys, pl.Enum(list(values))), nan=len(values)).astype(np.int64)
    ]
    return found


def places(keys: pl.Series, known: pl.Enum) -> npt.NDArray[np.float64]:
    """The place of each text among the known ones; not a number for others, and for null."""
    # By way of Arrow: asking Polars for them is a query, which for one row takes three times as long.
    indices = keys.cast(known, strict=False).to_arrow().indices
    return np.asarray(indices.to_numpy(zero_copy_only=False), np.float64)


def require_columns(rows: pl.DataFrame, names: Iterable[str]) -> None:
    """Raises ForeignModelError, naming the columns, if some are not among the rows."""
    known = set(rows.columns)
    if missing := [name for name in names if name not in known]:
        raise ForeignModelError(f"the model reads columns the rows do not have: {', '.join(missing)}")
