"""Which model is in use: the champion of a day, how a challenger takes its place, and how it is taken back.

A decision is kept beside the model it is about and names its fingerprint: a model trained anew has none. The champion of
a day is the newest model of a week that was over by then which was promoted and not withdrawn; so days long past are
scored again by the champions of their time, and withdrawing one restores the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import read_files, write_files
from clientnest_assets.models import store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.errors import ForeignModelError, ModelError, NotEnoughDataError
from clientnest_assets.models.features import views_of
from clientnest_assets.models.metrics import DECIMALS, clustered_interval
from clientnest_assets.models.model import MODEL, Model, Scoring, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT

DECISION_FILE: Final = "decision.json"
_OURS: Final = "loss of the rival"
_THEIRS: Final = "loss of the champion"


@dataclass(frozen=True)
class Comparison:
    """The champion, and a rival that learned as the challenger did but no later than the champion, on what came after.

    Attributes:
        champion: the champion's version.
        rows: how many examples; 0 where there is none that neither has seen, or too little to teach the rival.
        loss: the rival's mean loss.
        champion_loss: the champion's.
        low: the rival's loss less the champion's, lower end of its 95 % interval, clustered; None where one entity alone
            has examples, of which nothing tells how much is chance.
        high: the upper end, likewise.
    """

    champion: str
    rows: int
    loss: float | None = None
    champion_loss: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Decision:
    """What was decided of one model.

    Attributes:
        fingerprint: of the model.
        promoted: whether it is in use from its week's end on.
        reasons: why it was not promoted, or why it is in use in spite of what was found.
        comparison: with the champion of its time; None if there was none.
        is_manual: whether somebody decided by hand.
        is_withdrawn: whether it was promoted, and taken back.
    """

    fingerprint: str
    promoted: bool
    reasons: tuple[str, ...] = ()
    comparison: Comparison | None = None
    is_manual: bool = False
    is_withdrawn: bool = False

    @property
    def is_in_use(self) -> bool:
        """Whether it may be a champion."""
        return self.promoted and not self.is_withdrawn


def decide(
    model: Model, challenger: Artefact, champion: Artefact | None = None, training: Training | None = None
) -> Decision:
    """Whether a challenger takes the champion's place.

    It has to beat every naive rule in the metrics of the gate, none of its findings may have failed, and its way of
    learning may lose to the champion by at most the gate's margin (see `compare`).

    Args:
        model: the declaration.
        challenger: the model of the week; its card tells its metrics and findings, those of its twin.
        champion: the one in use; None if there is none yet.
        training: what the challenger learned from. Needed where there is a champion.
    """
    reasons = list(naive_rules_not_beaten(model, challenger.card["metrics"]))
    reasons += [f"{each['name']}: {each['words']}" for each in challenger.card["findings"] if not each["passed"]]
    comparison = None
    if champion is not None and training is not None:
        try:
            comparison = compare(model, champion, training)
        except ForeignModelError as error:
            # What cannot score today's rows cannot stay in use either.
            comparison = Comparison(champion.version, 0)
            if reasons:
                reasons.append(f"the champion cannot be compared with: {error}")
    if comparison and comparison.rows and comparison.loss is not None and comparison.champion_loss is not None:
        allowed = comparison.champion_loss * (1 + model.gate.margin)
        if comparison.loss > allowed:
            reasons.append(
                f"trained on what the champion {comparison.champion} had, its loss on the {comparison.rows:,} examples "
                f"after that is {comparison.loss:.4f}; the champion's is {comparison.champion_loss:.4f}, and {allowed:.4f} "
                "is allowed"
            )
    return Decision(challenger.card["fingerprint"], not reasons, tuple(reasons), comparison)


def compare(model: Model, champion: Artefact, training: Training) -> Comparison:
    """The champion and a rival of its age on the examples whose truth came out after the champion had learned.

    The challenger itself has learned from those examples, and its twin from fewer than the champion: either comparison
    would be won by age alone. So the challenger's recipe learns once more, from what was known before the champion's end.

    Args:
        model: the declaration.
        champion: the one in use.
        training: what the challenger learned from.

    Raises:
        ForeignModelError: the champion cannot read the rows, or reads features that have another meaning now.
    """
    views_of(champion)
    until = datetime.fromisoformat(champion.card["until"])
    rows, is_unseen = training.rows, pl.col(LABEL_KNOWN_AT) >= until
    unseen = Scoring(rows.filter(is_unseen), past=rows)
    if unseen.rows.is_empty():
        return Comparison(champion.version, 0)
    theirs = model.losses(champion, unseen)
    try:
        rival = model.train(replace(training, rows=rows.filter(~is_unseen), until=until, data=None))
    except NotEnoughDataError:
        return Comparison(champion.version, 0)
    ours = model.losses(rival.artefact, unseen)
    lost = unseen.rows.select(model.gate.cluster, ours.alias(_OURS), theirs.alias(_THEIRS)).drop_nulls([_OURS, _THEIRS])
    if lost.is_empty():
        return Comparison(champion.version, 0)
    low, high = clustered_interval((lost[_OURS] - lost[_THEIRS]).to_numpy(), lost[model.gate.cluster])
    return Comparison(
        champion.version,
        lost.height,
        loss=round(float(lost[_OURS].to_numpy().mean()), DECIMALS),
        champion_loss=round(float(lost[_THEIRS].to_numpy().mean()), DECIMALS),
        low=low,
        high=high,
    )


def naive_rules_not_beaten(model: Model, metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """In words. A rule without a value, such as the rank correlation of one number for all, is beaten by any."""
    by_name = {each.name: each for each in model.metrics}
    for name in model.gate.beats:
        ours = metrics[MODEL].get(name)
        for rule in model.naive_rules:
            theirs = metrics[rule].get(name)
            if theirs is None:
                continue
            if ours is None or not by_name[name].better(ours, theirs):
                told = "undefined" if ours is None else f"{ours:.4f}"
                yield f"{name}: {told}, and the rule {rule} has {theirs:.4f}"


def keep_decision(lake: Lake, task: str, week: date, decision: Decision) -> None:
    """Keeps what was decided of the week's model, in the place of an earlier decision."""
    text = json.dumps(asdict(decision), indent=2, ensure_ascii=False, allow_nan=False)
    write_files(lake, store.model_folder(task, week), {DECISION_FILE: (text + "\n").encode()})


