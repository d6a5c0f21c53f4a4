"""What requests bring of other posts: young ones of the account, how posts do lately, where tiers part. Never the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.engagement import drift, spec, tiers
from clientnest_assets.models.engagement.young import (
    YOUNG_LOG,
    YOUNG_POSTS,
    YoungPosts,
    early_observations,
    with_young_posts,
)

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def asked(*hours, account=1):
    return pl.DataFrame(
        {"account_id": account, "platform": "twitter", "as_of": [START + h * HOUR for h in hours]},
        schema_overrides={"as_of": MOMENT, "account_id": pl.Int64()},
    )


def early(published_hours, scores, account=1):
    published = [START + h * HOUR for h in published_hours]
    posts = list(range(len(published)))
    outcomes = pl.DataFrame(
        {
            "post_id": posts,
            "account_id": account,
            "published_at": published,
            "mature_at": [at + 169 * HOUR for at in published],
        },
        schema_overrides={"published_at": MOMENT, "mature_at": MOMENT, "account_id": pl.Int64()},
    )
    observations = pl.DataFrame(
        {"post_id": posts, "observed_at": [at + 25 * HOUR for at in published], "engagement_score": scores},
        schema_overrides={"observed_at": MOMENT},
    )
    return early_observations(outcomes, observations)


def test_a_post_is_young_from_its_first_day_until_it_is_mature():
    found = with_young_posts(asked(24.9, 25, 34, 35, 168.9, 169, 179), early([0, 10], [9, 99]))
    assert found[YOUNG_POSTS].to_list() == [0, 1, 1, 2, 2, 1, 0]
    nine, ninety_nine = np.log(10), np.log(100)
    expected = [None, nine, nine, (nine + ninety_nine) / 2, (nine + ninety_nine) / 2, ninety_nine, None]
    assert found[YOUNG_LOG].to_list() == pytest.approx(expected, abs=1e-6)


def test_posts_observed_at_one_moment_all_count_in_whatever_order_they_come():
    scores = list(range(1, 501))
    at_once = early([0] * 500, scores)
    for seed in range(5):
        found = with_young_posts(asked(24.9, 25, 169), at_once.sample(fraction=1, shuffle=True, seed=seed))
        assert found[YOUNG_POSTS].to_list() == [0, 500, 0]
        assert found[YOUNG_LOG][1] == pytest.approx(np.log1p(scores).mean(), abs=1e-6)


def test_observations_that_came_too_early_or_too_late_are_no_early_ones():
    outcomes = pl.DataFrame(
        {"post_id": [1], "account_id": [1], "published_at": [START], "mature_at": [None]},
        schema_overrides={"published_at": MOMENT, "mature_at": MOMENT},
    )
    observations = pl.DataFrame(
        {"post_id": 1, "observed_at": [START + h * HOUR for h in (1, 23.9, 30, 26, 49)], "engagement_score": range(5)},
        schema_overrides={"observed_at": MOMENT},
    )
    assert early_observations(outcomes, observations)["engagement_score"].to_list() == [3]


def test_what_a_day_becomes_in_a_week_is_learned_by_platform():
    rng = np.random.default_rng(2)
    platform = np.array(["twitter", "tiktok"])[np.arange(400) % 2]
    level = rng.normal(4, 1, 40)[np.arange(400) % 40]
    rows = pl.DataFrame(
        {
            "account_id": np.arange(400) % 40,
            "platform": platform,
            spec.LABEL: level + rng.normal(0, 0.5, 400),
            YOUNG_LOG: level - np.where(platform == "twitter", 0.1, 0.6),
        }
    )
    found = YoungPosts.fit(rows, rng.normal(0, 0.5, 400) * 0)
    assert found.growth == pytest.approx({"twitter": 0.1, "tiktok": 0.6}, abs=0.1)
    assert YoungPosts.from_json(found.to_json()) == found
    nothing = YoungPosts.fit(rows.with_columns(pl.lit(None, pl.Float64).alias(YOUNG_LOG)), np.zeros(400))
    assert (nothing.growth, nothing.weight) == ({}, 0)


def test_a_rise_for_all_is_told_the_day_after_it_was_seen(monkeypatch):
    monkeypatch.setattr(drift, "MIN_POSTS", 10)
    hours = [day * 24 + minute for day in range(30) for minute in range(2)]
    scores = [9 if hour < 20 * 24 else 99 for hour in hours]
    found = drift.with_drift(asked(*(24 * day + 1 for day in (1, 15, 21, 22, 28))), early(hours, scores))
    drifts = found[spec.DRIFT].to_list()
    assert drifts[0] is None
    # Seen on the 21st day, a post of the 20th tells from the day after; a week later most posts do.
    assert drifts[1:4] == pytest.approx([0, 0, 0], abs=1e-6)
    assert drifts[4] == pytest.approx(np.log(10), rel=0.25)


def test_the_level_takes_what_of_the_drift_it_lacks():
    drifts = np.tile([-0.1, 0.3], 500)
    found = drift.Drift.fit(drifts, 0.5 * (drifts - 0.1))
    assert found.share == pytest.approx(0.5, abs=0.02)
    assert found.usual == pytest.approx(0.1)
    asked = pl.DataFrame({spec.DRIFT: [0.1, 0.3, None]})
    assert found.adds(asked).tolist() == pytest.approx([0, 0.1, 0], abs=0.01)
    assert drift.Drift.fit(drifts, -drifts).share == 0
    assert drift.Drift.fit(np.full(9, np.nan), np.ones(9)) == drift.Drift()
    assert drift.Drift.from_json(found.to_json()) == found


def outcomes_of(scores, published_days, delay_days=7):
    published = [START + timedelta(days=day) for day in published_days]
    return pl.DataFrame(
        {
            "platform": "twitter",
            "published_at": published,
            "mature_at": [at + timedelta(days=delay_days) for at in published],
            "mature_engagement_score": scores,
        },
        schema_overrides={"published_at": MOMENT, "mature_at": MOMENT},
    )


def test_tiers_part_at_the_quartiles_of_what_was_known_of_the_90_days_before():
    old = outcomes_of([10_000] * 30, [-1] * 30)
    known = outcomes_of(list(range(1, 42)), [60] * 41)
    unknown = outcomes_of([10_000] * 30, [88] * 30)
    rows = pl.DataFrame(
        {"platform": ["twitter", "tiktok"], "as_of": [START + timedelta(days=90, hours=5)] * 2},
        schema_overrides={"as_of": MOMENT},
    )
    found = tiers.with_boundaries(rows, pl.concat([old, known, unknown]))
    assert found.row(0)[-3:] == (11, 21, 31)
    assert found.row(1)[-3:] == (None, None, None)


def test_scores_fall_into_the_tiers_of_the_product():
    """Up to a quartile and including it; whole scores part half-way to the next."""
    rows = pl.DataFrame({name: [value] * 5 for name, value in zip(spec.BOUNDARIES, (10.0, 20.5, 30.0), strict=True)})
    ends = tiers.upper_ends(rows)
    became = tiers.tier_of(np.log1p(np.array([10.0, 11, 20, 21, 31])), ends)
    assert [spec.TIERS[int(place)] for place in became] == ["Low", "Medium", "Medium", "High", "Viral"]


def test_chances_of_tiers_add_up_and_keep_their_order():
    found = tiers.chances(np.array([[0.4, 0.5, 0.7], [0.0, 0.0, 0.1], [0.6, 0.5, 0.4], [np.nan] * 3]))
    assert found[:3].sum(axis=1) == pytest.approx([1, 1, 1])
    assert (found[:3] >= 0).all()
    assert tiers.likeliest(found).to_list() == ["Low", "Viral", "Low", None]
