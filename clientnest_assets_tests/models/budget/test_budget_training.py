"""Responses: planted exponents are found within channels, and nothing is said where nothing is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.budget.declaration import BUDGET
from clientnest_assets.models.budget.evaluation import PLATFORM_RATE, USUAL_WEEK
from clientnest_assets.models.budget.response import NORMAL_80, Responses
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.figures import png
from clientnest_assets.models.model import MODEL, Scoring, Trained, Training
from clientnest_assets_tests.models.budget.conftest import AI_EFFECT, COST, EXPONENTS, UNTIL, make_inputs, training_of


def responses_of(trained: Trained) -> Responses:
    return Responses.from_json(trained.artefact.learned["platforms"])


def test_planted_responses_are_found(trained: Trained):
    for name in ("instagram", "linkedin"):
        found = responses_of(trained).platforms[name]
        assert found.exponent == pytest.approx(EXPONENTS[name], abs=3 * found.exponent_error)
        assert found.exponent_error < 0.05
        assert found.ai_effect == pytest.approx(AI_EFFECT, abs=3 * found.ai_effect_error)
        assert found.cost_per_ai_post == pytest.approx(COST, rel=0.1)


def test_four_of_five_intervals_hold_the_planted_exponent():
    held = []
    for seed in range(10):
        platforms = Responses.fit(BUDGET.examples(make_inputs(users=40, seed=seed), UNTIL)).platforms
        held += [
            abs(platforms[name].exponent - EXPONENTS[name]) <= NORMAL_80 * platforms[name].exponent_error
            for name in ("instagram", "linkedin")
        ]
    assert 0.6 <= np.mean(held) <= 1.0


def test_fame_is_not_taken_for_the_worth_of_posting_more(inputs: Inputs, trained: Trained):
    """Between channels engagement grows faster than posts, because the famous post more."""
    rows = BUDGET.examples(inputs, UNTIL).filter(platform="instagram")
    between = np.polyfit(np.log(rows["posts"].to_numpy()), rows["mean_log"].to_numpy(), 1)[0]
    assert between > -0.2
    assert responses_of(trained).platforms["instagram"].exponent - 1 < -0.3


def test_no_evidence_is_said_where_too_few_channels_tell(trained: Trained):
    assert not responses_of(trained).platforms["tiktok"].is_identified
    evidence = next(each for each in trained.findings if each.name == "has_evidence")
    assert evidence.passed
    assert "No evidence for tiktok" in evidence.words


def test_later_weeks_are_foretold_better_than_by_the_naive_rules(trained: Trained):
    metrics = trained.metrics
    assert metrics[MODEL]["mae"] < 0.75 * metrics[USUAL_WEEK]["mae"]
    assert metrics[MODEL]["mae"] < 0.5 * metrics[PLATFORM_RATE]["mae"]
    assert all(finding.passed for finding in trained.findings)
    assert trained.evaluated["as_of"].min().isoformat() >= trained.artefact.card["evaluated"]["cutoff"]


def test_posts_that_do_not_matter_to_each_other_and_noise_show_no_bend():
    rows = BUDGET.examples(make_inputs(), UNTIL).filter(platform="linkedin")
    noise = np.random.default_rng(5).normal(0, 1, rows.height)
    found = Responses.fit(rows.with_columns(pl.Series("mean_log", noise))).platforms["linkedin"]
    assert found.exponent == pytest.approx(1.0, abs=3 * found.exponent_error)
    assert found.ai_effect == pytest.approx(0.0, abs=3 * found.ai_effect_error)


def test_same_rows_give_the_same_files_in_any_order(trained: Trained, inputs: Inputs):
    shuffled = {name: frame.collect().sample(fraction=1, shuffle=True, seed=2).lazy() for name, frame in inputs.items()}
    again = BUDGET.train(training_of(shuffled))
    assert again.artefact.to_files() == trained.artefact.to_files()
    read = Artefact.from_files(again.artefact.to_files(), task=BUDGET.name)
    assert Responses.from_json(read.learned["platforms"]) == responses_of(trained)


@pytest.mark.parametrize("users", [0, 3])
def test_too_few_channel_weeks_are_said(inputs: Inputs, users: int):
    few = inputs | {"fact_posts": inputs["fact_posts"].filter(pl.col("user_id").is_between(10, 9 + users))}
    with pytest.raises(NotEnoughDataError, match=r"there are \d+ channel weeks .* 100 in 4 weeks are needed"):
        BUDGET.train(training_of(few | {"fact_posts": few["fact_posts"].filter(platform="instagram").head(60)}))


def test_channels_that_always_post_as_much_tell_nothing(inputs: Inputs):
    rows = BUDGET.examples(inputs, UNTIL).filter(platform="instagram").with_columns(pl.lit(2, pl.Int64).alias("posts"))
    assert Responses.fit(rows).platforms == {}
    trained = BUDGET.train(Training(rows=rows, features=None, until=UNTIL))
    assert not any(finding.passed for finding in trained.findings)
    assert all(png(section.figure) for section in trained.sections if section.figure)


def test_one_platform_without_ai_trains(inputs: Inputs):
    plain = inputs["fact_posts"].filter(platform="linkedin").with_columns(ai_generated=pl.lit(value=False))
    without = inputs | {"fact_posts": plain, "fact_ai_requests": inputs["fact_ai_requests"].filter(pl.lit(value=False))}
    found = responses_of(BUDGET.train(training_of(without))).platforms["linkedin"]
    assert found.is_identified
    assert not found.is_ai_identified


def test_every_section_can_be_shown(trained: Trained):
    assert all(png(section.figure).startswith(b"\x89PNG") for section in trained.sections if section.figure)


def test_losses_of_a_champion_are_told_for_every_week(trained: Trained, inputs: Inputs):
    rows = BUDGET.examples(inputs, UNTIL)
    assert BUDGET.losses is not None
    losses = BUDGET.losses(trained.artefact, Scoring(rows=rows, past=rows.clear()))
    assert losses.len() == rows.height
    assert losses.null_count() == 0
    keys = ["user_id", "platform", "as_of"]
    same = rows.with_columns(losses.alias("theirs")).join(trained.evaluated.select(*keys, "loss"), on=keys)
    assert same["theirs"].mean() == pytest.approx(same["loss"].mean(), rel=0.1)
