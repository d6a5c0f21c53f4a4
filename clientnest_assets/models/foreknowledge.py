"""The check that no feature knows what is to be predicted, looked at before anything is learned.

The store keeps every feature from before it was known. What it cannot see is a view that is wrong about when that was: a
count read today and dated back tells the outcome itself. Of features that only those have who left, `churn/leakage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.models.errors import LeakingFeatureError
from clientnest_assets.models.metrics import DECIMALS

KNOWING: Final = 0.9
"""No honest feature ranks the examples of one entity this well. In the simulated world the best reaches 0.44, on real posts
of two accounts over four years 0.50; there the outcome with noise of a fifth of its spread reaches 0.92 to 0.97."""
LEAST_REACH: Final = 0.2
"""What hardly differs within entities cannot tell their examples apart, and where it seems to it is chance."""
MIN_ROWS: Final = 100
"""So many have to differ from the value that most have."""
MOST_ROWS: Final = 20_000
"""The newest so many tell: what knows the outcome knows it of all."""
_TEXT: Final = (pl.String, pl.Categorical, pl.Enum)


def refuse_foreknowledge(rows: pl.DataFrame, features: FeatureSet, label: str, entity: str) -> None:
    """Looks at how well each feature by itself ranks the examples of each entity, where feature and label are known.

    Within entities, because across them an honest feature may rank nearly perfectly: accounts differ by orders of
    magnitude, and what their posts had so far says so. An entity with a single example tells nothing. The rank
    correlation is told as a share of the highest one that the feature's ties allow: a yes or no that knows the outcome
    could not reach 1. A text counts as the mean label that it had in the other half of the examples, so that one which
    occurs once, as an identifier, says nothing. Where values are missing, whether there is one is looked at too. Lists of
    words, and what knows only how far the outcome is from usual in either direction, are not seen.

    Args:
        rows: labelled examples, ordered by their moment.
        features: those of which are looked at.
        label: the column of the outcome, a number.
        entity: the column that says whose an example is.

    Raises:
        LeakingFeatureError: names each feature that ranks outcomes nearly perfectly, in MIN_ROWS at least.
    """
    newest = rows.tail(MOST_ROWS).filter(pl.col(label).is_finite())
    truth, whose = newest[label].cast(pl.Float64), newest[entity].rank("dense")
    knowing = []
    for name in features.columns:
        if name in newest.columns:
            shares = [_rank_share(told, truth, whose) for told in _as_numbers(newest[name], truth)]
            if (best := max(shares, default=0.0)) >= KNOWING:
                knowing.append(f"{name} ({best:.3f})")
    if knowing:
        raise LeakingFeatureError(
            f"known before it happened: {', '.join(knowing)} ranks what is to be predicted nearly perfectly (rank correlation "
            f"within each {entity}, as a share of the highest possible). It is made of the outcome, or dated before it was "
            f"known: take it out of the feature set {features.full_name}, or make it known at the moment it became known"
        )


def _as_numbers(values: pl.Series, truth: pl.Series) -> Iterator[pl.Series]:
    """What a feature may know the outcome by: as numbers to be ranked, null where it says nothing."""
    if values.dtype.is_nested():
        return
    if values.has_nulls():
        yield values.is_not_null().cast(pl.Float64)
    if values.dtype in _TEXT:
        yield from _means_elsewhere(values, truth)
    else:
        yield values.to_physical().cast(pl.Float64)


def _means_elsewhere(values: pl.Series, truth: pl.Series) -> Iterator[pl.Series]:
    """For each half of the examples, taken in turn, the mean truth that a text had in the other half."""
    rows = pl.DataFrame({"text": values, "truth": truth}).with_columns(half=pl.int_range(pl.len()) % 2)
    for half in (0, 1):
        means = rows.filter(pl.col("half") != half).drop_nulls("text").group_by("text").agg(pl.col("truth").mean())
        told = rows.with_columns(pl.when(half=half).then("text")).join(
            means, on="text", how="left", maintain_order="left", suffix="_elsewhere"
        )
        # Means that differ by the order of summation alone are the same.
        yield told["truth_elsewhere"].round(DECIMALS)


def _rank_share(told: pl.Series, truth: pl.Series, whose: pl.Series) -> float:
    """The rank correlation within entities, as a share of the highest that ties allow; 0 where there is too little to tell."""
    rows = pl.DataFrame({"told": told, "truth": truth, "whose": whose})
    known = rows.filter(pl.col("told").is_finite()).filter(pl.len().over("whose") > 1)
    of_most = known.select(pl.col("told").value_counts().struct.field("count").max()).item() or 0
    if known.height - of_most < MIN_ROWS:
        return 0.0
    ranks = known.with_columns(pl.col("told", "truth").rank())
    found = _within(ranks)
    if not abs(found) >= KNOWING * LEAST_REACH:
        return 0.0
    reach = _within(
        ranks.select(
            pl.col("told").sort().over("whose"), pl.col("truth").sort(descending=found < 0).over("whose"), "whose"
        )
    )
    return found / reach if abs(reach) >= LEAST_REACH else 0.0


def _within(ranks: pl.DataFrame) -> float:
    """The correlation of what two ranks are apart from their entity's mean; not a number where one never is."""
    apart = (pl.col(name) - pl.col(name).mean().over("whose") for name in ("told", "truth"))
    found: float = ranks.select(pl.corr(*apart)).item()
    return found
