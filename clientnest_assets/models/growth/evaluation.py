"""How forecasts did on later weeks, beside the naive rules: errors, and how many truths the intervals held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.coverage import width_of
from clientnest_assets.models.growth.drift import usual_move
from clientnest_assets.models.growth.forecasting import (
    DRIFT_28,
    FORECAST,
    HIGH,
    LAST_VALUE,
    LOW,
    Forecaster,
    naive_forecasts,
)
from clientnest_assets.models.growth.quantity import HORIZON, HORIZONS, LABEL, LEVEL, VALUE, Quantity
from clientnest_assets.models.model import MODEL, Finding
from clientnest_assets.models.skill import has_skill

DECIMALS: Final = 6
LOSS: Final = "loss"
USUAL_MOVE: Final = "usual_move"
RULES: Final = {MODEL: FORECAST, LAST_VALUE: LAST_VALUE, DRIFT_28: DRIFT_28}
COVERAGE_SLACK: Final = 0.02
STANDARD_ERRORS: Final = 2.0


def evaluated_rows(forecaster: Forecaster, later: pl.DataFrame) -> pl.DataFrame:
    """The later rows with what the model and each naive rule said of them, and the model's LOSS.

    One row a series, moment and horizon. The loss is the absolute error on the quantity's scale; of a quantity that
    grows by amounts, in the series' usual daily moves.
    """
    rows = later.hstack(forecaster.forecast(later)).hstack(naive_forecasts(later))
    rows = rows.with_columns(pl.Series(USUAL_MOVE, usual_move(later)))
    error = (pl.col(FORECAST) - pl.col(LABEL)).abs()
    return rows.with_columns(_unit(error, forecaster.quantity).round(DECIMALS).alias(LOSS))


def losses(artefact: Artefact, rows: pl.DataFrame, quantity: Quantity) -> pl.Series:
    """The LOSS of each labelled row, in their order."""
    return evaluated_rows(Forecaster.from_json(artefact.learned, quantity), rows)[LOSS]


def metrics_of(evaluated: pl.DataFrame, quantity: Quantity) -> dict[str, dict[str, float | None]]:
    """By MODEL and naive rule: `error` (the mean of the LOSS), `error_28_days`, `mase`, `bias` and `coverage`."""
    return {rule: _metrics(evaluated, quantity, column, is_model=rule == MODEL) for rule, column in RULES.items()}


def _metrics(evaluated: pl.DataFrame, quantity: Quantity, column: str, *, is_model: bool) -> dict[str, float | None]:
    error = pl.col(column) - pl.col(LABEL)
    found = evaluated.select(
        _unit(error.abs(), quantity).mean().alias("error"),
        _unit(error.abs(), quantity).filter(pl.col(HORIZON) == HORIZONS[-1]).mean().alias("error_28_days"),
        (error.abs() / pl.col(USUAL_MOVE)).mean().alias("mase"),
        _unit(error, quantity).mean().alias("bias"),
        (_is_held().mean() if is_model else pl.lit(None, pl.Float64)).alias("coverage"),
    ).row(0, named=True)
    return {name: None if value is None else round(value, DECIMALS) for name, value in found.items()}


def by_horizon(evaluated: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """One row per horizon: rows, the error of the model and of each naive rule, and the coverage."""
    errors = [
        _unit((pl.col(column) - pl.col(LABEL)).abs(), quantity).mean().round(DECIMALS).alias(f"error_{rule}")
        for rule, column in RULES.items()
    ]
    return (
        evaluated.group_by(HORIZON)
        .agg(pl.len().alias("rows"), *errors, _is_held().mean().round(DECIMALS).alias("coverage"))
        .sort(HORIZON)
    )


def by_band(evaluated: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """One row per band of size: series, the error of the model and of the naive drift, and the coverage."""
    edges = [0.0, *quantity.bands]
    band = pl.sum_horizontal(pl.lit(0), *(pl.col(VALUE) >= edge for edge in quantity.bands))
    return (
        evaluated.with_columns(band=band)
        .group_by("band")
        .agg(
            pl.col(quantity.series).n_unique().alias("series"),
            *(
                _unit((pl.col(RULES[rule]) - pl.col(LABEL)).abs(), quantity)
                .mean()
                .round(DECIMALS)
                .alias(f"error_{rule}")
                for rule in (MODEL, DRIFT_28)
            ),
            _is_held().mean().round(DECIMALS).alias("coverage"),
        )
        .sort("band")
        .with_columns(pl.col("band").replace_strict(dict(enumerate(edges)), return_dtype=pl.Float64).alias("from"))
        .select("from", pl.exclude("from", "band"))
    )


def skill_finding(evaluated: pl.DataFrame, quantity: Quantity) -> Finding:
    """Whether it tells more than that all stays as it is."""
    naive = _unit((pl.col(LAST_VALUE) - pl.col(LABEL)).abs(), quantity)
    return has_skill(evaluated, LAST_VALUE, naive, quantity.series)


def coverage_finding(evaluated: pl.DataFrame, quantity: Quantity, metrics: Mapping[str, float | None]) -> Finding:
    """Whether intervals hold as many truths as they say; more are in order where they are worth it (`width_of`).

    Within COVERAGE_SLACK, and as far beyond as chance may take it: STANDARD_ERRORS of a share of so many independent
    truths as there are series and moments four weeks apart.
    """
    known = evaluated.filter(pl.col(LOW).is_not_null())
    coverage = metrics["coverage"]
    if coverage is None or known.is_empty():
        return Finding(
            "covers", passed=False, words="No later forecast has an interval: nothing is known of its coverage."
        )
    weeks_apart = known[AS_OF].dt.epoch("d") // HORIZONS[-1]
    independent = known.select(quantity.series).with_columns(weeks_apart.alias("weeks")).unique().height
    slack = COVERAGE_SLACK + STANDARD_ERRORS * float(np.sqrt(LEVEL * (1 - LEVEL) / independent))
    passed = abs(coverage - LEVEL) <= slack
    words = (
        f"{LEVEL:.0%} intervals held {coverage:.1%} of {known.height:,} later truths; {LEVEL - slack:.1%} to "
        f"{min(LEVEL + slack, 1):.1%} is what {independent:,} independent ones allow"
    )
    if coverage > LEVEL + slack:
        width = width_of(
            known,
            _unit(pl.col(LABEL), quantity),
            (_unit(pl.col(LOW), quantity), _unit(pl.col(HIGH), quantity)),
            [_unit(pl.col(rule), quantity) for rule in (LAST_VALUE, DRIFT_28)],
            level=LEVEL,
            alike=HORIZON,
        )
        passed = width.is_earned
        words += f"; {width.words}"
    return Finding(
        "covers",
        passed,
        f"{words}.",
        {"coverage": coverage, "independent": independent, "slack": round(slack, DECIMALS)},
    )


def _is_held() -> pl.Expr:
    """Null where there is no interval, which a mean leaves out."""
    return pl.col(LABEL).is_between(pl.col(LOW), pl.col(HIGH))


def _unit(error: pl.Expr, quantity: Quantity) -> pl.Expr:
    return error if quantity.is_log else error / pl.col(USUAL_MOVE)
