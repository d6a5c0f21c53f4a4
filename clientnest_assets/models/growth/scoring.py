"""Today's forecasts, in the unit people know: one row a series and horizon."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.growth.forecasting import BASIS, FORECAST, HIGH, LOW, Forecaster
from clientnest_assets.models.growth.observations import CENTS, TOTAL
from clientnest_assets.models.growth.quantity import HORIZON, VALUE, Quantity


def answers_of(quantity: Quantity) -> pl.Schema:
    """The columns of an answer: the value as last told, and its forecast with an interval for the end of `target_day`.

    The interval is null where it is not known how the series moves; `basis` says what the forecast rests on.
    """
    return pl.Schema(
        {
            quantity.series: quantity.series_type,
            HORIZON: pl.Int64(),
            "target_day": pl.Date(),
            quantity.name: pl.Float64(),
            FORECAST: pl.Float64(),
            LOW: pl.Float64(),
            HIGH: pl.Float64(),
            BASIS: pl.String(),
        }
    )


def score(artefact: Artefact, rows: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """One answer per row of `states.current`, in their order (`answers_of`).

    Raises:
        ForeignModelError: a column of a state is missing.
    """
    forecaster = Forecaster.from_json(artefact.learned, quantity)
    told = rows.hstack(forecaster.forecast(rows))
    return told.with_columns(
        *(quantity.unscaled(pl.col(column)).alias(column) for column in (FORECAST, LOW, HIGH)),
        # The moment is the end of a day, so as many days ahead is the end of the day before the date reached.
        (pl.col(AS_OF) + pl.duration(days=pl.col(HORIZON)) - timedelta(days=1)).dt.date().alias("target_day"),
        pl.col(VALUE).alias(quantity.name),
    ).select(answers_of(quantity).names())


def with_coherent_total(answers: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """The answers, with the forecast of the total as the sum of its parts', to the cent; its interval moves along.

    The parts do not go wrong together, so the total's interval is its own, and not the sum of theirs.
    """
    cents = (pl.col(FORECAST) * CENTS).round().cast(pl.Int64)
    is_total = pl.col(quantity.series) == TOTAL
    whole = pl.when(cents.is_not_null().all()).then(cents.sum())
    parts = answers.filter(~is_total).group_by(HORIZON).agg(whole.alias("parts"))
    # Where a part has no forecast, the total keeps its own.
    summed = (pl.col("parts") / CENTS).fill_null(pl.col(FORECAST))
    moved = summed - pl.col(FORECAST)
    return (
        answers.join(parts, on=HORIZON, how="left", maintain_order="left")
        .with_columns(
            pl.when(is_total).then(summed).otherwise(FORECAST).alias(FORECAST),
            *(
                pl.when(is_total)
                .then((pl.col(bound) + moved).clip(0).round(quantity.decimals))
                .otherwise(bound)
                .alias(bound)
                for bound in (LOW, HIGH)
            ),
        )
        .select(answers.columns)
    )
