"""What people read of a search: what it would gain, which lines would say so, how it went. Nothing is put to use here.

How pages look is in `page.py`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from clientnest_assets.models.figures import AXIS_COLOUR, MODEL_COLOUR, RULE_COLOURS, canvas
from clientnest_assets.models.model import Model, Section
from clientnest_assets.models.page import sections_page
from clientnest_assets.models.study import LAYER, Search
from clientnest_assets.models.tuning import FOLD_LOSSES, FOLDS, Judgement, Tuning, best_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIALS_SHOWN: Final = 10
LEAST_FOR_IMPORTANCE: Final = 10
"""Before so many trials nothing can be said of what mattered."""


def tuning_page(model: Model, tuning: Tuning, search: Search, week: date) -> str:
    """The page of a search on the examples of the week from that Monday."""
    title = f"{model.title}: parameters searched, week from {week}"
    return sections_page(model, title, sections(tuning, search), asset=f"{LAYER}/{model.name}", week=week)


def sections(tuning: Tuning, search: Search) -> tuple[Section, ...]:
    """The parts of the page."""
    return (
        Section("What it would gain", verdict(tuning, search), judgement_table(search)),
        Section(
            "Parameters",
            f"They are said in {tuning.where}. To put others to use, change them there and raise the model's code_version in "
            "its declaration.py: the weeks trained from then on are by them, and have to be promoted as any other model.",
            parameter_table(tuning, search),
        ),
        Section(
            "How the search went",
            f"Each trial learns {FOLDS} times from what was known before a day and is judged on what came after it, none of it "
            "in the later fifth of the examples. The first trial is what is in use. The least of many losses is flattering: "
            "what a choice is worth is told above.",
            figure=history(search),
        ),
        Section(
            "Best trials",
            "Mean loss, and that of each part of the search, the newest last.",
            best_trials(tuning, search),
        ),
        *_importance(search),
        Section("Made of", "The same on any machine, and in one piece or gone on with after a stop.", _made_of(search)),
    )


def verdict(tuning: Tuning, search: Search) -> str:
    """What the search would bring, in words."""
    trials = len(search.study.trials)
    judged = _judgement_of_best(tuning, search)
    if judged is None:
        return (
            f"Nothing better than what is in use was found in {trials} trials, so the later examples were not looked at. Leave "
            "the parameters as they are."
        )
    searched, first = search.study.best_value, search.study.trials[0].value
    gain = _share(judged.loss_in_use, judged.loss)
    apart = (
        "and of one entity alone nothing tells how much of it is chance"
        if judged.low is None
        else f"the difference between {judged.low:+.5f} and {judged.high:+.5f} (95 %)"
    )
    told = (
        f"On {judged.rows:,} later examples, which the search has not seen, the mean loss is {judged.loss:.5f} with the best of "
        f"{trials} trials and {judged.loss_in_use:.5f} with what is in use: {gain:+.2%}, {apart}. "
        f"In the search itself it was {_share(first or 0.0, searched):+.2%}. "
    )
    if len(search.judgements) > 1:
        told += (
            f"This search looked at the later examples {len(search.judgements)} times, as it was gone on with: each further look "
            "makes a gain by chance likelier. "
        )
    if judged.is_better:
        return told + "That is better beyond chance: try it in another week too, then change the parameters below."
    return told + "That is not better beyond chance: leave the parameters as they are."


def judgement_table(search: Search) -> pl.DataFrame | None:
    """One row a judgement: after how many trials, mean losses, and their difference with its 95 % interval."""
    if not search.judgements:
        return None
    return pl.DataFrame(
        [
            {
                "after_trials": each.trials,
                "examples": each.rows,
                "loss_in_use": each.loss_in_use,
                "loss_best_found": each.loss,
                "difference": each.loss - each.loss_in_use,
                "low": each.low,
                "high": each.high,
            }
            for each in search.judgements
        ],
        schema_overrides={"low": pl.Float64, "high": pl.Float64},
    )


def parameter_table(tuning: Tuning, search: Search) -> pl.DataFrame:
    """One row a parameter: what is in use, what was found best, and between what was searched."""
    best = best_of(tuning, search)
    return pl.DataFrame(
        [
            {
                "parameter": name,
                "in_use": f"{tuning.in_use[name]:g}",
                "best_found": f"{best[name]:g}",
                "searched": f"{each.low:g} to {each.high:g}{', by factors' if each.is_log else ''}",
            }
            for name, each in tuning.space.items()
        ]
    )


def best_trials(tuning: Tuning, search: Search) -> pl.DataFrame:
    """The trials of least loss, best first, one a row: number, mean loss, that of each fold, and what was tried."""
    ranked = sorted(search.study.trials, key=lambda each: (each.value or 0.0, each.number))
    return pl.DataFrame(
        [
            {
                "trial": each.number + 1,
                "loss": each.value,
                **{f"part_{number}": loss for number, loss in enumerate(each.user_attrs[FOLD_LOSSES], 1)},
                **{name: f"{value:g}" for name, value in tuning.usable(each.params).items()},
            }
            for each in ranked[:TRIALS_SHOWN]
        ]
    )


def history(search: Search) -> Figure:
    """The loss of each trial in their order, and the least so far."""
    losses = [each.value or 0.0 for each in search.study.trials]
    number = np.arange(1, len(losses) + 1)
    figure, axes = canvas("Loss by trial", height=3)
    axes.axhline(losses[0], color=AXIS_COLOUR, linestyle="--", linewidth=1, label="in use")
    axes.plot(number, losses, "o", markersize=4, color=RULE_COLOURS[0], label="trial")
    axes.step(number, np.minimum.accumulate(losses), where="post", color=MODEL_COLOUR, label="least so far")
    axes.set_xlabel("trial")
    axes.set_ylabel("mean loss, lower is better")
    axes.legend(frameon=False, fontsize=8)
    return figure


def importances(search: Search) -> dict[str, float] | None:
    """How much each parameter tells good trials from the rest, adding up to 1, most first; None from too few trials.

    PED-ANOVA: Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently quantifying hyperparameter importance in arbitrary
    subspaces", IJCAI 2023.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    if len({each.value for each in search.study.trials}) < LEAST_FOR_IMPORTANCE:
        return None
    return get_param_importances(search.study, evaluator=PedAnovaImportanceEvaluator())


