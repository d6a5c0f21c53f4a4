"""A fitted forecaster: from states to forecasts with intervals, the same for rows of the past and for today's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.encoding import require_columns
from clientnest_assets.models.growth.drift import DECIMALS, Drift
from clientnest_assets.models.growth.intervals import Intervals
from clientnest_assets.models.growth.moving import MOVES
from clientnest_assets.models.growth.quantity import GROUP, HORIZON, LABEL, VALUE, Quantity
from clientnest_assets.models.growth.states import LEVEL, NAIVE_DRIFT, STATE
from clientnest_assets.models.whole import places_of_whole, whole

FORECAST: Final = "forecast"
LOW: Final = "low"
HIGH: Final = "high"
BASIS: Final = "basis"
OWN, GROUPS, STANDING = "own moves", "its group's moves", "too few days: as it stands"
"""What a drift rests on."""
MIN_MOVES: Final = 14
"""With fewer moves of its own, a series goes as its group does, or stands where it is."""
NEEDED: Final = (HORIZON, "days_since_observed", LEVEL)
LAST_VALUE: Final = "last_value"
DRIFT_28: Final = "drift_28_days"


@dataclass(frozen=True)
class Forecaster:
    """All that is learned of a quantity."""

    quantity: Quantity
    drift: Drift
    intervals: Intervals

    @classmethod
    def fit(cls, rows: pl.DataFrame, quantity: Quantity) -> Self:
        """The recipe, and how far it is off on the rows it was chosen by: three numbers a group flatter little."""
        drift = Drift.fit(rows, quantity)
        known = rows.filter(_is_known(quantity))
        expected, spread = drift.expected(known, quantity)
        error = known[LABEL].to_numpy() - expected
        horizon, value = known[HORIZON].to_numpy(), known[VALUE].to_numpy()
        age = known.select((pl.col(AS_OF).max() - pl.col(AS_OF)).dt.total_days()).to_series().to_numpy()
        intervals = Intervals.fit(
            quantity.bands,
            horizon,
            value,
            error,
            spread,
            age.astype(np.float64),
            is_symmetric=not quantity.is_pooled,
        )
        return cls(quantity, drift, intervals)

    def forecast(self, rows: pl.DataFrame) -> pl.DataFrame:
        """FORECAST, LOW, HIGH and BASIS of each row, in their order, on the quantity's scale.

        A series with fewer than MIN_MOVES goes as its group does; where there are no groups it is forecast to stay.
        What was never seen to move has no interval: nothing is known of how it does. Of a row without horizon, level or
        the days since it was observed nothing is forecast.

        Raises:
            ForeignModelError: a column of a state is missing.
        """
        require_columns(rows, [GROUP, HORIZON, *STATE])
        if any(rows[name].null_count() for name in NEEDED):
            return self.forecast(whole(rows, NEEDED)).select(pl.all().gather(places_of_whole(rows, NEEDED)))
        expected, spread = self.drift.expected(rows, self.quantity)
        low, high = self.intervals.around(expected, rows[HORIZON].to_numpy(), rows[VALUE].to_numpy(), spread)
        basis = pl.when(pl.col(MOVES) >= MIN_MOVES).then(pl.lit(OWN))
        has_spread = spread > 0
        told = pl.DataFrame(
            {
                FORECAST: np.round(expected, DECIMALS),
                LOW: pl.Series(np.where(has_spread, np.round(low, DECIMALS), np.nan), nan_to_null=True),
                HIGH: pl.Series(np.where(has_spread, np.round(high, DECIMALS), np.nan), nan_to_null=True),
                BASIS: rows.select(basis.otherwise(pl.lit(GROUPS))).to_series(),
            }
        )
        if self.quantity.is_pooled:
            return told
        is_known = rows.select(_is_known(self.quantity)).to_series()
        return told.select(
            pl.when(is_known).then(FORECAST).otherwise(rows[LEVEL]).alias(FORECAST),
            pl.when(is_known).then(LOW).alias(LOW),
            pl.when(is_known).then(HIGH).alias(HIGH),
            pl.when(is_known).then(BASIS).otherwise(pl.lit(STANDING)).alias(BASIS),
        )

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {"drift": self.drift.to_json(), "intervals": self.intervals.to_json()}

    @classmethod
    def from_json(cls, card: Mapping[str, Any], quantity: Quantity) -> Self:
        """Back from the card."""
        return cls(quantity, Drift.from_json(card["drift"]), Intervals.from_json(card["intervals"]))


def naive_forecasts(rows: pl.DataFrame) -> pl.DataFrame:
    """What the naive rules say of each row, on the quantity's scale: it stays, or it goes on as in its last 28 days."""
    ahead = pl.col(HORIZON) + pl.col("days_since_observed")
    return rows.select(
        pl.col(LEVEL).alias(LAST_VALUE),
        (pl.col(LEVEL) + pl.col(NAIVE_DRIFT) * ahead).alias(DRIFT_28),
    )


def _is_known(quantity: Quantity) -> pl.Expr:
    return pl.lit(value=True) if quantity.is_pooled else pl.col(MOVES) >= MIN_MOVES
