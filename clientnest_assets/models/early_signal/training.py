"""Training the early signal: fit on the past, measure on what came later, ship a refit on everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.early_signal.predictor import AS_IS, GROWN, Predictor
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.evaluation import LOSS, OVERALL, coverage, covers
from clientnest_assets.models.engagement.sections import bands_in_order, covered_by_group, predicted_against_actual
from clientnest_assets.models.engagement.spread import BAND
from clientnest_assets.models.engagement.trees import PARAMETERS
from clientnest_assets.models.errors import ModelError, NotEnoughDataError
from clientnest_assets.models.foreknowledge import refuse_foreknowledge
from clientnest_assets.models.metrics import DECIMALS, METRICS, regression_metrics, regression_metrics_by
from clientnest_assets.models.model import MODEL, Section, Trained, Training
from clientnest_assets.models.skill import has_skill
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged

MIN_POSTS: Final = 200
"""Fewer posts with an early observation teach nothing that their platform's mean growth does not tell."""
TOLERATED: Final = {OVERALL: 0.05, "platform": 0.05, BAND: 0.1}
"""How far the share that an interval covers may be from what it says: its width is a few percent, and rounding to whole
scores, of which each group has its share, is a good part of that."""
NAIVE_RULES: Final = {
    GROWN: "the observed engagement, grown by its platform's mean factor from a day to a week",
    AS_IS: "the observed engagement as it is",
    spec.PLATFORM_MEAN: "mean log engagement of the platform's training posts, whatever was observed",
}


def train(training: Training, told: Mapping[str, Any]) -> Trained:
    """Trains on the earlier rows, evaluates on the later fifth, and refits on all by the same recipe.

    Args:
        training: rows of `examples.examples` with the features of the set.
        told: what every card tells.

    Raises:
        NotEnoughDataError: says how many posts with an early observation there are and how many are needed.
        LeakingFeatureError: names a feature that knows the outcome.
        ModelError: there is no feature set.
    """
    rows, features = training.rows, training.features
    if features is None:
        raise ModelError("the early signal reads features: train it with its feature set")
    if rows.height < MIN_POSTS:
        raise NotEnoughDataError(
            f"{rows.height} posts that were mature before {training.until:%Y-%m-%d} were looked at between 24 and 48 hours "
            f"after publication, {MIN_POSTS} are needed: train a later week, or collect metrics every day"
        )
    refuse_foreknowledge(rows, features, spec.LABEL, "account_id")
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    twin = Predictor.fit(split.earlier, features, threads=training.threads)
    evaluated = _evaluated(twin, split.later, split.earlier)
    rules = {MODEL: spec.PREDICTED, **{rule: rule for rule in NAIVE_RULES}}
    found = {name: regression_metrics(evaluated, spec.LABEL, column) for name, column in rules.items()}
    metrics = {name: {metric: values[metric] for metric in METRICS} for name, values in found.items()}
    naive = (pl.col(spec.PLATFORM_MEAN) - pl.col(spec.LABEL)).abs()
    findings = (
        has_skill(evaluated, spec.PLATFORM_MEAN, naive, "account_id"),
        covers(evaluated, NAIVE_RULES, TOLERATED),
    )
    shipped = Predictor.fit(rows, features, threads=training.threads)
    card = {
        **told,
        "parameters": PARAMETERS,
        "trees": {name: booster.num_trees() for name, booster in shipped.trees.boosters.items()},
        **judged(metrics, findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows_earlier": split.earlier.height,
            "rows_later": split.later.height,
        },
    }
    artefact = Artefact.of(features.task, shipped.to_json(), shipped.trees.boosters, card)
    return Trained(artefact, evaluated, metrics, findings, _sections(evaluated))


def _evaluated(twin: Predictor, later: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    mean = pl.col(spec.LABEL).mean().round(DECIMALS).alias(spec.PLATFORM_MEAN)
    means = earlier.group_by("platform").agg(mean)
    predicted = twin.predict(later.join(means, on="platform", how="left", maintain_order="left")).with_columns(
        pl.col(spec.PLATFORM_MEAN).fill_null(earlier.select(mean).item())
    )
    return predicted.with_columns(
        twin.groups(predicted)[BAND], (pl.col(spec.PREDICTED) - pl.col(spec.LABEL)).abs().alias(LOSS)
    ).select(
        "post_id",
        "account_id",
        "platform",
        AS_OF,
        BAND,
        spec.LABEL,
        spec.PREDICTED,
        spec.LOW,
        spec.HIGH,
        *NAIVE_RULES,
        LOSS,
    )


def _sections(evaluated: pl.DataFrame) -> tuple[Section, ...]:
    covered = bands_in_order(coverage(evaluated, TOLERATED))
    return (
        Section(
            "Predicted against actual",
            "Posts later than any that were learned from, all on the scale log1p(engagement score). Points on the dashed "
            "line were predicted exactly.",
            figure=predicted_against_actual(evaluated),
        ),
        Section(
            "Error by platform",
            "Of log engagement: 0.1 is about 10 % off, 0.7 a factor of two.",
            regression_metrics_by(evaluated, "platform", spec.LABEL, spec.PREDICTED),
        ),
        Section(
            "What the interval covers",
            f"The interval says that it holds {spec.INTERVAL:.0%} of posts; the grey bar is how far that may be off.",
            covered,
            covered_by_group(covered),
        ),
    )
