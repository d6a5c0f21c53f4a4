"""What a model is: a declaration, and the functions that make its examples, train it and score with it.

From it come the assets, the promotion, the model page, the command line's table and the catalogue's. The models
themselves have a folder each, their declarations stand in `registry.py`; what a trained one is, in `artefact.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.tuning import Tuning
from clientnest_assets.models.whole import places_of_whole, whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL: Final = "model"
"""The model's own name among those of the naive rules."""
"""The column of a labelled example that says when its truth came to be known."""
VERSION, WEEK = "model_version", "model_week"
"""The columns of a kept answer that say by which model it was given."""


@dataclass(frozen=True)
class Metric:
    """A number by which predictions are judged.

    Attributes:
        name: as it is called in tables.
        description: what it says, in words, with its unit.
        higher_is_better: which way is better.
        is_best_at_zero: whether it can be off to either side, and nearer to 0 is better.
    """

    name: str
    description: str
    higher_is_better: bool = False
    is_best_at_zero: bool = False

    def better(self, one: float, other: float) -> bool:
        """Whether one value is strictly better than the other."""
        if self.is_best_at_zero:
            return abs(one) < abs(other)
        return one > other if self.higher_is_better else one < other


@dataclass(frozen=True)
class Gate:
    """What a challenger has to be to take the champion's place, beside passing all of its own findings.

    Attributes:
        beats: metrics in which it has to be strictly better than every naive rule that has them.
        margin: trained as far as the champion was, it may lose to the champion on what came after by at most this share
            of the champion's loss.
        loss: the column of an evaluated row with its loss, lower is better.
        cluster: the column of an example that says which fail together, such as account_id.
    """

    beats: tuple[str, ...]
    margin: float = 0.01
    loss: str = "loss"
    cluster: str = "user_id"


@dataclass(frozen=True)
class Finding:
    """Something that was looked at on examples later than any that were learned from, and how it is.

    Attributes:
        name: such as `is_calibrated`.
        passed: whether it is as it has to be. A model with one that is not is no champion.
        words: what was found, with its numbers.
        figures: the numbers.
    """

    name: str
    passed: bool
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A part of a model's page: words, and a table or a figure or both."""

    title: str
    words: str = ""
    table: pl.DataFrame | None = None
    figure: Figure | None = None


@dataclass(frozen=True)
class Trained:
    """A model of a week, and how its twin did that learned from the earlier examples alone.

    Attributes:
        artefact: the model, learned from all examples by the same recipe as the twin.
        evaluated: later examples with what the twin and each naive rule said of them, and their loss. One row an
            example.
        metrics: by MODEL and naive rule, the model's metrics on the later examples; null where undefined.
        findings: what else was looked at.
        sections: what people look at to judge it.
    """

    artefact: Artefact
    evaluated: pl.DataFrame
    metrics: Mapping[str, Mapping[str, float | None]]
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Training:
    """What is learned from, and under which conditions.

    Attributes:
        rows: labelled examples with the features of the set, ordered by their moment and keys.
        features: the set that is read; None for a model without one.
        until: the end of the partition: nothing that was known later is among the rows.
        data: the record from which the rows can be rebuilt, for the card.
        threads: how many may be used; the model is the same at any number.
        left_out: how many `rows` could not be used, and how many of them were `without` a value in each needed column.
    """

    rows: pl.DataFrame
    features: FeatureSet | None
    until: datetime
    data: Mapping[str, Any] | None = None
    threads: int = 1
    left_out: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scoring:
    """What is scored.

    Attributes:
        rows: requests with the features of the set, in the order in which answers are wanted.
        past: labelled examples with features, at least all of the same entities; none is used before it was known.
    """

    rows: pl.DataFrame
    past: pl.DataFrame


