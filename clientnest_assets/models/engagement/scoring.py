"""Predicting engagement with a trained model: the same for stored posts and for one draft at request time."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, status_column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.artefact import Artefact
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


def score(model: Artefact, rows: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """One prediction per row, in the order of the rows (PREDICTION_SCHEMA).

    `predicted_engagement_score` is the prediction on the scale of the score, never below 0: near the
    median of what such posts get, not their mean, which a few viral ones lift. `naive_engagement_score`
    is what the account's trailing mean alone would say. The statuses tell what each feature view knew.

    Args:
        model: a trained engagement model.
        rows: requests with features, as read from the store as of a past moment or computed for a draft now:
            both ways give the same columns.
        past: labelled requests with features, at least all of the rows' users; none is used before it was known.

    Raises:
        ForeignModelError: the model was trained on another version of a feature view, or on other columns.
    """
    views_of(model)
    return (
        Predictor.of(model)
        .predict(rows, past)
        .with_columns(
            pl.col(PREDICTED).exp().sub(1).clip(0).alias("predicted_engagement_score"),
            pl.col(TRAILING_MEAN).exp().sub(1).clip(0).alias("naive_engagement_score"),
            pl.col(status_column(CONTENT)).alias("content_status"),
            pl.col(status_column(HISTORY)).alias("history_status"),
            pl.lit(model.version).alias("model_version"),
        )
        .select(PREDICTION_SCHEMA.names())
    )


def views_of(model: Artefact) -> list[FeatureView]:
    """The feature views whose features the model's rows need.

    Raises:
        ForeignModelError: one of them has another definition than when the model was trained, or is gone.
    """
    changed = [
        name
        for name, trained_on in model.card["views"].items()
        if name not in VIEWS or VIEWS[name].definition_hash != trained_on["definition"]
    ]
    if changed:
        raise ForeignModelError(
            f"the model {model.version} was trained on another definition of the feature view {', '.join(changed)} "
            "than there is now: train it again"
        )
    return [VIEWS[name] for name in model.card["views"]]
