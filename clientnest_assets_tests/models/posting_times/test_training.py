"""The model finds the hours that were planted, not the people who post in them, and says where it knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.effects import Z80
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.model import MODEL, Scoring, Trained, Training
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import PostingTimes, fit_posting_times, outlook
from clientnest_assets.models.posting_times.declaration import POSTING_TIMES
from clientnest_assets.models.posting_times.examples import requests
from clientnest_assets.models.posting_times.judging import evaluate, losses, uplift_of
from clientnest_assets.models.posting_times.plots import week_maps
from clientnest_assets.models.posting_times.scoring import best_times, score
from clientnest_assets.models.posting_times.training import train
from clientnest_assets.models.splits import split_by_time
from clientnest_assets_tests.models.posting_times.world import (
    PEAKS,
    PLATFORMS,
    UNTIL,
    WEEKEND,
    World,
    make_world,
    true_hours,
)


def true_week(platform: str) -> np.ndarray:
    return (true_hours(platform) + WEEKEND * (np.arange(7)[:, None] >= 5)).ravel()


def test_hours_are_found_although_the_famous_post_at_bad_ones(trained: Trained, world: World):
    model = PostingTimes.from_json(trained.artefact.learned)
    for platform in PLATFORMS:
        truth = true_week(platform)
        curve = model.curves[platform]
        assert np.corrcoef(curve.uplift, truth)[0, 1] > 0.97
        # The spread, not the shape alone: an author's own hours must not be compared away.
        assert np.polyfit(truth, curve.uplift, 1)[0] == pytest.approx(1.0, abs=0.12)
    raw = (
        world.rows().filter(platform="twitter").group_by(pl.col("hour").cast(int)).agg(pl.col("log_engagement").mean())
    )
    assert np.corrcoef(raw.sort("hour")["log_engagement"], true_hours("twitter"))[0, 1] < 0.85


def test_intervals_hold_the_true_uplift(trained: Trained):
    model = PostingTimes.from_json(trained.artefact.learned)
    covered = []
    for platform in PLATFORMS:
        curve = model.curves[platform]
        truth = true_week(platform)
        beyond_usual = truth - curve.posts @ truth / curve.posts.sum()
        covered.append(np.abs(curve.uplift - beyond_usual) <= Z80 * curve.error)
    assert 0.6 < np.mean(covered) <= 1.0


def test_it_beats_every_naive_rule_on_later_posts(trained: Trained):
    ours = trained.metrics[MODEL]
    for rule in spec.NAIVE_RULES:
        theirs = trained.metrics[rule]
        assert ours["rmse"] < theirs["rmse"]
        assert ours["mae"] < theirs["mae"]
        assert theirs["spearman"] is None or ours["spearman"] > theirs["spearman"]
    assert all(each.passed for each in trained.findings), trained.findings


def test_evaluated_posts_are_later_than_what_the_twin_learned_from(trained: Trained):
    cutoff = datetime.fromisoformat(trained.artefact.card["evaluated"]["cutoff"])
    assert trained.evaluated["as_of"].min() >= cutoff
    assert POSTING_TIMES.gate.loss in trained.evaluated.columns
    assert set(POSTING_TIMES.gate.beats) <= set(trained.metrics[MODEL])


def test_suggested_are_the_planted_hours(trained: Trained, world: World):
    answers = score(trained.artefact, Scoring(requests(world.inputs, UNTIL), world.rows()))
    assert answers.schema == POSTING_TIMES.answers
    for platform, peak in PEAKS.items():
        newcomer = answers.filter(pl.col("account_id").is_null(), platform=platform)
        assert newcomer.height == spec.SUGGESTED
        assert (newcomer["hour"] - peak).abs().max() <= 1
        assert newcomer["weekday"].max() <= 5
        assert (newcomer["platform_posts"] >= spec.MIN_SLOT_POSTS).all()
        assert (newcomer["own_posts"] == 0).all()
        assert (newcomer["evidence"] == "platform").all()


def test_accounts_with_hours_of_their_own_are_told_their_own():
    world = make_world(own=1.2, accounts=40, posts=6000)
    rows = world.rows()
    model, _ = fit_posting_times(rows)
    assert model.own["spread"] >= 0.2
    asked = requests(world.inputs, UNTIL)
    expected = outlook(model, asked, rows)
    found = np.array([expected.uplift[line].reshape(7, 24).mean(axis=0) for line in range(asked.height)])
    fits = []
    for line, (platform, account) in enumerate(asked.select("platform", "account_id").rows()):
        if account is None:
            continue
        apart = np.abs(np.arange(24) - world.own_peak[account])
        own = 1.2 * np.exp(-0.5 * (np.minimum(apart, 24 - apart) / 3.0) ** 2)
        fits.append(np.corrcoef(found[line], own + true_hours(platform))[0, 1])
    assert np.mean(fits) > 0.85
    newcomer = (asked["account_id"].is_null()).to_numpy()
    assert expected.error[newcomer].mean() > 1.5 * expected.error[~newcomer].mean()
    answers = score(train(world.training()).artefact, Scoring(asked, rows))
    assert (answers.filter(pl.col("account_id").is_not_null())["evidence"] == "own").mean() > 0.5


def test_accounts_without_hours_of_their_own_get_the_platforms(trained: Trained, world: World):
    model = PostingTimes.from_json(trained.artefact.learned)
    assert model.own["spread"] <= 0.05
    expected = outlook(model, requests(world.inputs, UNTIL), world.rows())
    assert expected.own_part.max() < 0.3


def test_own_posts_count_only_from_the_day_they_were_known(world: World):
    rows = world.rows()
    model, _ = fit_posting_times(rows)
    model = replace(model, own={"smoothness_hours": 2.5, "spread": 0.3})
    at = datetime(2025, 3, 1, tzinfo=UTC)
    asked = requests(world.inputs, at)
    ours = outlook(model, asked, rows)
    then = outlook(model, asked, rows.filter(pl.col("label_known_at") <= at))
    assert np.array_equal(ours.uplift, then.uplift)
    assert ours.own_posts.sum() > 0
    twice = outlook(model, pl.concat([asked, asked]), rows)
    assert np.array_equal(twice.uplift[asked.height :], ours.uplift)


def test_without_an_effect_nothing_is_suggested_and_nothing_passes():
    world = make_world(effect=0.0, posts=3000)
    found = train(world.training())
    assert not all(each.passed for each in found.findings) or found.metrics[MODEL]["spearman"] is None
    strongest = max(np.abs(curve["uplift"]).max() for curve in found.artefact.learned["curves"].values())
    assert strongest < 0.1


def test_shuffled_labels_give_no_skill(world: World):
    training = world.training()
    rows = training.rows.with_columns(pl.col("log_engagement").shuffle(seed=1))
    found = train(replace(training, rows=rows))
    assert abs(found.metrics[MODEL]["spearman"] or 0.0) < 0.07
    assert not all(each.passed for each in found.findings)


def test_same_posts_give_the_same_files(world: World, trained: Trained):
    again = train(world.training())
    assert again.artefact.to_files() == trained.artefact.to_files()
    assert Artefact.from_files(again.artefact.to_files(), task=spec.TASK).version == trained.artefact.version


def test_best_times_are_told_on_the_callers_clock(trained: Trained, world: World):
    now = datetime(2025, 5, 1, tzinfo=UTC)
    found = best_times(trained.artefact, "twitter", "Asia/Kolkata", now, author_zone="UTC", count=3)
    assert found.height == 3
    assert found["time_there"].str.ends_with(":30").all()
    own = best_times(
        trained.artefact, "twitter", "UTC", now, account_id=1, author_zone="UTC", past=world.rows(), count=3
    )
    assert own["own_posts"].max() > 0
    assert best_times(trained.artefact, "myspace", "UTC", now).is_empty()


def test_answers_do_not_depend_on_how_many_are_asked_for_at_once(
    trained: Trained, world: World, monkeypatch: pytest.MonkeyPatch
):
    scoring = Scoring(requests(world.inputs, UNTIL), world.rows())
    at_once = score(trained.artefact, scoring)
    monkeypatch.setattr(spec, "REQUESTS_AT_ONCE", 7)
    assert score(trained.artefact, scoring).equals(at_once)


def test_the_error_of_a_mean_counts_blocks_not_posts():
    block = np.repeat(np.arange(50), 20)
    luck = np.random.default_rng(0).normal(0, 1, 50)[block]
    posts = pl.DataFrame({"block": block, "weight": np.ones(1000), "actual": luck})
    _, error = uplift_of(posts)
    assert error == pytest.approx(1 / 50**0.5, rel=0.25)
    assert uplift_of(posts.head(20))[1] == float("inf")


@pytest.mark.parametrize("posts", [0, 3, 150])
def test_too_few_posts_are_told_with_numbers(posts: int):
    rows = make_world(300, 3).rows().head(posts)
    with pytest.raises(NotEnoughDataError, match=rf"{posts} posts.*{spec.MIN_CONTRASTS}"):
        train(Training(rows, None, UNTIL))


def test_one_account_on_one_platform_is_enough():
    world = make_world(2000, 1)
    found = train(world.training())
    assert list(found.artefact.learned["curves"]) == ["twitter"]
    assert score(found.artefact, Scoring(requests(world.inputs, UNTIL), world.rows()))[
        "platform"
    ].unique().to_list() == ["twitter"]


def test_posts_that_all_got_the_same_are_no_crash():
    world = make_world(2000, 10)
    flat = World(world.posts.with_columns(pl.lit(7, pl.Int64).alias("mature_engagement_score")))
    found = train(flat.training())
    assert not all(each.passed for each in found.findings)
    assert score(found.artefact, Scoring(requests(flat.inputs, UNTIL), flat.rows())).is_empty()


def test_unknown_form_is_no_crash():
    world = make_world(2500, 10)
    null = World(
        world.posts.with_columns(
            pl.lit(None).cast(world.posts.schema[name]).alias(name)
            for name in ("content_category", "media_type", "ai_generated", "content_length", "hashtag_count")
        )
    )
    assert train(null.training()).artefact.learned["curves"]


def test_page_has_figures_and_tables(trained: Trained):
    from clientnest_assets.models.figures import png

    assert all(section.title for section in trained.sections)
    figures = [section.figure for section in trained.sections if section.figure is not None]
    assert len(figures) == 3
    model = PostingTimes.from_json(trained.artefact.learned)
    assert png(week_maps(model)) == png(week_maps(model))


def test_losses_are_those_of_the_evaluation(world: World):
    training = world.training()
    split = split_by_time(training.rows, "as_of", "label_known_at")
    twin, _ = fit_posting_times(split.earlier)
    evaluated = evaluate(twin, split.later, training.rows, split.earlier)
    judged = training.rows.join(evaluated.select("post_id"), on="post_id", how="semi", maintain_order="left")
    artefact = Artefact.of(spec.TASK, twin.to_json(), {}, {})
    found = losses(artefact, Scoring(judged, training.rows))
    assert np.allclose(found.to_numpy(), evaluated["loss"].to_numpy(), atol=1e-6)


def test_a_post_is_judged_by_what_was_known_before_its_week(world: World):
    training = world.training()
    split = split_by_time(training.rows, "as_of", "label_known_at")
    twin, _ = fit_posting_times(split.earlier)
    strayed = replace(twin, own={"smoothness_hours": 2.5, "spread": 0.4})
    before = evaluate(strayed, split.later, training.rows, split.earlier)
    monday = pl.lit(split.cutoff).dt.truncate("1w") + pl.duration(weeks=1)
    is_known_later = pl.col("label_known_at") > monday
    changed = training.rows.with_columns(
        pl.when(is_known_later).then(0.0).otherwise("log_engagement").alias("log_engagement")
    )
    after = evaluate(strayed, split.later, changed, split.earlier)
    of_that_week = pl.col("as_of") < monday + pl.duration(weeks=1)
    assert before.filter(of_that_week).height > 100
    assert before.filter(of_that_week)[MODEL].equals(after.filter(of_that_week)[MODEL])
    assert not before[MODEL].equals(after[MODEL])
