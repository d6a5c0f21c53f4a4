"""Training: it finds what was planted, is right about its chances, reproducible, and clear when data is thin."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.calibration import sigmoid
from clientnest_assets.models.churn.chances import auc
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.examples import examples
from clientnest_assets.models.churn.predictor import Predictor
from clientnest_assets.models.churn.training import is_calibrated
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.figures import png
from clientnest_assets.models.model import Scoring, Training
from clientnest_assets.models.promotion import decide, naive_rules_not_beaten

from .conftest import SET, UNTIL, day_numbers, make_world, training_of, with_features

HORIZON = 30


def test_later_users_are_ranked_nearly_as_the_true_hazard_ranks_them():
    """Of those still there at the moment, by whether they really left within the horizon, which no model ever sees.

    In a world of thousands: in a small one, who happened to leave settles more than what there is to learn.
    """
    world = make_world(users=6000)
    later = CHURN.train(training_of(with_features(examples(world.inputs, UNTIL), world))).evaluated
    place = (later["user_id"] - 1).to_numpy(), day_numbers(later)
    hazard = world.hazard[place]
    is_there = ~np.isnan(hazard)
    left = np.isnan(world.hazard[place[0], place[1] + HORIZON - 1]).astype(float)[is_there]
    model, truth = auc(left, later["model"].to_numpy()[is_there]), auc(left, hazard[is_there])
    assert truth > 0.6
    assert model > 0.97 * truth


def test_model_beats_every_naive_rule(trained):
    for metric in CHURN.metrics:
        assert all(
            metric.better(trained.metrics["model"][metric.name], trained.metrics[rule][metric.name])
            for rule in spec.NAIVE_RULES
        ), metric.name
    assert not list(naive_rules_not_beaten(CHURN, trained.artefact.card["metrics"]))
    assert trained.evaluated["loss"].mean() == pytest.approx(trained.metrics["model"]["log_loss"])


def test_a_challenger_that_learned_nothing_is_not_promoted(trained, rows):
    """The champion is of four weeks before, so that there is something to compare on."""
    before = UNTIL - timedelta(days=28)
    known = Training(rows.filter(pl.col("label_known_at") < before), SET, before)
    champion = CHURN.train(known).artefact
    decision = decide(CHURN, trained.artefact, champion, training_of(rows))
    assert decision.promoted, decision.reasons
    assert decision.comparison.rows > 500
    noise = training_of(rows.with_columns(is_gone=np.random.default_rng(2).permutation(rows["is_gone"].to_numpy())))
    assert not decide(CHURN, CHURN.train(noise).artefact, champion, noise).promoted


def test_losses_are_those_of_the_chances(trained, rows):
    found = CHURN.losses(trained.artefact, Scoring(rows, rows))
    chance = Predictor.of(trained.artefact).chance(rows)
    assert found.to_numpy() == pytest.approx(-np.log(np.where(rows["is_gone"], chance, 1 - chance)))


def test_findings_say_what_was_found(trained):
    skill, calibrated, clean = trained.findings
    assert (skill.name, skill.passed) == ("has_skill", True)
    assert (calibrated.name, clean.name) == ("is_calibrated", "no_leaver_features")
    assert calibrated.passed
    assert calibrated.figures["expected_share"] == pytest.approx(calibrated.figures["actual_share"], abs=0.05)
    assert "days_since_visit" in clean.words


def test_chances_that_are_too_extreme_are_not_calibrated(trained):
    odds = pl.col("model") / (1 - pl.col("model"))
    shouted = trained.evaluated.with_columns(model=odds.pow(3) / (1 + odds.pow(3)))
    assert not is_calibrated(shouted).passed


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (0.05, True), (1.5, False), (-1.5, False)])
def test_chances_of_another_level_are_not_calibrated(shift, passes):
    """Chances that were right, with their log odds moved: the slope stays what it was."""
    rng = np.random.default_rng(9)
    log_odds = rng.normal(-1.5, 1, 10_000)
    rows = pl.DataFrame(
        {
            "user_id": np.arange(10_000) // 4,
            "is_gone": rng.random(10_000) < sigmoid(log_odds),
            "model": sigmoid(log_odds + shift),
        }
    )
    found = is_calibrated(rows)
    assert found.figures["slope"] == pytest.approx(1, abs=0.06)
    assert found.passed is passes, found.words


def test_what_is_judged_is_later_than_what_was_learned_from(trained, rows):
    evaluated = trained.artefact.card["evaluated"]
    assert trained.evaluated["as_of"].min().isoformat() == evaluated["cutoff"]
    known = rows.filter(pl.col("label_known_at") <= trained.evaluated["as_of"].min())
    assert evaluated["rows_earlier"] == known.height
    assert known["as_of"].max() <= trained.evaluated["as_of"].min() - timedelta(days=HORIZON)


def test_same_rows_give_the_same_model_and_pictures_at_any_number_of_threads(trained, rows):
    again = CHURN.train(training_of(rows, threads=2))
    assert again.artefact.to_files() == trained.artefact.to_files()
    assert again.evaluated.equals(trained.evaluated)
    assert again.metrics == trained.metrics
    for one, other in zip(trained.sections, again.sections, strict=True):
        assert (one.table is None) == (other.table is None)
        assert one.table is None or one.table.equals(other.table)
        assert (one.figure is None) or png(one.figure) == png(other.figure)


def test_shuffled_labels_give_no_skill(rows):
    shuffled = rows.with_columns(pl.Series("is_gone", np.random.default_rng(8).permutation(rows["is_gone"].to_numpy())))
    found = CHURN.train(training_of(shuffled)).metrics["model"]
    assert found["auc"] == pytest.approx(0.5, abs=0.04)
    assert found["lift_top_tenth"] < 1.3


def test_more_silence_never_makes_a_chance_smaller(trained, rows):
    predictor = Predictor.of(trained.artefact)
    some = rows.head(200)
    longer = some.with_columns(pl.col("days_since_visit") + 5)
    assert (predictor.chance(longer) >= predictor.chance(some)).all()


@pytest.mark.parametrize(
    ("thin", "message"),
    [
        (lambda rows: rows.clear(), "of 0 examples"),
        (lambda rows: rows.filter(pl.col("user_id") <= 3), "30 of each are needed"),
        (lambda rows: rows.filter(~pl.col("is_gone")), "0 users had left"),
        (lambda rows: rows.filter("is_gone"), "0 had stayed"),
        (lambda rows: rows.filter(pl.col("as_of") < rows["as_of"].min() + timedelta(days=28)), "to learn from"),
        (
            lambda rows: rows.filter(~pl.col("is_gone") | (pl.col("as_of") < UNTIL - timedelta(days=70))),
            "to judge by, 0 users had left",
        ),
    ],
    ids=["none", "three users", "nobody left", "all left", "early weeks", "none left later"],
)
def test_too_little_data_says_how_much_there_is_and_what_to_do(rows, thin, message):
    with pytest.raises(NotEnoughDataError, match=message) as error:
        CHURN.train(training_of(thin(rows)))
    assert "train a later week, or import more history" in str(error.value)


def test_users_without_features_are_judged_by_their_visits_alone(rows):
    bare = rows.select(pl.exclude("^.*__.*$")).with_columns(pl.lit(None, pl.Float64).alias("churn_risk"))
    trained = CHURN.train(training_of(bare, features=None))
    assert trained.metrics["model"]["auc"] > 0.75
