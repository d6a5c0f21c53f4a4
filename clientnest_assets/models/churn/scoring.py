"""What a trained churn model answers: each active user's chance to be gone, its band, and why."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.calibration import sigmoid
from clientnest_assets.models.churn.chances import log_losses
from clientnest_assets.models.churn.predictor import Predictor
from clientnest_assets.models.churn.reasons import reasons
from clientnest_assets.models.model import Scoring

CHANCE, BAND, WHY = "churn_chance", "churn_band", "reasons"
LOSS: Final = "loss"
BANDS: Final = ("low", "medium", "high")
ANSWERS: Final = pl.Schema(
    {
        spec.ENTITY: pl.Int64(),
        AS_OF: MOMENT,
        CHANCE: pl.Float64(),
        BAND: pl.String(),
        WHY: pl.List(pl.String()),
        spec.CHURN_RISK: pl.Float64(),
    }
)


def score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    """The answers of a model that is loaded for this (`Scorer`)."""
    return Scorer(artefact).score(scoring)


class Scorer:
    """A model that is kept ready: reading a card takes longer than scoring a user."""

    def __init__(self, artefact: Artefact) -> None:
        self._predictor = Predictor.of(artefact)

    def score(self, scoring: Scoring, *, explain: bool = True) -> pl.DataFrame:
        """One answer a request, in their order (ANSWERS). CHURN_RISK is the transparent score, for comparison.

        Args:
            scoring: requests with features.
            explain: whether to give reasons, which take many times as long as all the rest; without, they are null.

        Raises:
            ForeignModelError: the model reads columns that the requests do not have.
        """
        predictor, rows = self._predictor, scoring.rows
        if rows.is_empty():
            return pl.DataFrame(schema=ANSWERS)
        features = predictor.encoder.encode(rows)
        log_odds = predictor.log_odds(features)
        chance = pl.Series(CHANCE, sigmoid(log_odds))
        why: pl.Expr | pl.Series = pl.lit(None)
        if explain:
            why = reasons(rows, predictor.encoder.columns.names, predictor.contributions(features), log_odds)
        return rows.select_seq(
            spec.ENTITY, AS_OF, chance, band(pl.lit(chance)).alias(BAND), why.alias(WHY), spec.CHURN_RISK
        ).cast(ANSWERS)


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The log-loss of each labelled row, in their order: what champion and challenger are compared by.

    Raises:
        ForeignModelError: as `score`.
    """
    rows = scoring.rows
    return pl.Series(
        LOSS, log_losses(rows[spec.LABEL].cast(pl.Float64).to_numpy(), Predictor.of(artefact).chance(rows))
    )


def band(chance: pl.Expr) -> pl.Expr:
    """The chance as one of BANDS."""
    low, medium, high = BANDS
    return (
        pl.when(chance >= spec.HIGH_FROM)
        .then(pl.lit(high))
        .when(chance >= spec.MEDIUM_FROM)
        .then(pl.lit(medium))
        .otherwise(pl.lit(low))
    )
