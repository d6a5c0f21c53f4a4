"""Models as assets: each trained by week, and promoted by week. What they predict is in `predictions.py`."""

from typing import Any

import dagster as dg
import polars as pl

from clientnest_assets.defs.features import feature_key
from clientnest_assets.defs.metadata import page, picture, table
from clientnest_assets.defs.partitions import ONE_BY_ONE, Partitions, earlier_by, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.training import rebuild, training_dataset
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.installation import Installation
from clientnest_assets.models import promotion, store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.errors import ForeignModelError, NotEnoughDataError
from clientnest_assets.models.features import views_of
from clientnest_assets.models.model import MODEL, Model, Trained, Training
from clientnest_assets.models.page import model_page
from clientnest_assets.models.registry import MODELS
from clientnest_assets.partitions import ONE_DAY, Window

MODELS_GROUP = "models"
NO_MODEL = "none"
BEATS_NAIVE_RULES, FINDINGS, PROMOTED, HAS_CHAMPION = (
    "beats_naive_rules",
    "findings",
    "challenger_promoted",
    "has_champion",
)


def model_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Each model, and each of its variants, by week; and of each the promotion."""
    return [
        *(_model_asset(model, features, partitions) for model in MODELS.values() for features in sets_of(model)),
        *(_promotion_asset(model, partitions) for model in MODELS.values()),
    ]


def sets_of(model: Model) -> tuple[FeatureSet | None, ...]:
    """The feature sets that a model is trained on, a model each; none is one too."""
    return model.feature_sets or (None,)


def task_of(model: Model, features: FeatureSet | None) -> str:
    """Under which name a variant is kept."""
    return features.task if features else model.name


def model_key(model: Model, features: FeatureSet | None = None) -> dg.AssetKey:
    """The asset key of a model; without a set, of its standard variant."""
    return dg.AssetKey([MODELS_GROUP, task_of(model, features)])


def promotion_key(model: Model) -> dg.AssetKey:
    """The asset key of a model's promotions."""
    return dg.AssetKey([MODELS_GROUP, f"{model.name}_promotion"])


def inputs_of(model: Model, installation: Installation, window: Window) -> Inputs:
    """What the model reads of the warehouse, up to the window's end."""
    return {each.table: each.read(installation.lake, installation.warehouse_url, window) for each in model.inputs}


def _model_asset(model: Model, features: FeatureSet | None, partitions: Partitions) -> dg.AssetsDefinition:
    key = model_key(model, features)

    @dg.asset(
        key=key,
        deps=[
            *(dg.AssetKey([each.layer, each.table]) for each in model.inputs),
            *(feature_key(view) for view in (features.views if features else ())),
        ],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS_GROUP,
        owners=OWNERS,
        kinds={"lightgbm"} if model.has_trees else {"polars"},
        code_version=model.code_version,
        description="\n\n".join(
            filter(
                None,
                (
                    model.description,
                    f"Predicts {model.label}. {model.split}",
                    f"Feature set {features.full_name}: {features.description}" if features else "",
                ),
            )
        ),
        metadata={
            "entity": ", ".join(model.entity),
            "objective": model.objective,
            "naive_rules": dict(model.naive_rules),
            **({"feature_set": {view: list(names) for view, names in features.features.items()}} if features else {}),
        },
        check_specs=[
            dg.AssetCheckSpec(
                BEATS_NAIVE_RULES,
                asset=key,
                description=f"On later examples: better than each naive rule in {', '.join(model.gate.beats)}.",
            ),
            dg.AssetCheckSpec(
                FINDINGS, asset=key, description="Whatever else was looked at on later examples is as it has to be."
            ),
        ],
    )
    def train(context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        week = window_of(context)
        task = task_of(model, features)
        examples = model.examples(inputs_of(model, installation, week), week.end_at)
        data = training_dataset(installation.lake, task, week.start, examples, features or ())
        try:
            trained = model.train(Training(data.rows, features, week.end_at, data.record))
        except NotEnoughDataError as error:
            store.forget(installation.lake, task, week.start)
            return _without_model(week, str(error))
        store.keep(installation.lake, week.start, trained.artefact, trained.evaluated)
        content = model_page(model, trained, week.start)
        location = store.keep_pages(installation.lake, task, week.start, {store.PAGE_FILE: content.encode()})
        return dg.MaterializeResult(
            # The same model trained once more is no reason to make anything of it again.
            data_version=dg.DataVersion(trained.artefact.version),
            metadata={
                **page(installation, "models", task, week.start),
                "model_version": trained.artefact.version,
                "rows_trained": data.rows.height,
                "rows_evaluated": trained.evaluated.height,
                "metrics": table(_metrics(model, trained)),
                "window": str(week),
                "location": location,
                **{
                    f"plot_{section.title.lower().replace(' ', '_')}": picture(section.figure, section.title)
                    for section in trained.sections
                    if section.figure is not None
                },
            },
            check_results=_checks(model, trained),
        )

    return train


def _without_model(week: Window, why: str) -> dg.MaterializeResult:
    """A week that has no model, because there is too little to learn from. That is told, and is no failure."""
    return dg.MaterializeResult(
        metadata={"model_version": NO_MODEL, "why": why, "window": str(week)},
        check_results=[
            dg.AssetCheckResult(
                passed=False, check_name=name, severity=dg.AssetCheckSeverity.WARN, metadata={"not_trained": why}
            )
            for name in (BEATS_NAIVE_RULES, FINDINGS)
        ],
    )


def _metrics(model: Model, trained: Trained) -> pl.DataFrame:
    names = [each.name for each in model.metrics]
    return pl.DataFrame(
        [{"predictor": name, **{each: told.get(each) for each in names}} for name, told in trained.metrics.items()],
        schema={"predictor": pl.String(), **dict.fromkeys(names, pl.Float64())},
    )


def _checks(model: Model, trained: Trained) -> list[dg.AssetCheckResult]:
    not_beaten = list(promotion.naive_rules_not_beaten(model, trained.metrics))
    failed = [each for each in trained.findings if not each.passed]
    return [
        dg.AssetCheckResult(
            passed=not not_beaten,
            check_name=BEATS_NAIVE_RULES,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "not_beaten": not_beaten,
                **{name: value for name, value in trained.metrics[MODEL].items() if value is not None},
            },
        ),
        dg.AssetCheckResult(
            passed=not failed,
            check_name=FINDINGS,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={each.name: each.words for each in trained.findings},
        ),
    ]


