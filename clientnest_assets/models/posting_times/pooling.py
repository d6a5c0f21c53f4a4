"""Partial pooling by Gaussian priors: what is learned of many related effects from sums of squares and products.

What the effects are is the caller's; so are the sums. An effect is drawn towards 0 and towards its likes by as much as
the evidence falls short of the prior (A. Gelman and J. Hill, "Data Analysis Using Regression and Multilevel Models"
(2007), chapter 12; C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning" (2006), chapter 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SWEEPS = 4
DECIMALS = 6


def posterior(products: Array, with_target: Array, prior: Array, noise: Array | float) -> tuple[Array, Array]:
    """Mean and covariance of effects; leading axes are problems of their own.

    The prior's inverse is never taken: neighbours that are much alike, and a spread of 0, make it singular.

    Args:
        products: sums of squares and products of the effects' columns.
        with_target: sums of their products with the target.
        prior: covariance of the effects before any evidence.
        noise: variance of one observation, of the problems' shape.
    """
    scale = np.asarray(noise)[..., None, None]
    system = products @ prior + scale * np.eye(prior.shape[-1])
    mean = prior @ np.linalg.solve(system, with_target[..., None])
    covariance = scale * (prior @ np.linalg.inv(system))
    return mean[..., 0], (covariance + np.swapaxes(covariance, -1, -2)) / 2


def log_evidence(products: Array, with_target: Array, prior: Array, noise: Array | float) -> float:
    """Logarithm of the chance of the data under the prior, beyond that under no effects; summed over the problems.

    Args:
        products: as in `posterior`.
        with_target: as in `posterior`.
        prior: as in `posterior`.
        noise: as in `posterior`.
    """
    scale = np.asarray(noise)[..., None, None]
    system = (products @ prior) / scale + np.eye(prior.shape[-1])
    explained = with_target[..., None] / scale
    gain = np.swapaxes(explained, -1, -2) @ prior @ np.linalg.solve(system, explained)
    return float(0.5 * (gain[..., 0, 0] - np.linalg.slogdet(system)[1]).sum())


def likeliest(grid: Mapping[str, tuple[float, ...]], score: Callable[[Mapping[str, float]], float]) -> dict[str, float]:
    """The values with the highest score, one coordinate after the other, from the middle of each on.

    Values of a grid and not the optimum itself: its last bits would depend on the number of threads. Of equal scores
    the earlier value is taken, so let the simpler stand first.
    """
    chosen = {name: values[len(values) // 2] for name, values in grid.items()}
    for _ in range(SWEEPS):
        before = dict(chosen)
        for name, values in grid.items():
            scores = [round(score({**chosen, name: value}), DECIMALS) for value in values]
            chosen[name] = values[int(np.argmax(scores))]
        if chosen == before:
            break
    return chosen
