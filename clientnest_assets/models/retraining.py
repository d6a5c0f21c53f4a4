"""When a model is to be trained again before its time: what asks for it, until when, and by which week it is answered.

Two things ask: models of the recipe of the one in use have decayed (`decay.py`), or a feature that it reads has drifted
for long (`features/quality`). What asks is kept beside the models of the task, as of the newest day looked at. Who trains is
decided where runs are launched; a new model still has to pass its promotion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.store import MAJOR, current_drift
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import read_files, write_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.decay import SHOWN_DAYS, has_not_decayed
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.model import VERSION, WEEK, Model
from clientnest_assets.models.outcomes import OUTCOMES
from clientnest_assets.models.performance import performance_table
from clientnest_assets.partitions import Window

REQUESTS_FILE: Final = "retrain.json"
DRIFT_DAYS: Final = 14
"""So many days a feature has to be drifted that the model has not learned from: one odd week is not the world
changed."""
MEASURED_WITHIN: Final = timedelta(days=7)
"""A drift measured longer ago says nothing of today."""
FEATURES_TOLD: Final = 5


class Reason(StrEnum):
    """What asks for a model."""

    DECAY = "decay"
    DRIFT = "drift"


@dataclass(frozen=True)
class Request:
    """A request to train a task again.

    Attributes:
        task: the model's name.
        reason: what asks.
        model_version: the model in use that it is about.
        since: from which day on.
        words: what was found, with its numbers.
        asked_on: the day on which it was found first.
        newest_week: the newest week that had a model then: a model of a later week answers the request.
    """

    task: str
    reason: Reason
    model_version: str
    since: date
    words: str
    asked_on: date
    newest_week: date

    def is_answered(self, trained_weeks: list[date]) -> bool:
        """Whether a model was trained since, in use or not."""
        return any(week > self.newest_week for week in trained_weeks)


@dataclass(frozen=True)
class Review:
    """What asks for a task to be trained again, as of the end of a day."""

    reviewed_on: date
    requests: tuple[Request, ...] = ()


def review(lake: Lake, model: Model, day: date) -> Review:
    """Looks at the model in use after the day, and keeps what asks for another in the place of what was kept before.

    A request stays as old as it is while it is about the same model and reason. Once another model is in use, or the
    reason is gone, so is the request. A review of a later day is left as it is, and returned.
    """
    before = kept_review(lake, model.name)
    if before and before.reviewed_on > day:
        return before
    asked = {(each.model_version, each.reason): each for each in before.requests} if before else {}
    found = []
    for request in _requests(lake, model, day):
        earlier = asked.get((request.model_version, request.reason), request)
        found.append(Request(**{**vars(request), "asked_on": earlier.asked_on, "newest_week": earlier.newest_week}))
    reviewed = Review(day, tuple(found))
    if reviewed != before:
        text = json.dumps(asdict(reviewed), indent=2, ensure_ascii=False, default=str)
        write_files(lake, _folder(model.name), {REQUESTS_FILE: (text + "\n").encode()})
    return reviewed


def kept_review(lake: Lake, task: str) -> Review | None:
    """The newest review of a task; None before there is one."""
    text = read_files(lake, _folder(task)).get(REQUESTS_FILE)
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    return Review(date.fromisoformat(told["reviewed_on"]), tuple(map(_request, told["requests"])))


def due(lake: Lake, task: str, week: date) -> tuple[Request, ...]:
    """The requests of a task that training a week would answer.

    None before the week's last day was reviewed, because until then its data may not be whole; and none once the week
    has a model: the same data would give the same one again.
    """
    reviewed = kept_review(lake, task)
    if reviewed is None or not store.is_over(week, reviewed.reviewed_on + timedelta(days=1)):
        return ()
    trained = store.trained_weeks(lake, task)
    if week in trained:
        return ()
    return tuple(each for each in reviewed.requests if week > each.newest_week and not each.is_answered(trained))


def _requests(lake: Lake, model: Model, day: date) -> Iterator[Request]:
    week = promotion.champion_week(lake, model.name, day)
    if week is None:
        return
    card = store.read_card(lake, model.name, week)
    version = Artefact(card).version
    newest = max(each for each in store.trained_weeks(lake, model.name) if store.is_over(each, day))
    for reason, found in ((Reason.DECAY, _decay(lake, model, card, day)), (Reason.DRIFT, _drift(lake, card, day))):
        if found:
            since, words = found
            yield Request(model.name, reason, version, since, words, asked_on=day, newest_week=newest)


def _decay(lake: Lake, model: Model, card: dict[str, Any], day: date) -> tuple[date, str] | None:
    """By the predictions of all models of the code version of the one in use.

    Those of the one in use alone come to be known when the next one is in use already. What became of an older recipe's
    is nothing that this one did.
    """
    if model.name not in OUTCOMES:
        return None
    window = Window.of_days(day - timedelta(days=SHOWN_DAYS - 1), day)
    rows = performance_table(lake, model).scan(window).collect()
    alike = _of_recipe(lake, model.name, rows, card.get("code_version"))
    finding = has_not_decayed(rows.filter(pl.col(VERSION).is_in(alike)), OUTCOMES[model.name], day)
    return None if finding.passed else (date.fromisoformat(finding.figures["since"]), finding.words)


def _of_recipe(lake: Lake, task: str, rows: pl.DataFrame, code_version: str | None) -> list[str]:
    """The versions of the models behind outcomes that are of the code version. One that was trained anew is none of them."""
    found = []
    for week in sorted(set(store.trained_weeks(lake, task)).intersection(rows[WEEK].unique())):
        try:
            card = store.read_card(lake, task, week)
        except ForeignModelError:
            # What cannot be read tells no recipe. Its own checks say so.
            continue
        if card.get("code_version") == code_version:
            found.append(Artefact(card).version)
    return found


def _drift(lake: Lake, card: dict[str, Any], day: date) -> tuple[date, str] | None:
    """Features that the model reads and that are in major drift for DRIFT_DAYS, those aside on which it learned."""
    read = (card.get("feature_set") or {}).get("features", {})
    learned_until = datetime.fromisoformat(card["until"]).date()
    names = pl.DataFrame(
        [(view, feature) for view, features in read.items() for feature in features],
        schema={"view": pl.String, "feature": pl.String},
        orient="row",
    )
    begun = pl.max_horizontal("since", pl.lit(learned_until))
    drifted = (
        current_drift(lake, [VIEWS[view] for view in read if view in VIEWS])
        .join(names, on=names.columns, how="semi")
        .filter(
            pl.col("severity") == MAJOR,
            pl.col(DAY) > day - MEASURED_WITHIN,
            (pl.col(DAY) - begun).dt.total_days() + 1 >= DRIFT_DAYS,
        )
        .sort("psi", "view", "feature", descending=[True, False, False])
    )
    if drifted.is_empty():
        return None
    told = [
        f"{view}.{feature} since {since} (population stability index {psi:.2f})"
        for view, feature, since, psi in drifted.select("view", "feature", "since", "psi")
        .head(FEATURES_TOLD)
        .iter_rows()
    ]
    more = drifted.height - len(told)
    words = "; ".join([*told, *([f"and {more} more"] if more else [])])
    first: date = drifted.select(pl.col("since").min()).item()
    return first, f"Features that the model reads have drifted for {DRIFT_DAYS} days or more: {words}."


def _folder(task: str) -> str:
    return f"{store.LAYER}/{task}"


def _request(told: dict[str, Any]) -> Request:
    days = {name: date.fromisoformat(told[name]) for name in ("since", "asked_on", "newest_week")}
    return Request(**{**told, **days, "reason": Reason(told["reason"])})
