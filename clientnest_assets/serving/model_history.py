"""Gathers what is told of models: each as declared, its weeks, what was decided of them and which is in use.

From the declarations, and the cards, decisions and pages in the lake; no model is loaded. What an entry holds is in
`model_entries.py`, how it looks in `pages.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import folders, read_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.model import Metric, Model
from clientnest_assets.models.promotion import Decision
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.study import searched_weeks, study_page
from clientnest_assets.serving.model_entries import (
    ComparisonEntry,
    DecisionEntry,
    FindingEntry,
    MadeOf,
    MetricEntry,
    ModelDetail,
    ModelSummary,
    TableEntry,
    TrainingSetEntry,
    WeekDetail,
    WeekEntry,
    comparison_of,
)
from clientnest_assets.serving.remembered import Remembered

READ_AT_ONCE: Final = 8
UNREADABLE: Final = (
    "The files of a week's model cannot be read: they are damaged, or of another version of ClientNest. Train that week "
    "again, or restore them."
)
_NAME: Final = re.compile("[a-z0-9_]+")
_NOT_DECIDED: Final = DecisionEntry(outcome="not decided", reasons=[], by_hand=False, comparison=None)


class _Champion(NamedTuple):
    week: date | None
    problem: str | None = None


class Task(NamedTuple):
    """What models of one name are: a declared model, on one of its feature sets."""

    model: Model
    features: FeatureSet | None

    @property
    def is_variant(self) -> bool:
        """Whether it is trained beside the standard one."""
        return self.features is not None and self.features.task != self.model.name


def tasks() -> dict[str, Task]:
    """Every name under which models are kept: of each declared model, and after it of its variants."""
    found = {}
    for model in MODELS.values():
        for features in model.feature_sets or (None,):
            found[features.task if features else model.name] = Task(model, features)
    return found


class ModelHistory:
    """The models of one installation, safe to ask from several threads. Answers may be some seconds old."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._remembered = Remembered()

    def models(self) -> list[ModelSummary]:
        """Every declared model, in the order of the registry; without variants."""
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            return list(pool.map(self.summary, MODELS))

    def summary(self, name: str) -> ModelSummary:
        """One model or variant.

        Raises:
            KeyError: if there is none of that name.
        """
        task = tasks()[name]
        return self._remembered.get((name, "summary"), lambda: self._summary(name, task))

    def model(self, name: str) -> ModelDetail:
        """One model or variant with all of its weeks.

        Raises:
            KeyError: if there is none of that name.
        """
        task = tasks()[name]
        return self._remembered.get((name, "detail"), lambda: self._detail(name, task))

    def week(self, name: str, week: date) -> WeekDetail | None:
        """The model of a week and from what it was made; None if the week has none.

        Raises:
            KeyError: if there is no model of that name.
            ModelError: the model's files cannot be read.
        """
        task = tasks()[name]
        try:
            card = store.read_card(self._lake, name, week)
        except FileNotFoundError:
            return None
        entry = self._week(name, task, week, card)
        return WeekDetail(**entry.model_dump(), made_of=_made_of(task, name, week, card))

    def page(self, name: str, week: date | None) -> bytes | None:
        """The page kept of a week, as it is; None if there is none."""
        # Not of declared models alone: comparisons of variants have pages too.
        if week is None or not _NAME.fullmatch(name):
            return None
        return read_files(self._lake, store.model_folder(name, week), (store.PAGE_FILE,)).get(store.PAGE_FILE)

    def search_page(self, name: str, week: date | None) -> bytes | None:
        """The page kept of a week's search for parameters, as it is; None if there is none."""
        return study_page(self._lake, name, week) if week and name in tasks() else None

    def searched_week(self, name: str) -> date | None:
        """The newest week of which such a page is kept."""
        weeks = searched_weeks(self._lake, name) if name in tasks() else []
        return weeks[-1] if weeks else None

    @property
    def _lake(self) -> Any:
        return self._installation.lake

    def _champion(self, name: str, task: Task) -> _Champion:
        return self._remembered.get((name, "champion"), lambda: self._found_champion(name, task))

    def _found_champion(self, name: str, task: Task) -> _Champion:
        if task.is_variant:
            return _Champion(None)
        try:
            return _Champion(promotion.champion_week(self._lake, name, self._installation.calendar.now().date()))
        except ModelError:
            return _Champion(None, UNREADABLE)

    def _compared(self, name: str, task: Task) -> date | None:
        if task.is_variant or not task.model.feature_sets[1:]:
            return None
        weeks = folders(self._lake, f"{store.LAYER}/{comparison_of(name)}")
        return date.fromisoformat(weeks[-1]) if weeks else None

    def _summary(self, name: str, task: Task) -> ModelSummary:
        weeks = store.trained_weeks(self._lake, name)
        champion = self._champion(name, task).week
        shown = {week: self._week(name, task, week) for week in {champion, *weeks[-1:]} if week}
        return ModelSummary(
            **_declared(name, task),
            compared_week=self._compared(name, task),
            searched_week=self.searched_week(name),
            problem=self._champion(name, task).problem,
            champion=shown[champion] if champion else None,
            newest=shown[weeks[-1]] if weeks else None,
        )

    def _detail(self, name: str, task: Task) -> ModelDetail:
        weeks = store.trained_weeks(self._lake, name)
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            entries = list(pool.map(lambda week: self._week(name, task, week), weeks))
        return ModelDetail(
            **_declared(name, task),
            compared_week=self._compared(name, task),
            searched_week=self.searched_week(name),
            problem=self._champion(name, task).problem,
            champion=next((each for each in entries if each.is_champion), None),
            newest=entries[-1] if entries else None,
            weeks=entries,
        )

    def _week(self, name: str, task: Task, week: date, card: Mapping[str, Any] | None = None) -> WeekEntry:
        try:
            card = store.read_card(self._lake, name, week) if card is None else card
            decision = None if task.is_variant else promotion.decision_of(self._lake, name, week)
        except ModelError:
            return _unreadable(week)
        return WeekEntry(
            week=week,
            version=f"{name}-{card['fingerprint'][:12]}",
            problem=None,
            is_champion=week == self._champion(name, task).week,
            decision=_decision(decision),
            rows_trained=card.get("rows"),
            rows_evaluated=card.get("evaluated", {}).get("rows_later"),
            metrics=_metrics(task.model, card),
            findings=[
                FindingEntry(name=each["name"], passed=each["passed"], words=each["words"])
                for each in card.get("findings", ())
            ],
        )


