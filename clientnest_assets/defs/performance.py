"""How predictions turned out, as assets; and what asks for a model to be trained again, with the sensor that has it done."""

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg
import polars as pl
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.dbt import SETTLED_AFTER_DAYS
from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.jobs import PREDICT, TRAIN
from clientnest_assets.defs.metadata import picture, table
from clientnest_assets.defs.models import inputs_of, model_key, promotion_key, sets_of
from clientnest_assets.defs.partitions import CHUNKED, LOOKS_BACK, Partitions, looking_back, window_of
from clientnest_assets.defs.predictions import PREDICTIONS, predictions_schema
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.defs.schedules import PARTITION, RANGE_END, RANGE_START
from clientnest_assets.installation import Installation
from clientnest_assets.lake import with_fresh_input
from clientnest_assets.models import decay, performance
from clientnest_assets.models.model import VERSION, Finding, Model
from clientnest_assets.models.outcomes import OUTCOMES
from clientnest_assets.models.performance import Outcome
from clientnest_assets.models.performance_plots import performance_plot
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.retraining import due, review
from clientnest_assets.partitions import Window

PERFORMANCE, RETRAIN_REQUESTS, JUDGE = "performance", "retrain_requests", "judge_predictions"
HAS_NOT_DECAYED, INTERVAL_COVERS, NONE_OPEN = "has_not_decayed", "interval_covers", "nothing_asks_for_training"
LOOK_EVERY_SECONDS = 1800
ROWS_SHOWN = 60


def performance_key(model: Model) -> dg.AssetKey:
    """The asset key of how a model's predictions turned out."""
    return dg.AssetKey([PERFORMANCE, model.name])


