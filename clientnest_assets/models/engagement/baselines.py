"""The two naive rules. A model that does not beat both is not worth its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from clientnest_assets.features.point_in_time import column
from clientnest_assets.models.engagement.spec import HISTORY, LABEL, PLATFORM_MEAN, TRAILING_MEAN


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

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with both rules' predictions of LABEL added, under the rules' names."""
        platform_mean = pl.col("platform").replace_strict(
            list(self.platform_means),
            list(self.platform_means.values()),
            default=self.overall_mean,
            return_dtype=pl.Float64,
        )
        return rows.with_columns(
            platform_mean.alias(PLATFORM_MEAN),
            pl.coalesce(column(HISTORY, "mean_log_20"), platform_mean).alias(TRAILING_MEAN),
        )

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {"platform_means": dict(self.platform_means), "overall_mean": self.overall_mean}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["platform_means"], card["overall_mean"])
