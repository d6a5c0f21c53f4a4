"""Models and their predictions: the engagement model by week, the scores of waiting posts by day."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.dbt import DIMENSIONS, FACTS
from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.partitions import CHUNKED, ONE_BY_ONE, Partitions, looking_back, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.view import MOMENT
from clientnest_assets.installation import Installation
from clientnest_assets.lake import with_fresh_input
from clientnest_assets.models import store
from clientnest_assets.models.engagement import plots, scoring, spec
from clientnest_assets.models.engagement.dataset import FeatureFrames, labelled_rows, request_rows
from clientnest_assets.models.engagement.training import Training, train
from clientnest_assets.models.figures import markdown
from clientnest_assets.partitions import Window
from clientnest_assets.warehouse.read import read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS, PREDICTIONS = "models", "predictions"
BEATS_NAIVE_RULES = "beats_naive_rules"
MODEL_KEY = dg.AssetKey([MODELS, spec.TASK])

POSTS = {
    "post_id": pl.Int64(),
    "user_id": pl.Int64(),
    "account_id": pl.Int64(),
    "platform": pl.String(),
    "created_at": MOMENT,
    "scheduled_at": MOMENT,
    "planned_at": MOMENT,
    "author_timezone": pl.String(),
}
OUTCOMES = {"post_id": pl.Int64(), "mature_at": MOMENT, "mature_engagement_score": pl.Int64()}
PREDICTIONS_SCHEMA = pl.Schema(
    {**scoring.PREDICTION_SCHEMA, "planned_at": MOMENT, "model_week": pl.Date(), DAY: pl.Date()}
)


def model_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The models and what they predict."""
    return [_engagement_model(partitions), _engagement_predictions(partitions)]


def _engagement_model(partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=MODEL_KEY,
        deps=[
            dg.AssetKey([DIMENSIONS, "dim_post"]),
            dg.AssetKey([FACTS, "fact_posts"]),
            *(feature_key(view) for view in (spec.CONTENT, spec.HISTORY)),
        ],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS,
        owners=OWNERS,
        kinds={"lightgbm"},
        code_version="1",
        description=(
            "Predicts a post's mature engagement_score from what is known when it is written. Trained each week on "
            "the posts whose engagement was mature before the week's end, measured on the later fifth of them."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                BEATS_NAIVE_RULES,
                asset=MODEL_KEY,
                description="On later posts: lower mean error and higher rank correlation than each naive rule.",
            )
        ],
    )
    def engagement(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week = window_of(context)
        rows = labelled_rows(*_posts_and_outcomes(installation), _features(installation), until=week.end_at)
        training = train(rows, until=week.end_at)
        report = plots.report_html(training.artefact, training.evaluation)
        location = store.keep(
            installation.lake,
            spec.TASK,
            week.start,
            training.artefact,
            training.evaluation.predictions,
            {"report.html": report.encode()},
        )
        return dg.MaterializeResult(
            metadata={**_training_metadata(training), "window": str(week), "location": location},
            check_results=[
                dg.AssetCheckResult(
                    passed=training.evaluation.beats_naive_rules,
                    check_name=BEATS_NAIVE_RULES,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"metrics": _table(training.evaluation.metrics_table())},
                )
            ],
        )

    return engagement


