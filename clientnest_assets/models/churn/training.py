"""Training the churn model: learn from the past, judge on what came later, ship the same recipe on everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.calibration import WEAK, Line, log_odds_of
from clientnest_assets.models.churn.chances import chance_metrics, log_losses
from clientnest_assets.models.churn.leakage import no_leaver_features
from clientnest_assets.models.churn.predictor import TREES, Predictor, columns_of
from clientnest_assets.models.churn.rules import NaiveRules
from clientnest_assets.models.churn.scoring import LOSS
from clientnest_assets.models.churn.sections import sections_of
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.metrics import clustered_half, student
from clientnest_assets.models.model import MODEL, Finding, Trained, Training
from clientnest_assets.models.skill import has_skill
from clientnest_assets.models.splits import LABEL_KNOWN_AT, TimeSplit, split_by_time
from clientnest_assets.models.told import judged

SLOPES: Final = (0.9, 1.1)
LEVEL_TOLERANCE: Final = 0.1
"""So large a part of those who left, the share expected to leave may be off: as far as the slope may be."""


def train(training: Training, told: Mapping[str, Any]) -> Trained:
    """Learns from the earlier examples, judges on the later fifth, and learns again from all. Nothing is tuned on the way.

    Earlier are those whose truth was known before the first later one, and no others, however few are left: a user's
    next week says nearly what the last one said, so that a truth known too early would be known twice.

    Args:
        training: examples with features.
        told: what the card tells beside what is said here.

    Raises:
        NotEnoughDataError: says how many users left and stayed, and how many are needed.
        LeakingFeatureError: names a feature that only a leaver has.
    """
    rows = training.rows
    columns = columns_of(training.features)
    split = _split(training)
    alone = no_leaver_features(rows, columns)
    twin = Predictor.fit(split.earlier, columns, threads=training.threads)
    evaluated = _evaluated(split, twin)
    left = evaluated[spec.LABEL].cast(pl.Float64).to_numpy()
    metrics = {name: chance_metrics(left, evaluated[name].to_numpy()) for name in (MODEL, *spec.NAIVE_RULES)}
    naive = pl.lit(pl.Series(log_losses(left, evaluated[spec.TIER_RATE].to_numpy())))
    skill = has_skill(evaluated, spec.TIER_RATE, naive, spec.ENTITY)
    findings = (skill, is_calibrated(evaluated), _no_leaver_features(alone))
    shipped = Predictor.fit(rows, columns, threads=training.threads)
    artefact = Artefact.of(
        spec.TASK if training.features is None else training.features.task,
        shipped.learned(),
        {TREES: shipped.booster},
        {
            **told,
            "parameters": dict(spec.PARAMETERS),
            "trees": {TREES: shipped.booster.num_trees()},
            **judged(metrics, findings),
            "evaluated": {
                "cutoff": split.cutoff.isoformat(),
                "rows_earlier": split.earlier.height,
                "rows_later": split.later.height,
            },
        },
    )
    return Trained(
        artefact=artefact,
        evaluated=evaluated,
        metrics=metrics,
        findings=findings,
        sections=sections_of(evaluated, shipped, alone),
    )


def _split(training: Training) -> TimeSplit:
    """Raises a NotEnoughDataError unless enough users left and stayed, in the earlier part and in the later one."""
    rows = training.rows
    remedy = "train a later week, or import more history"
    left, stayed = left_and_stayed(rows)
    if min(left, stayed) < spec.MIN_USERS + spec.MIN_LATER_USERS:
        raise NotEnoughDataError(
            f"of {rows.height} examples known before {training.until:%Y-%m-%d} {left} users had left and {stayed} had "
            f"stayed; {spec.MIN_USERS + spec.MIN_LATER_USERS} of each are needed: {remedy}"
        )
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    for part, words, needed in (
        (split.earlier, f"known before {split.cutoff:%Y-%m-%d}, to learn from", spec.MIN_USERS),
        (split.later, f"looked at from {split.cutoff:%Y-%m-%d} on, to judge by", spec.MIN_LATER_USERS),
    ):
        left, stayed = left_and_stayed(part)
        if min(left, stayed) < needed:
            raise NotEnoughDataError(
                f"of {part.height} examples {words}, {left} users had left and {stayed} had stayed; {needed} of each are "
                f"needed: {remedy}"
            )
    return split


def left_and_stayed(rows: pl.DataFrame) -> tuple[int, int]:
    """How many users there are of whom an example left, and of whom one stayed."""
    gone = pl.col(spec.LABEL)
    users = pl.col(spec.ENTITY)
    left, stayed = rows.select(users.filter(gone).n_unique().alias("left"), users.filter(~gone).n_unique()).row(0)
    return int(left), int(stayed)


def _evaluated(split: TimeSplit, twin: Predictor) -> pl.DataFrame:
    """One row a later example: keys, truth, plan, tenure, the chances that the twin and each rule gave, and the loss."""
    later = split.later
    chance = twin.chance(later)
    rules = NaiveRules.fit(split.earlier).predict(later)
    loss = log_losses(later[spec.LABEL].cast(pl.Float64).to_numpy(), chance)
    return later.select(
        spec.ENTITY, AS_OF, LABEL_KNOWN_AT, spec.LABEL, spec.TIER, tenure_band().alias(spec.TENURE_BAND)
    ).with_columns(
        pl.Series(MODEL, chance),
        *(pl.Series(name, values) for name, values in rules.items()),
        pl.Series(LOSS, loss),
    )


def tenure_band() -> pl.Expr:
    """The band of a user's tenure."""
    band = pl.lit(spec.LONGEST_TENURE)
    for below, name in sorted(spec.TENURE_BANDS.items(), reverse=True):
        band = pl.when(pl.col(spec.TENURE) < below).then(pl.lit(name)).otherwise(band)
    return band


