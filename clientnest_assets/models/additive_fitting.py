"""Fitting an additive model: effects within groups of rows, each trait shrunk by how little it explains.

What a fitted one is, is in `additive.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from clientnest_assets.models.additive import DECIMALS, Additive, Indices, Traits, Vector, rounded
from clientnest_assets.models.encoding import frequent_values

if TYPE_CHECKING:
    from scipy import sparse

BINS = 8
FOLDS = 5
FIRST_PENALTY = 10.0
LEAST_PENALTY, GREATEST_PENALTY = 1.0, 1e5
ROUNDS = 6
"""Penalties settle within a few rounds; each takes as long as inverting a matrix of all effects."""


@dataclass(frozen=True)
class AdditiveFit:
    """The model of all rows, and for each row the prediction of a model that did not see it."""

    model: Additive
    out_of_fold: Vector


def fit_additive(
    rows: pl.DataFrame, target: Vector, group: Indices, traits: Traits, *, min_count: int, max_members: int
) -> AdditiveFit:
    """Fits effects within groups of rows by ridge regression, each trait's with a penalty of its own.

    Rows are compared with others of their group alone: what a group has in common, such as its author, is held fixed
    (the within estimator of fixed effects). A penalty is the variance of the noise over that of the trait's effects,
    both estimated from the rows by the evidence (MacKay, "Bayesian interpolation", Neural Computation 4, 1992): traits
    that explain nothing are shrunk away, and those that matter hardly.

    Args:
        rows: the training rows.
        target: what to explain, one number a row.
        group: of each row, numbered from 0. Every fifth group makes a fold.
        traits: what to explain it by.
        min_count: a value or member seen less often has no effect of its own.
        max_members: at most so many members of each set, the most frequent.
    """
    empty = Additive(traits, _edges(rows, traits), _vocabulary(rows, traits, min_count, max_members))
    design = empty.design(rows)
    names, block = empty.blocks()
    fold = group % FOLDS
    parts = [_Sums.of(design[fold == k], target[fold == k], group[fold == k]) for k in range(FOLDS)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    penalties = total.penalties(block, len(names))
    out_of_fold = np.empty(rows.height)
    for k, part in enumerate(parts):
        intercept, effects = (total - part).solve(penalties[block])
        out_of_fold[fold == k] = intercept + design[fold == k] @ effects
    intercept, effects = total.solve(penalties[block])
    told = dict(zip(names, penalties.tolist(), strict=True))
    model = Additive(traits, empty.edges, empty.vocabulary, tuple(effects.tolist()), intercept, told)
    return AdditiveFit(model, rounded(out_of_fold))


@dataclass(frozen=True)
class _Sums:
    """Sums over whole groups of rows, of what differs from their group's mean: they add up over groups.

    Attributes:
        products: of the traits with each other.
        with_target: of the traits with the target.
        squares: of the target.
        freedom: how many rows there are beyond one a group.
        traits: the traits themselves, over all rows.
        rows: how many there are.
    """

    products: Vector
    with_target: Vector
    squares: float
    freedom: float
    traits: Vector
    rows: float

    @classmethod
    def of(cls, design: sparse.csr_array, target: Vector, group: Indices) -> Self:
        from scipy import sparse

        _, place = np.unique(group, return_inverse=True)
        count = np.bincount(place).astype(np.float64)
        membership = sparse.csr_array(
            (np.ones(len(place)), (place, np.arange(len(place)))), shape=(len(count), len(place))
        )
        totals, total = membership @ design, np.bincount(place, weights=target)
        means = totals.multiply(1 / count[:, None]).tocsr()
        return cls(
            products=(design.T @ design).toarray() - (totals.T @ means).toarray(),
            with_target=design.T @ target - means.T @ total,
            squares=float(target @ target - (total**2 / count).sum()),
            freedom=float(len(place) - len(count)),
            traits=design.T @ np.ones(len(place)),
            rows=float(len(place)),
        )

    def __add__(self, other: _Sums) -> _Sums:
        return self._combined(other, 1.0)

    def __sub__(self, other: _Sums) -> _Sums:
        return self._combined(other, -1.0)

    def _combined(self, other: _Sums, sign: float) -> _Sums:
        return _Sums(
            self.products + sign * other.products,
            self.with_target + sign * other.with_target,
            self.squares + sign * other.squares,
            self.freedom + sign * other.freedom,
            self.traits + sign * other.traits,
            self.rows + sign * other.rows,
        )

    def solve(self, penalty: Vector) -> tuple[float, Vector]:
        """Effects, with a penalty for each, and the intercept by which they add nothing on average."""
        from scipy import linalg

        normal = self.products + np.diag(penalty)
        effects = linalg.solve(normal, self.with_target, assume_a="pos", overwrite_a=True)
        return round(-float(self.traits @ effects) / max(self.rows, 1.0), DECIMALS), rounded(effects)

    def penalties(self, block: Indices, count: int) -> Vector:
        """The penalty of each block, by the evidence.

        In MacKay's terms: with g = p - λ tr(A⁻¹) well-determined effects among a block's p, the variance of its effects
        is |w|² / g, that of the noise what is left unexplained over the degrees of freedom less all g; λ is the ratio.

        Args:
            block: the block of each effect.
            count: how many blocks there are.
        """
        from scipy.linalg import lapack

        size = np.bincount(block, minlength=count)
        penalties = np.full(count, FIRST_PENALTY)
        for _ in range(ROUNDS):
            factor, _ = lapack.dpotrf(self.products + np.diag(penalties[block]))
            effects, _ = lapack.dpotrs(factor, self.with_target)
            inverse, _ = lapack.dpotri(factor)
            determined = size - penalties * np.bincount(block, weights=np.diag(inverse), minlength=count)
            determined = np.clip(determined, 1e-3, None)
            left = self.squares - 2 * float(effects @ self.with_target) + float(effects @ self.products @ effects)
            noise = max(left, 1e-9) / max(self.freedom - float(determined.sum()), 1.0)
            strength = np.bincount(block, weights=effects**2, minlength=count)
            penalties = noise * determined / np.maximum(strength, 1e-12)
            # Rounded on the way: the last bits of an inverse depend on its number of threads.
            penalties = np.clip(np.array([float(f"{each:.4g}") for each in penalties]), LEAST_PENALTY, GREATEST_PENALTY)
        return penalties


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