def performance_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset for each model whose answers an outcome follows; and one that says which model is to be trained again."""
    judged = [_performance_asset(MODELS[task], outcome, partitions) for task, outcome in OUTCOMES.items()]
    return [*judged, _requests_asset(partitions)]


def performance_jobs(partitions: Partitions) -> list[UnresolvedAssetJobDefinition]:
    """The job that looks at what became of predictions."""
    return [
        dg.define_asset_job(
            JUDGE,
            dg.AssetSelection.groups(PERFORMANCE),
            partitions_def=partitions.daily,
            description=(
                "What became of predictions whose outcome came to be known on the days, and what asks for training. The sensor "
                "asks for all days whose outcomes may still land."
            ),
        )
    ]


def performance_sensors(
    partitions: Partitions, jobs: Iterable[UnresolvedAssetJobDefinition], *, running: bool
) -> list[dg.SensorDefinition]:
    """The sensor that judges after each day's predictions, and the one that has requested models trained.

    Args:
        partitions: the installation's days and weeks.
        jobs: those of `jobs.py` and of `performance_jobs`.
        running: whether they are on until somebody switches them in the UI.
    """
    by_name = {job.name: job for job in jobs}
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[by_name[PREDICT]],
        request_job=by_name[JUDGE],
        default_status=status,
    )
    def judge_after_predicting(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        """What came to be known up to the day that was predicted last, since the days whose outcomes may still land.

        A run of its own: predictions do not fail with it. Days whose predictions failed are judged by the next run.
        """
        day = context.dagster_run.tags.get(PARTITION)
        if day is None:
            return dg.SkipReason("the run was not about one day")
        earliest = str(date.fromisoformat(day) - timedelta(days=SETTLED_AFTER_DAYS))
        start = max(earliest, partitions.daily.get_first_partition_key() or day)
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags={RANGE_START: start, RANGE_END: day})

    @dg.sensor(job=by_name[TRAIN], minimum_interval_seconds=LOOK_EVERY_SECONDS, default_status=status)
    def train_on_request(installation: dg.ResourceParam[Installation]) -> list[dg.RunRequest] | dg.SkipReason:
        """Trains what asks for it on the newest week that is over, where the schedule has not: once a week, model and reason."""
        week = partitions.weekly.get_last_partition_key()
        if week is None:
            return dg.SkipReason("no week is over yet")
        asked = [(model, due(installation.lake, model.name, date.fromisoformat(week))) for model in MODELS.values()]
        found = [
            dg.RunRequest(
                run_key=f"{week} {requests[0].model_version}: {', '.join(each.reason for each in requests)}",
                partition_key=week,
                asset_selection=[model_key(model, sets_of(model)[0]), promotion_key(model)],
            )
            for model, requests in asked
            if requests
        ]
        return found or dg.SkipReason("nothing asks for a model that the newest week could give")

    return [judge_after_predicting, train_on_request]


def _performance_asset(model: Model, outcome: Outcome, partitions: Partitions) -> dg.AssetsDefinition:
    key, reach = performance_key(model), outcome.within.days

    @dg.asset(
        key=key,
        deps=[
            dg.AssetDep(dg.AssetKey([PREDICTIONS, model.name]), partition_mapping=looking_back(reach)),
            *(dg.AssetKey([each.layer, each.table]) for each in model.inputs),
        ],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=PERFORMANCE,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        tags={LOOKS_BACK: str(reach)},
        code_version="2",
        description=(
            f"{model.title}: predictions of every day whose outcome came to be known on the day, one row each, with what was "
            f"predicted, what came, the loss, and what the model had promised of such. Naive rule: {outcome.naive_rule}."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                HAS_NOT_DECAYED,
                asset=key,
                description=(
                    f"The mean loss on the outcomes of the last {decay.RECENT_DAYS} days is not above what the models "
                    f"had promised by more than {outcome.tolerance:.0%}, nor above the naive rule's, beyond chance."
                ),
            ),
            *(
                [
                    dg.AssetCheckSpec(
                        INTERVAL_COVERS,
                        asset=key,
                        description=(
                            f"The {outcome.level:.0%} interval held that share of the outcomes of the last "
                            f"{decay.RECENT_DAYS} days, give or take {outcome.coverage_tolerance:.0%} and chance."
                        ),
                    )
                ]
                if outcome.interval
                else []
            ),
        ],
    )
    def judge(context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        window, lake = window_of(context), installation.lake
        told = lake.table(PREDICTIONS, model.name, predictions_schema(model), partition_by=(DAY,))
        needed = performance.predictions_needed(outcome, window)
        predictions = told.scan(needed).collect()
        examples = performance.labelled(model, outcome, inputs_of(model, installation, needed), window)
        evaluated = performance.evaluated_by(lake, model, outcome, predictions)
        rows = performance.matured(model, outcome, examples, predictions, evaluated, window)
        kept = performance.performance_table(lake, model)
        commit = with_fresh_input(lambda: kept.replace_window(kept.open(), rows, window, allow_empty=True))
        shown = Window(window.end - timedelta(days=decay.SHOWN_DAYS), window.end)
        lately = kept.scan(shown).collect()
        found = decay.findings(lately, outcome, window.last_day)
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "outcomes": rows.height,
                "models": rows[VERSION].unique().sort().to_list(),
                "delta_version": commit.version,
                "by_day_of_prediction": table(performance.by_day(rows).tail(ROWS_SHOWN)),
                **(
                    {"by_week": picture(performance_plot(lately, outcome.level), _words(found))}
                    if lately.height
                    else {}
                ),
            },
            check_results=[_result(finding) for finding in found],
        )

    return judge


def _requests_asset(partitions: Partitions) -> dg.AssetsDefinition:
    key = dg.AssetKey([PERFORMANCE, RETRAIN_REQUESTS])
    views = {
        view.name: view
        for model in MODELS.values()
        for features in sets_of(model)[:1]
        if features
        for view in features.views
    }

    @dg.asset(
        key=key,
        deps=[
            *(performance_key(MODELS[task]) for task in OUTCOMES),
            *(feature_key(view) for view in views.values()),
        ],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=PERFORMANCE,
        owners=OWNERS,
        kinds={"polars"},
        code_version="1",
        description=(
            "Which models ask to be trained again as of the end of the day: those of the recipe in use have decayed, or a "
            "feature that the one in use reads has drifted for long. The sensor train_on_request has it done."
        ),
        check_specs=[dg.AssetCheckSpec(NONE_OPEN, asset=key, description="No model asks to be trained again.")],
    )
    def retrain_requests(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        day = window_of(context).last_day
        found = [request for model in MODELS.values() for request in review(installation.lake, model, day).requests]
        shown = pl.DataFrame(
            [
                (each.task, each.reason, str(each.since), str(each.asked_on), each.model_version, each.words)
                for each in found
            ],
            schema=dict.fromkeys(("model", "reason", "since", "asked_on", "version", "words"), pl.String()),
            orient="row",
        )
        return dg.MaterializeResult(
            metadata={"reviewed_on": str(day), "requests": table(shown)},
            check_results=[
                dg.AssetCheckResult(
                    passed=not found,
                    check_name=NONE_OPEN,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(f"{each.task}, {each.reason}: {each.words}" for each in found) or None,
                    metadata={"models": sorted({each.task for each in found})},
                )
            ],
        )

    return retrain_requests


def _words(findings: Iterable[Finding]) -> str:
    return " ".join(finding.words for finding in findings)


def _result(finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=finding.passed,
        check_name=finding.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=finding.words,
        metadata=dict(finding.figures),
    )
