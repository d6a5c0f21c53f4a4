"""What is forecast: a quantity that many series have, day by day. No computing here, but for its scale.

How such days are made of tables is in `observations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

HORIZONS: Final = (7, 14, 21, 28)
"""Days ahead. Whole weeks: the weekday is the same as today's, so a weekly season needs no model."""
LEVEL: Final = 0.8
"""The part of truths that an interval is to hold."""
SERIES: Final = "series"
HORIZON: Final = "horizon_days"
GROUP: Final = "group"
VALUE: Final = "value"
LABEL: Final = "label"


@dataclass(frozen=True)
class Quantity:
    """One thing that grows.

    Attributes:
        name: of the forecast column, in its own unit.
        series: the key of a series: an account, a plan.
        series_type: its type.
        group: what series have in common that are alike: the platform; the series' own key where none are.
        is_log: whether it grows by parts of itself (log1p) or by amounts.
        is_pooled: whether a short series goes as its group does. Needs a group of many, on a common scale.
        bands: bounds of the value between which series err alike.
        decimals: of the forecast.
    """

    name: str
    series: str
    series_type: pl.DataType
    group: str
    is_log: bool
    is_pooled: bool
    bands: tuple[float, ...]
    decimals: int

    def scaled(self, value: pl.Expr) -> pl.Expr:
        """A value on the scale on which it grows."""
        return value.log1p() if self.is_log else value

    def unscaled(self, scaled: pl.Expr) -> pl.Expr:
        """Back from the scale; never below nothing, and rounded to what the quantity is told in."""
        value = scaled.exp() - 1 if self.is_log else scaled
        return value.clip(0).round(self.decimals)


FOLLOWERS: Final = Quantity(
    name="followers",
    series="account_id",
    series_type=pl.Int64(),
    group="platform",
    is_log=True,
    is_pooled=True,
    bands=(100.0, 1_000.0, 10_000.0, 100_000.0),
    decimals=0,
)
MRR: Final = Quantity(
    name="mrr",
    series="subscription_tier",
    series_type=pl.String(),
    group="subscription_tier",
    is_log=False,
    is_pooled=False,
    bands=(),
    decimals=2,
)
