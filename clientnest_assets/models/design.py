"""What an effect can belong to: the columns of a regression, from traits of posts as text.

How effects are estimated is in `effects.py`, which traits there are in `traits.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.encoding import frequent_values, require_columns

if TYPE_CHECKING:
    from scipy import sparse

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Term:
    """The effects of a trait's values, one for all, or one for each value of the column `by`.

    A trait that is a list of text has the effects of all of its members.
    """

    trait: str
    by: str | None = None

    @property
    def name(self) -> str:
        """Such as `media_type` or `media_type:platform`."""
        return self.trait if self.by is None else f"{self.trait}:{self.by}"


@dataclass(frozen=True)
class Design:
    """Terms, and the values that each of their columns can have; others have no effect."""

    terms: tuple[Term, ...]
    vocabulary: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        rows: pl.DataFrame,
        terms: tuple[Term, ...],
        *,
        min_count: int,
        given: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Self:
        """The design whose vocabulary is what the rows have at least `min_count` times, but for what is given."""
        known = given or {}
        columns = dict.fromkeys(name for term in terms for name in (term.trait, term.by) if name)
        found = {name: frequent_values(_values(rows[name]), min_count) for name in columns if name not in known}
        return cls(terms, {name: known.get(name, found.get(name, ())) for name in columns})

    @property
    def width(self) -> int:
        """How many effects there are."""
        return sum(map(self._size, self.terms))

    def positions(self, term: Term) -> npt.NDArray[np.int64]:
        """The places of a term's effects: one line for each value of `by` (a single one without), a column a value."""
        first = sum(self._size(each) for each in self.terms[: self.terms.index(term)])
        return np.arange(first, first + self._size(term)).reshape(self._groups(term), len(self.vocabulary[term.trait]))

    def matrix(self, rows: pl.DataFrame) -> sparse.csr_array:
        """One line per row: a 1 for each effect that it has.

        Raises:
            ForeignModelError: a column is not among the rows.
        """
        from scipy import sparse

        require_columns(rows, self.vocabulary)
        single = [term for term in self.terms if not isinstance(rows.schema[term.trait], pl.List)]
        names = dict.fromkeys(name for term in single for name in (term.trait, term.by) if name)
        coded = rows.select(code_of(name, self.vocabulary[name]).fill_null(-1).alias(name) for name in names)
        codes = {name: coded[name].to_numpy() for name in names}
        parts = [self._members(rows, term) if term not in single else self._column(codes, term) for term in self.terms]
        return sparse.hstack(parts, format="csr")

    def _column(self, codes: Mapping[str, Codes], term: Term) -> sparse.csr_array:
        """The term's part of the matrix, of a trait with one value a row."""
        from scipy import sparse

        value = codes[term.trait]
        group = np.zeros(len(value), np.int64) if term.by is None else codes[term.by]
        is_known = (value >= 0) & (group >= 0)
        places = (group * len(self.vocabulary[term.trait]) + value)[is_known]
        starts = np.concatenate([[0], np.cumsum(is_known)])
        return sparse.csr_array((np.ones(len(places)), places, starts), shape=(len(value), self._size(term)))

    def _members(self, rows: pl.DataFrame, term: Term) -> sparse.csr_array:
        """The term's part of the matrix, of a trait that is a list."""
        from scipy import sparse

        group = pl.lit(0, pl.Int64) if term.by is None else code_of(term.by, self.vocabulary[term.by])
        found = (
            rows.lazy()
            .select(pl.int_range(pl.len()).alias("row"), pl.col(term.trait).alias("value"), group.alias("group"))
            .explode("value", empty_as_null=True)
            .with_columns(code_of("value", self.vocabulary[term.trait]))
            .drop_nulls()
            .unique(maintain_order=True)
            .collect()
        )
        places = (found["group"] * len(self.vocabulary[term.trait]) + found["value"]).to_numpy()
        shape = (rows.height, self._size(term))
        return sparse.csr_array((np.ones(len(places)), (found["row"].to_numpy(), places)), shape=shape)

    def _groups(self, term: Term) -> int:
        return 1 if term.by is None else len(self.vocabulary[term.by])

    def _size(self, term: Term) -> int:
        return self._groups(term) * len(self.vocabulary[term.trait])


def _values(values: pl.Series) -> pl.Series:
    """The values themselves, of lists their members."""
    return values.explode(empty_as_null=True) if isinstance(values.dtype, pl.List) else values


def code_of(name: str, vocabulary: tuple[str, ...]) -> pl.Expr:
    """The place of a value in the vocabulary, from 0; null for others."""
    if not vocabulary:
        return pl.repeat(None, pl.len(), dtype=pl.Int64).alias(name)
    return pl.col(name).replace_strict(
        list(vocabulary), list(range(len(vocabulary))), default=None, return_dtype=pl.Int64
    )
