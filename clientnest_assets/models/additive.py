"""An additive model: the sum of what each trait of a row adds, each estimated with the others held fixed.

Ridge regression over indicators, with a penalty of its own for each trait. It learns many small independent effects (an
hour, a hashtag, a word) from far fewer rows than trees need, and every effect can be read. What the target is, is the
caller's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.encoding import category_code, places, require_columns

if TYPE_CHECKING:
    from scipy import sparse

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

PIECE = 20_000
DECIMALS = 6
"""Effects are rounded: beyond, the sums of a linear solver depend on its number of threads."""


@dataclass(frozen=True)
class Traits:
    """The columns an additive model reads.

    `numeric` are cut at quantiles, `levels` are whole numbers taken as they are (an hour, a weekday),
    `sets` are lists of text of which each frequent member counts for itself. Every effect but those of
    sets may differ by `group`.
    """

    numeric: tuple[str, ...]
    levels: tuple[str, ...]
    categorical: tuple[str, ...]
    sets: tuple[str, ...]
    group: str

    @property
    def columns(self) -> list[str]:
        """All of them."""
        return [*self.singles, *self.sets, self.group]

    @property
    def singles(self) -> list[str]:
        """Those that have one value a row."""
        return [*self.numeric, *self.levels, *self.categorical]


@dataclass(frozen=True)
class Parts:
    """What each trait of some rows adds.

    Attributes:
        singles: of those with one value, a line a row and a column for each of `Traits.singles`.
        row: the place of the row of each known member of a set, set by set.
        member: its place among the members of all sets.
    """

    singles: Vector
    row: Indices
    member: Indices

    def head(self, count: int) -> Parts:
        """The parts of the first rows."""
        is_first = self.row < count
        return Parts(self.singles[:count], self.row[is_first], self.member[is_first])


@dataclass(frozen=True)
class Additive:
    """A fitted model, or one that adds nothing if `effects` is empty.

    `edges` cut the numeric traits; `vocabulary` holds the values of categories, levels, sets and the group; `penalties`
    tell by trait how much its effects are shrunk: the more, the less it explains.
    """

    traits: Traits
    edges: Mapping[str, tuple[float, ...]]
    vocabulary: Mapping[str, tuple[str, ...]]
    effects: tuple[float, ...] = ()
    intercept: float = 0.0
    penalties: Mapping[str, float] = field(default_factory=dict)

    def predict(self, rows: pl.DataFrame) -> Vector:
        """What the traits of each row add up to, rounded to DECIMALS.

        Raises:
            ForeignModelError: a trait is not among the rows.
        """

        def of_piece(piece: pl.DataFrame) -> Vector:
            return self.total(self.parts(piece))

        # Piece by piece, so that what lies between stays in the processor's cache: a third of the time of many rows.
        pieces = list(rows.iter_slices(PIECE))
        if len(pieces) < 2:
            return np.concatenate([np.empty(0), *map(of_piece, pieces)])
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return np.concatenate(list(threads.map(of_piece, pieces)))

    def parts(self, rows: pl.DataFrame) -> Parts:
        """What each trait of each row adds.

        Raises:
            ForeignModelError: a trait is not among the rows.
        """
        require_columns(rows, self.traits.columns)
        if not self.effects:
            return Parts(np.zeros((rows.height, len(self.traits.singles))), *np.zeros((2, 0), np.int64))
        codes, group, width = self._codes(rows)
        singles: Vector = self._effects[codes]
        if group is not None:
            singles = singles + np.where(group > 0, self._effects[codes + width * group], 0.0)
        return Parts(singles, *self._members(rows))

    def total(self, parts: Parts) -> Vector:
        """What the parts of each row and the intercept add up to, rounded to DECIMALS."""
        of_members = np.bincount(parts.row, self._effects[self._first_member + parts.member], len(parts.singles))
        return rounded(self.intercept + parts.singles.sum(axis=1) + of_members)

    def members(self, parts: Parts) -> pl.DataFrame:
        """What each known member of a row's sets adds: `row` (its place), `set`, `member`, `effect`."""
        return self._known_members[parts.member].insert_column(0, pl.Series("row", parts.row))

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {
            "numeric": list(self.traits.numeric),
            "levels": list(self.traits.levels),
            "categorical": list(self.traits.categorical),
            "sets": list(self.traits.sets),
            "group": self.traits.group,
            "edges": {name: list(cuts) for name, cuts in self.edges.items()},
            "vocabulary": {name: list(values) for name, values in self.vocabulary.items()},
            "effects": list(self.effects),
            "intercept": self.intercept,
            "penalties": dict(self.penalties),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(
            Traits(
                tuple(card["numeric"]),
                tuple(card["levels"]),
                tuple(card["categorical"]),
                tuple(card["sets"]),
                card["group"],
            ),
            {name: tuple(cuts) for name, cuts in card["edges"].items()},
            {name: tuple(values) for name, values in card["vocabulary"].items()},
            tuple(card["effects"]),
            card["intercept"],
            card["penalties"],
        )

    def design(self, rows: pl.DataFrame) -> sparse.csr_array:
        """One line per row: a 1 for each trait it has, once for all groups and once for its own."""
        from scipy import sparse

        codes, group, width = self._codes(rows)
        indices, weights = [codes], [np.ones(codes.shape)]
        if group is not None:
            indices.append(codes + width * group)
            weights.append(np.where(group > 0, 1.0, 0.0) * np.ones(codes.shape))
            width *= 1 + len(self.vocabulary[self.traits.group])
        index, weight = np.hstack(indices), np.hstack(weights)
        starts = np.arange(rows.height + 1) * index.shape[1]
        single = sparse.csr_array((weight.ravel(), index.ravel(), starts), shape=(rows.height, width))
        place = self._members(rows)
        members = sparse.csr_array((np.ones(len(place[0])), place), shape=(rows.height, sum(self._set_sizes)))
        return sparse.hstack([single, members], format="csr")

    def blocks(self) -> tuple[list[str], Indices]:
        """The names of those effects that are shrunk alike, and for each column of the design the place of its name."""
        single, sets = self.traits.singles, self.traits.sets
        widths = [len(self.edges[name]) + 2 for name in self.traits.numeric]
        widths += [len(self.vocabulary[name]) + 2 for name in (*self.traits.levels, *self.traits.categorical)]
        groups = len(self.vocabulary[self.traits.group])
        common = np.repeat(np.arange(len(single)), widths)
        by_group = np.tile(common + len(single), groups if groups > 1 else 0)
        names = [*single, *(f"{name} by {self.traits.group}" for name in single), *sets]
        members = np.repeat(np.arange(len(sets)) + 2 * len(single), [len(self.vocabulary[name]) for name in sets])
        return names, np.concatenate([common, by_group, members]).astype(np.int64)

    # What follows is built once: with vocabularies of hundreds of words it takes longer than coding a post does.
    @cached_property
    def _effects(self) -> Vector:
        return np.array(self.effects)

    @cached_property
    def _values(self) -> list[pl.Expr]:
        numbers = [pl.col(name) for name in self.traits.numeric]
        coded = dict.fromkeys((*self.traits.levels, *self.traits.categorical, self.traits.group))
        codes = [category_code(name, self.vocabulary[name]) for name in coded]
        return [each.cast(pl.Float64) for each in (*numbers, *codes)]

    @cached_property
    def _set_sizes(self) -> list[int]:
        return [len(self.vocabulary[name]) for name in self.traits.sets if self.vocabulary]

    @property
    def _first_member(self) -> int:
        """Where the effects of members begin: they come last, set by set."""
        return len(self.effects) - sum(self._set_sizes)

    @cached_property
    def _known_members(self) -> pl.DataFrame:
        names = [(name, member) for name in self.traits.sets for member in self.vocabulary[name]]
        members = pl.DataFrame(names, schema={"set": pl.String, "member": pl.String}, orient="row")
        return members.with_columns(pl.Series("effect", self._effects[self._first_member :]))

    @cached_property
    def _set_types(self) -> dict[str, pl.Enum]:
        return {name: pl.Enum(self.vocabulary[name]) for name in self.traits.sets}

    def _codes(self, rows: pl.DataFrame) -> tuple[Indices, Indices | None, int]:
        """The column of each single-valued trait, the number of each row's group, and how many columns there are.

        Missing is a value too. A group's number is 0 where it is unknown; None where there is but one, which needs no own
        effects.
        """
        found = rows.select_seq(self._values)
        columns, width = [], 0
        for name in self.traits.numeric:
            cuts, values = np.array(self.edges[name]), found[name].to_numpy()
            # NaN sorts behind every cut, and from there one further, into a column of its own.
            columns.append(width + np.searchsorted(cuts, values, side="right") + np.isnan(values))
            width += len(cuts) + 2
        for name in (*self.traits.levels, *self.traits.categorical):
            missing = len(self.vocabulary[name]) + 1
            columns.append(width + np.nan_to_num(found[name].to_numpy(), nan=missing))
            width += missing + 1
        codes = np.column_stack(columns).astype(np.int64)
        if len(self.vocabulary[self.traits.group]) < 2:
            return codes, None, width
        group = np.nan_to_num(found[self.traits.group].to_numpy()).astype(np.int64)
        return codes, group[:, None], width

    def _members(self, rows: pl.DataFrame) -> tuple[Indices, Indices]:
        """The known members of each row's sets, each once: the place of the row, and that of the member among all."""
        rows_found, members_found, first = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for name, size in zip(self.traits.sets, self._set_sizes, strict=True):
            sets = rows[name].cast(pl.List(pl.String))
            # NumPy has no null: an unknown member, and the length of a set that is missing, are no numbers.
            code = places(sets.explode(empty_as_null=False, keep_nulls=False), self._set_types[name])
            length = np.nan_to_num(sets.list.len().to_numpy()).astype(np.int64)
            # Row and member packed into one number, by shifts, because divisions would take longer than all the rest.
            bits = size.bit_length()
            packed = np.repeat(np.arange(rows.height) << bits, length) + code
            # Rows are in order, and so nearly are places: sorting them is quicker than hashing them.
            place = np.sort(packed[~np.isnan(packed)].astype(np.int64), kind="stable")
            place = place[np.diff(place, prepend=-1) > 0]
            rows_found.append(place >> bits)
            members_found.append(first + (place & ((1 << bits) - 1)))
            first += size
        return np.concatenate(rows_found), np.concatenate(members_found)


def rounded(values: Vector) -> Vector:
    """To DECIMALS, and without a negative zero, which would be another text for the same number."""
    rounded: Vector = np.round(values, DECIMALS) + 0.0
    return rounded
