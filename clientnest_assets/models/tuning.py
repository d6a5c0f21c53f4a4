"""Searching for better parameters of a model: what is searched, on which past it is judged, what it would gain.

A search changes no model: it says what a change of the specification would bring. How searches are kept is in `study.py`,
what people read of them in `tuning_page.py`; what of a model can be searched is said in its own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.metrics import DECIMALS, clustered_interval
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from clientnest_assets.models.model import Model, Training
    from clientnest_assets.models.study import Search

FOLDS: Final = 3
FOLD_SHARE: Final = 0.2
"""Of the examples that are searched on, each of the FOLDS judges by the next fifth; the oldest two fifths only teach."""
SEARCHED: Final = 0.8
"""The share of all examples that is searched on, as in `splits.py`: the later ones judge what was found."""
FOLD_LOSSES: Final = "fold_losses"

Values = Mapping[str, float]
"""Numbers by the name that the specification gives them."""
Losses = Callable[[Values], Vector]
"""From parameters to the loss of each judged row, in their order, lower is better."""


@dataclass(frozen=True)
class Range:
    """Between which values, both included, a number is searched for.

    Attributes:
        low: with at most three digits that count, as everything that is tried.
        high: likewise.
        is_log: whether twice as much is as far from once as once is from half.
        is_whole: whether it is a count.
    """

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def usable(self, value: float) -> float:
        """What is tried in a value's place: whole, or with three digits, so that what was judged can be written down."""
        return int(value) if self.is_whole else float(f"{value:.3g}")

    @property
    def distribution(self) -> BaseDistribution:
        """The range as Optuna has it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.is_whole:
            return IntDistribution(int(self.low), int(self.high), log=self.is_log)
        return FloatDistribution(self.low, self.high, log=self.is_log)


@dataclass(frozen=True)
class Fold:
    """Examples to learn from, and later ones that judge.

    Attributes:
        learned: their truth was known before the first judged one.
        judged: in the order in which losses are wanted.
        past: all up to the last judged one: history of their entities, of which none is used before it was known.
        features: the set that is read.
        threads: how many may be used; losses are the same at any number.
    """

    learned: pl.DataFrame
    judged: pl.DataFrame
    past: pl.DataFrame
    features: FeatureSet | None
    threads: int


@dataclass(frozen=True)
class Tuning:
    """What of a model can be searched for, and how a choice is judged.

    Attributes:
        space: what is searched, by the name under which the specification says it.
        in_use: what it says now.
        where: the file in which it says so, and whom else it concerns.
        least: so many examples are the least to learn from in each fold.
        prepare: all that is the same whatever is tried, done once a fold. Raises NotEnoughDataError where the fold is too thin.
    """

    space: Mapping[str, Range]
    in_use: Values
    where: str
    least: int
    prepare: Callable[[Fold], Losses]

    def __post_init__(self) -> None:
        """Refuses a space in which what is in use has no place."""
        if self.space.keys() != self.in_use.keys():
            raise ValueError(f"searched are {sorted(self.space)}, and in use {sorted(self.in_use)}")
        if beyond := [name for name, each in self.space.items() if not each.low <= self.in_use[name] <= each.high]:
            raise ValueError(f"what is in use lies outside of what is searched: {', '.join(beyond)}")

    def usable(self, values: Values) -> dict[str, float]:
        """What is tried in the place of what was proposed."""
        return {name: each.usable(values[name]) for name, each in self.space.items()}


@dataclass(frozen=True)
class Judgement:
    """Parameters in use and the best found, on examples later than any that were searched on, once.

    Attributes:
        trials: after how many trials.
        parameters: the best found.
        rows: how many examples judged.
        loss_in_use: mean loss with the parameters in use.
        loss: mean loss with the best found.
        low: the second less the first, lower end of its 95 % interval, clustered by the model's gate; None where one entity
            alone is judged, of which nothing tells how much is chance.
        high: the upper end, likewise.
    """

    trials: int
    parameters: Values
    rows: int
    loss_in_use: float
    loss: float
    low: float | None
    high: float | None

    @property
    def is_better(self) -> bool:
        """Whether the best found is better beyond chance."""
        return self.high is not None and self.high < 0


def tune(
    model: Model, training: Training, search: Search, *, trials: int, after_trial: Callable[[Search], None]
) -> Search:
    """The search, gone on with until it has so many trials, and its best parameters judged.

    Proposed by a tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS
    2011), the first trial being what is in use. Minimised is the mean over FOLDS of the mean loss. The sampler of each trial
    has a seed of its own and knows of no other state than the trials before it: a search that was killed and gone on with
    gives what one in a piece gives.

    Args:
        model: with a declared tuning.
        training: the rows of a trained model. Those that training leaves out are left out here.
        search: as it was kept, or just begun.
        trials: how many there are in the end. More than these are not taken back.
        after_trial: called with the search at the end of each trial.

    Raises:
        NotEnoughDataError: a fold has too few examples.
    """
    from optuna.samplers import TPESampler

    tuning, training = _tuning_of(model), model.usable(training)
    study = search.study
    if len(study.trials) < trials:
        prepared = [_prepared(tuning, fold, number) for number, fold in enumerate(folds(training), 1)]
        distributions = {name: each.distribution for name, each in tuning.space.items()}
        while len(study.trials) < trials:
            number = len(study.trials)
            study.sampler = TPESampler(seed=search.seed + number)
            if not number:
                study.enqueue_trial(dict(tuning.in_use))
            trial = study.ask(distributions)
            tried = tuning.usable(trial.params)
            losses = [round(float(losses_of(tried).mean()), DECIMALS) for losses_of in prepared]
            trial.set_user_attr(FOLD_LOSSES, losses)
            study.tell(trial, round(sum(losses) / len(losses), DECIMALS))
            after_trial(search)
    best = best_of(tuning, search)
    # Looked at once for each answer: a search that goes on and finds nothing better is not judged again.
    if best == dict(tuning.in_use) or any(dict(each.parameters) == best for each in search.judgements):
        return search
    return replace(search, judgements=(*search.judgements, judge(model, training, best, len(study.trials))))


def best_of(tuning: Tuning, search: Search) -> dict[str, float]:
    """The parameters of least loss in the search."""
    return tuning.usable(search.study.best_params)


def folds(training: Training) -> list[Fold]:
    """Later and later examples that judge, out of those alone whose truth was known before the later fifth begins.

    Of rows that lack nothing (`Model.usable`). Each fold learns from what was known before its first judged example, however few are left: a truth known too early
    would favour parameters that learn by heart.
    """
    rows = _searched(training.rows)
    if rows.is_empty():
        return [Fold(rows, rows, rows, training.features, training.threads)] * FOLDS
    moments = rows[AS_OF].sort()
    starts = [moments[int(rows.height * (1 - FOLD_SHARE * left))] for left in range(FOLDS, 0, -1)]
    found = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        past = rows if end is None else rows.filter(pl.col(AS_OF) < end)
        learned, judged = past.filter(pl.col(LABEL_KNOWN_AT) <= start), past.filter(pl.col(AS_OF) >= start)
        found.append(Fold(learned, judged, past, training.features, training.threads))
    return found


def _searched(rows: pl.DataFrame) -> pl.DataFrame:
    """Those whose truth was known before the first of the later fifth."""
    if rows.is_empty():
        return rows
    return split_by_time(rows, AS_OF, LABEL_KNOWN_AT, later_share=1 - SEARCHED).earlier


def judge(model: Model, training: Training, best: Values, trials: int) -> Judgement:
    """What is in use and what was found, learned from what was searched on, on the later fifth."""
    tuning, rows = _tuning_of(model), model.usable(training).rows
    later = split_by_time(rows, AS_OF, LABEL_KNOWN_AT, later_share=1 - SEARCHED).later
    losses = tuning.prepare(Fold(_searched(rows), later, rows, training.features, training.threads))
    in_use, found = losses(tuning.in_use), losses(best)
    low, high = clustered_interval(found - in_use, later[model.gate.cluster])
    return Judgement(
        trials,
        best,
        later.height,
        round(float(in_use.mean()), DECIMALS),
        round(float(found.mean()), DECIMALS),
        low,
        high,
    )


def _prepared(tuning: Tuning, fold: Fold, number: int) -> Losses:
    """Raises a NotEnoughDataError that tells which fold has too few examples, and what helps."""
    remedy = "tune a later week, or import more history"
    if fold.learned.height < tuning.least or fold.judged.is_empty():
        raise NotEnoughDataError(
            f"part {number} of {FOLDS} of the search has {fold.learned.height} examples that were known before its first "
            f"later one, to learn from, and {fold.judged.height} later ones, to judge by; {tuning.least} and 1 are needed: "
            f"{remedy}"
        )
    try:
        return tuning.prepare(fold)
    except NotEnoughDataError as error:
        raise NotEnoughDataError(f"part {number} of {FOLDS} of the search: {error}: {remedy}") from error


def _tuning_of(model: Model) -> Tuning:
    if model.tuning is None:
        raise ValueError(f"the model {model.name} declares nothing to search for")
    return model.tuning