def is_calibrated(evaluated: pl.DataFrame) -> Finding:
    """Whether the chances mean what they say.

    By the slope of what happened on their log odds (Cox 1958), and by their mean, which is to be the share that left:
    not by the intercept, which is the log odds where the chance is one half, and says little of those that are small.
    """
    left = evaluated[spec.LABEL].cast(pl.Float64).to_numpy()
    chance = evaluated[MODEL].to_numpy()
    line = Line.fit(left, log_odds_of(chance), evaluated[spec.ENTITY].to_numpy(), WEAK)
    within = student(evaluated[spec.ENTITY].n_unique())
    low, high = (line.slope + sign * within * line.slope_error for sign in (-1, 1))
    expected, happened = float(chance.mean()), float(left.mean())
    by_chance = clustered_half(left - chance, evaluated[spec.ENTITY]) or 0.0
    tolerated = LEVEL_TOLERANCE * happened + by_chance
    return Finding(
        "is_calibrated",
        # What as many users as there are cannot tell from what is wanted is not held against it.
        passed=low <= SLOPES[1] and high >= SLOPES[0] and abs(happened - expected) <= tolerated,
        words=(
            f"Calibration slope {line.slope:.2f} (95 % interval {low:.2f} to {high:.2f}; {SLOPES[0]} to {SLOPES[1]} is "
            f"wanted), intercept {line.intercept:+.2f}; {expected:.1%} were expected to leave, and {happened:.1%} did "
            f"(by {tolerated * 100:.1f} percentage points they may differ)."
        ),
        figures={
            "slope": line.slope,
            "slope_low": round(low, 9),
            "slope_high": round(high, 9),
            "intercept": line.intercept,
            "expected_share": round(expected, 9),
            "actual_share": round(happened, 9),
            "tolerated": round(tolerated, 9),
        },
    )


def _no_leaver_features(alone: pl.DataFrame) -> Finding:
    best = alone.row(0, named=True)
    return Finding(
        "no_leaver_features",
        passed=True,
        words=(
            "No feature has a value, a presence or an absence that leavers alone have; the one that ranks them best by "
            f"itself is {best['feature']} (AUC {best['auc']:.3f})."
        ),
        figures={"best": best["feature"], "auc": round(best["auc"], 9)},
    )
