"""Searches for better parameters as assets: by week, made when somebody asks for one. They change no model."""

import time
from datetime import date
from typing import Any

import dagster as dg

from clientnest_assets.defs.metadata import page, picture, table
from clientnest_assets.defs.models import model_key, sets_of, task_of
from clientnest_assets.defs.partitions import ONE_BY_ONE, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.features.training import TrainingSetError, rebuild
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import write_files
from clientnest_assets.models import store
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.model import Model, Training
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.study import PAGE_FILE, Search, keep_search, resumed, study_folder
from clientnest_assets.models.tuning import Tuning, best_of, tune
from clientnest_assets.models.tuning_page import best_trials, parameter_table, sections, tuning_page, verdict
from clientnest_assets.partitions import Window

GROUP = "tuning"


class SearchConfig(dg.Config):
    """How long is searched. More trials go on with a search that is kept; another seed begins anew."""

    trials: int = 40
    seed: int = 20_260_101
    threads: int = 1


def tuning_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a model that declares what can be searched."""
    return [_tuning_asset(model, model.tuning, partitions) for model in MODELS.values() if model.tuning is not None]


def tuning_key(model: Model) -> dg.AssetKey:
    """The asset key of a model's searches."""
    return dg.AssetKey([GROUP, model.name])


def _tuning_asset(model: Model, tuning: Tuning, partitions: Partitions) -> dg.AssetsDefinition:
    features = sets_of(model)[0]

    @dg.asset(
        key=tuning_key(model),
        deps=[model_key(model, features)],
        partitions_def=partitions.weekly,
        backfill_policy=ONE_BY_ONE,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"optuna", "lightgbm"},
        code_version=model.code_version,
        description=(
            f"Whether other parameters than those of {tuning.where} would predict better: {', '.join(tuning.space)}. Searched on "
            f"the training rows of models/{task_of(model, features)}, without their later fifth, on which the best found is "
            "then judged once. Made when asked for, never by a schedule, and nothing is put to use. A search that is killed "
            "goes on where it stopped."
        ),
        metadata={"parameters_in_use": dict(tuning.in_use)},
    )
    def search_parameters(
        context: dg.AssetExecutionContext, config: SearchConfig, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        week, lake = window_of(context), installation.lake
        started = time.monotonic()

        def after_trial(search: Search) -> None:
            keep_search(lake, week.start, search)
            context.log.info(_progress(tuning, search, config.trials, time.monotonic() - started))

        try:
            training = _training(model, lake, week, config.threads)
            begun = resumed(lake, week.start, Search.begin(model, training, config.seed))
            context.log.info("the search has %d of %d trials", len(begun.study.trials), config.trials)
            search = tune(model, training, begun, trials=config.trials, after_trial=after_trial)
        except (ModelError, TrainingSetError) as error:
            # Nobody waits for a search but who asked for it: there is nothing to try again.
            raise dg.Failure(str(error), allow_retries=False) from error
        keep_search(lake, week.start, search)
        return dg.MaterializeResult(
            metadata={
                **page(installation, "models", model.name, "tuning", week.start),
                **_metadata(model, tuning, search, week),
                "location": _keep_page(model, tuning, search, lake, week.start),
            }
        )

    return search_parameters


def _training(model: Model, lake: Lake, week: Window, threads: int) -> Training:
    """The rows that the week's model learned from, as its card tells them.

    Raises:
        ModelError: the week has no model.
        TrainingSetError: its rows cannot be made again.
    """
    features = sets_of(model)[0]
    card = store.read_model(lake, task_of(model, features), week.start).card
    return Training(rebuild(lake, card["data"]).rows, features, week.end_at, card["data"], threads)


def _progress(tuning: Tuning, search: Search, trials: int, seconds: float) -> str:
    study = search.study
    last = study.trials[-1]
    tried = ", ".join(f"{name} {value:g}" for name, value in tuning.usable(last.params).items())
    return (
        f"trial {last.number + 1} of {trials}: loss {last.value:.5f}, least so far {study.best_value:.5f}, after "
        f"{seconds:.0f} s; tried {tried}"
    )


def _keep_page(model: Model, tuning: Tuning, search: Search, lake: Lake, week: date) -> str:
    content = tuning_page(model, tuning, search, week)
    return write_files(lake, study_folder(model.name, week), {PAGE_FILE: content.encode()})


def _metadata(model: Model, tuning: Tuning, search: Search, week: Window) -> dict[str, Any]:
    return {
        "verdict": verdict(tuning, search),
        "trials": len(search.study.trials),
        "best_parameters": best_of(tuning, search),
        "parameters": table(parameter_table(tuning, search)),
        "best_trials": table(best_trials(tuning, search)),
        "sha256_of_rows": search.of["sha256"],
        "window": str(week),
        **{
            f"plot_{each.title.lower().replace(' ', '_')}": picture(each.figure, each.title)
            for each in sections(tuning, search)
            if each.figure is not None
        },
    }