def decision_of(lake: Lake, task: str, week: date) -> Decision | None:
    """What was decided of the week's model as it is now; None if it was not decided yet.

    Raises:
        ForeignModelError: the model's card cannot be read.
        ModelError: the decision cannot be read.
    """
    decision = _kept_decision(lake, task, week)
    return decision if decision and _is_about(decision, lake, task, week) else None


def manual_decision(lake: Lake, task: str, week: date) -> Decision | None:
    """What somebody decided by hand of the week's model as it is now: it stays, whatever would be found; None if nobody did.

    Raises:
        ForeignModelError: the model's card cannot be read.
    """
    try:
        decision = _kept_decision(lake, task, week)
    except ModelError:
        # It is decided anew, and replaced.
        return None
    return decision if decision and decision.is_manual and _is_about(decision, lake, task, week) else None


def champion_week(lake: Lake, task: str, day: date) -> date | None:
    """The week of the model in use on a day, one of those that were over when it began; None if there is none."""
    over = [week for week in store.trained_weeks(lake, task) if store.is_over(week, day)]
    for week in reversed(over):
        decision = _kept_decision(lake, task, week)
        # The files of a model that is not in use may be as they like.
        if decision and decision.is_in_use and _is_about(decision, lake, task, week):
            return week
    return None


def _kept_decision(lake: Lake, task: str, week: date) -> Decision | None:
    folder = store.model_folder(task, week)
    text = read_files(lake, folder, (DECISION_FILE,)).get(DECISION_FILE)
    if text is None:
        return None
    try:
        told = json.loads(text)
        compared = told.pop("comparison")
        return Decision(
            **{**told, "reasons": tuple(told["reasons"])}, comparison=Comparison(**compared) if compared else None
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{folder}/{DECISION_FILE} cannot be read ({type(error).__name__}: {error}): materialise "
            f"models/{task}_promotion of the week from {week} again, or remove the file and decide by hand"
        ) from error


def _is_about(decision: Decision, lake: Lake, task: str, week: date) -> bool:
    """Whether the model that was decided about is the one there is."""
    try:
        card = store.read_card(lake, task, week)
    except FileNotFoundError:
        return False
    return decision.fingerprint == card.get("fingerprint")


def champion(lake: Lake, task: str, day: date) -> tuple[date, Artefact] | None:
    """The model in use on a day, with its week's Monday; None if there is none.

    Raises:
        ForeignModelError: its files are damaged.
    """
    week = champion_week(lake, task, day)
    return None if week is None else (week, store.read_model(lake, task, week))


def promote(lake: Lake, task: str, week: date, why: str) -> Decision:
    """Puts the week's model in use by hand, whatever was found.

    Raises:
        ModelError: the week has no model, or the model is in use already.
    """
    fingerprint = store.read_model(lake, task, week).card["fingerprint"]
    before = decision_of(lake, task, week)
    if before and before.is_in_use:
        raise ModelError(f"the model {task} of the week from {week} is promoted already")
    found = before.reasons if before and not before.promoted else ()
    decision = Decision(
        fingerprint, True, (f"by hand: {why}", *found), before.comparison if before else None, is_manual=True
    )
    keep_decision(lake, task, week, decision)
    return decision


def withdraw(lake: Lake, task: str, week: date, why: str) -> Decision:
    """Takes the week's model out of use: the champion before it is in use again.

    Raises:
        ModelError: the model is not in use.
    """
    before = decision_of(lake, task, week)
    if before is None or not before.is_in_use:
        raise ModelError(f"the model {task} of the week from {week} is not promoted: there is nothing to take back")
    decision = Decision(
        before.fingerprint,
        True,
        (*before.reasons, f"taken back: {why}"),
        before.comparison,
        is_manual=True,
        is_withdrawn=True,
    )
    keep_decision(lake, task, week, decision)
    return decision
