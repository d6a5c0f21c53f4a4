"""Forecasts of followers and revenue: better than the naive rules, honest about their bounds, never from the future."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.errors import ForeignModelError, NotEnoughDataError
from clientnest_assets.models.figures import png
from clientnest_assets.models.growth.declaration import FOLLOWER_GROWTH, MRR_GROWTH
from clientnest_assets.models.growth.forecasting import DRIFT_28, GROUPS, LAST_VALUE, OWN, STANDING
from clientnest_assets.models.growth.quantity import HORIZON, HORIZONS
from clientnest_assets.models.model import MODEL, Model, Scoring, Trained, Training
from clientnest_assets_tests.models.growth.conftest import UNTIL, follower_table, subscription_tables, training_of


def scored(model: Model, artefact: Artefact, inputs: Inputs) -> pl.DataFrame:
    rows = model.requests(inputs, UNTIL)
    return model.score(artefact, Scoring(rows=rows, past=rows.clear()))


def test_followers_beat_both_naive_rules_on_later_weeks(followers_trained: Trained):
    metrics = followers_trained.metrics
    assert metrics[MODEL]["error"] < 0.9 * metrics[DRIFT_28]["error"]
    assert metrics[MODEL]["error_28_days"] < 0.9 * metrics[DRIFT_28]["error_28_days"]
    assert metrics[DRIFT_28]["error"] < 0.5 * metrics[LAST_VALUE]["error"]
    assert metrics[MODEL]["mase"] < metrics[DRIFT_28]["mase"]


def test_four_of_five_later_truths_are_within_their_interval(followers_trained: Trained):
    assert followers_trained.metrics[MODEL]["coverage"] == pytest.approx(0.8, abs=0.05)
    skill, covers = followers_trained.findings
    assert (skill.name, covers.name) == ("has_skill", "covers")
    assert skill.passed
    assert covers.passed
    assert "held" in covers.words


def test_planted_drifts_and_jitter_are_found(followers_trained: Trained):
    for prior in followers_trained.artefact.learned["drift"]["groups"].values():
        assert prior["drift"] == pytest.approx(0.0016, abs=4e-4)
        assert prior["spread"] ** 0.5 == pytest.approx(0.0014, abs=4e-4)
        assert prior["variance"] ** 0.5 == pytest.approx(0.0025, abs=3e-4)


def test_evaluated_weeks_are_later_than_any_learned_from(followers_trained: Trained):
    cutoff = followers_trained.artefact.card["evaluated"]["cutoff"]
    assert followers_trained.evaluated["as_of"].min().isoformat() >= cutoff


@pytest.mark.parametrize("model", [FOLLOWER_GROWTH, MRR_GROWTH])
def test_same_rows_give_the_same_files_in_any_order(model: Model, inputs: Inputs):
    shuffled = {name: frame.collect().sample(fraction=1, shuffle=True, seed=1).lazy() for name, frame in inputs.items()}
    first, second = (model.train(training_of(model, each)).artefact for each in (inputs, shuffled))
    assert first.to_files() == second.to_files()


def test_an_artefact_read_from_its_files_answers_the_same(followers_trained: Trained, inputs: Inputs):
    read = Artefact.from_files(followers_trained.artefact.to_files(), task=FOLLOWER_GROWTH.name)
    answers = scored(FOLLOWER_GROWTH, read, inputs)
    assert answers.equals(scored(FOLLOWER_GROWTH, followers_trained.artefact, inputs))
    assert answers.schema == FOLLOWER_GROWTH.answers
    assert (answers["low"] <= answers["forecast"]).all()
    assert (answers["forecast"] <= answers["high"]).all()


def test_drifts_of_other_accounts_give_no_skill(inputs: Inputs):
    rows = FOLLOWER_GROWTH.examples(inputs, UNTIL)
    drifts = [name for name in rows.columns if name.startswith("drift_")]
    torn = rows.with_columns(rows.select(drifts).sample(fraction=1, shuffle=True, seed=3))
    metrics = FOLLOWER_GROWTH.train(Training(rows=torn, features=None, until=UNTIL)).metrics
    assert metrics[MODEL]["error"] > metrics[DRIFT_28]["error"]


def test_a_newcomer_goes_as_its_platform_with_a_wider_interval(followers_trained: Trained, inputs: Inputs):
    table = inputs["fact_social_daily"].collect()
    old = table.filter(account_id=table["account_id"].min())
    newcomer = old.tail(1).with_columns(
        pl.lit(9_999, pl.Int64).alias("account_id"), pl.lit(3_000, pl.Int64).alias("followers")
    )
    answers = scored(
        FOLLOWER_GROWTH, followers_trained.artefact, {"fact_social_daily": pl.concat([table, newcomer]).lazy()}
    )
    new = answers.filter(pl.col("account_id") == 9_999, pl.col(HORIZON) == 28).row(0, named=True)
    assert new["basis"] == GROUPS
    assert np.log(new["forecast"] / 3_000) == pytest.approx(28 * 0.0016, abs=0.015)
    relative = (pl.col("high") - pl.col("low")) / pl.col("forecast")
    others = answers.filter(pl.col("basis") == OWN, pl.col(HORIZON) == 28).select(relative.median()).item()
    assert (new["high"] - new["low"]) / new["forecast"] > 1.5 * others


def test_revenue_by_plan_adds_up_to_the_total(mrr_trained: Trained, inputs: Inputs):
    answers = scored(MRR_GROWTH, mrr_trained.artefact, inputs)
    is_total = pl.col("subscription_tier") == "total"
    for column in ("mrr", "forecast"):
        parts = answers.filter(~is_total).group_by(HORIZON).agg(pl.col(column).sum()).sort(HORIZON)[column]
        whole = answers.filter(is_total).sort(HORIZON)[column]
        assert whole.to_list() == pytest.approx(parts.to_list(), abs=0.005)
    assert answers.height == 3 * len(HORIZONS)
    assert mrr_trained.metrics[MODEL]["error"] < 0.5 * mrr_trained.metrics[LAST_VALUE]["error"]


def test_a_plan_of_few_days_stands_without_an_interval(mrr_trained: Trained):
    events, movements = subscription_tables()
    young = events.with_columns(pl.col("occurred_at").dt.offset_by("113d")).filter(pl.col("occurred_at") < UNTIL)
    inputs = {"fact_subscription_events": young.lazy(), "mrr_movements": movements.lazy()}
    answers = scored(MRR_GROWTH, mrr_trained.artefact, inputs)
    assert answers["basis"].unique().to_list() == [STANDING]
    assert answers["forecast"].equals(answers["mrr"].alias("forecast"))
    assert answers["low"].null_count() == answers.height


@pytest.mark.parametrize("days", [0, 1, 10, 20])
def test_too_few_weeks_are_said(days: int):
    table = follower_table(accounts=3, days=120).filter(pl.col("day") >= (UNTIL - timedelta(days=days)).date())
    with pytest.raises(
        NotEnoughDataError, match=r"followers: before 2025-05-06 there are . Mondays .* 3 Mondays are needed"
    ):
        FOLLOWER_GROWTH.train(training_of(FOLLOWER_GROWTH, {"fact_social_daily": table.lazy()}))


def test_three_accounts_of_one_platform_train(inputs: Inputs):
    few = inputs["fact_social_daily"].filter(pl.col("account_id").is_in([1, 3, 5]))
    trained = FOLLOWER_GROWTH.train(training_of(FOLLOWER_GROWTH, {"fact_social_daily": few}))
    assert trained.metrics[MODEL]["error"] is not None
    assert scored(FOLLOWER_GROWTH, trained.artefact, {"fact_social_daily": few})["forecast"].is_finite().all()


def test_accounts_that_never_move_are_forecast_to_stay():
    table = follower_table(accounts=5).with_columns(pl.lit(500, pl.Int64).alias("followers"))
    inputs = {"fact_social_daily": table.lazy()}
    trained = FOLLOWER_GROWTH.train(training_of(FOLLOWER_GROWTH, inputs))
    answers = scored(FOLLOWER_GROWTH, trained.artefact, inputs)
    assert answers["forecast"].unique().to_list() == [500.0]
    assert answers["low"].null_count() == answers.height


def test_rows_without_a_state_are_refused(followers_trained: Trained, inputs: Inputs):
    rows = FOLLOWER_GROWTH.requests(inputs, UNTIL).drop("level")
    with pytest.raises(ForeignModelError, match="level"):
        FOLLOWER_GROWTH.score(followers_trained.artefact, Scoring(rows=rows, past=rows.clear()))


@pytest.mark.parametrize("name", ["followers_trained", "mrr_trained"])
def test_every_section_can_be_shown(name: str, request: pytest.FixtureRequest):
    sections = request.getfixturevalue(name).sections
    assert len({section.title for section in sections}) == len(sections)
    assert all(section.table is not None or section.figure is not None or section.words for section in sections)
    assert all(png(section.figure).startswith(b"\x89PNG") for section in sections if section.figure)


@pytest.mark.parametrize(("model", "name"), [(FOLLOWER_GROWTH, "followers_trained"), (MRR_GROWTH, "mrr_trained")])
def test_losses_of_a_champion_are_those_of_what_was_evaluated(
    model: Model, name: str, inputs: Inputs, request: pytest.FixtureRequest
):
    trained: Trained = request.getfixturevalue(name)
    keys = [*model.entity, "as_of"]
    rows = model.examples(inputs, UNTIL).join(trained.evaluated.select(*keys, model.gate.loss), on=keys)
    assert model.losses is not None
    theirs = model.losses(trained.artefact, Scoring(rows=rows, past=rows.clear()))
    assert theirs.len() == rows.height == trained.evaluated.height
    assert theirs.mean() == pytest.approx(rows[model.gate.loss].mean(), rel=0.3)
    assert model.gate.cluster in rows.columns
