"""The trees of a prediction and of its two bounds, and what they would say of posts that they have not seen.

Which rows they learn from, and what they start from, is the models' own: `predictor.py` here, and the early signal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from clientnest_assets.models.boosting import Vector, fit, predict
from clientnest_assets.models.encoding import Encoder, Matrix
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.spread import Bounds

if TYPE_CHECKING:
    import lightgbm

PARAMETERS: Final[dict[str, dict[str, Any]]] = {spec.POINT: spec.PARAMETERS, **spec.QUANTILE_PARAMETERS}
FOLDS: Final = 5
JUDGED: Final = 3
"""So many of the FOLDS are judged, the newest: how far posts come out from what is predicted changes, too."""


def number_of_trees(rows: int, most: int = spec.MAX_TREES) -> int:
    """How many trees so many rows teach."""
    return min(most, max(1, rows // spec.ROWS_PER_TREE))


@dataclass(frozen=True)
class Trees:
    """Boosters by name: POINT, BELOW and ABOVE."""

    boosters: Mapping[str, lightgbm.Booster]

    @classmethod
    def fit(cls, encoder: Encoder, features: Matrix, target: Vector, *, threads: int) -> Self:
        """Learns from encoded rows, in a fixed order, and their target."""
        most = {spec.POINT: spec.MAX_TREES, spec.BELOW: spec.MAX_BOUND_TREES, spec.ABOVE: spec.MAX_BOUND_TREES}
        return cls(
            {
                name: fit(
                    encoder,
                    features,
                    target,
                    parameters,
                    trees=number_of_trees(len(target), most[name]),
                    threads=threads,
                )
                for name, parameters in PARAMETERS.items()
            }
        )

    def said(self, features: Matrix, start: Vector) -> Bounds:
        """The prediction and its bounds, as far as these trees tell them, of encoded rows.

        Args:
            features: one line a row.
            start: what the trees start from.
        """
        low, point, high = (start + self.run(name, features) for name in (spec.BELOW, spec.POINT, spec.ABOVE))
        return Bounds(low, point, high)

    def run(self, name: str, features: Matrix, **options: Any) -> Matrix:
        """What the booster of that name gives for encoded rows."""
        return predict(self.boosters[name], features, **options)

    @classmethod
    def said_unseen(cls, encoder: Encoder, features: Matrix, target: Vector, *, threads: int) -> tuple[int, Bounds]:
        """What trees that did not see them say of the newest rows: from which row on, and their bounds around the target.

        The rows, ordered by time, make FOLDS of equal size; of each of the newest JUDGED, the trees of all the others tell.
        """
        fold = np.arange(len(target)) * FOLDS // max(len(target), 1)
        parts = [
            cls.fit(encoder, features[fold != each], target[fold != each], threads=threads).said(
                features[fold == each], np.zeros(int((fold == each).sum()))
            )
            for each in range(FOLDS - JUDGED, FOLDS)
        ]
        low, point, high = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "point", "high")
        )
        return len(target) - len(point), Bounds(low, point, high)
