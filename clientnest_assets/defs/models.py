"""Models and their predictions: the engagement model by week, the scores of waiting posts by day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.dbt import DIMENSIONS, FACTS
from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.metadata import table
from clientnest_assets.defs.partitions import CHUNKED, ONE_BY_ONE, Partitions, looking_back, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.sets import FeatureSet, feature_set, variants
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.training import training_dataset
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.installation import Installation
from clientnest_assets.lake import with_fresh_input
from clientnest_assets.models import store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.engagement import plots, scoring, spec
from clientnest_assets.models.engagement.comparison import better_than_standard, compare
from clientnest_assets.models.engagement.dataset import FeatureFrames, labelled_requests, request_rows, with_features
from clientnest_assets.models.engagement.training import Training, train
from clientnest_assets.models.figures import markdown
from clientnest_assets.partitions import Window
from clientnest_assets.warehouse.read import read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS, PREDICTIONS = "models", "predictions"
BEATS_NAIVE_RULES, STANDARD_IS_BEST = "beats_naive_rules", "standard_is_best"

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
    return [
        *(_engagement_model(features, partitions) for features in variants(spec.TASK)),
        _engagement_comparison(partitions),
        _engagement_predictions(partitions),
    ]


def model_key(features: FeatureSet) -> dg.AssetKey:
    """The asset key of the model that a feature set is for."""
    return dg.AssetKey([MODELS, features.task])


def _engagement_model(features: FeatureSet, partitions: Partitions) -> dg.AssetsDefinition:
    key = model_key(features)

    @dg.asset(
        key=key,
        deps=[
            dg.AssetKey([DIMENSIONS, "dim_post"]),
            dg.AssetKey([FACTS, "fact_posts"]),
            *(feature_key(view) for view in features.views),
        ],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS,
        owners=OWNERS,
        kinds={"lightgbm"},
        code_version="2",
        description=(
            "Predicts a post's mature engagement_score from what is known when it is written. Trained each week on "
            "the posts whose engagement was mature before the week's end, measured on the later fifth of them.\n\n"
            f"Feature set {features.full_name}: {features.description}"
        ),
        metadata={"feature_set": {view: list(names) for view, names in features.features.items()}},
        check_specs=[
            dg.AssetCheckSpec(
                BEATS_NAIVE_RULES,
                asset=key,
                description="On later posts: lower mean error and higher rank correlation than each naive rule.",
            )
        ],
    )
    def engagement(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week = window_of(context)
        requests = labelled_requests(*_posts_and_outcomes(installation), until=week.end_at)
        data = training_dataset(installation.lake, features.task, week.start, requests, features)
        training = train(data.rows, features, until=week.end_at, data=data.record)
        report = plots.report_html(training.artefact, training.evaluation)
        location = store.keep(
            installation.lake,
            features.task,
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
                    metadata={"metrics": table(training.evaluation.metrics_table())},
                )
            ],
        )

    return engagement


def _engagement_comparison(partitions: Partitions) -> dg.AssetsDefinition:
    sets = variants(spec.TASK)
    key = dg.AssetKey([MODELS, f"{spec.TASK}_comparison"])

    @dg.asset(
        key=key,
        deps=[model_key(each) for each in sets],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS,
        owners=OWNERS,
        kinds={"polars"},
        code_version="1",
        description=(
            "The engagement models of a week side by side, one for each feature set: the same posts to learn from, the "
            "same later posts to be measured on."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                STANDARD_IS_BEST,
                asset=key,
                description="No other variant has a lower mean error than the standard one beyond chance.",
            )
        ],
    )
    def engagement_comparison(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week = window_of(context)
        comparison = compare(
            {each.variant: store.evaluation_rows(installation.lake, each.task, week.start) for each in sets}
        )
        page = plots.comparison_html(str(week.start), sets, comparison)
        location = store.keep_pages(installation.lake, key.path[-1], week.start, {"report.html": page.encode()})
        better = better_than_standard(comparison)
        return dg.MaterializeResult(
            metadata={
                "comparison": table(comparison),
                "features": {each.variant: len(each.columns) for each in sets},
                "window": str(week),
                "location": location,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=not better,
                    check_name=STANDARD_IS_BEST,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"better": better},
                )
            ],
        )

    return engagement_comparison


def _engagement_predictions(partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=[PREDICTIONS, spec.TASK],
        deps=[
            # The newest week that is over: the day's own week is not.
            dg.AssetDep(model_key(feature_set(spec.TASK)), partition_mapping=looking_back(1)),
            dg.AssetKey([DIMENSIONS, "dim_post"]),
            *(feature_key(view) for view in feature_set(spec.TASK).views),
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
        models = {day: store.newest(installation.lake, spec.TASK, day) for day in window.days()}
        views = {view for found in models.values() if found for view in scoring.views_of(found[1])}
        posts, outcomes = _posts_and_outcomes(installation)
        features = _stored(installation, views)
        known = _Known(
            planned=posts.select("post_id", "created_at", "scheduled_at", "planned_at"),
            requests=request_rows(posts),
            past=with_features(labelled_requests(posts, outcomes, until=window.end_at), features),
            features=features,
        )
        scored = [_predictions_of_day(day, model, known) for day, model in models.items()]
        rows = pl.concat([pl.DataFrame(schema=PREDICTIONS_SCHEMA), *scored])
        kept = installation.lake.table(PREDICTIONS, spec.TASK, PREDICTIONS_SCHEMA, partition_by=(DAY,))
        commit = with_fresh_input(lambda: kept.replace_window(kept.open(), rows, window, allow_empty=True))
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows": rows.height,
                "models": rows["model_version"].unique().sort().to_list(),
                "days_without_a_model": sum(frame.is_empty() for frame in scored),
                "delta_version": commit.version,
                "sample": table(rows.sort(DAY, "post_id").tail(10)),
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


def _predictions_of_day(day: date, model: tuple[date, Artefact] | None, known: _Known) -> pl.DataFrame:
    """The posts that were written by the day's end and scheduled for later, scored."""
    end = Window.of_days(day, day).end_at
    waiting = known.planned.filter(pl.col("created_at") < end, pl.col("scheduled_at") >= end)
    if model is None or waiting.is_empty():
        return pl.DataFrame(schema=PREDICTIONS_SCHEMA)
    week, artefact = model
    asked = known.requests.join(waiting.select("post_id"), on="post_id", how="semi", maintain_order="left")
    return (
        scoring.score(artefact, with_features(asked, known.features), known.past)
        .join(waiting.select("post_id", "planned_at"), on="post_id", how="left", maintain_order="left")
        .with_columns(pl.lit(week).alias("model_week"), pl.lit(day).alias(DAY))
        .select(PREDICTIONS_SCHEMA.names())
    )


