"""What of the engagement model is searched for better parameters: how its trees of a prediction grow.

Not the intervals' trees, which have the same parameters and other losses, and not what comes before the trees.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from clientnest_assets.models.boosting import Vector, fit
from clientnest_assets.models.encoding import Encoder, Matrix
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.engagement.level import fit_level
from clientnest_assets.models.engagement.trees import number_of_trees
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.tuning import Fold, Losses, Range, Tuning, Values

MAX_TREES: Final = "MAX_TREES"
SPACE: Final = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(4, 63, is_log=True, is_whole=True),
    "min_data_in_leaf": Range(10, 200, is_log=True, is_whole=True),
    "feature_fraction": Range(0.3, 1),
    "bagging_fraction": Range(0.4, 1),
    "lambda_l2": Range(0.1, 100, is_log=True),
    MAX_TREES: Range(30, 600, is_log=True, is_whole=True),
}
IN_USE: Final = {name: spec.PARAMETERS[name] for name in SPACE if name != MAX_TREES} | {MAX_TREES: spec.MAX_TREES}


def prepare(fold: Fold) -> Losses:
    """What the trees start from, fitted once; then the absolute error of log engagement by their parameters."""
    if fold.features is None:
        raise ModelError("the engagement model reads features: search it with one of its feature sets")
    columns = columns_of(fold.features)
    level, described = fit_level(fold.learned, columns.form, columns.followers)
    encoder = Encoder.fit(described, columns.trees, min_count=spec.MIN_COUNT)
    features, judged = encoder.encode(described), level.describe(fold.judged, fold.past)
    target = (described[spec.LABEL] - described[spec.EXPECTED]).to_numpy()
    left = (judged[spec.LABEL] - judged[spec.EXPECTED]).to_numpy()
    return tree_losses(encoder, features, target, encoder.encode(judged), left, threads=fold.threads)


def tree_losses(
    encoder: Encoder, features: Matrix, target: Vector, judged: Matrix, outcome: Vector, *, threads: int
) -> Losses:
    """The absolute error of trees that learn a difference from what is expected, by parameters as in SPACE.

    Args:
        encoder: of both matrices.
        features: one line a row to learn from.
        target: its difference.
        judged: one line a later row.
        outcome: its difference.
        threads: how many may be used.
    """

    def losses(values: Values) -> Vector:
        parameters = {**spec.PARAMETERS, **{name: value for name, value in values.items() if name != MAX_TREES}}
        count = number_of_trees(len(target), int(values[MAX_TREES]))
        booster = fit(encoder, features, target, parameters, trees=count, threads=threads)
        return np.abs(np.asarray(booster.predict(judged, num_threads=threads)) - outcome)

    return losses


TUNING: Final = Tuning(
    space=SPACE,
    in_use=IN_USE,
    where="clientnest_assets/models/engagement/spec.py, which the early signal reads too",
    least=spec.MIN_MATURE_POSTS,
    prepare=prepare,
)
