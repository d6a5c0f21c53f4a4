"""LightGBM the way this project uses it: numbers in, the same trees out on any machine.

Which parameters a model wants is in its own specification; keeping it is in `artefact.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clientnest_assets.models.encoding import Encoder, Matrix

if TYPE_CHECKING:
    import lightgbm

REPRODUCIBLE: dict[str, Any] = {
    "seed": 20_260_101,
    "deterministic": True,
    # Without it LightGBM times both layouts and takes the faster, and the layout changes the sums.
    "force_row_wise": True,
    "verbosity": -1,
}

Vector = npt.NDArray[np.float64]


def fit(
    encoder: Encoder, features: Matrix, target: Vector, parameters: Mapping[str, Any], *, trees: int, threads: int
) -> lightgbm.Booster:
    """A booster of so many trees, the same at any number of threads."""
    import lightgbm

    data = lightgbm.Dataset(features, target, categorical_feature=encoder.categorical_positions)
    return lightgbm.train({**REPRODUCIBLE, **parameters, "num_threads": threads}, data, num_boost_round=trees)
