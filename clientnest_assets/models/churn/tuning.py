"""What of the churn model is searched for better parameters: how its trees grow, judged after calibration."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.chances import log_losses
from clientnest_assets.models.churn.predictor import Predictor, columns_of
from clientnest_assets.models.churn.training import left_and_stayed
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.tuning import Fold, Losses, Range, Tuning, Values

NUMBER_OF_TREES: Final = "NUMBER_OF_TREES"
SPACE: Final = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(2, 31, is_log=True, is_whole=True),
    "min_data_in_leaf": Range(10, 300, is_log=True, is_whole=True),
    "feature_fraction": Range(0.3, 1),
    "bagging_fraction": Range(0.4, 1),
    "lambda_l2": Range(0.1, 100, is_log=True),
    NUMBER_OF_TREES: Range(30, 400, is_log=True, is_whole=True),
}
IN_USE: Final = {name: spec.PARAMETERS[name] for name in SPACE if name != NUMBER_OF_TREES} | {
    NUMBER_OF_TREES: spec.NUMBER_OF_TREES
}


def prepare(fold: Fold) -> Losses:
    """The log-loss of calibrated chances by the parameters of the trees.

    Raises:
        NotEnoughDataError: says how many users left and stayed, and how many are needed.
    """
    for rows, words, needed in (
        (fold.learned, "learn from", spec.MIN_USERS),
        (fold.judged, "judge by", spec.MIN_LATER_USERS),
    ):
        left, stayed = left_and_stayed(rows)
        if min(left, stayed) < needed:
            raise NotEnoughDataError(
                f"of {rows.height} examples to {words}, {left} users had left and {stayed} had stayed; {needed} of each are needed"
            )
    columns = columns_of(fold.features)
    gone = fold.judged[spec.LABEL].cast(pl.Float64).to_numpy()

    def losses(values: Values) -> Vector:
        predictor = Predictor.fit(
            fold.learned,
            columns,
            threads=fold.threads,
            parameters={
                **spec.PARAMETERS,
                **{name: value for name, value in values.items() if name != NUMBER_OF_TREES},
            },
            trees=int(values[NUMBER_OF_TREES]),
        )
        return log_losses(gone, predictor.chance(fold.judged))

    return losses


TUNING: Final = Tuning(
    space=SPACE,
    in_use=IN_USE,
    where="clientnest_assets/models/churn/spec.py",
    least=spec.MIN_USERS,
    prepare=prepare,
)
