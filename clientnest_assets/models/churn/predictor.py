"""A fitted churn model at work: trees, and what makes their chances right. Judging and scoring both go through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, column
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.boosting import Vector, fit, predict
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.calibration import TOWARDS_NO_CHANGE, Line, sigmoid
from clientnest_assets.models.encoding import Encoder, Matrix, ModelColumns
from clientnest_assets.models.errors import ModelError

if TYPE_CHECKING:
    import lightgbm

TREES = "chance"
ENCODER, CALIBRATION = "encoder", "calibration"


def columns_of(features: FeatureSet | None) -> ModelColumns:
    """The model's own columns and those of the feature set: numbers, truth values, and texts as categories.

    Raises:
        ModelError: a feature is neither.
    """
    chosen = _of_set(features) if features else {}
    texts = tuple(name for name, dtype in chosen.items() if dtype == pl.String)
    numbers = tuple(name for name, dtype in chosen.items() if dtype.is_numeric() or dtype == pl.Boolean)
    if other := [name for name in chosen if name not in (*texts, *numbers)]:
        raise ModelError(f"{', '.join(other)}: neither a number nor a text, which is all the churn model reads")
    return ModelColumns((*spec.OWN_NUMBERS, *numbers), texts)


def _of_set(features: FeatureSet) -> dict[str, pl.DataType]:
    def dtype(view: FeatureView, name: str) -> pl.DataType:
        return next(feature.dtype for feature in view.features if feature.name == name)

    return {column(view, name): dtype(view, name) for view in features.views for name in features.features[view.name]}


@dataclass(frozen=True)
class Predictor:
    """Trees that give log odds, and the line that makes them right."""

    encoder: Encoder
    booster: lightgbm.Booster
    calibration: Line

    @classmethod
    def fit(
        cls,
        rows: pl.DataFrame,
        columns: ModelColumns,
        *,
        threads: int,
        parameters: Mapping[str, Any] = spec.PARAMETERS,
        trees: int = spec.NUMBER_OF_TREES,
    ) -> Self:
        """Learns from labelled rows, ordered by `as_of` and user_id.

        The line is fitted on the later half of the rows, by trees that have not learned from their users: log odds of a
        user whose other weeks were learned are too sure of themselves. So all rows can teach the trees, of which a slice
        kept back for calibration would take the newest, as well as the weeks before it whose truth was not yet known.
        """
        encoder = Encoder.fit(rows, columns, min_count=spec.MIN_COUNT)
        matrix, left = encoder.encode(rows), rows[spec.LABEL].cast(pl.Float64).to_numpy()
        users = rows[spec.ENTITY].to_numpy()
        is_later = (rows[AS_OF] >= rows[AS_OF][rows.height // 2]).to_numpy()
        directions = [int(name in spec.RISES_WITH) for name in encoder.columns.names]

        def learn(chosen: Matrix, gone: Vector) -> lightgbm.Booster:
            directed = {**parameters, "monotone_constraints": directions}
            return fit(encoder, chosen, gone, directed, trees=trees, threads=threads)

        unseen = _log_odds_of_unseen(matrix, left, users, learn)
        line = Line.fit(left[is_later], unseen[is_later], users[is_later], TOWARDS_NO_CHANGE)
        return cls(encoder, learn(matrix, left), line)

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """The predictor that an artefact holds."""
        learned = artefact.learned
        return cls(Encoder.from_json(learned[ENCODER]), artefact.boosters[TREES], Line.from_json(learned[CALIBRATION]))

    def learned(self) -> dict[str, Any]:
        """What the artefact holds beside the trees."""
        return {ENCODER: self.encoder.to_json(), CALIBRATION: self.calibration.to_json()}

    def log_odds(self, features: Matrix) -> Vector:
        """Calibrated log odds of encoded rows, one a row."""
        if not len(features):
            return np.empty(0)
        return self.calibration(_raw(self.booster, features))

    def chance(self, rows: pl.DataFrame) -> Vector:
        """The chance that the row's user is gone, one a row."""
        return sigmoid(self.log_odds(self.encoder.encode(rows)))

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature adds to a row's calibrated log odds: a line a row, a column a feature, in the encoder's order (Tree SHAP)."""
        if not len(features):
            return np.empty((0, len(self.encoder.columns.names)))
        return self.calibration.slope * predict(self.booster, features, pred_contrib=True)[:, :-1]


def _log_odds_of_unseen(
    matrix: Matrix, left: Vector, users: npt.NDArray[np.int64], learn: Callable[[Matrix, Vector], lightgbm.Booster]
) -> Vector:
    """Each row's log odds by trees that learned from none of its user's rows."""
    _, user = np.unique(users, return_inverse=True)
    group = user % spec.CALIBRATION_GROUPS
    log_odds = np.empty(len(left))
    for number in range(spec.CALIBRATION_GROUPS):
        is_unseen = group == number
        log_odds[is_unseen] = _raw(learn(matrix[~is_unseen], left[~is_unseen]), matrix[is_unseen])
    return log_odds


def _raw(booster: lightgbm.Booster, matrix: Matrix) -> Vector:
    return predict(booster, matrix, raw_score=True)
