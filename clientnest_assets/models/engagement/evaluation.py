"""How good the engagement model is: against the naive rules, by platform, and against the truth where there is one.

What intervals and chances of tiers are worth is told here too. Only this module may read the simulated world's truth.
Drawing is in `sections.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.coverage import width_of
from clientnest_assets.models.engagement import spec, tiers
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.engagement.spec import LABEL, PREDICTED
from clientnest_assets.models.engagement.spread import BAND
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.features import views_of
from clientnest_assets.models.metrics import (
    DECIMALS,
    METRICS,
    WITHIN,
    clustered_half,
    regression_metrics,
    regression_metrics_by,
)
from clientnest_assets.models.model import MODEL, Finding, Scoring
from clientnest_assets.models.skill import has_skill

LOSS: Final = "loss"
OVERALL: Final = "overall"
TOLERATED: Final = {OVERALL: 0.02, "platform": 0.05, BAND: 0.05}
"""How far the share that an interval covers may be from what it says."""
CHANCE_BINS: Final = 10
_TRUTH: Final = "expected_log1p_engagement_score"


@dataclass(frozen=True)
class Evaluation:
    """What the model and the rules did on rows later than any they learned from.

    `rows` holds post_id, account_id, platform, as_of, BAND, the boundaries, LABEL, PREDICTED, LOW, HIGH, CHANCES, each
    rule's prediction and LOSS; `metrics` the METRICS of MODEL and of each rule.
    """

    rows: pl.DataFrame
    metrics: dict[str, dict[str, float | None]]

    def findings(self) -> tuple[Finding, ...]:
        """Whether it has skill, the interval covers what it says, and the chances of tiers tell anything."""
        naive = (pl.col(spec.PLATFORM_MEAN) - pl.col(LABEL)).abs()
        skill = has_skill(self.rows, spec.PLATFORM_MEAN, naive, "account_id")
        return (skill, covers(self.rows, spec.NAIVE_RULES), _tells_tiers(self.rows))


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The LOSS of each labelled row, in their order: what champion and challenger are compared by.

    Raises:
        ForeignModelError: the model was trained on another definition of a feature view, or reads a column that is missing.
    """
    views_of(artefact)
    said = Predictor.of(artefact).predict(scoring.rows, scoring.past)
    return (said[PREDICTED] - said[LABEL]).abs().alias(LOSS)


def evaluate(predicted: pl.DataFrame, bands: pl.Series) -> Evaluation:
    """The evaluation of labelled rows that a predictor has described and predicted, with their follower bands."""
    columns = {MODEL: PREDICTED, **{rule: rule for rule in spec.NAIVE_RULES}}
    found = {name: regression_metrics(predicted, LABEL, column) for name, column in columns.items()}
    rows = predicted.with_columns(bands.alias(BAND), (pl.col(PREDICTED) - pl.col(LABEL)).abs().alias(LOSS)).select(
        "post_id",
        "account_id",
        "platform",
        AS_OF,
        BAND,
        *spec.BOUNDARIES,
        LABEL,
        PREDICTED,
        spec.LOW,
        spec.HIGH,
        *spec.CHANCES,
        *spec.NAIVE_RULES,
        LOSS,
    )
    return Evaluation(rows, {name: {metric: values[metric] for metric in METRICS} for name, values in found.items()})


