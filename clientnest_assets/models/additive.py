"""An additive model: the sum of what each trait of a row adds, each estimated with the others held fixed.

Ridge regression over indicators. It learns many small independent effects (an hour, a hashtag, a word)
from far fewer rows than trees need, and every effect can be read. What the target is, is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.encoding import category_code, frequent_values, require_columns

if TYPE_CHECKING:
    from scipy import sparse

Vector = npt.NDArray[np.float64]

BINS = 8
FOLDS = 5
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
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
        return [*self.numeric, *self.levels, *self.categorical, *self.sets, self.group]


@dataclass(frozen=True)
class Additive:
    """A fitted model, or one that adds nothing if `effects` is empty.

    `edges` cut the numeric traits; `vocabulary` holds the values of categories, levels, sets and the group.
    """

    traits: Traits
    edges: Mapping[str, tuple[float, ...]]
    vocabulary: Mapping[str, tuple[str, ...]]
    effects: tuple[float, ...] = ()
    intercept: float = 0.0
    penalty: float = 0.0

    def predict(self, rows: pl.DataFrame) -> Vector:
        """What the traits of each row add up to, rounded to DECIMALS.

        Raises:
            ForeignModelError: a trait is not among the rows.
        """
        require_columns(rows, self.traits.columns)
        if not self.effects:
            return np.zeros(rows.height)
        added: Vector = self.design(rows) @ np.array(self.effects)
        return _rounded(self.intercept + added)

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
            "penalty": self.penalty,
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
            card["penalty"],
        )

    def design(self, rows: pl.DataFrame) -> sparse.csr_array:
        """One line per row: a 1 for each trait it has, once for all groups and once for its own."""
        from scipy import sparse

        codes, width = self._codes(rows)
        groups = len(self.vocabulary[self.traits.group])
        indices, weights = [codes], [np.ones(codes.shape)]
        if groups > 1:
            group = rows.select(category_code(self.traits.group, self.vocabulary[self.traits.group]).fill_null(0))
            number = group.to_numpy()
            indices.append(codes + width * number)
            weights.append(np.where(number > 0, 1.0, 0.0) * np.ones(codes.shape))
            width *= 1 + groups
        index, weight = np.hstack(indices), np.hstack(weights)
        starts = np.arange(rows.height + 1) * index.shape[1]
        single = sparse.csr_array((weight.ravel(), index.ravel(), starts), shape=(rows.height, width))
        return sparse.hstack([single, *(self._members(rows, name) for name in self.traits.sets)], format="csr")

    def _codes(self, rows: pl.DataFrame) -> tuple[npt.NDArray[np.int64], int]:
        """The column of each single-valued trait, and how many columns there are. Missing is a value too."""
        columns, width = [], 0
        for name in self.traits.numeric:
            cuts = np.array(self.edges[name])
            values = rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            # NaN sorts behind every cut, and from there one further, into a column of its own.
            columns.append(width + np.searchsorted(cuts, values, side="right") + np.isnan(values))
            width += len(cuts) + 2
        for name in (*self.traits.levels, *self.traits.categorical):
            known = self.vocabulary[name]
            text = rows.select(pl.col(name).cast(pl.String))
            code = text.select(category_code(name, known).fill_null(len(known) + 1)).to_series().to_numpy()
            columns.append(width + code)
            width += len(known) + 2
        return np.column_stack(columns).astype(np.int64), width

    def _members(self, rows: pl.DataFrame, name: str) -> sparse.csr_array:
        from scipy import sparse

        known = self.vocabulary[name]
        members = (
            rows.select(pl.col(name).fill_null([]).alias("member"))
            .with_row_index("row")
            .explode("member", empty_as_null=True)
            .with_columns(category_code("member", known).alias("code"))
            .filter(pl.col("code") > 0)
            .unique(["row", "code"], maintain_order=True)
        )
        place = (members["row"].to_numpy(), members["code"].to_numpy() - 1)
        return sparse.csr_array((np.ones(members.height), place), shape=(rows.height, len(known)))


@dataclass(frozen=True)
class AdditiveFit:
    """The model of all rows, and for each row the prediction of a model that did not see it."""

    model: Additive
    out_of_fold: Vector


def fit_additive(
    rows: pl.DataFrame, target: Vector, weight: Vector, traits: Traits, *, min_count: int, max_members: int
) -> AdditiveFit:
    """Fits effects by weighted ridge regression, with the penalty that predicts the first fold best from the others.

    Folds take every fifth row in the order given, so sort the rows. The sums of squares and products are
    taken once a fold and combined; what takes time is solving, which one fold for the choice keeps few.

    Args:
        rows: the training rows.
        target: what to explain, one number a row.
        weight: how much each row counts.
        traits: what to explain it by.
        min_count: a value or member seen less often has no effect of its own.
        max_members: at most so many members of each set, the most frequent.
    """
    empty = Additive(traits, _edges(rows, traits), _vocabulary(rows, traits, min_count, max_members))
    design = empty.design(rows)
    fold = np.arange(rows.height) % FOLDS
    parts = [_Sums.of(design[fold == k], target[fold == k], weight[fold == k]) for k in range(FOLDS)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    first, others = fold == 0, total - parts[0]
    tried = []
    for penalty in PENALTIES:
        intercept, effects = others.solve(penalty)
        missed = target[first] - intercept - design[first] @ effects
        tried.append((float(weight[first] @ missed**2), penalty))
    _, penalty = min(tried)
    out_of_fold = np.empty(rows.height)
    for k, part in enumerate(parts):
        intercept, effects = (total - part).solve(penalty)
        out_of_fold[fold == k] = intercept + design[fold == k] @ effects
    intercept, effects = total.solve(penalty)
    model = Additive(traits, empty.edges, empty.vocabulary, tuple(effects.tolist()), intercept, penalty)
    return AdditiveFit(model, _rounded(out_of_fold))


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over some rows: enough to solve for the effects, and they add up over rows."""

    products: Vector
    with_target: Vector
    traits: Vector
    target: float
    weight: float

    @classmethod
    def of(cls, design: sparse.csr_array, target: Vector, weight: Vector) -> Self:
        weighted = design.multiply(weight[:, None]).tocsr()
        return cls(
            products=(design.T @ weighted).toarray(),
            with_target=weighted.T @ target,
            traits=weighted.T @ np.ones(len(target)),
            target=float(weight @ target),
            weight=float(weight.sum()),
        )

    def __add__(self, other: _Sums) -> _Sums:
        return self._combined(other, 1.0)

    def __sub__(self, other: _Sums) -> _Sums:
        return self._combined(other, -1.0)

    def _combined(self, other: _Sums, sign: float) -> _Sums:
        return _Sums(
            self.products + sign * other.products,
            self.with_target + sign * other.with_target,
            self.traits + sign * other.traits,
            self.target + sign * other.target,
            self.weight + sign * other.weight,
        )

    def solve(self, penalty: float) -> tuple[float, Vector]:
        """Intercept and effects; the intercept is not penalised."""
        from scipy import linalg

        centre, level = self.traits / self.weight, self.target / self.weight
        normal = self.products - np.outer(self.traits, centre)
        normal[np.diag_indices_from(normal)] += penalty
        effects = linalg.solve(normal, self.with_target - self.traits * level, assume_a="pos", overwrite_a=True)
        return round(float(level - centre @ effects), DECIMALS), _rounded(effects)


def _rounded(values: Vector) -> Vector:
    """To DECIMALS, and without a negative zero, which would be another text for the same number."""
    rounded: Vector = np.round(values, DECIMALS) + 0.0
    return rounded


def _edges(rows: pl.DataFrame, traits: Traits) -> dict[str, tuple[float, ...]]:
    shares = np.linspace(0, 1, BINS + 1)[1:-1]
    return {
        name: tuple(np.unique(np.quantile(values, shares)).tolist()) if len(values) else ()
        for name in traits.numeric
        for values in [rows[name].drop_nulls().cast(pl.Float64).to_numpy()]
    }


def _vocabulary(rows: pl.DataFrame, traits: Traits, min_count: int, max_members: int) -> dict[str, tuple[str, ...]]:
    single = {
        name: frequent_values(rows[name].cast(pl.String), min_count)
        for name in (*traits.levels, *traits.categorical, traits.group)
    }
    sets = {
        name: frequent_values(rows[name].explode(empty_as_null=True), min_count, max_members) for name in traits.sets
    }
    return single | sets
