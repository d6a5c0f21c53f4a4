"""Effects of what a post has on its log engagement, held apart from who posts it: a joint regression within accounts.

Which traits there are is said in `traits.py`, how they become columns in `design.py`; what is recommended for the sake
of an effect, by each model.

Each post is compared with the posts of its own account around it: an account's posts are parted into blocks of about
BLOCK_POSTS in the order of time, and each block has a level of its own, which is taken out of the label and of the
traits alike (R. Frisch and F. V. Waugh, Econometrica 1 (1933); M. C. Lovell, JASA 58 (1963)). So neither an author's
fame nor an author's taste is taken for an effect of what they post. The effects of a term are drawn from a normal
distribution around 0 whose spread is learned from all of them, as the noise of each platform is: the fixed point of the
marginal likelihood (D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4 (1992)). What is seldom seen is
thereby drawn to 0, and what remains uncertain is told by the posterior's covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.design import Design, Term

if TYPE_CHECKING:
    from scipy import sparse

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

BLOCK: Final = "block"
BLOCK_POSTS: Final = 20
"""A level that holds for some 20 posts follows an account that rises, and costs one part in twenty of the evidence."""
ITERATIONS: Final = 30
"""A fixed number, because a tolerance could be met one step sooner at another number of threads."""
START_VARIANCE: Final = 0.04
MIN_VARIANCE, MAX_VARIANCE = 1e-6, 4.0
MIN_NOISE: Final = 1e-4
SPREADS: Final = (0.0, *np.geomspace(0.005, 1.0, 60).round(6).tolist())
Z80: Final = 1.2815515655446004
"""Half the width of an 80 % interval of a normal distribution, in standard deviations."""
CONTRAST: Final = "contrast"
"""A post's label less the mean of the posts around it of the same account."""
DECIMALS: Final = 6
"""Effects are rounded: beyond, the sums of a linear solver depend on its number of threads."""


