"""How predictions turned out: each is joined with what happened once that is known, and models are judged by it.

One row a prediction, on the day on which its outcome came to be known, so that a day is whole once it is over and is
not made again while outcomes of the same prediction day trickle in. Which part of an answer is compared with what is
declared in `outcomes.py`; whether models kept what they promised is told by `decay.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.features.view import MOMENT
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.models import store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.metrics import DECIMALS
from clientnest_assets.models.model import VERSION, WEEK, Model
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import ONE_DAY, Window

LAYER: Final = "performance"
PREDICTED_ON: Final = "predicted_on"
GROUP, CLUSTER = "group", "cluster"
PREDICTED, ACTUAL = "predicted", "actual"
LOSS, NAIVE_LOSS, PROMISED_LOSS, IS_COVERED = "loss", "naive_loss", "promised_loss", "is_covered"


@dataclass(frozen=True)
class Outcome:
    """How a model's answer is compared with what happened.

    The expressions are over an answer joined with its labelled example; where both have a column, the example's counts.

    Attributes:
        predicted: what was predicted, on the scale of the loss.
        actual: what happened, on the same scale.
        naive: what a naive rule says, on the same scale; null where it says nothing.
        naive_rule: that rule in words.
        loss: from what was said and what happened to the loss, lower is better; the loss of the evaluated rows.
        interval: lower and upper bound of the prediction's interval, on the same scale; None without one.
        group: the column by which it is shown.
        alike: columns of examples and of evaluated rows: what was promised of a prediction is the mean loss of the
            evaluated rows that are equal to it in these. Loss grows with the horizon, and differs by platform; a mix of
            them that has changed is no decay.
        within: an outcome that comes later than so long after the day of the prediction is not counted.
        examples: labelled examples at the end of each day, of those whose outcome came to be known in the window, for a model
            that is asked daily and learns from weekly moments. None: the model's own.
        level: the share of outcomes that an interval is to hold.
        tolerance: the loss may exceed what was promised by this share. What was promised was measured on some later
            weeks, and weeks differ.
        coverage_tolerance: how far the share that is held may be from the level.
    """

    predicted: pl.Expr
    actual: pl.Expr
    naive: pl.Expr
    naive_rule: str
    loss: Callable[[pl.Expr, pl.Expr], pl.Expr]
    group: str
    alike: tuple[str, ...]
    within: timedelta
    interval: tuple[pl.Expr, pl.Expr] | None = None
    examples: Callable[[Inputs, Window], pl.DataFrame] | None = None
    level: float = 0.8
    tolerance: float = 0.1
    coverage_tolerance: float = 0.05


def performance_schema(model: Model) -> pl.Schema:
    """The table's columns: the example's keys, who predicted when, what was said and what came, and how good that was.

    `promised_loss` is null where nothing was promised of such, as on a platform or a horizon that the evaluation had
    not; or where the model's week has been trained anew before the outcome came, which replaces what was promised.
    `is_covered` is null without an interval. DAY is the day of `label_known_at`.
    """
    keys = {name: model.answers.get(name, MOMENT) for name in model.example}
    return pl.Schema(
        {
            **keys,
            AS_OF: MOMENT,
            PREDICTED_ON: pl.Date(),
            VERSION: pl.String(),
            WEEK: pl.Date(),
            GROUP: pl.String(),
            CLUSTER: pl.String(),
            **dict.fromkeys((PREDICTED, ACTUAL, LOSS, NAIVE_LOSS, PROMISED_LOSS), pl.Float64()),
            IS_COVERED: pl.Boolean(),
            LABEL_KNOWN_AT: MOMENT,
            DAY: pl.Date(),
        }
    )


def performance_table(lake: Lake, model: Model) -> LakeTable:
    """The lake table with the outcomes of a model's predictions."""
    return lake.table(LAYER, model.name, performance_schema(model), partition_by=(DAY,))


def predictions_needed(outcome: Outcome, window: Window) -> Window:
    """The days whose predictions can have an outcome that came to be known in the window."""
    return Window(window.start - outcome.within, window.end)


def labelled(model: Model, outcome: Outcome, inputs: Inputs, window: Window) -> pl.DataFrame:
    """The labelled examples that predictions are compared with, at least all that came to be known in the window.

    Args:
        model: the declaration.
        outcome: its outcome.
        inputs: the model's tables, read for the days `predictions_needed`.
        window: the days on which outcomes came to be known.
    """
    return outcome.examples(inputs, window) if outcome.examples else model.examples(inputs, window.end_at)


