"""From named features to the numbers LightGBM takes, by a vocabulary frozen at training.

Text never reaches LightGBM: a text column ends the process. Which features there are is each model's
own specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
        return rows.select(
            pl.col(self.columns.numeric).cast(pl.Float64),
            *(category_code(name, self.vocabulary[name]).cast(pl.Float64) for name in self.columns.categorical),
        ).to_numpy(order="fortran")

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
    codes = pl.lit(UNKNOWN, pl.Int64)
    if vocabulary:
        numbers = list(range(1, len(vocabulary) + 1))
        codes = (
            pl.col(name)
            .cast(pl.String)
            .replace_strict(list(vocabulary), numbers, default=UNKNOWN, return_dtype=pl.Int64)
        )
    return pl.when(pl.col(name).is_not_null()).then(codes).alias(name)


def require_columns(rows: pl.DataFrame, names: Iterable[str]) -> None:
    """Raises ForeignModelError, naming the columns, if some are not among the rows."""
    if missing := [name for name in names if name not in rows.columns]:
        raise ForeignModelError(f"the model reads columns the rows do not have: {', '.join(missing)}")
