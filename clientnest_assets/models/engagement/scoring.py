"""Predicting engagement with a trained model: the same for stored posts and for one draft at request time."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, status_column
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.engagement.dataset import FeatureFrames, with_features
from clientnest_assets.models.engagement.predictor import PREDICTED, Predictor
from clientnest_assets.models.engagement.spec import CONTENT, HISTORY, TRAILING_MEAN
from clientnest_assets.models.errors import ForeignModelError

PREDICTION_SCHEMA: Final = pl.Schema(
    {
        "post_id": pl.Int64(),
        "account_id": pl.Int64(),
        "platform": pl.String(),
        AS_OF: pl.Datetime("us", "UTC"),
        PREDICTED: pl.Float64(),
        "predicted_engagement_score": pl.Float64(),
        "naive_engagement_score": pl.Float64(),
        "content_status": pl.String(),
        "history_status": pl.String(),
        "model_version": pl.String(),
    }
)


def score(model: Artefact, requests: pl.DataFrame, past: pl.DataFrame, features: FeatureFrames) -> pl.DataFrame:
    """One prediction per request, in the order of the requests (PREDICTION_SCHEMA).

    `predicted_engagement_score` is the prediction on the scale of the score, never below 0: near the
    median of what such posts get, not their mean, which a few viral ones lift. `naive_engagement_score`
    is what the account's trailing mean alone would say. The statuses tell what each feature view knew.

    Args:
        model: a trained engagement model.
        requests: `request_rows`, or some of them.
        past: `labelled_rows` of at least the requests' users; none of them is used before it was known.
        features: the stored rows of the views.

    Raises:
        ForeignModelError: the model was trained on another version of a feature view, or on other columns.
    """
    _require_same_views(model)
    rows = Predictor.of(model).predict(with_features(requests, features), past)
    return rows.with_columns(
        pl.col(PREDICTED).exp().sub(1).clip(0).alias("predicted_engagement_score"),
        pl.col(TRAILING_MEAN).exp().sub(1).clip(0).alias("naive_engagement_score"),
        pl.col(status_column(CONTENT)).alias("content_status"),
        pl.col(status_column(HISTORY)).alias("history_status"),
        pl.lit(model.version).alias("model_version"),
    ).select(PREDICTION_SCHEMA.names())


def _require_same_views(model: Artefact) -> None:
    for view in (CONTENT, HISTORY):
        trained_on = model.card["views"].get(view.name, {}).get("definition")
        if trained_on != view.definition_hash:
            raise ForeignModelError(
                f"the model was trained on another definition of the feature view {view.name} than the present "
                f"version {view.version}: train it again"
            )
