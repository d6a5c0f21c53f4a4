"""The life of a model: which challenger takes the champion's place, for which days it is in use, and how it is taken back.

The model of these tests says one number for all; its loss is how far that is from each truth. It learns to say the mean of
what it is given as `lesson`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import MOMENT
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage
from clientnest_assets.models import promotion, store
from clientnest_assets.models.artefact import CARD_FILE, Artefact
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.errors import ForeignModelError, ModelError, NotEnoughDataError
from clientnest_assets.models.model import MODEL, Gate, Metric, Scoring, Trained, Training
from clientnest_assets.models.promotion import Decision, champion, champion_week, decide, decision_of, keep_decision

WEEKS = [date(2026, 3, 2) + timedelta(weeks=week) for week in range(4)]


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    return (scoring.rows["truth"] - artefact.learned["says"]).abs()


def train(training: Training) -> Trained:
    if training.rows.is_empty():
        raise NotEnoughDataError("0 examples, and 1 is needed: train a later week")
    assert (training.rows["label_known_at"] < training.until).all()
    return Trained(model(training.rows["lesson"].mean()), training.rows, BETTER)


TASK = replace(
    CHURN,
    name="constant",
    metrics=(Metric("mae", "Mean absolute error."), Metric("rank", "Rank correlation.", higher_is_better=True)),
    naive_rules={"zero": "says 0", "usual": "says what was usual"},
    gate=Gate(beats=("mae", "rank"), margin=0.1),
    losses=losses,
    train=train,
)
BETTER = {MODEL: {"mae": 1.0, "rank": 0.5}, "zero": {"mae": 2.0, "rank": None}, "usual": {"mae": 1.5, "rank": 0.1}}
FAILED = {"name": "is_calibrated", "passed": False, "words": "Its slope is 0.4.", "figures": {}}


def model(says: float, *, learned_until: date = WEEKS[1], metrics=BETTER, findings=(), views=None) -> Artefact:
    until = datetime(learned_until.year, learned_until.month, learned_until.day, tzinfo=UTC)
    told = {"until": until.isoformat(), "metrics": metrics, "findings": list(findings), "views": views or {}}
    return Artefact.of("constant", {"says": says}, {}, told)


def examples(lesson: float, *, first: date = WEEKS[0], days: int = 27, truth: float = 10.0) -> pl.DataFrame:
    """An example a day and each of two users, known in the evening of its day: all teach the same."""
    known = [datetime(first.year, first.month, first.day, 20, tzinfo=UTC) + timedelta(days=day) for day in range(days)]
    return pl.DataFrame({"label_known_at": known * 2, "user_id": [1] * days + [2] * days}).with_columns(
        pl.col("label_known_at").cast(MOMENT), truth=pl.lit(truth), lesson=pl.lit(lesson)
    )


def training(*rows: pl.DataFrame) -> Training:
    return Training(pl.concat(rows), None, datetime(2026, 3, 30, tzinfo=UTC))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def keep(lake: Lake, week: date, artefact: Artefact, *, promoted: bool | None = True) -> Decision | None:
    store.keep(lake, week, artefact, pl.DataFrame({"loss": [0.0]}))
    if promoted is None:
        return None
    keep_decision(lake, "constant", week, Decision(artefact.card["fingerprint"], promoted))
    return decision_of(lake, "constant", week)


def after(week: date) -> date:
    """The first day on which a model of the week may be in use."""
    return week + timedelta(days=7)


def test_the_first_model_that_beats_the_rules_is_promoted():
    decision = decide(TASK, model(9))
    assert (decision.promoted, decision.reasons, decision.comparison) == (True, (), None)


@pytest.mark.parametrize(
    ("name", "ours", "told"),
    [
        ("mae", 1.6, "mae: 1.6000, and the rule usual has 1.5000"),
        ("mae", 1.5, "mae: 1.5000, and the rule usual has 1.5000"),
        ("rank", 0.1, "rank: 0.1000, and the rule usual has 0.1000"),
        ("rank", None, "rank: undefined, and the rule usual has 0.1000"),
    ],
    ids=["worse", "as good", "as good in another metric", "undefined"],
)
def test_a_model_that_does_not_beat_every_rule_in_every_metric_is_not_promoted(name, ours, told):
    decision = decide(TASK, model(9, metrics={**BETTER, MODEL: {**BETTER[MODEL], name: ours}}))
    assert (decision.promoted, decision.reasons) == (False, (told,))


def test_a_failed_finding_keeps_a_model_back_and_its_words_are_the_reason():
    passed = {**FAILED, "name": "covers", "passed": True}
    decision = decide(TASK, model(9, findings=(passed, FAILED)))
    assert (decision.promoted, decision.reasons) == (False, ("is_calibrated: Its slope is 0.4.",))


@pytest.mark.parametrize(("says", "promoted"), [(8.0, True), (7.9, True), (7.81, True), (7.79, False), (0.0, False)])
def test_a_challenger_may_lose_to_the_champion_by_the_margin_and_no_more(says, promoted):
    """The champion is 2 off; the margin is a tenth of that. Of 27 days, the champion could not know the last 20."""
    decision = decide(TASK, model(says), model(8), training(examples(says)))
    assert decision.promoted is promoted
    assert decision.comparison.rows == 40
    assert decision.comparison.loss == pytest.approx(10 - says)
    assert decision.comparison.champion_loss == 2
    assert decision.comparison.low == pytest.approx(8 - says) == decision.comparison.high
    if not promoted:
        (told,) = decision.reasons
        assert told == (
            f"trained on what the champion {model(8).version} had, its loss on the 40 examples after that is "
            f"{10 - says:.4f}; the champion's is 2.0000, and 2.2000 is allowed"
        )


def test_a_challenger_better_than_the_champion_still_has_to_beat_the_rules():
    assert not decide(TASK, model(10, findings=(FAILED,)), model(0), training(examples(10))).promoted


def test_the_rival_learns_no_later_than_the_champion_and_both_are_judged_on_what_came_after():
    """What the champion could know teaches 4 and would flatter it; what came after teaches 10, which is true then."""
    until = datetime(2026, 3, 16, tzinfo=UTC)
    old, new = examples(4, days=14, truth=0.0), examples(10, first=WEEKS[2], days=3)
    assert (old["label_known_at"] < until).all()
    decision = decide(TASK, model(10), model(0, learned_until=WEEKS[2]), training(old, new))
    assert (decision.comparison.rows, decision.comparison.loss, decision.comparison.champion_loss) == (6, 6, 10)
    assert decision.promoted
    better = decide(TASK, model(10), model(5, learned_until=WEEKS[2]), training(old, new))
    assert (better.comparison.loss, better.comparison.champion_loss, better.promoted) == (6, 5, False)


def test_a_week_older_champion_of_the_same_recipe_is_no_reason_against_a_challenger():
    found = decide(TASK, model(4), model(4), training(examples(4))).comparison
    assert (found.loss, found.champion_loss, found.low, found.high) == (6, 6, 0, 0)


def test_where_nothing_is_new_to_both_the_rules_alone_decide():
    decision = decide(TASK, model(0), model(10), training(examples(0, days=5)))
    assert decision.promoted
    assert (decision.comparison.rows, decision.comparison.loss) == (0, None)


def test_where_the_champions_past_is_too_little_to_teach_a_rival_the_rules_alone_decide():
    decision = decide(TASK, model(0), model(10), training(examples(0, first=WEEKS[1])))
    assert decision.promoted
    assert (decision.comparison.rows, decision.comparison.loss) == (0, None)


def test_examples_that_have_no_loss_are_left_out():
    rows = examples(9).with_columns(truth=pl.when(pl.col("user_id") == 1).then("truth"))
    found = decide(TASK, model(9), model(8), training(rows)).comparison
    assert (found.rows, found.loss, found.champion_loss) == (20, 1, 2)


@pytest.mark.parametrize("view", ["content", "gone"])
def test_a_champion_of_another_feature_definition_gives_way_to_a_model_that_is_fit(view):
    changed = {view: {"version": 1, "definition": "older"}}
    decision = decide(TASK, model(0), model(10, views=changed), training(examples(0)))
    assert decision.promoted
    assert decision.comparison.rows == 0
    unfit = decide(TASK, model(0, findings=(FAILED,)), model(10, views=changed), training(examples(0)))
    assert not unfit.promoted
    assert f"trained on another definition of the feature view {view} than there is now" in unfit.reasons[-1]
    same = {"content": {"version": 1, "definition": VIEWS["content"].definition_hash}}
    assert not decide(TASK, model(0), model(10, views=same), training(examples(0))).promoted


def test_a_decision_comes_back_as_it_was_kept(lake):
    store.keep(lake, WEEKS[0], model(7), pl.DataFrame({"loss": [0.0]}))
    decision = decide(TASK, model(7), model(8), training(examples(7)))
    keep_decision(lake, "constant", WEEKS[0], decision)
    assert decision_of(lake, "constant", WEEKS[0]) == decision


def test_there_is_no_champion_until_a_model_is_promoted_and_its_week_is_over(lake):
    assert champion(lake, "constant", after(WEEKS[0])) is None
    keep(lake, WEEKS[0], model(8), promoted=None)
    assert champion(lake, "constant", after(WEEKS[0])) is None
    keep(lake, WEEKS[0], model(8), promoted=False)
    assert champion(lake, "constant", after(WEEKS[0])) is None
    keep(lake, WEEKS[0], model(8))
    assert champion(lake, "constant", after(WEEKS[0]) - timedelta(days=1)) is None
    week, found = champion(lake, "constant", after(WEEKS[0]))
    assert (week, found.version) == (WEEKS[0], model(8).version)


def test_days_of_the_past_keep_the_champion_of_their_time(lake):
    """The model of the second week was not promoted; that of the third took over."""
    for week, promoted in zip(WEEKS, (True, False, True, None), strict=True):
        keep(lake, week, model(week.day), promoted=promoted)
    in_use = [champion_week(lake, "constant", WEEKS[0] + timedelta(days=day)) for day in range(35)]
    assert in_use == [None] * 7 + [WEEKS[0]] * 14 + [WEEKS[2]] * 14


def test_withdrawing_restores_the_one_before_and_the_withdrawn_can_come_back(lake):
    for week in WEEKS[:2]:
        keep(lake, week, model(week.day))
    decision = promotion.withdraw(lake, "constant", WEEKS[1], "posts with video are far off")
    assert decision == decision_of(lake, "constant", WEEKS[1])
    assert (decision.promoted, decision.is_withdrawn, decision.is_manual) == (True, True, True)
    assert decision.reasons[-1] == "taken back: posts with video are far off"
    assert champion_week(lake, "constant", after(WEEKS[1])) == WEEKS[0]
    promotion.withdraw(lake, "constant", WEEKS[0], "that one too")
    assert champion(lake, "constant", after(WEEKS[1])) is None
    promotion.promote(lake, "constant", WEEKS[1], "it was the outage")
    assert champion_week(lake, "constant", after(WEEKS[1])) == WEEKS[1]


def test_what_is_not_in_use_cannot_be_taken_back(lake):
    keep(lake, WEEKS[0], model(8), promoted=False)
    with pytest.raises(ModelError, match="2026-03-02 is not promoted: there is nothing to take back"):
        promotion.withdraw(lake, "constant", WEEKS[0], "no")
    with pytest.raises(ModelError, match="2026-03-09 is not promoted"):
        promotion.withdraw(lake, "constant", WEEKS[1], "no")


def test_a_model_put_in_use_by_hand_keeps_what_was_found_against_it(lake):
    refused = decide(TASK, model(8, findings=(FAILED,)))
    store.keep(lake, WEEKS[0], model(8, findings=(FAILED,)), pl.DataFrame({"loss": [0.0]}))
    keep_decision(lake, "constant", WEEKS[0], refused)
    decision = promotion.promote(lake, "constant", WEEKS[0], "calibrated since")
    assert decision.reasons == ("by hand: calibrated since", "is_calibrated: Its slope is 0.4.")
    assert (decision.is_manual, champion_week(lake, "constant", after(WEEKS[0]))) == (True, WEEKS[0])
    with pytest.raises(ModelError, match="2026-03-02 is promoted already"):
        promotion.promote(lake, "constant", WEEKS[0], "again")
    with pytest.raises(ModelError, match="the week from 2026-03-09 has no model constant: train it first"):
        promotion.promote(lake, "constant", WEEKS[1], "please")


def test_a_week_trained_anew_loses_its_decision_unless_it_learned_the_same(lake):
    for week in WEEKS[:2]:
        keep(lake, week, model(week.day))
    store.keep(lake, WEEKS[1], model(WEEKS[1].day), pl.DataFrame({"loss": [0.0]}))
    assert champion_week(lake, "constant", after(WEEKS[1])) == WEEKS[1]
    store.keep(lake, WEEKS[1], model(99), pl.DataFrame({"loss": [0.0]}))
    assert decision_of(lake, "constant", WEEKS[1]) is None
    assert champion_week(lake, "constant", after(WEEKS[1])) == WEEKS[0]


def test_a_decision_is_told_by_two_files_of_the_week_alone(lake, monkeypatch):
    keep(lake, WEEKS[0], model(8))
    read, asked = Storage.read, []
    monkeypatch.setattr(Storage, "read", lambda self, path: asked.append(path.split("/")[-1]) or read(self, path))
    assert decision_of(lake, "constant", WEEKS[0]).promoted
    assert sorted(asked) == [CARD_FILE, promotion.DECISION_FILE]
    (Path(lake.root) / "models" / "constant" / str(WEEKS[0]) / CARD_FILE).unlink()
    assert decision_of(lake, "constant", WEEKS[0]) is None


def test_a_damaged_champion_is_named_and_not_silently_passed_over(lake):
    for week in WEEKS[:2]:
        keep(lake, week, model(week.day))
    card = Path(lake.root) / "models" / "constant" / str(WEEKS[1]) / CARD_FILE
    whole = card.read_text()
    card.write_text(whole.replace('"says": 9', '"says": 8'))
    with pytest.raises(ForeignModelError, match=r"2026-03-09: what was learned is not .* Train models/constant"):
        champion(lake, "constant", after(WEEKS[1]))
    card.write_text(whole[:40])
    with pytest.raises(ForeignModelError, match=r"2026-03-09: card.json cannot be read"):
        champion(lake, "constant", after(WEEKS[1]))


def test_damage_to_a_model_that_is_not_in_use_hides_no_champion(lake):
    keep(lake, WEEKS[0], model(8))
    keep(lake, WEEKS[1], model(9), promoted=False)
    (Path(lake.root) / "models" / "constant" / str(WEEKS[1]) / CARD_FILE).write_text("{")
    week, found = champion(lake, "constant", after(WEEKS[1]))
    assert (week, found.version) == (WEEKS[0], model(8).version)


def test_only_what_somebody_decided_of_the_very_model_is_a_manual_decision(lake):
    keep(lake, WEEKS[0], model(8))
    assert promotion.manual_decision(lake, "constant", WEEKS[0]) is None
    taken_back = promotion.withdraw(lake, "constant", WEEKS[0], "far off")
    assert promotion.manual_decision(lake, "constant", WEEKS[0]) == taken_back
    store.keep(lake, WEEKS[0], model(9), pl.DataFrame({"loss": [0.0]}))
    assert promotion.manual_decision(lake, "constant", WEEKS[0]) is None


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", "{}", '{"fingerprint": "a", "comparison": null, "reasons": [], "so": 1}']
)
def test_a_damaged_decision_is_told_with_its_place_and_what_to_do(lake, damaged):
    keep(lake, WEEKS[0], model(8))
    (Path(lake.root) / "models" / "constant" / str(WEEKS[0]) / promotion.DECISION_FILE).write_text(damaged)
    with pytest.raises(
        ModelError, match=r"2026-03-02/decision.json cannot be read .* materialise models/constant_promotion"
    ):
        champion_week(lake, "constant", after(WEEKS[0]))
    assert promotion.manual_decision(lake, "constant", WEEKS[0]) is None
