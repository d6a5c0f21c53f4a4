"""LightGBM the way this project uses it: numbers in, the same trees out on any machine.

Which parameters a model wants is in its own specification; keeping it is in `artefact.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from clientnest_assets.models.encoding import Encoder, Matrix

if TYPE_CHECKING:
    import lightgbm

# Read when LightGBM is loaded: its threads sleep while they wait for each other. Otherwise they spin, which on a busy
# machine takes twice the processor, and more time than one thread.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPRODUCIBLE: dict[str, Any] = {
    "seed": 20_260_101,
    "deterministic": True,
    # Without it LightGBM times both layouts and takes the faster, and the layout changes the sums.
    "force_row_wise": True,
    "verbosity": -1,
}

MANY_ROWS: Final = 20_000
"""From so many rows on, threads save more than starting them costs."""
MANY_TO_EXPLAIN: Final = 200
"""The same where contributions are asked for, which take a hundred times as long."""

Vector = npt.NDArray[np.float64]


def fit(
    encoder: Encoder, features: Matrix, target: Vector, parameters: Mapping[str, Any], *, trees: int, threads: int
) -> lightgbm.Booster:
    """A booster of so many trees, the same at any number of threads."""
    import lightgbm

    data = lightgbm.Dataset(features, target, categorical_feature=encoder.categorical_positions)
    return lightgbm.train({**REPRODUCIBLE, **parameters, "num_threads": threads}, data, num_boost_round=trees)


def predict(booster: lightgbm.Booster, features: Matrix, **options: Any) -> Matrix:
    """What the booster gives for encoded rows, the same at any number of threads: many rows take all there are.

    Args:
        booster: the trees.
        features: one line a row.
        options: such as `raw_score` and `pred_contrib`, as LightGBM has them.
    """
    many = MANY_TO_EXPLAIN if options.get("pred_contrib") else MANY_ROWS
    return np.asarray(booster.predict(features, num_threads=1 if len(features) < many else 0, **options))
