"""The suggester in training: planted lift comes first, fame and frequency do not, too little is said."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.errors import ForeignModelError, NotEnoughDataError
from clientnest_assets.models.figures import png
from clientnest_assets.models.hashtags.declaration import HASHTAGS
from clientnest_assets.models.hashtags.evaluation import MOST_USED, NAIVE_RULES, RAW_MEAN
from clientnest_assets.models.hashtags.lift import Lifts
from clientnest_assets.models.hashtags.sections import lift_table
from clientnest_assets.models.hashtags.use import MIN_ACCOUNTS
from clientnest_assets.models.model import MODEL
from clientnest_assets.models.traits import LABEL
from clientnest_assets_tests.models.hashtags.conftest import FAMOUS, LIFT, OVEN, PLAIN, train_on, without


def lifts_of(trained) -> dict[str, float]:
    table = lift_table(Lifts.from_json(trained.artefact.learned["lifts"]))
    return dict(table.select("hashtag", "lift").rows())


def test_planted_lifts_come_first_with_their_size(trained):
    found = lifts_of(trained)
    assert list(found)[:4] == ["good1", OVEN, "good2", "good3"] or list(found)[:4] == ["good1", "good2", OVEN, "good3"]
    assert list(found)[-1] == "bad"
    for tag, lift in LIFT.items():
        assert found[tag] - found["plain1"] == pytest.approx(lift, abs=0.12)


def test_fame_and_frequency_are_no_lift(trained, posts):
    found = lifts_of(trained)
    assert abs(found[FAMOUS]) < 0.15
    assert abs(found["frequent"]) < 0.1
    label = posts.explode("content__hashtags").group_by("content__hashtags").agg(pl.col(LABEL).mean(), pl.len())
    assert label.sort(LABEL)["content__hashtags"].to_list()[-1] == FAMOUS
    assert label.sort("len")["content__hashtags"].drop_nulls().to_list()[-1] == "frequent"


def test_it_beats_every_naive_rule_on_later_posts(trained):
    ours = trained.metrics[MODEL]
    assert ours["rmse"] < min(trained.metrics[rule]["rmse"] for rule in NAIVE_RULES if rule != MOST_USED)
    assert ours["top_lift"] > trained.metrics[MOST_USED]["top_lift"] + 0.1
    assert ours["top_lift"] >= trained.metrics[RAW_MEAN]["top_lift"]
    assert all(finding.passed for finding in trained.findings)


def test_what_is_evaluated_is_later_than_what_was_learned_from(trained):
    assert trained.evaluated[AS_OF].min().isoformat() >= trained.artefact.card["evaluated"]["cutoff"]
    assert trained.evaluated["loss"].mean() == pytest.approx(trained.metrics[MODEL]["rmse"] ** 2, abs=1e-6)


def test_shuffled_labels_give_no_skill(posts):
    noise = np.random.default_rng(3).permutation(posts[LABEL].to_numpy())
    trained = train_on(posts.with_columns(pl.Series(LABEL, noise)))
    assert max(map(abs, lifts_of(trained).values())) < 0.1
    assert trained.metrics[MODEL]["rmse"] == pytest.approx(trained.metrics["no_effect"]["rmse"], rel=0.01)


def test_same_rows_give_the_same_files(trained, posts):
    assert train_on(posts, threads=2).artefact.to_files() == trained.artefact.to_files()


def test_hashtags_out_of_use_are_dead(posts):
    newest = posts[AS_OF].max()
    of_last_month = pl.col(AS_OF) > newest - timedelta(days=30)
    gone = without(posts, "good1", of_last_month)
    fading = without(gone, "good2", of_last_month & (pl.col("post_id") % 10 > 0))
    dead = Lifts.from_json(train_on(fading).artefact.learned["lifts"]).dead
    assert dead == ("good1", "good2")


def test_a_hashtag_of_a_few_accounts_is_nobody_elses_business(posts):
    few = without(posts, "good1", pl.col("user_id") >= MIN_ACCOUNTS)
    with_few = Lifts.from_json(train_on(few).artefact.learned["lifts"])
    assert "good1" not in with_few.tags


def test_platforms_that_differ_are_told_apart(posts):
    rng = np.random.default_rng(9)
    plain = pl.Series(rng.normal(0, 0.3, len(PLAIN)))
    table = pl.DataFrame({"content__hashtags": PLAIN, "extra": plain})
    extra = (
        posts.filter(pl.col("platform") == "twitter")
        .select("post_id", "content__hashtags")
        .explode("content__hashtags")
        .join(table, on="content__hashtags")
        .group_by("post_id")
        .agg(pl.col("extra").sum())
    )
    rows = posts.join(extra, on="post_id", how="left", maintain_order="left").with_columns(
        pl.col(LABEL) + pl.col("extra").fill_null(0)
    )
    lifts = Lifts.from_json(train_on(rows).artefact.learned["lifts"])
    tags = [lifts.tags.index(tag) for tag in PLAIN]
    twitter = lifts.platforms.index("twitter")
    found = (lifts.mean + lifts.on_platform[twitter])[tags]
    assert np.corrcoef(found, plain.to_numpy())[0, 1] > 0.9


@pytest.mark.parametrize("count", [0, 3, 30])
def test_too_few_hashtags_are_said(posts, count):
    with pytest.raises(NotEnoughDataError, match=f"hashtags in {count} posts .* 20 posts of 5 accounts"):
        train_on(posts.head(count))


def test_posts_without_hashtags_are_said(posts):
    bare = posts.with_columns(content__hashtags=pl.lit(None, pl.List(pl.String)))
    with pytest.raises(NotEnoughDataError, match="none of 0 hashtags in 6000"):
        train_on(bare)


def test_accounts_of_a_single_post_each_are_said(posts):
    with pytest.raises(NotEnoughDataError, match=r"0 posts .* can be compared"):
        train_on(posts.with_columns(account_id=pl.col("post_id")))


def test_rows_without_the_content_view_are_refused(posts):
    with pytest.raises(ForeignModelError, match="content__words"):
        train_on(posts.drop("content__words"))


def test_the_page_shows_calibration_and_lifts(trained):
    compared, lifts, dead = trained.sections
    assert lifts.table["hashtag"][0] == "good1"
    assert "none" in dead.words
    assert all(png(section.figure).startswith(b"\x89PNG") for section in (compared, lifts))


def test_declaration_names_its_parts():
    assert set(HASHTAGS.gate.beats) <= {metric.name for metric in HASHTAGS.metrics}
