"""Predicting engagement with a trained model: the same for stored posts and for one draft at request time."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, status_column
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.engagement import spec, tiers
from clientnest_assets.models.engagement.predictor import Prediction, Predictor
from clientnest_assets.models.engagement.reasons import REASON, Usual, reasons
from clientnest_assets.models.features import views_of
from clientnest_assets.models.model import Scoring

SCORES: Final = {
    "predicted_engagement_score": spec.PREDICTED,
    "low_engagement_score": spec.LOW,
    "high_engagement_score": spec.HIGH,
    "naive_engagement_score": spec.TRAILING_MEAN,
}
"""Columns on the scale of the score, and those on the scale of the label that they are made from."""
ANSWERS: Final = pl.Schema(
    {
        "post_id": pl.Int64(),
        "account_id": pl.Int64(),
        "platform": pl.String(),
        AS_OF: MOMENT,
        "planned_at": MOMENT,
        spec.PREDICTED: pl.Float64(),
        **dict.fromkeys(SCORES, pl.Float64()),
        "predicted_tier": pl.String(),
        **dict.fromkeys(spec.CHANCES, pl.Float64()),
        "reasons": pl.List(REASON),
        "content_status": pl.String(),
        "history_status": pl.String(),
    }
)


def score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    """The answers of a model that is loaded for this (`Scorer`)."""
    return Scorer(artefact).score(scoring)


class Scorer:
    """A model that is kept ready, as for drafts at request time: reading a card takes longer than scoring a post.

    Raises:
        ForeignModelError: the model was trained on another definition of a feature view.
    """

    def __init__(self, artefact: Artefact) -> None:
        views_of(artefact)
        self._predictor = Predictor.of(artefact)
        self._usual = Usual.from_json(artefact.learned["usual"])

    def score(self, scoring: Scoring, *, explain: bool = True) -> pl.DataFrame:
        """One prediction per row, in the order of the rows (ANSWERS).

        `predicted_engagement_score` is the prediction on the scale of the score, never below 0: near the median of what
        such posts get, not their mean, which a few viral ones lift. Between low and high lie 80 % of such posts.
        `naive_engagement_score` is what the account's trailing mean alone would say. The chances of the tiers are null
        where too few posts of the platform are known to part them. The statuses tell what each feature view knew.

        Args:
            scoring: requests with features, as read from the store as of a past moment or computed for a draft now: both
                ways give the same columns; and the past of at least their users.
            explain: whether to give reasons, which take many times as long as all the rest; without, they are null.

        Raises:
            ForeignModelError: a column that the model reads is missing.
        """
        if scoring.rows.is_empty():
            return pl.DataFrame(schema=ANSWERS)
        prediction = self._predictor.prediction(scoring.rows, scoring.past)
        predicted = prediction.rows
        why = self._reasons(prediction) if explain else pl.lit(None, ANSWERS["reasons"])
        chances = predicted.select(spec.CHANCES).to_numpy()
        answers = {
            **{name: (pl.col(label).exp() - 1).clip(0) for name, label in SCORES.items()},
            "predicted_tier": tiers.likeliest(chances),
            "reasons": why,
            "content_status": pl.col(status_column(spec.CONTENT)),
            "history_status": pl.col(status_column(spec.HISTORY)),
        }
        return predicted.select_seq(answers.get(name, pl.col(name)).alias(name) for name in ANSWERS.names())

    def _reasons(self, prediction: Prediction) -> pl.Series:
        return pl.concat([reasons(self._predictor, self._usual, piece) for piece in prediction.pieces()])
