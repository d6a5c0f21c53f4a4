import json

import numpy as np
import polars as pl
import pytest

from clientnest_assets.simulation import engagement
from clientnest_assets.simulation.world import DAY, HOUR


@pytest.fixture(scope="module")
def observed(small):
    """Every observation with its post's publication and age."""
    posts = small.tables["social_posts"].select("id", "platform", "published_time", "user_id", "hashtags", "content")
    return (
        small.tables["post_metrics"]
        .join(posts, left_on="post_id", right_on="id")
        .with_columns(
            age=pl.col("collected_at") - pl.col("published_time"),
            score=pl.col("likes_count") + 2 * pl.col("comments_count") + 3 * pl.col("shares_count"),
        )
        .sort("post_id", "collected_at")
    )


@pytest.fixture(scope="module")
def mature(observed, small):
    """The first observation at or after seven days, with the truth."""
    first = observed.filter(pl.col("age") >= pl.duration(days=7)).group_by("post_id", maintain_order=True).first()
    return first.join(small.truth("posts"), on="post_id")


def test_accrual_is_one_at_seven_days_and_saturates():
    platform = np.arange(5)
    ages = np.array([0.0, HOUR, DAY, 7 * DAY, 28 * DAY, 60 * DAY])
    shares = np.array([engagement.accrued(np.full(5, age), platform) for age in ages])
    assert shares[0].tolist() == [0.0] * 5
    assert shares[3] == pytest.approx(np.ones(5))
    assert (np.diff(shares, axis=0) > 0).all()
    assert (shares[4] < 1.15).all()
    assert shares[5] - shares[4] == pytest.approx(np.zeros(5), abs=0.01)


def test_a_post_is_asked_for_at_its_nominal_ages_or_later(observed):
    number = observed.with_columns(number=pl.int_range(pl.len()).over("post_id"))
    nominal = pl.Series(engagement.SNAPSHOT_AGES).gather(number["number"])
    late = number["age"].dt.total_microseconds() - nominal
    assert late.min() >= 0
    # An outage holds questions up by at most its twenty hours and the hour after.
    assert late.max() <= 23 * HOUR
    assert late.median() < 2 * HOUR


def test_counts_grow_but_for_rare_small_restatements(observed):
    earlier = observed.with_columns(
        pl.col("likes_count", "comments_count", "shares_count").diff().over("post_id").name.suffix("_gain")
    )
    assert earlier["comments_count_gain"].min() >= 0
    assert earlier["shares_count_gain"].min() >= 0
    fallen = earlier.filter(pl.col("likes_count_gain") < 0)
    assert 0.002 < len(fallen) / len(earlier) < 0.02
    lost = -fallen["likes_count_gain"] / (fallen["likes_count"] - fallen["likes_count_gain"])
    assert (
        lost * (fallen["likes_count"] - fallen["likes_count_gain"])
        <= 1 + 0.03 * (fallen["likes_count"] - fallen["likes_count_gain"])
    ).all()


def test_reach_impressions_and_clicks_are_consistent(observed):
    total = observed["likes_count"] + observed["comments_count"] + observed["shares_count"]
    assert (observed["reach"] >= total).all()
    assert (observed["impressions"] >= observed["reach"]).all()
    clicks = observed.drop_nulls("clicks_count")
    assert (clicks["clicks_count"] <= clicks["impressions"]).all()
    assert set(observed.filter(pl.col("clicks_count").is_null())["platform"]) == {"tiktok"}


def test_the_truth_is_the_mean_of_what_is_observed(mature):
    assert mature["score"].sum() / mature["expected_engagement_score"].sum() == pytest.approx(1.0, abs=0.05)
    surprise = mature["score"].log1p() - mature["expected_log1p_engagement_score"]
    assert surprise.mean() == pytest.approx(0.0, abs=0.03)
    parts = mature.select(pl.sum_horizontal(pl.col("^log_.*$"))).to_series()
    assert np.allclose(parts.exp(), mature["expected_engagement_score"])


def test_the_truth_explains_about_four_fifths_of_log_engagement(mature):
    actual, best = mature["score"].log1p(), mature["expected_log1p_engagement_score"]
    explained = 1 - ((actual - best) ** 2).sum() / ((actual - actual.mean()) ** 2).sum()
    assert 0.75 <= explained <= 0.85


@pytest.mark.parametrize(
    "part", ["log_hour", "log_hashtags", "log_platform_category", "log_media", "log_followers", "log_skill"]
)
def test_each_lever_matters_visibly(mature, part):
    assert mature[part].std() > 0.12
    # What is observed moves with the part about one to one, once the others are taken out.
    others = mature["expected_log1p_engagement_score"] - mature[part]
    left = mature["score"].log1p() - others
    slope = np.cov(mature[part], left)[0, 1] / mature[part].var()
    assert slope == pytest.approx(1.0, abs=0.12)


def test_planted_hashtags_lift_the_posts_that_carry_them(mature, small):
    lifts = json.loads((small.truth_folder / "effects.json").read_text())["engagement"]["hashtags"]
    assert sum(lift > 0 for lift in lifts.values()) == 10
    assert sum(lift < 0 for lift in lifts.values()) == 6
    lift_of = pl.element().replace_strict(lifts, default=0.0, return_dtype=pl.Float64)
    told = mature.select(pl.col("hashtags").list.eval(lift_of).list.sum()).to_series()
    assert np.allclose(told.fill_null(0.0), mature["log_hashtags"], atol=1e-4)


def test_followers_are_heavy_tailed_and_grow(small):
    metrics = small.tables["account_metrics"].sort("account_id", "collected_at")
    followers = metrics.group_by("account_id").agg(
        pl.col("followers_count").first().alias("first"), pl.col("followers_count").last().alias("last")
    )
    assert followers["first"].mean() > 2 * followers["first"].median()
    assert (followers["last"] > followers["first"]).mean() > 0.7
    per_day = metrics.group_by("account_id", pl.col("collected_at").dt.date()).len()
    assert per_day["len"].max() == 1
    latest = metrics.group_by("account_id").last().sort("account_id")
    accounts = small.tables["social_media_accounts"].sort("id")
    for column in ("followers_count", "following_count", "posts_count", "engagement_rate"):
        assert latest[column].to_list() == accounts[column].to_list()
    assert latest["collected_at"].to_list() == accounts["last_sync"].to_list() == accounts["updated_at"].to_list()