def _declared(name: str, task: Task) -> dict[str, Any]:
    model, features = task
    return {
        "name": name,
        "title": f"{model.title}, {features.variant}" if task.is_variant and features else model.title,
        "description": features.description if task.is_variant and features else model.description,
        "label": model.label,
        "horizon_days": model.horizon / timedelta(days=1),
        "metrics": [
            MetricEntry(name=each.name, description=each.description, better=_better(each)) for each in model.metrics
        ],
        "naive_rules": dict(model.naive_rules),
        "margin": model.gate.margin,
        "feature_set": features.full_name if features else None,
        "variant_of": model.name if task.is_variant else None,
        "variants": [] if task.is_variant else [each.task for each in model.feature_sets[1:]],
    }


def _unreadable(week: date) -> WeekEntry:
    return WeekEntry(
        week=week,
        version=None,
        problem=UNREADABLE,
        is_champion=False,
        decision=_NOT_DECIDED,
        rows_trained=None,
        rows_evaluated=None,
        metrics={},
        findings=[],
    )


def _better(metric: Metric) -> Any:
    return "nearer to 0" if metric.is_best_at_zero else "higher" if metric.higher_is_better else "lower"


def _decision(decision: Decision | None) -> DecisionEntry:
    if decision is None:
        return _NOT_DECIDED
    compared = decision.comparison
    return DecisionEntry(
        outcome="taken back" if decision.is_withdrawn else "promoted" if decision.promoted else "not promoted",
        reasons=list(decision.reasons),
        by_hand=decision.is_manual,
        comparison=ComparisonEntry(**vars(compared)) if compared else None,
    )


def _metrics(model: Model, card: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """By predictor, its declared metrics: a card may tell more."""
    names = [each.name for each in model.metrics]
    return {
        predictor: {name: values[name] for name in names if name in values}
        for predictor, values in card.get("metrics", {}).items()
    }


def _made_of(task: Task, name: str, week: date, card: Mapping[str, Any]) -> MadeOf:
    features, data = card.get("feature_set"), card.get("data")
    return MadeOf(
        asset=f"{store.LAYER}/{name}",
        partition=week,
        until=card["until"],
        inputs=[f"{each.layer}/{each.table}" for each in task.model.inputs],
        feature_set=f"{features['name']}/{features['variant']}" if features else None,
        features=features["features"] if features else {},
        training_set=data
        and TrainingSetEntry(
            rows=data["rows"],
            sha256=data["sha256"],
            tables=[
                TableEntry(layer=each["layer"], name=each["name"], version=each["version"]) for each in data["tables"]
            ],
        ),
        fingerprint=card["fingerprint"],
    )
