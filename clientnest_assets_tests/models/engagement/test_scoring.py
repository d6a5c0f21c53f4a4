"""Scoring: the same numbers wherever they are asked for, with reasons that add up, and no model that is not what it says."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.sets import variants
from clientnest_assets.models.artefact import CARD_FILE, Artefact
from clientnest_assets.models.engagement import reasons, spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.engagement.examples import request_rows, with_features, with_outcomes
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.engagement.scoring import ANSWERS, Scorer, score
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.features import views_of
from clientnest_assets.models.model import Scoring, Trained

TREES = "point.txt"


@pytest.fixture(scope="module")
def model(trained: Trained) -> Artefact:
    return Artefact.from_files(trained.artefact.to_files(), task="engagement_lean")


def ask(world, requests):
    return with_features(with_outcomes(requests, world.outcomes, world.observations), world.features)


@pytest.fixture(scope="module")
def asked(world):
    """Every post as its own request, with what was known then."""
    return ask(world, request_rows(world.posts))


@pytest.fixture(scope="module")
def answers(model, asked, rows):
    return score(model, Scoring(asked, rows))


def test_a_post_alone_is_scored_as_among_all(model, world, rows, answers, asked):
    one = ask(world, request_rows(world.posts).filter(post_id=1234))
    of_user = rows.filter(pl.col("user_id") == one["user_id"].item())
    assert answers.schema == ANSWERS
    assert answers["post_id"].equals(asked["post_id"])
    assert score(model, Scoring(one, of_user)).equals(answers.filter(post_id=1234))
    assert np.allclose(np.log1p(answers["predicted_engagement_score"]), answers["predicted_log_engagement"].clip(0))
    assert set(answers["history_status"]) == {"PRESENT", "MISSING"}


def test_drafts_one_by_one_by_a_model_kept_ready_are_scored_as_among_all(model, rows, answers, asked):
    scorer = Scorer(model)
    for place in (0, 3, 700, asked.height - 1):
        one = asked.slice(place, 1)
        of_user = rows.filter(pl.col("user_id") == one["user_id"].item())
        assert scorer.score(Scoring(one, of_user)).equals(answers.slice(place, 1))


def test_without_reasons_the_rest_of_the_answers_is_the_same(model, rows, answers, asked):
    found = Scorer(model).score(Scoring(asked, rows), explain=False)
    assert found.schema == ANSWERS
    assert found["reasons"].is_null().all()
    assert found.drop("reasons").equals(answers.drop("reasons"))


def test_the_prediction_lies_within_its_interval_and_the_tiers_chances_add_up(answers):
    low, point, high = (answers[f"{name}_engagement_score"] for name in ("low", "predicted", "high"))
    assert ((low >= 0) & (low <= point) & (point <= high)).all()
    known = answers.drop_nulls("predicted_tier")
    assert known.height > 1000
    chances = known.select(spec.CHANCES).to_numpy()
    assert (chances >= 0).all()
    assert np.allclose(chances.sum(axis=1), 1)
    assert known["predicted_tier"].to_list() == [spec.TIERS[place] for place in chances.argmax(axis=1)]
    # No quartiles are known of the first days.
    assert answers["predicted_tier"].is_null().any()


def test_reasons_are_in_words_the_strongest_first(answers):
    found = answers.explode("reasons", empty_as_null=True).unnest("reasons").drop_nulls("factor")
    assert answers["reasons"].list.len().max() == reasons.COUNT
    strength = found.group_by("post_id", maintain_order=True).agg(pl.col("factor").log().abs())
    assert all(each == sorted(each, reverse=True) for each in strength["factor"].to_list())
    video = found.filter(pl.col("reason") == "What is attached: video", pl.col("platform") == "twitter")
    assert video["factor"].median() == pytest.approx(np.exp(0.3), rel=0.15)
    assert video["effect"].str.contains(r"^\+\d+ %$").all()
    # All of a sale's traits come and go together: which of them is named is a matter of chance.
    sale = found.filter(pl.col("reason").str.contains("Promotional|Capitals among the letters: 0.0714"))
    assert sale["post_id"].n_unique() > 100
    assert (sale["factor"] < 1).all()


@pytest.mark.parametrize("each", variants(spec.TASK), ids=lambda each: each.variant)
def test_every_feature_that_can_be_a_reason_has_words(each):
    columns = columns_of(each)
    own = reasons.own_words()
    named = {reasons.key_of(name) for name in (*columns.form.singles, *columns.trees.names)}
    words = {name: own[name] if name in own else reasons.words_of_feature(name) for name in named}
    assert all(isinstance(expression, pl.Expr) for expression in words.values())


def test_what_features_add_makes_up_the_whole_prediction(trained, rows):
    """Beyond what is the same for all posts of a platform."""
    predictor = Predictor.of(trained.artefact)
    usual = reasons.Usual.from_json(trained.artefact.learned["usual"])
    prediction = predictor.prediction(rows, rows)
    described = prediction.rows
    _, added = reasons.parts(predictor, usual, prediction, prediction.form)
    members = predictor.level.form.members(prediction.form)
    whole = added.sum(axis=1) + np.bincount(members["row"], members["effect"], described.height)
    rest = described["predicted_log_engagement"].to_numpy() - whole
    for platform in ("twitter", "linkedin"):
        assert np.ptp(rest[(described["platform"] == platform).to_numpy()]) < 1e-4


def test_nothing_to_score_gives_no_rows(model, rows, asked):
    found = score(model, Scoring(asked.head(0), rows))
    assert found.is_empty()
    assert found.schema == ANSWERS


def test_a_stranger_on_a_new_platform_is_scored(model, world, rows):
    stranger = (
        request_rows(world.posts)
        .tail(1)
        .with_columns(
            account_id=pl.lit(10**6, pl.Int64),
            user_id=pl.lit(10**6, pl.Int64),
            platform=pl.lit("tiktok"),
            post_id=pl.lit(10**6, pl.Int64),
        )
    )
    found = score(model, Scoring(ask(world, stranger), rows))
    assert found["content_status"].to_list() == ["MISSING"]
    assert found["predicted_tier"].to_list() == [None]
    assert np.isfinite(found["predicted_engagement_score"].item())


def test_damaged_mixed_up_and_foreign_files_are_refused(model):
    files = model.to_files()
    card = json.loads(files[CARD_FILE])

    def with_card(**changes: object) -> dict[str, bytes]:
        return {**files, CARD_FILE: json.dumps({**card, **changes}).encode()}

    cases = {
        "damaged or mixed up": {CARD_FILE: files[CARD_FILE]},
        "cannot be read": {**files, CARD_FILE: files[CARD_FILE][:-9]},
        "not a whole LightGBM model": {**files, TREES: files[TREES][:5000]},
        "files are damaged": {**files, TREES: files[TREES].replace(b"leaf_value=0", b"leaf_value=1", 1)},
        "is of the form 'other/1'": with_card(form="other/1"),
        "'churn'": with_card(task="churn"),
    }
    for message, broken in cases.items():
        with pytest.raises(ForeignModelError, match=message):
            Artefact.from_files(broken, task=model.card["task"])


@pytest.mark.parametrize("name", [spec.HISTORY.name, "gone"])
def test_a_model_of_another_view_definition_is_refused(model, rows, asked, name):
    views = {**model.card["views"], name: {"version": 0, "definition": "older"}}
    old = Artefact({**model.card, "views": views}, model.trees)
    with pytest.raises(ForeignModelError, match=f"feature view {name} than there is now"):
        score(old, Scoring(asked, rows))


def test_a_model_tells_which_views_its_rows_need(model):
    assert views_of(model) == [spec.CONTENT, spec.HISTORY]


def test_the_page_shows_what_people_need_to_judge_the_model(trained):
    by_title = {section.title: section for section in trained.sections}
    assert [section.figure is not None for section in trained.sections] == [True] * 5
    assert by_title["Error by platform"].table["platform"].to_list() == ["linkedin", "twitter"]
    gains = by_title["What the trees correct the expectation by"].table
    assert gains["share"].is_sorted(descending=True)
    assert 0.5 < gains["share"].sum() <= 1
    assert by_title["What the interval covers"].table["group"].to_list() == [
        "all posts",
        "linkedin",
        "twitter",
        "unknown",
    ]
    assert set(by_title["Chances of the tiers"].table["tier"]) == set(spec.TIERS)
