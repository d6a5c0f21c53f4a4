"""The two naive rules. A model that does not beat both is not worth its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import column
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.encoding import looked_up
from clientnest_assets.models.engagement.spec import HISTORY, LABEL


@dataclass(frozen=True)
class NaiveRules:
    """Means of the training rows. A platform that they lack gets the mean of all."""

    platform_means: Mapping[str, float]
    overall_mean: float

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> Self:
        """The means of the training rows."""
        # Summed by NumPy, in the order of the rows: a mean over groups in Polars has changing last bits.
        labels = rows[LABEL].to_numpy()
        platforms = rows["platform"].to_numpy()
        means = {name: float(labels[platforms == name].mean()) for name in sorted(rows["platform"].unique())}
        return cls(means, float(labels.mean()))

    def platform_mean(self, rows: pl.DataFrame) -> Vector:
        """The PLATFORM_MEAN of each row."""
        return looked_up(rows["platform"], self.platform_means, self.overall_mean)

    def trailing_mean(self, rows: pl.DataFrame, platform_mean: Vector) -> Vector:
        """The TRAILING_MEAN of each row, of which the other is known."""
        trailing = rows[column(HISTORY, "mean_log_20")].cast(pl.Float64).to_numpy()
        return np.where(np.isnan(trailing), platform_mean, trailing)

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {"platform_means": dict(self.platform_means), "overall_mean": self.overall_mean}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["platform_means"], card["overall_mean"])
