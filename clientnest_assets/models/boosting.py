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
    encoder: Encoder,
    features: Matrix,
    label: Vector,
    parameters: Mapping[str, Any],
    *,
    rounds: int,
    threads: int,
    held_out: tuple[Matrix, Vector] | None = None,
    patience: int = 50,
) -> lightgbm.Booster:
    """A booster of at most `rounds` trees; with `held_out` it stops when those rows stop improving.

    The held-out rows must come out of the training part: what is evaluated on may choose nothing.
    The trees are the same at any number of threads.
    """
    import lightgbm

    # Names are kept in the card: LightGBM takes no JSON characters in its own.
    data = lightgbm.Dataset(features, label, categorical_feature=encoder.categorical_positions)
    settings = {**REPRODUCIBLE, **parameters, "num_threads": threads}
    if held_out is None:
        return lightgbm.train(settings, data, num_boost_round=rounds)
    return lightgbm.train(
        settings,
        data,
        num_boost_round=rounds,
        valid_sets=[lightgbm.Dataset(*held_out, reference=data)],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