@dataclass(frozen=True)
class Model:
    """One task, and everything that is made of it.

    Attributes:
        name: the task; under it models are kept, and assets are called.
        title: for people.
        description: what it predicts, from what, for whom.
        entity: keys of what is predicted for.
        label: what is predicted, in words, with its unit or scale.
        horizon: how long after the prediction's moment the truth is known.
        objective: what training minimises.
        split: how later examples are told from earlier ones, in words.
        inputs: tables of the warehouse that it reads whole, up to the partition's end.
        feature_sets: what it reads of the feature store, a variant each, the standard one first; empty without.
        metrics: by which it is judged, the deciding one first.
        naive_rules: by name, the rules that it has to beat, in words.
        gate: what a challenger has to be.
        examples: tables and a moment to the labelled examples whose truth was known before it, ordered by moment and
            keys, with the keys of every view and the moment `as_of`.
        train: learns.
        requests: tables and the end of a day to what is to be scored then: keys and `as_of`.
        score: answers, one row a request or several, as the schema says.
        answers: the schema of the answers, without day and model.
        losses: of labelled examples, the loss of each by the model, as in `Trained.evaluated`; null where it has none.
        example: the keys that tell one example from another; by default `entity` and the moment.
        needed: columns without which an example says nothing, its moments and truth among them. `train`, `score` and
            `losses` get no example that lacks one: it is not learned from, which the card tells, and its loss is null.
        code_version: raised with each change of how it learns or scores; Dagster then shows what older code made as stale.
        has_trees: whether LightGBM learns.
        tuning: what of it can be searched for better parameters; None if nothing.
    """

    name: str
    title: str
    description: str
    entity: tuple[str, ...]
    label: str
    horizon: timedelta
    objective: str
    split: str
    inputs: tuple[Upstream, ...]
    feature_sets: tuple[FeatureSet, ...]
    metrics: tuple[Metric, ...]
    naive_rules: Mapping[str, str]
    gate: Gate
    examples: Callable[[Inputs, datetime], pl.DataFrame]
    train: Callable[[Training], Trained]
    requests: Callable[[Inputs, datetime], pl.DataFrame]
    score: Callable[[Artefact, Scoring], pl.DataFrame]
    answers: pl.Schema
    losses: Callable[[Artefact, Scoring], pl.Series]
    example: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    code_version: str = "1"
    has_trees: bool = False
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        """Fills in the keys of an example and its moments, and keeps what is not whole from who learns and scores."""
        given: dict[str, Any] = {"needed": tuple(dict.fromkeys((AS_OF, LABEL_KNOWN_AT, *self.needed)))}
        if not self.example:
            given["example"] = (*self.entity, AS_OF)
        for name, kind in (("train", _Train), ("score", _Score), ("losses", _Losses)):
            declared = getattr(self, name)
            # A declaration made from another has that one's functions.
            given[name] = kind(declared.function if isinstance(declared, _OnWhole) else declared, given["needed"])
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def usable(self, training: Training) -> Training:
        """The training without the rows that lack a needed value, which it tells; as it is if there are none."""
        return _whole(training, self.needed)


def _whole(training: Training, needed: tuple[str, ...]) -> Training:
    rows = whole(training.rows, needed)
    if rows.height == training.rows.height:
        return training
    lacking = {name: training.rows[name].null_count() for name in needed if name in training.rows.columns}
    without = {name: count for name, count in lacking.items() if count}
    return replace(training, rows=rows, left_out={"rows": training.rows.height - rows.height, "without": without})


@dataclass(frozen=True)
class _OnWhole:
    """A declared function that gets no example which lacks a needed value, whoever calls it."""

    function: Callable[..., Any]
    needed: tuple[str, ...]


class _Train(_OnWhole):
    def __call__(self, training: Training) -> Trained:
        trained: Trained = self.function(_whole(training, self.needed))
        return trained


class _Score(_OnWhole):
    def __call__(self, artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
        past = whole(scoring.past, self.needed)
        answers: pl.DataFrame = self.function(artefact, replace(scoring, past=past))
        return answers


class _Losses(_OnWhole):
    def __call__(self, artefact: Artefact, scoring: Scoring) -> pl.Series:
        rows, past = (whole(each, self.needed) for each in (scoring.rows, scoring.past))
        losses: pl.Series = self.function(artefact, Scoring(rows, past))
        return losses.gather(places_of_whole(scoring.rows, self.needed))