def _engagement_predictions(partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=[PREDICTIONS, spec.TASK],
        deps=[
            # The newest week that is over: the day's own week is not.
            dg.AssetDep(MODEL_KEY, partition_mapping=looking_back(1)),
            dg.AssetKey([DIMENSIONS, "dim_post"]),
            *(feature_key(view) for view in (spec.CONTENT, spec.HISTORY)),
        ],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=PREDICTIONS,
        owners=OWNERS,
        kinds={"lightgbm", "deltalake"},
        code_version="1",
        description=(
            "One row per day and post that waits at the day's end to be published: the expected engagement_score by the "
            "newest model of a week that was over by then."
        ),
    )
    def engagement(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        window = window_of(context)
        posts, outcomes = _posts_and_outcomes(installation)
        features = _features(installation)
        known = _Known(
            planned=posts.select("post_id", "created_at", "scheduled_at", "planned_at"),
            requests=request_rows(posts),
            past=labelled_rows(posts, outcomes, features, until=window.end_at),
            features=features,
        )
        scored = [_predictions_of_day(installation, day, known) for day in window.days()]
        rows = pl.concat([pl.DataFrame(schema=PREDICTIONS_SCHEMA), *scored])
        table = installation.lake.table(PREDICTIONS, spec.TASK, PREDICTIONS_SCHEMA, partition_by=(DAY,))
        commit = with_fresh_input(lambda: table.replace_window(table.open(), rows, window, allow_empty=True))
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows": rows.height,
                "models": rows["model_version"].unique().sort().to_list(),
                "days_without_a_model": sum(frame.is_empty() for frame in scored),
                "delta_version": commit.version,
                "sample": _table(rows.sort(DAY, "post_id").tail(10)),
            }
        )

    return engagement


@dataclass(frozen=True)
class _Known:
    """What scoring reads, for all days at once; each day and each post looks only at what was known by then."""

    planned: pl.DataFrame
    requests: pl.DataFrame
    past: pl.DataFrame
    features: FeatureFrames


def _predictions_of_day(installation: Installation, day: date, known: _Known) -> pl.DataFrame:
    """The posts that were written by the day's end and scheduled for later, scored."""
    end = Window.of_days(day, day).end_at
    waiting = known.planned.filter(pl.col("created_at") < end, pl.col("scheduled_at") >= end)
    model = store.newest(installation.lake, spec.TASK, day)
    if model is None or waiting.is_empty():
        return pl.DataFrame(schema=PREDICTIONS_SCHEMA)
    week, artefact = model
    asked = known.requests.join(waiting.select("post_id"), on="post_id", how="semi", maintain_order="left")
    return (
        scoring.score(artefact, asked, known.past, known.features)
        .join(waiting.select("post_id", "planned_at"), on="post_id", how="left", maintain_order="left")
        .with_columns(pl.lit(week).alias("model_week"), pl.lit(day).alias(DAY))
        .select(PREDICTIONS_SCHEMA.names())
    )


def _posts_and_outcomes(installation: Installation) -> tuple[pl.DataFrame, pl.DataFrame]:
    url = installation.warehouse_url
    posts = read_table(url, DIMENSIONS, "dim_post", POSTS, where="is_known")
    return posts, read_table(url, FACTS, "fact_posts", OUTCOMES)


def _features(installation: Installation) -> FeatureFrames:
    return {view: stored_rows(installation.lake, view) for view in (spec.CONTENT, spec.HISTORY)}


def _training_metadata(training: Training) -> dict[str, Any]:
    model, evaluation = training.artefact, training.evaluation
    ours = evaluation.metrics["model"]
    return {
        "model_version": model.version,
        "rows_trained": model.card["shipped"]["rows"],
        "rows_evaluated": model.card["evaluated"]["rows_later"],
        "mae_log": ours["mae"],
        "spearman": ours["spearman"],
        "metrics": _table(evaluation.metrics_table()),
        "error_by_platform": _table(plots.platform_errors(evaluation)),
        "feature_gain": _table(plots.feature_gains(model).head(plots.GAINS_SHOWN)),
        "plot_predicted_against_actual": _picture(
            plots.predicted_against_actual(evaluation), "predicted against actual"
        ),
        "plot_error_by_platform": _picture(plots.error_by_platform(evaluation), "error by platform"),
        "plot_feature_gain": _picture(plots.feature_gain(model), "feature gain"),
    }


def _picture(figure: "Figure", words: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(markdown(figure, words))


def _table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """A small frame as a table in Dagster's UI."""
    kinds = {pl.Int64: "int", pl.UInt32: "int", pl.Float64: "float", pl.Boolean: "bool"}
    schema = dg.TableSchema(
        [dg.TableColumn(name, kinds.get(type(dtype), "string")) for name, dtype in frame.schema.items()]
    )
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in frame.iter_rows(named=True)
    ]
    return dg.TableMetadataValue(records, schema)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return value.isoformat() if isinstance(value, (date, datetime)) else value
