"""Scoring: a chance, its band and its reasons for each active user, from the files of the model alone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.sets import variants
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.predictor import Predictor, columns_of
from clientnest_assets.models.churn.reasons import WORDS, reasons
from clientnest_assets.models.churn.scoring import Scorer, band
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.model import Scoring

from .conftest import UNTIL, with_features


@pytest.fixture(scope="module")
def asked(world):
    return with_features(CHURN.requests(world.inputs, UNTIL - timedelta(days=1)), world)


@pytest.fixture(scope="module")
def model(trained):
    return Artefact.from_files(trained.artefact.to_files(), task=spec.TASK)


@pytest.fixture(scope="module")
def answers(model, asked):
    return CHURN.score(model, Scoring(asked, asked.clear()))


def test_each_active_user_has_one_answer(answers, asked, trained):
    assert answers.schema == CHURN.answers
    assert answers.select("user_id", "as_of", "churn_risk").equals(asked.select("user_id", "as_of", "churn_risk"))
    assert answers["churn_chance"].is_between(0, 1).all()
    assert np.allclose(answers["churn_chance"], Predictor.of(trained.artefact).chance(asked))
    assert answers["churn_chance"].mean() == pytest.approx(0.27, abs=0.06)


def test_bands_are_those_declared(answers):
    chances = pl.DataFrame({"chance": [0.0, 0.0999, 0.1, 0.2999, 0.3, 1.0]})
    assert chances.select(band(pl.col("chance"))).to_series().to_list() == [
        "low", "low", "medium", "medium", "high", "high"
    ]  # fmt: skip
    assert set(answers["churn_band"]) == {"low", "medium", "high"}


def test_reasons_name_what_was_planted(answers, asked):
    silent = asked["days_since_visit"] > 15
    assert answers.filter(silent)["reasons"].list.first().str.contains("last visit|usual gap").mean() > 0.8
    troubled = answers.filter((asked["support__open_tickets"] > 0) & (asked["days_since_visit"] < 2))
    assert troubled["reasons"].list.eval(pl.element().str.contains(r"^1 open tickets: \+")).list.any().mean() > 0.8


def test_reasons_are_the_strongest_signed_and_worth_what_the_chance_would_lack():
    rows = pl.DataFrame({"days_since_visit": [12, 0], "mean_gap_days": [2.25, None], "flag": [1, 2]})
    log_odds = np.array([0.0, -2.0])
    found = reasons(rows, rows.columns, np.array([[1.0, -0.5, 0.0], [0.0, 0.0, 0.0005]]), log_odds)
    assert found.to_list() == [
        ["last visit 12 days ago: +23.1 points", "2.25 days from visit to visit on average: -12.2 points"],
        [],
    ]
    some = reasons(rows, rows.columns, np.array([[0.0, 0.5, 0.2], [0.0, 1.0, 2.0]]), log_odds)
    assert some.to_list()[1] == ["flag: 2: +10.1 points", "a single day with a visit: +7.2 points"]


def test_contributions_add_up_to_the_log_odds(model, asked):
    predictor = Predictor.of(model)
    features = predictor.encoder.encode(asked)
    rest = predictor.log_odds(features) - predictor.contributions(features).sum(axis=1)
    assert rest.std() < 1e-9


def test_every_column_of_the_sets_is_said_in_words():
    read = {name for each in variants(spec.TASK) for name in columns_of(each).names}
    assert read == set(WORDS)


def test_a_user_alone_is_answered_as_among_all(model, answers, asked):
    scorer = Scorer(model)
    for place in (0, 7, asked.height - 1):
        one = asked.slice(place, 1)
        assert scorer.score(Scoring(one, one)).equals(answers.slice(place, 1))


def test_without_reasons_the_rest_of_the_answers_is_the_same(model, answers, asked):
    found = Scorer(model).score(Scoring(asked, asked), explain=False)
    assert found.schema == CHURN.answers
    assert found["reasons"].is_null().all()
    assert found.drop("reasons").equals(answers.drop("reasons"))


def test_nobody_asked_is_nobody_answered(model, asked):
    assert CHURN.score(model, Scoring(asked.clear(), asked)).schema == CHURN.answers


def test_a_user_of_whom_nothing_is_known_has_an_answer(model, asked):
    blank = asked.head(1).with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in asked.schema.items() if name not in ("user_id", "as_of")
    )
    answer = CHURN.score(model, Scoring(blank, blank)).row(0, named=True)
    assert 0 < answer["churn_chance"] < 1
    assert answer["churn_risk"] is None


def test_requests_without_a_column_of_the_model_are_refused(model, asked):
    with pytest.raises(ForeignModelError, match="silence_ratio"):
        CHURN.score(model, Scoring(asked.drop("silence_ratio"), asked))
