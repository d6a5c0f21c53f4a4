"""The recommender in training: finds what is planted, is beaten by nothing naive, says when there is too little."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.content_recommendation.declaration import CONTENT_RECOMMENDATION
from clientnest_assets.models.content_recommendation.evaluation import NAIVE_RULES, OWN_MEAN, RAW_MEAN
from clientnest_assets.models.content_recommendation.examples import examples
from clientnest_assets.models.content_recommendation.recommender import Recommender
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.figures import png
from clientnest_assets.models.model import MODEL
from clientnest_assets.models.traits import AI, CATEGORY, LABEL, MEDIA
from clientnest_assets_tests.models.content_recommendation.conftest import (
    CATEGORIES,
    EFFECT,
    UNTIL,
    make_posts,
    train_on,
)


def labelled(**given: float) -> pl.DataFrame:
    return examples({"fact_posts": make_posts(**given).lazy()}, UNTIL)


def test_it_beats_every_naive_rule_on_later_posts(trained):
    ours = trained.metrics[MODEL]
    for rule in NAIVE_RULES:
        assert ours["rmse"] < trained.metrics[rule]["rmse"]
    assert ours["spearman"] > 0.3
    assert ours["first_contrast"] > 0.1
    assert all(finding.passed for finding in trained.findings)


def test_means_that_do_not_remove_authors_would_advise_what_harms(trained):
    """Famous authors promote, which does not work: the raw mean falls for it."""
    assert trained.metrics[RAW_MEAN]["first_contrast"] < 0 < trained.metrics[MODEL]["first_contrast"]


def test_planted_effects_are_found_on_each_platform(trained):
    options = Recommender.from_json(trained.artefact.learned).options
    assert options[CATEGORY].names == CATEGORIES
    for platform in range(2):
        found = options[CATEGORY].on_platform[platform]
        assert found - found.mean() == pytest.approx(EFFECT - EFFECT.mean(), abs=0.06)
    twitter, linkedin = (
        options[MEDIA].on_platform[options[MEDIA].platforms.index(name)] for name in ("twitter", "linkedin")
    )
    assert options[MEDIA].names[int(twitter.argmax())] == "video"
    assert options[MEDIA].names[int(linkedin.argmin())] == "video"
    assert np.ptp(options[AI].on_platform[0]) < 0.05


def test_spread_of_users_is_as_planted(trained):
    assert Recommender.from_json(trained.artefact.learned).options[CATEGORY].own_spread < 0.1
    own = Recommender.from_json(train_on(labelled(own=0.8)).artefact.learned)
    assert 0.2 < own.options[CATEGORY].own_spread < 0.5


def test_own_evidence_beats_own_raw_means():
    metrics = train_on(labelled(own=0.8)).metrics
    assert metrics[MODEL]["rmse"] < metrics[OWN_MEAN]["rmse"]
    assert metrics[MODEL]["first_contrast"] > metrics[OWN_MEAN]["first_contrast"] - 0.02


def test_what_is_evaluated_is_later_than_what_was_learned_from(trained):
    assert trained.evaluated["as_of"].min().isoformat() >= trained.artefact.card["evaluated"]["cutoff"]
    assert trained.evaluated["loss"].mean() == pytest.approx(trained.metrics[MODEL]["rmse"] ** 2, abs=1e-6)


def test_shuffled_labels_give_no_skill(rows):
    noise = np.random.default_rng(4).permutation(rows[LABEL].to_numpy())
    trained = train_on(rows.with_columns(pl.Series(LABEL, noise)))
    said = trained.metrics[MODEL]["spearman"]
    assert said is None or abs(said) < 0.1
    assert trained.metrics[MODEL]["rmse"] == pytest.approx(trained.metrics["no_effect"]["rmse"], rel=0.01)


def test_same_rows_give_the_same_files(trained, rows):
    assert train_on(rows, threads=2).artefact.to_files() == trained.artefact.to_files()


def test_the_page_shows_calibration_effects_and_sources(trained):
    compared, effects, sources = trained.sections
    assert set(effects.table.columns) >= {"platform", "option", "effect", "low", "high", "posts"}
    assert sources.table.height == 4
    assert all(png(section.figure).startswith(b"\x89PNG") for section in (compared, effects))


@pytest.mark.parametrize("count", [0, 1, 100])
def test_too_few_posts_are_said(rows, count):
    with pytest.raises(NotEnoughDataError, match=f"{count} posts .* 200 and 100 are needed"):
        train_on(rows.head(count))


def test_accounts_of_a_single_post_each_are_said(rows):
    with pytest.raises(NotEnoughDataError, match="of which 0 can be compared"):
        train_on(rows.with_columns(account_id=pl.col("post_id")))


def test_posts_of_one_moment_are_said(rows):
    with pytest.raises(NotEnoughDataError, match="the outcomes of 0 were known by then"):
        train_on(rows.with_columns(as_of=rows["as_of"][0]))


def test_one_platform_one_category_and_no_media_train(rows):
    bare = rows.filter(pl.col("platform") == "twitter").with_columns(
        content_category=pl.lit("General"), media_type=pl.lit("unknown")
    )
    learned = train_on(bare).artefact.learned
    assert CATEGORY not in {each["trait"] for each in learned["options"]}


def test_only_what_was_known_is_an_example():
    posts = make_posts(500)
    half = posts["mature_at"][250]
    known = examples({"fact_posts": posts.lazy()}, half)
    assert known.height == 250
    assert known["label_known_at"].max() < half
    assert known["as_of"].is_sorted()


def test_declaration_names_its_parts():
    assert set(CONTENT_RECOMMENDATION.gate.beats) <= {metric.name for metric in CONTENT_RECOMMENDATION.metrics}
