"""Predicting a published post's mature engagement from its first day."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.early_signal.examples import OBSERVED
from clientnest_assets.models.early_signal.predictor import GROWN, Predictor
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.evaluation import LOSS
from clientnest_assets.models.features import views_of
from clientnest_assets.models.model import Scoring

SCORES: Final = {
    "observed_engagement_score": OBSERVED,
    "predicted_engagement_score": spec.PREDICTED,
    "low_engagement_score": spec.LOW,
    "high_engagement_score": spec.HIGH,
    "naive_engagement_score": GROWN,
}
"""Columns on the scale of the score, and those on the scale of the label that they are made from."""
ANSWERS: Final = pl.Schema(
    {
        "post_id": pl.Int64(),
        "account_id": pl.Int64(),
        "platform": pl.String(),
        AS_OF: MOMENT,
        spec.PREDICTED: pl.Float64(),
        **dict.fromkeys(SCORES, pl.Float64()),
    }
)


def score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    """One prediction per row, in the order of the rows (ANSWERS). Between low and high lie 80 % of such posts.

    Raises:
        ForeignModelError: the model was trained on another definition of a feature view, or reads a column that is
            missing.
    """
    views_of(artefact)
    return (
        Predictor.of(artefact)
        .predict(scoring.rows)
        .with_columns((pl.col(label).exp() - 1).clip(0).alias(name) for name, label in SCORES.items())
        .select(ANSWERS.names())
    )


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The absolute error of each labelled row, in their order: what champion and challenger are compared by.

    Raises:
        ForeignModelError: as `score`.
    """
    views_of(artefact)
    said = Predictor.of(artefact).predict(scoring.rows)
    return (said[spec.PREDICTED] - said[spec.LABEL]).abs().alias(LOSS)