def platform_errors(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per platform: rows, the model's metrics, and the trailing mean's mean absolute error."""
    naive = rows.group_by("platform").agg(
        (pl.col(spec.TRAILING_MEAN) - pl.col(LABEL)).abs().mean().round(DECIMALS).alias("mae_trailing_mean")
    )
    return regression_metrics_by(rows, "platform", LABEL, PREDICTED).join(
        naive, on="platform", how="left", maintain_order="left"
    )


def coverage(rows: pl.DataFrame, tolerated: Mapping[str, float] = TOLERATED) -> pl.DataFrame:
    """How often the interval held the outcome: over all, by platform and by follower band.

    Columns: `of` (overall, platform or BAND), `group`, `rows`, `covered` (share), `below` and `above` (shares beyond
    either bound), `factor` (geometric mean of the upper bound over the lower, of 1 + the score), `tolerance` (how far
    `covered` may be from INTERVAL: what is tolerated, and chance) and `is_within`. Chance is half a 95 % interval, the
    greatest of three: posts of one account count together, or those of one day, or each for itself. A single account tells
    nothing of how accounts differ.
    """
    label = pl.col(LABEL)
    judged = rows.sort(AS_OF, "post_id").with_columns(
        (label < pl.col(spec.LOW)).alias("below"),
        (label > pl.col(spec.HIGH)).alias("above"),
        pl.lit("all posts").alias(OVERALL),
    )
    table = [
        {"of": of, "group": name, **_covered(part, most)}
        for of, most in tolerated.items()
        for (name,), part in sorted(judged.partition_by(of, as_dict=True).items())
    ]
    return pl.DataFrame(table).with_columns(pl.col("covered", "below", "above", "factor", "tolerance").round(6))


def covers(rows: pl.DataFrame, rules: Iterable[str], tolerated: Mapping[str, float] = TOLERATED) -> Finding:
    """Whether the interval holds, of all later posts and of each platform's, the share that it says (`coverage`).

    Fewer are not in order. More are, where the interval is worth its width nevertheless (`width_of`), and told.

    Args:
        rows: an evaluation's.
        rules: columns with what naive rules said.
        tolerated: as for `coverage`.
    """
    table = coverage(rows, tolerated)
    overall = table.row(0, named=True)
    words = f"The {spec.INTERVAL:.0%} interval holds {overall['covered']:.1%} of {overall['rows']:,} later posts"
    outside = table.filter(~pl.col("is_within"), pl.col("of") != BAND).select("of", "group", "covered")
    few, many = outside.filter(pl.col("covered") < spec.INTERVAL), outside.filter(pl.col("covered") > spec.INTERVAL)
    if not few.is_empty():
        words += f"; fewer than chance and tolerance allow: {_told(few)}"
    is_earned = True
    if not many.is_empty():
        groups = [rows if of == OVERALL else rows.filter(pl.col(of) == group) for of, group, _ in many.iter_rows()]
        widths = [
            width_of(
                group, pl.col(LABEL), (pl.col(spec.LOW), pl.col(spec.HIGH)), map(pl.col, rules), level=spec.INTERVAL
            )
            for group in groups
        ]
        worst = max(widths, key=lambda width: width.ours - width.naive)
        is_earned = worst.is_earned
        words += f"; more than chance and tolerance allow: {_told(many)}; {worst.words}"
    figures = {f"{of} {group}": covered for of, group, covered in table.select("of", "group", "covered").iter_rows()}
    return Finding("covers", few.is_empty() and is_earned, words + ".", figures)


def tier_calibration(rows: pl.DataFrame) -> pl.DataFrame:
    """What was said of each tier against what happened, by tier and tenth of the chance.

    Columns: `tier`, `chance` (mean of those said), `happened` (share), `rows`. Rows without chances are left out.
    """
    known = _with_tiers(rows)
    parts = [
        known.select(
            pl.lit(tier).alias("tier"),
            pl.lit(place).alias("place"),
            pl.col(column).alias("chance"),
            (pl.col("became") == place).cast(pl.Float64).alias("happened"),
            (pl.col(column) * CHANCE_BINS).floor().clip(0, CHANCE_BINS - 1).alias("bin"),
        )
        for place, (tier, column) in enumerate(zip(spec.TIERS, spec.CHANCES, strict=True))
    ]
    return (
        pl.concat(parts)
        .group_by("tier", "place", "bin")
        .agg(pl.col("chance", "happened").mean().round(6), pl.len().alias("rows"))
        .sort("place", "bin")
        .drop("place", "bin")
    )


def explained_share(predictions: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """How much of what could be explained the model explains, on the same later posts.

    `share` is R² of the model over R² of the truth, both of log1p of the mature engagement_score; what
    the truth leaves unexplained is the noise of counting. 1 would be a perfect knower of the simulated world.

    Args:
        predictions: an evaluation's rows.
        truth: the simulated world's posts: post_id, expected_log1p_engagement_score.

    Raises:
        ModelError: no post is in both.
    """
    both = predictions.join(truth.select("post_id", _TRUTH), on="post_id")
    model = regression_metrics(both, LABEL, PREDICTED)["r2"]
    best = regression_metrics(both, LABEL, _TRUTH)["r2"]
    if model is None or best is None:
        raise ModelError("no share of the explainable variance: the truth and the predictions have no posts in common")
    return {"share": model / best, "model_r2": model, "truth_r2": best}


def _covered(rows: pl.DataFrame, tolerated: float) -> dict[str, float | bool]:
    below, above = (rows[name].to_numpy().astype(np.float64) for name in ("below", "above"))
    covered = 1 - below - above
    share = float(covered.mean())
    by_account, by_day = rows["account_id"], rows[AS_OF].dt.date()
    halves = [clustered_half(covered, each) for each in (by_account, by_day)]
    independent = WITHIN * math.sqrt(spec.INTERVAL * (1 - spec.INTERVAL) / rows.height)
    tolerance = tolerated + max([independent, *(each for each in halves if each is not None)])
    width = (rows[spec.HIGH] - rows[spec.LOW]).to_numpy()
    return {
        "rows": rows.height,
        "covered": share,
        "below": float(below.mean()),
        "above": float(above.mean()),
        "factor": float(np.exp(width.mean())),
        "tolerance": tolerance,
        "is_within": abs(share - spec.INTERVAL) <= tolerance,
    }


def _told(groups: pl.DataFrame) -> str:
    return ", ".join(f"{group} {covered:.1%}" for group, covered in groups.select("group", "covered").iter_rows())


def _tells_tiers(rows: pl.DataFrame) -> Finding:
    """By the ranked probability score (Epstein 1969), against saying 25 % of each tier."""
    name = "tells_tiers"
    known = _with_tiers(rows)
    if known.is_empty():
        return Finding(name, passed=True, words="No later post had quartiles of its platform to be measured by.")
    said = known.select(spec.CHANCES).to_numpy()
    ours = _ranked_score(said, known["became"].to_numpy())
    none = _ranked_score(np.full_like(said, 1 / len(spec.TIERS)), known["became"].to_numpy())
    words = f"Ranked probability score of the tiers {ours:.3f}, and {none:.3f} for a quarter of each; lower is better."
    figures = {"ranked_probability_score": round(ours, 6), "of_a_quarter_each": round(none, 6), "rows": known.height}
    return Finding(name, ours < none, words, figures)


def _ranked_score(chances: Vector, became: Vector) -> float:
    said = np.cumsum(chances, axis=1)[:, :-1]
    happened = became[:, None] <= np.arange(said.shape[1])
    return float(((said - happened) ** 2).sum(axis=1).mean())


def _with_tiers(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with chances, and the place in TIERS of what they became."""
    became = tiers.tier_of(rows[LABEL].to_numpy(), tiers.upper_ends(rows))
    return rows.with_columns(pl.Series("became", became)).filter(pl.col("became").is_not_nan())
