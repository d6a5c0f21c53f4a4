"""What is known of each series at a moment: where it stands, how it has been moving, how much it jitters.

No row sees a day after its moment. What follows from a state is in `drift.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.growth.moving import (
    HALF_LIVES,
    MEAN_MOVE,
    MOVES,
    VARIANCE,
    Moving,
    days_column,
    drift_column,
)
from clientnest_assets.models.growth.quantity import GROUP, HORIZON, HORIZONS, LABEL, SERIES, VALUE, Quantity
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import ONE_DAY, Window, midnight

HISTORY_DAYS: Final = 182
"""So far back a state looks: older moves say little of the next four weeks."""
CARRIED_DAYS: Final = 14
"""A series last told longer ago is not forecast: nobody asks for it any more."""
LABEL_CARRIED_DAYS: Final = 3
"""The truth of a day is what was last told in the days up to it, so many at most."""
ORIGINS: Final = 13
"""So many weekly moments are learned from: a quarter holds its shape, and the work stays the same as years go by."""
NAIVE_DAYS: Final = 28
"""The days whose mean change the naive drift repeats."""

LEVEL: Final = "level"
NAIVE_DRIFT: Final = "naive_drift"


STATE: Final = pl.Schema(
    {
        "observed_days": pl.Int64(),
        "days_since_observed": pl.Int64(),
        VALUE: pl.Float64(),
        LEVEL: pl.Float64(),
        NAIVE_DRIFT: pl.Float64(),
        VARIANCE: pl.Float64(),
        MOVES: pl.Int64(),
        MEAN_MOVE: pl.Float64(),
        **{name(days): pl.Float64() for days in HALF_LIVES for name in (drift_column, days_column)},
    }
)
"""By column, on the quantity's scale: days from the first observation looked at to the last, and from that to the
moment; the value told then, and the LEVEL, which is it on the scale; mean daily move of the last NAIVE_DAYS; variance
of a daily move around its mean, null below two moves; number of moves; mean absolute daily move; the discounted drifts
and their days."""


def labelled(observations: pl.DataFrame, quantity: Quantity, until: datetime) -> pl.DataFrame:
    """The states of the last ORIGINS weeks whose truth is known, with it: one row a series, Monday 0:00 and horizon.

    Ordered by moment, series and horizon. LABEL is the true value on the quantity's scale.

    Args:
        observations: series, group, day and value, by series and day, all before `until`.
        quantity: what they are of.
        until: what came to be known from then on is not used.
    """
    if observations.is_empty():
        return _empty(quantity).rename({SERIES: quantity.series})
    last = until - timedelta(days=HORIZONS[0])
    monday = midnight(last.date() - timedelta(days=last.weekday()))
    weeks = ORIGINS + (HORIZONS[-1] - HORIZONS[0]) // 7
    return _labelled(observations, quantity, [monday - timedelta(weeks=back) for back in reversed(range(weeks))], until)


def labelled_by_day(observations: pl.DataFrame, quantity: Quantity, known: Window) -> pl.DataFrame:
    """As `labelled`, at each day's end, of those whose truth came to be known in the window: what forecasts became.

    Args:
        observations: series, group, day and value, by series and day, all before the window's end.
        quantity: what they are of.
        known: the days on which truth came to be known.
    """
    if observations.is_empty():
        return _empty(quantity).rename({SERIES: quantity.series})
    # The truth of a day is known when it ends, so many days after the moment at which it was forecast.
    origins = {day + ONE_DAY - timedelta(days=ahead) for day in known.days() for ahead in HORIZONS}
    rows = _labelled(observations, quantity, [midnight(day) for day in sorted(origins)], known.end_at)
    return rows.filter(pl.col(LABEL_KNOWN_AT) >= known.start_at)


def _labelled(
    observations: pl.DataFrame, quantity: Quantity, origins: Sequence[datetime], until: datetime
) -> pl.DataFrame:
    """The states at the moments, which are in order, with each truth known before `until`."""
    days = _Days.of(observations, quantity, origins[0], until)
    states = days.states(origins)
    parts = [states.join(days.truth(origins, ahead), on=[SERIES, AS_OF], how="inner") for ahead in HORIZONS]
    return (
        pl.concat(parts)
        .filter(pl.col(LABEL_KNOWN_AT) < until)
        .select(_empty(quantity).columns)
        .sort(AS_OF, SERIES, HORIZON)
        .rename({SERIES: quantity.series})
    )


def current(observations: pl.DataFrame, quantity: Quantity, as_of: datetime) -> pl.DataFrame:
    """What is to be forecast at a moment: one row per series told in the last CARRIED_DAYS, and horizon, in that order."""
    empty = _empty(quantity).drop(LABEL, LABEL_KNOWN_AT)
    if observations.is_empty():
        return empty.rename({SERIES: quantity.series})
    states = _Days.of(observations, quantity, as_of, as_of).states([as_of])
    horizons = pl.DataFrame({HORIZON: HORIZONS}, schema={HORIZON: pl.Int64})
    rows = states.join(horizons, how="cross").select(empty.columns).sort(AS_OF, SERIES, HORIZON)
    return rows.rename({SERIES: quantity.series})


def _empty(quantity: Quantity) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        schema={
            SERIES: quantity.series_type,
            GROUP: pl.String(),
            AS_OF: moment,
            HORIZON: pl.Int64(),
            **STATE,
            LABEL: pl.Float64(),
            LABEL_KNOWN_AT: moment,
        }
    )


@dataclass(frozen=True)
class _Days:
    """Series by days: values on the scale, not a number where a day was not observed."""

    quantity: Quantity
    keys: pl.DataFrame
    first: date
    values: npt.NDArray[np.float64]
    told: npt.NDArray[np.int64]
    """For each series and day, the column of the last observation up to it; -1 before the first."""

    @classmethod
    def of(cls, observations: pl.DataFrame, quantity: Quantity, earliest: datetime, until: datetime) -> _Days:
        """Those days that a state at `earliest` or later can look at."""
        oldest: date = observations.select(pl.col(DAY).min()).item()
        first = max(earliest.date() - timedelta(days=HISTORY_DAYS), oldest)
        length = max((until.date() - first).days, 1)
        seen = observations.filter(pl.col(DAY) >= first, pl.col(DAY) < until.date())
        keys = seen.select(SERIES, GROUP).unique(SERIES, keep="last", maintain_order=True).sort(SERIES)
        row = seen.select(pl.col(SERIES).rank("dense")).to_series().to_numpy().astype(np.int64) - 1
        column = seen.select((pl.col(DAY) - first).dt.total_days()).to_series().to_numpy()
        values = np.full((keys.height, length), np.nan)
        values[row, column] = seen.select(quantity.scaled(pl.col(VALUE))).to_series().to_numpy()
        is_told = np.where(np.isnan(values), -1, np.arange(length))
        return cls(quantity, keys, first, values, np.maximum.accumulate(is_told, axis=1))

    def states(self, origins: Sequence[datetime]) -> pl.DataFrame:
        """One row per origin and series told in the CARRIED_DAYS before it, in this order; columns of STATE.

        Each origin looks at its own HISTORY_DAYS, so a state is the same whatever else is computed beside it.
        """
        parts = [self._state_at(origin) for origin in origins if origin.date() > self.first]
        return pl.concat(parts) if parts else _empty(self.quantity).select(SERIES, GROUP, AS_OF, *STATE)

    def _state_at(self, origin: datetime) -> pl.DataFrame:
        end = (origin.date() - self.first).days
        start = max(end - HISTORY_DAYS, 0)
        moving = Moving.still(len(self.values))
        for day in range(start, end):
            moving.advance(day, self.values[:, day])
        rows = np.flatnonzero(moving.last >= max(end - CARRIED_DAYS, start))
        first, last, level = moving.first[rows], moving.last[rows], moving.value[rows]
        # Where the series is younger than the naive rule looks back, from its first day.
        back = np.maximum(self.told[rows, max(end - 1 - NAIVE_DAYS, 0)], first)
        naive = np.divide(level - self.values[rows, back], last - back, out=np.zeros(len(rows)), where=last > back)
        state = {
            "observed_days": last - first,
            "days_since_observed": end - 1 - last,
            LEVEL: level,
            NAIVE_DRIFT: naive,
            **moving.tell(rows),
        }
        return (
            self.keys[rows]
            .with_columns(
                pl.lit(origin).cast(pl.Datetime("us", "UTC")).alias(AS_OF),
                *(pl.Series(name, values, nan_to_null=True) for name, values in state.items()),
            )
            .with_columns(self.quantity.unscaled(pl.col(LEVEL)).alias(VALUE))
            .select(SERIES, GROUP, AS_OF, *(pl.col(name).cast(dtype) for name, dtype in STATE.items()))
        )

    def truth(self, origins: Sequence[datetime], ahead: int) -> pl.DataFrame:
        """One row per origin and series whose value so many days after it is known: LABEL, and since when."""
        parts = []
        for origin in origins:
            day = (origin.date() - self.first).days - 1 + ahead
            if not 0 <= day < self.values.shape[1]:
                continue
            told = self.told[:, day]
            rows = np.flatnonzero((told >= 0) & (day - told <= LABEL_CARRIED_DAYS))
            # The truth of a day is known when the day is over: at its last moment.
            known = midnight(self.first + (day + 1) * ONE_DAY) - timedelta(microseconds=1)
            parts.append(
                self.keys[rows].select(
                    SERIES,
                    pl.lit(origin).cast(pl.Datetime("us", "UTC")).alias(AS_OF),
                    pl.lit(ahead, pl.Int64).alias(HORIZON),
                    pl.Series(LABEL, self.values[rows, told[rows]]),
                    pl.lit(known).cast(pl.Datetime("us", "UTC")).alias(LABEL_KNOWN_AT),
                )
            )
        return (
            pl.concat(parts) if parts else _empty(self.quantity).select(SERIES, AS_OF, HORIZON, LABEL, LABEL_KNOWN_AT)
        )
