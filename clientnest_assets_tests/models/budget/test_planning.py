"""Plans: more where a post brings more, limits kept, the usual total by default, and silence without evidence."""

from __future__ import annotations

import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.budget.declaration import BUDGET
from clientnest_assets.models.budget.planning import AI_SPEND, EVIDENCE, NO_POSTS, NO_RESPONSE, POSTS, Limits, plan
from clientnest_assets.models.budget.response import Responses
from clientnest_assets.models.errors import ForeignModelError, ModelError
from clientnest_assets.models.model import Scoring, Trained
from clientnest_assets_tests.models.budget.conftest import NEWCOMER, UNTIL


@pytest.fixture(scope="module")
def channels(inputs: Inputs) -> pl.DataFrame:
    return BUDGET.requests(inputs, UNTIL)


@pytest.fixture(scope="module")
def responses(trained: Trained) -> Responses:
    return Responses.from_json(trained.artefact.learned["platforms"])


@pytest.fixture(scope="module")
def answers(trained: Trained, channels: pl.DataFrame) -> pl.DataFrame:
    return BUDGET.score(trained.artefact, Scoring(rows=channels, past=channels.clear()))


def test_answers_are_as_declared_one_a_channel_and_resource(answers: pl.DataFrame, channels: pl.DataFrame):
    assert answers.schema == BUDGET.answers
    assert answers.height == 2 * channels.height
    assert answers.filter(resource=POSTS).select("user_id", "platform").equals(channels.select("user_id", "platform"))


@pytest.mark.parametrize(("resource", "unit"), [(POSTS, 1.0), (AI_SPEND, 1e-4)])
def test_no_user_is_told_to_give_more_than_usual(answers: pl.DataFrame, resource: str, unit: float):
    totals = answers.filter(resource=resource).group_by("user_id").agg(pl.col("usual", "suggested").sum())
    usual = pl.col("usual").round() if resource == POSTS else pl.col("usual")
    assert totals.select((pl.col("suggested") <= usual.clip(1 if resource == POSTS else 0) + unit / 2).all()).item()
    assert totals["suggested"].sum() > 0.9 * totals["usual"].sum()


def test_a_plan_brings_no_less_than_the_usual_split(responses: Responses, channels: pl.DataFrame):
    """The usual split is one of those among which the best was sought, where its numbers are whole."""
    known = channels.filter(pl.col("platform") != "tiktok", (pl.col("usual_posts") % 1) == 0)
    known = known.filter(pl.len().over("user_id") == 2)
    best = known.hstack(plan(responses, known, POSTS))
    for user in known["user_id"].unique().sort().to_list():
        rows = known.filter(user_id=user)
        usual = {name: Limits(posts, posts) for name, posts in rows.select("platform", "usual_posts").rows()}
        held = plan(responses, rows, POSTS, limits=usual)
        assert best.filter(user_id=user)["expected_engagement"].sum() >= held["expected_engagement"].sum() - 0.02


def test_never_posted_on_and_not_identified_are_told_apart_and_get_nothing(answers: pl.DataFrame):
    posts = answers.filter(resource=POSTS)
    newcomer = posts.filter(user_id=NEWCOMER, platform="instagram").row(0, named=True)
    assert (newcomer["evidence"], newcomer["suggested"], newcomer["expected_engagement"]) == (NO_POSTS, 0.0, None)
    tiktok = posts.filter(platform="tiktok")
    assert tiktok["evidence"].unique().to_list() == [NO_RESPONSE]
    assert tiktok["expected_engagement"].null_count() == tiktok["one_more"].null_count() == tiktok.height
    assert posts.filter(platform="linkedin", user_id=NEWCOMER)["evidence"].to_list() == [EVIDENCE]


def test_limits_and_total_of_the_caller_are_kept(responses: Responses, channels: pl.DataFrame):
    limits = {"instagram": Limits(2, 3), "tiktok": Limits(1)}
    asked = channels.filter(pl.col("user_id") <= 3)
    told = asked.hstack(plan(responses, asked, POSTS, total=8, limits=limits))
    by_platform = {name: part["suggested"] for (name,), part in told.partition_by("platform", as_dict=True).items()}
    assert by_platform["instagram"].is_between(2, 3).all()
    assert by_platform["tiktok"].to_list() == [1.0, 1.0, 1.0]
    assert told.group_by("user_id").agg(pl.col("suggested").sum())["suggested"].to_list() == [8.0, 8.0, 8.0]
    with pytest.raises(ModelError, match="its least amounts need 3, its total is 1"):
        plan(responses, asked, POSTS, total=1, limits=limits)


def test_the_ends_of_the_response_bracket_the_split_and_what_it_brings(answers: pl.DataFrame):
    known = answers.filter(pl.col("evidence") == EVIDENCE)
    assert known.select((pl.col("suggested_low") <= pl.col("suggested")).all()).item()
    assert known.select((pl.col("suggested") <= pl.col("suggested_high")).all()).item()
    assert known.select((pl.col("expected_low") <= pl.col("expected_engagement")).all()).item()
    assert known.select((pl.col("expected_engagement") <= pl.col("expected_high")).all()).item()
    assert (known["suggested_low"] < known["suggested_high"]).any()


def test_a_further_post_is_worth_what_the_plan_says(responses: Responses, channels: pl.DataFrame):
    asked = channels.filter(user_id=2, platform="instagram").vstack(channels.filter(user_id=2, platform="linkedin"))
    fewer, more = (plan(responses, asked, POSTS, total=total) for total in (4, 5))
    gain = more["expected_engagement"].sum() - fewer["expected_engagement"].sum()
    assert fewer["one_more"][0] == pytest.approx(gain, abs=0.03)


def test_channels_without_their_past_are_refused(trained: Trained, channels: pl.DataFrame):
    with pytest.raises(ForeignModelError, match="past_mean_log"):
        BUDGET.score(trained.artefact, Scoring(rows=channels.drop("past_mean_log"), past=channels.clear()))


def test_nobody_posting_gives_no_answers(trained: Trained, channels: pl.DataFrame):
    none = channels.clear()
    assert BUDGET.score(trained.artefact, Scoring(rows=none, past=none)).schema == BUDGET.answers