@dataclass(frozen=True)
class Effects:
    """What was learned: the mean of each effect, how far those of a term spread, and the noise of a platform's posts.

    `noise` is the standard deviation of a post around its level and its effects.
    """

    design: Design
    means: Vector
    spreads: Mapping[str, float]
    noise: Mapping[str, float]

    def adds(self, rows: pl.DataFrame) -> Vector:
        """What the effects of each row add up to, rounded to DECIMALS.

        Raises:
            ForeignModelError: a trait is not among the rows.
        """
        added: Vector = np.round(self.design.matrix(rows) @ self.means, DECIMALS)
        return added

    def noise_of(self, platform: str) -> pl.Expr:
        """The noise of the platform in that column; for one that was not seen, the greatest there is."""
        return pl.col(platform).replace_strict(
            list(self.noise), list(self.noise.values()), default=max(self.noise.values()), return_dtype=pl.Float64
        )

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {
            "terms": [[term.trait, term.by] for term in self.design.terms],
            "vocabulary": {name: list(values) for name, values in self.design.vocabulary.items()},
            "means": self.means.tolist(),
            "spreads": dict(self.spreads),
            "noise": dict(self.noise),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        terms = tuple(Term(trait, by) for trait, by in card["terms"])
        vocabulary = {name: tuple(values) for name, values in card["vocabulary"].items()}
        return cls(Design(terms, vocabulary), np.array(card["means"]), card["spreads"], card["noise"])


@dataclass(frozen=True)
class Evidence:
    """What the posts of one platform tell of all effects: sums within blocks, from which effects can be solved.

    Attributes:
        products: sums of products of traits, each less its block's mean.
        with_target: likewise of traits and the label.
        target: sum of squares of the label.
        freedom: posts less blocks.
    """

    products: Matrix
    with_target: Vector
    target: float
    freedom: int

    @classmethod
    def of(cls, design: sparse.csr_array, target: Vector, block: npt.NDArray[np.int64]) -> Self:
        """The sums over posts, each with its line of the design, its label and the number of its block."""
        from scipy import sparse

        _, number, posts = np.unique(block, return_inverse=True, return_counts=True)
        member = sparse.csr_array((np.ones(len(number)), (number, np.arange(len(number)))))
        of_blocks, of_target = member @ design, member @ target
        shrunk = of_blocks.multiply(1 / posts[:, None]).tocsr()
        return cls(
            products=(design.T @ design - of_blocks.T @ shrunk).toarray(),
            with_target=design.T @ target - shrunk.T @ of_target,
            target=float(target @ target - of_target @ (of_target / posts)),
            freedom=len(target) - len(posts),
        )


def with_blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, with the number of their BLOCK: so many posts of one account, side by side in time.

    Args:
        rows: account_id, `as_of`, post_id.
    """
    number, count = pl.int_range(pl.len()).over("account_id"), pl.len().over("account_id")
    blocks = (count / BLOCK_POSTS).round().clip(1).cast(pl.Int64)
    found = (
        rows.select("account_id", AS_OF, "post_id")
        .with_row_index("row")
        .sort("account_id", AS_OF, "post_id")
        .select("row", "account_id", (number * blocks // count).alias("part"))
        .select("row", pl.struct("account_id", "part").rle_id().cast(pl.Int64).alias(BLOCK))
        .sort("row")
    )
    return rows.with_columns(found[BLOCK])


def contrasts(values: Vector, block: npt.NDArray[np.int64]) -> Vector:
    """Each value less the mean of its block, rounded to DECIMALS."""
    _, number, posts = np.unique(block, return_inverse=True, return_counts=True)
    away: Vector = np.round(values - (np.bincount(number, values) / posts)[number], DECIMALS)
    return away


def squared_contrasts(rows: pl.DataFrame, label: str, said: Vector) -> pl.Series:
    """What was said of each row less its label, both less their block's mean, squared; null in a block of one."""
    block = rows[BLOCK].to_numpy()
    away = contrasts(rows[label].to_numpy(), block) - contrasts(said, block)
    return rows.select(
        pl.when(pl.len().over(BLOCK) > 1).then(pl.lit(pl.Series(np.round(away**2, DECIMALS)))).alias(label)
    ).to_series()


def gather(design: Design, rows: pl.DataFrame, label: str) -> dict[str, Evidence]:
    """The evidence of each platform of which an account has two posts or more, by name.

    Args:
        design: of the effects.
        rows: platform, BLOCK, the label and the columns of the design; ordered.
        label: the column to explain.
    """
    matrix, target, block = design.matrix(rows), rows[label].to_numpy(), rows[BLOCK].to_numpy()
    of_platform = {name: (rows["platform"] == name).to_numpy() for name in sorted(rows["platform"].unique())}
    found = {name: Evidence.of(matrix[here], target[here], block[here]) for name, here in of_platform.items()}
    return {name: evidence for name, evidence in found.items() if evidence.freedom > 0}


def fit_effects(design: Design, evidence: Mapping[str, Evidence]) -> tuple[Effects, Matrix]:
    """The effects, and the covariance of what is not known of them.

    Args:
        design: of the effects.
        evidence: by platform, of at least one.
    """
    term_of = np.repeat(np.arange(len(design.terms)), [design.positions(term).size for term in design.terms])
    spread = np.full(len(design.terms), START_VARIANCE)
    noise = {name: max(each.target / each.freedom, MIN_NOISE) for name, each in evidence.items()}
    covariance: Matrix = np.empty((design.width, design.width))
    means: Vector = np.empty(design.width)
    for _ in range(ITERATIONS):
        prior = spread[term_of]
        precision = np.diag(1 / prior)
        weighted = np.zeros(design.width)
        for name, each in evidence.items():
            precision += each.products / noise[name]
            weighted += each.with_target / noise[name]
        covariance = np.linalg.inv(precision).astype(np.float64)
        means = covariance @ weighted
        determined = np.bincount(term_of, 1 - np.diag(covariance) / prior, minlength=len(spread))
        squares = np.bincount(term_of, means**2, minlength=len(spread))
        spread = np.clip(squares / np.maximum(determined, 1e-9), MIN_VARIANCE, MAX_VARIANCE)
        noise = {name: _noise(each, means, covariance, noise[name]) for name, each in evidence.items()}
    effects = Effects(
        design,
        np.round(means, DECIMALS) + 0.0,
        {term.name: round(float(value**0.5), DECIMALS) for term, value in zip(design.terms, spread, strict=True)},
        {name: round(value**0.5, DECIMALS) for name, value in noise.items()},
    )
    return effects, covariance


def _noise(evidence: Evidence, means: Vector, covariance: Matrix, noise: float) -> float:
    """Variance of what the effects leave of the label, given what it was taken for before."""
    missed = evidence.target - 2 * means @ evidence.with_target + means @ evidence.products @ means
    used = float((covariance * evidence.products).sum()) / noise
    return max(float(missed) / max(evidence.freedom - used, 1.0), MIN_NOISE)


def spread_of(information: Vector, evidence: Vector) -> float:
    """How far effects spread around 0, of which each was measured by itself: the likeliest of SPREADS.

    An effect u, measured with precision `information`, has `evidence` as its precision times its estimate; with u from
    N(0, s²) twice the negative logarithm of the likelihood is, but for a constant, log(1 + s² information) less
    s² evidence² / (1 + s² information).

    Args:
        information: of each effect, inverse variance; 0 where nothing is known.
        evidence: information times estimate.
    """
    square = np.array(SPREADS)[:, None] ** 2
    scale = 1 + square * information
    loss = np.round((np.log(scale) - square * evidence**2 / scale).sum(axis=1), DECIMALS)
    return float(SPREADS[int(np.argmin(loss))])
