"""What models predict, as assets: a table a model, by day. How models come about is in `models.py`."""

from collections.abc import Mapping
from datetime import date

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.metadata import table
from clientnest_assets.defs.models import inputs_of, promotion_key, sets_of
from clientnest_assets.defs.partitions import CHUNKED, Partitions, earlier_by, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.point_in_time import get_historical_features
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.view import FeatureView
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake, with_fresh_input
from clientnest_assets.models import promotion
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.features import views_of
from clientnest_assets.models.model import VERSION, WEEK, Model, Scoring
from clientnest_assets.models.registry import MODELS
from clientnest_assets.partitions import Window

PREDICTIONS = "predictions"
DAYS_A_WEEK = 7


def prediction_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a model."""
    return [_prediction_asset(model, partitions) for model in MODELS.values()]


def predictions_schema(model: Model) -> pl.Schema:
    """A model's answers, by which model they were given, and their day."""
    return pl.Schema({**model.answers, VERSION: pl.String(), WEEK: pl.Date(), DAY: pl.Date()})


def _prediction_asset(model: Model, partitions: Partitions) -> dg.AssetsDefinition:
    features = sets_of(model)[0]
    schema = predictions_schema(model)

    @dg.asset(
        key=[PREDICTIONS, model.name],
        deps=[
            # The newest week that was over when the day began.
            dg.AssetDep(promotion_key(model), partition_mapping=earlier_by(DAYS_A_WEEK)),
            *(dg.AssetKey([each.layer, each.table]) for each in model.inputs),
            *(feature_key(view) for view in (features.views if features else ())),
        ],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=PREDICTIONS,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        code_version=model.code_version,
        description=f"{model.title} of each day, by the champion of that day: {model.label}.",
    )
    def predict(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        window, lake = window_of(context), installation.lake
        champions = {day: promotion.champion(lake, model.name, day) for day in window.days()}
        rows = pl.concat([pl.DataFrame(schema=schema), *_answers(model, champions, installation, window)])
        kept = lake.table(PREDICTIONS, model.name, schema, partition_by=(DAY,))
        commit = with_fresh_input(lambda: kept.replace_window(kept.open(), rows, window, allow_empty=True))
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows": rows.height,
                "models": rows[VERSION].unique().sort().to_list(),
                "days_without_a_model": sum(found is None for found in champions.values()),
                "delta_version": commit.version,
                "sample": table(rows.tail(10)),
            }
        )

    return predict


def _answers(
    model: Model, champions: Mapping[date, tuple[date, Artefact] | None], installation: Installation, window: Window
) -> list[pl.DataFrame]:
    """The answers of each day that has a champion. All that is read is read once; each day looks at what was known."""
    in_use = {day: found for day, found in champions.items() if found}
    if not in_use:
        return []
    views = list({view.name: view for _, artefact in in_use.values() for view in views_of(artefact)}.values())
    inputs = inputs_of(model, installation, window)
    past = _with_features(installation.lake, model.examples(inputs, window.end_at), views)
    asked = [
        model.requests(inputs, Window.of_days(day, day).end_at).with_columns(pl.lit(day).alias(DAY)) for day in in_use
    ]
    requests = _with_features(installation.lake, pl.concat(asked), views)
    return [
        model.score(artefact, Scoring(requests.filter(pl.col(DAY) == day).drop(DAY), past))
        .with_columns(pl.lit(artefact.version).alias(VERSION), pl.lit(week).alias(WEEK), pl.lit(day).alias(DAY))
        .select(predictions_schema(model).names())
        for day, (week, artefact) in in_use.items()
    ]


def _with_features(lake: Lake, rows: pl.DataFrame, views: list[FeatureView]) -> pl.DataFrame:
    return get_historical_features(rows, {view: stored_rows(lake, view) for view in views}).collect() if views else rows