def _posts_and_outcomes(installation: Installation) -> tuple[pl.DataFrame, pl.DataFrame]:
    url = installation.warehouse_url
    posts = read_table(url, DIMENSIONS, "dim_post", POSTS, where="is_known")
    return posts, read_table(url, FACTS, "fact_posts", OUTCOMES)


def _stored(installation: Installation, views: Iterable[FeatureView]) -> FeatureFrames:
    return {view: stored_rows(installation.lake, view) for view in views}


def _training_metadata(training: Training) -> dict[str, Any]:
    model, evaluation = training.artefact, training.evaluation
    ours = evaluation.metrics["model"]
    return {
        "model_version": model.version,
        "rows_trained": model.card["shipped"]["rows"],
        "rows_evaluated": model.card["evaluated"]["rows_later"],
        "mae_log": ours["mae"],
        "spearman": ours["spearman"],
        "metrics": table(evaluation.metrics_table()),
        "error_by_platform": table(plots.platform_errors(evaluation)),
        "feature_gain": table(plots.feature_gains(model).head(plots.GAINS_SHOWN)),
        "plot_predicted_against_actual": _picture(
            plots.predicted_against_actual(evaluation), "predicted against actual"
        ),
        "plot_error_by_platform": _picture(plots.error_by_platform(evaluation), "error by platform"),
        "plot_feature_gain": _picture(plots.feature_gain(model), "feature gain"),
    }


def _picture(figure: "Figure", words: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(markdown(figure, words))