def matured(
    model: Model,
    outcome: Outcome,
    examples: pl.DataFrame,
    predictions: pl.DataFrame,
    evaluated: pl.DataFrame,
    window: Window,
) -> pl.DataFrame:
    """The predictions whose outcome came to be known in the window: performance_schema, ordered by day and example.

    One row an example. Of one that was predicted on several days, as a post that waits is, the first prediction counts
    that was made within reach: the one with the least knowledge, and each post once.

    Args:
        model: the declaration.
        outcome: its outcome.
        examples: labelled ones, at least all that came to be known in the window (`labelled`).
        predictions: of the days `predictions_needed`, or more: the model's answers, VERSION, WEEK and DAY.
        evaluated: what the models promised, of `evaluated_by`.
        window: the days on which outcomes came to be known.
    """
    known_at = pl.col(LABEL_KNOWN_AT)
    known = examples.filter(known_at >= window.start_at, known_at < window.end_at).with_columns(
        known_at.dt.date().alias(DAY)
    )
    asked = predictions.rename({DAY: PREDICTED_ON})
    if AS_OF not in asked.columns:
        # What is asked of all entities alike is asked at the day's end.
        end_of_day = (pl.col(PREDICTED_ON) + ONE_DAY).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        asked = asked.with_columns(end_of_day.cast(MOMENT).alias(AS_OF))
    own = [name for name in asked.columns if name in model.example or name not in known.columns]
    waited = pl.col(DAY) - pl.col(PREDICTED_ON)
    joined = (
        known.join(asked.select(own), on=model.example, how="inner")
        .filter(waited >= timedelta(0), waited <= outcome.within)
        .sort(DAY, *model.example, PREDICTED_ON)
        .unique([DAY, *model.example], keep="first", maintain_order=True)
    )
    rows = _with_promises(joined, model, outcome, evaluated)
    held = outcome.actual.is_between(*outcome.interval) if outcome.interval else pl.lit(None, pl.Boolean)
    added = {
        GROUP: pl.col(outcome.group),
        CLUSTER: pl.col(model.gate.cluster),
        PREDICTED: outcome.predicted,
        ACTUAL: outcome.actual,
        LOSS: outcome.loss(outcome.predicted, outcome.actual),
        NAIVE_LOSS: outcome.loss(outcome.naive, outcome.actual),
        IS_COVERED: held,
    }
    return rows.select(
        added.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in performance_schema(model).items()
    )


def _with_promises(rows: pl.DataFrame, model: Model, outcome: Outcome, evaluated: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, with PROMISED_LOSS: the mean loss of the evaluated that are alike; null where none are."""
    if evaluated.is_empty():
        return rows.with_columns(pl.lit(None, pl.Float64).alias(PROMISED_LOSS))
    kind = [VERSION, *outcome.alike]
    promised = pl.col(model.gate.loss).mean().round(DECIMALS).alias(PROMISED_LOSS)
    by_kind = evaluated.drop_nulls(model.gate.loss).group_by(kind).agg(promised)
    return rows.join(by_kind, on=kind, how="left", maintain_order="left", validate="m:1")


def evaluated_by(lake: Lake, model: Model, outcome: Outcome, predictions: pl.DataFrame) -> pl.DataFrame:
    """The later examples on which the models behind predictions were measured: VERSION, the columns `alike`, their loss.

    A model whose week was trained anew since has none.
    """
    columns = [*outcome.alike, model.gate.loss]
    trained = store.trained_weeks(lake, model.name)
    found = [pl.DataFrame(schema={VERSION: pl.String()})]
    for version, week in predictions.select(VERSION, WEEK).unique().sort(WEEK, VERSION).iter_rows():
        if week in trained and Artefact(store.read_card(lake, model.name, week)).version == version:
            measured = store.evaluation_rows(lake, model.name, week).select(columns)
            found.append(measured.with_columns(pl.lit(version).alias(VERSION)))
    return pl.concat(found, how="diagonal")


def by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """How the predictions of each day did that have an outcome by now.

    Grain: one row per day of prediction, model and group, in this order: `predictions`, the mean of the loss, of the
    naive rule's and of the promised one, the share of intervals that held, and the means of what was predicted and what
    came.
    """
    means = (LOSS, NAIVE_LOSS, PROMISED_LOSS, PREDICTED, ACTUAL)
    return (
        rows.group_by(PREDICTED_ON, VERSION, GROUP)
        .agg(
            pl.len().alias("predictions"),
            *(pl.col(name).mean().round(DECIMALS) for name in means),
            pl.col(IS_COVERED).mean().round(DECIMALS).alias("covered"),
        )
        .sort(PREDICTED_ON, VERSION, GROUP)
    )