def _promotion_asset(model: Model, partitions: Partitions) -> dg.AssetsDefinition:
    key = promotion_key(model)
    features = sets_of(model)[0]

    @dg.asset(
        key=key,
        # What was decided before decides what there is to be compared with: one week after the other.
        deps=[model_key(model, features), dg.AssetDep(key, partition_mapping=earlier_by(1))],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=MODELS_GROUP,
        owners=OWNERS,
        kinds={"polars"},
        code_version="1",
        description=(
            "Whether the model of the week takes the place of the one in use: it has to beat the naive rules, all that was "
            "looked at has to be as it should, and trained as far as the champion was it may lose to the champion on what came "
            f"after by at most {model.gate.margin:.0%}. Otherwise the champion stays."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                HAS_CHAMPION,
                asset=key,
                description="There is a model fit to be used: without one nothing is predicted.",
                blocking=True,
            ),
            dg.AssetCheckSpec(PROMOTED, asset=key, description="The model of the week is the one in use."),
        ],
    )
    def promote(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week, lake = window_of(context), installation.lake
        told: dict[str, Any] = {"window": str(week)}
        try:
            before = promotion.champion(lake, model.name, week.last_day)
        except ForeignModelError as error:
            # What cannot be read predicts nothing: a fit challenger must be able to take its place.
            before, told["champion_damaged"] = None, str(error)
        told["champion_before"] = before[1].version if before else NO_MODEL
        promoted, reasons = False, ["the week has no model: too little to learn from"]
        if week.start in store.trained_weeks(lake, model.name):
            challenger = store.read_model(lake, model.name, week.start)
            decision = promotion.manual_decision(lake, model.name, week.start)
            if decision is None:
                learned = (
                    Training(rebuild(lake, challenger.card["data"]).rows, features, week.end_at) if before else None
                )
                decision = promotion.decide(model, challenger, before[1] if before else None, learned)
                promotion.keep_decision(lake, model.name, week.start, decision)
            promoted, reasons = decision.is_in_use, list(decision.reasons)
            told |= {"challenger": challenger.version, **_compared(decision)}
        in_use = promotion.champion(lake, model.name, week.last_day + ONE_DAY)
        champion, unfit = (in_use[1].version, _unfit(in_use[1])) if in_use else (NO_MODEL, "there is none")
        return dg.MaterializeResult(
            metadata={
                **page(installation, "models", model.name),
                **told,
                "champion": champion,
                "promoted": promoted,
                "reasons": reasons,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=unfit is None,
                    check_name=HAS_CHAMPION,
                    # Where nothing can be learned yet nothing is wrong: predictions are empty until there is more.
                    severity=dg.AssetCheckSeverity.ERROR if "challenger" in told else dg.AssetCheckSeverity.WARN,
                    metadata={"champion": champion, "unfit": unfit or "no", "reasons": reasons},
                ),
                dg.AssetCheckResult(
                    passed=promoted,
                    check_name=PROMOTED,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"reasons": reasons},
                ),
            ],
        )

    return promote


def _unfit(champion: Artefact) -> str | None:
    """Why a model cannot be used any more, though it was promoted; None if it can."""
    try:
        views_of(champion)
    except ForeignModelError as error:
        return str(error)
    return None


def _compared(decision: promotion.Decision) -> dict[str, Any]:
    if decision.comparison is None:
        return {}
    return {"comparison": {name: value for name, value in vars(decision.comparison).items() if value is not None}}
