"""A search for parameters as it is kept: each trial as it ended, in JSON, from which Optuna's study is made again.

Where it is kept: in the lake, a folder a model and week. What is searched, and how, is in `tuning.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self

from clientnest_assets.features.canonical import sha256_of
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import read_files, write_files
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.store import weeks_with
from clientnest_assets.models.tuning import FOLD_SHARE, FOLDS, SEARCHED, Judgement

if TYPE_CHECKING:
    import optuna

    from clientnest_assets.models.model import Model, Training

LAYER: Final = "tuning"
STUDY_FILE: Final = "study.json"
PAGE_FILE: Final = "page.html"
FORM: Final = "clientnest-study/1"
LIBRARIES: Final = ("optuna", "lightgbm", "numpy", "polars")


@dataclass(frozen=True)
class Search:
    """A search, begun or done.

    Attributes:
        of: what it is a search of, and all that its trials hang on: they can only be gone on with where it is the same.
        study: Optuna's, in memory.
        judgements: of its best parameters on later examples, in the order in which they were made.
    """

    of: Mapping[str, Any]
    study: optuna.Study
    judgements: tuple[Judgement, ...] = ()

    @classmethod
    def begin(cls, model: Model, training: Training, seed: int) -> Self:
        """A search without a trial, of a model with a declared tuning."""
        if model.tuning is None:
            raise ModelError(f"the model {model.name} declares nothing to search for")
        of = {
            "task": model.name,
            "feature_set": training.features and training.features.full_name,
            "until": training.until.isoformat(),
            "rows": training.rows.height,
            "sha256": sha256_of(training.rows),
            "code_version": model.code_version,
            "in_use": dict(model.tuning.in_use),
            "space": {name: asdict(each) for name, each in model.tuning.space.items()},
            "folds": {"number": FOLDS, "share": FOLD_SHARE, "searched": SEARCHED},
            "seed": seed,
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        # As it will be read: kept and begun searches are told apart by this.
        return cls(json.loads(json.dumps(of, sort_keys=True)), _study(seed))

    @property
    def seed(self) -> int:
        """That of the first trial; each later one has the next."""
        seed: int = self.of["seed"]
        return seed

    def to_json(self) -> str:
        """The search as text. The same search gives the same: there are no times of day in it."""
        from optuna.distributions import distribution_to_json

        trials = [
            {
                "number": each.number,
                "state": each.state.name,
                "value": each.value,
                "params": each.params,
                "distributions": {
                    name: json.loads(distribution_to_json(of)) for name, of in each.distributions.items()
                },
                "user_attrs": each.user_attrs,
            }
            for each in self.study.trials
        ]
        told = {"form": FORM, "of": self.of, "trials": trials, "judgements": [asdict(each) for each in self.judgements]}
        return json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Back from text.

        Raises:
            ModelError: it is no search, or of another form.
        """
        from optuna.distributions import json_to_distribution
        from optuna.trial import TrialState, create_trial

        try:
            told = json.loads(text)
        except ValueError as error:
            raise ModelError(f"the study cannot be read: {error}") from error
        if not isinstance(told, dict) or told.get("form") != FORM:
            raise ModelError(f"the study is not of the form {FORM}: search anew")
        study = _study(told["of"]["seed"])
        study.add_trials(
            create_trial(
                state=TrialState[each["state"]],
                value=each["value"],
                params=each["params"],
                distributions={
                    name: json_to_distribution(json.dumps(of)) for name, of in each["distributions"].items()
                },
                user_attrs=each["user_attrs"],
            )
            for each in told["trials"]
        )
        return cls(told["of"], study, tuple(Judgement(**each) for each in told["judgements"]))


def resumed(lake: Lake, week: date, begun: Search) -> Search:
    """The week's search as it was kept, if it is the same as the one just begun; else that one, which takes its place."""
    kept = read_search(lake, begun.of["task"], week)
    return kept if kept is not None and kept.of == begun.of else begun


def keep_search(lake: Lake, week: date, search: Search) -> str:
    """Keeps a search, in place of the one before; returns the folder's location."""
    return write_files(lake, study_folder(search.of["task"], week), {STUDY_FILE: search.to_json().encode()})


def read_search(lake: Lake, task: str, week: date) -> Search | None:
    """The search of a model's week; None if there is none."""
    files = read_files(lake, study_folder(task, week))
    return Search.from_json(files[STUDY_FILE].decode()) if STUDY_FILE in files else None


def load_study(lake: Lake, task: str, week: date) -> optuna.Study:
    """The study of a week, for whoever wants to look at it with Optuna's own means.

    Raises:
        ModelError: there is none.
    """
    search = read_search(lake, task, week)
    if search is None:
        raise ModelError(
            f"the parameters of {task} were not searched for the week from {week}: make tuning/{task} of it"
        )
    return search.study


def searched_weeks(lake: Lake, task: str) -> list[date]:
    """The Mondays of the weeks of which a search of the task is kept with its page, in order."""
    return weeks_with(lake, f"{LAYER}/{task}", PAGE_FILE)


def study_page(lake: Lake, task: str, week: date) -> bytes | None:
    """The page of a week's search, as it was kept; None if there is none."""
    return read_files(lake, study_folder(task, week), (PAGE_FILE,)).get(PAGE_FILE)


def study_folder(task: str, week: date) -> str:
    """The folder of a week's search, below the lake's root."""
    return f"{LAYER}/{task}/{week}"


def _study(seed: int) -> optuna.Study:
    import optuna

    # What a trial comes to is told by whoever searches; Optuna writes it to the process's error stream beside.
    optuna.logging.disable_default_handler()
    return optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