def _importance(search: Search) -> tuple[Section, ...]:
    found = importances(search)
    if found is None:
        return ()
    figure, axes = canvas("Parameters that mattered", height=2.6)
    axes.barh(list(found)[::-1], list(found.values())[::-1], color=MODEL_COLOUR)
    axes.set_xlabel("share of importance")
    words = (
        "How much each parameter tells the best tenth of the trials from the rest (PED-ANOVA). From a few dozen trials this is a "
        "hint, not a finding."
    )
    return (Section("What mattered", words, figure=figure),)


def _made_of(search: Search) -> pl.DataFrame:
    of: dict[str, Any] = dict(search.of)
    told = {
        "training rows": f"those of models/{of['task']}: {of['rows']:,}, known before {of['until'][:10]}",
        "SHA-256 of the rows": of["sha256"],
        "feature set": of["feature_set"] or "none",
        "code version of the model": of["code_version"],
        "trials": str(len(search.study.trials)),
        "seed": str(of["seed"]),
        "libraries": ", ".join(f"{name} {installed}" for name, installed in of["libraries"].items()),
    }
    return pl.DataFrame({"what": list(told), "value": list(told.values())})


def _judgement_of_best(tuning: Tuning, search: Search) -> Judgement | None:
    best = best_of(tuning, search)
    return next((each for each in search.judgements if dict(each.parameters) == best), None)


def _share(before: float, after: float) -> float:
    return (after - before) / before if before else 0.0
