"""Recommendations: ranked, explained, own evidence first where there is much of it, exploration that repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.content_recommendation import scoring
from clientnest_assets.models.content_recommendation.declaration import CONTENT_RECOMMENDATION
from clientnest_assets.models.content_recommendation.examples import examples, requests
from clientnest_assets.models.content_recommendation.options import Belief
from clientnest_assets.models.content_recommendation.scoring import ANSWERS, TOP
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.traits import CATEGORY, MEDIA
from clientnest_assets_tests.models.content_recommendation.conftest import CATEGORIES, UNTIL, make_posts, train_on


def asked(users: list[int], platform: str = "twitter", tier: str | None = "free", at: datetime = UNTIL) -> pl.DataFrame:
    rows = [{"user_id": user, "platform": platform, "subscription_tier": tier, "as_of": at} for user in users]
    return pl.DataFrame(rows, schema_overrides={"as_of": MOMENT, "subscription_tier": pl.String})


def recommend(trained, requests_, past):
    return CONTENT_RECOMMENDATION.score(trained.artefact, Scoring(requests_, past))


def test_the_best_category_comes_first_with_its_interval_and_evidence(trained, rows):
    answers = recommend(trained, asked([1, 3]), rows)
    assert answers.schema == ANSWERS
    first = answers.filter(pl.col("trait") == CATEGORY, pl.col("user_id") == 1, pl.col("rank") == 1).row(0, named=True)
    assert first["option"] == "Educational"
    assert first["uplift_low"] < first["uplift"] < first["uplift_high"]
    assert first["uplift"] == pytest.approx(first["everybody"] + first["tier"] + first["own"], abs=1e-5)
    assert first["posts_everybody"] > first["posts_platform"] > first["posts_own"] > 0
    assert first["why"].startswith("Educational posts get ")
    assert (
        f"{first['posts_platform']} such posts seen on twitter, {first['posts_own']} of them your own." in first["why"]
    )


def test_ranks_follow_uplift_and_requests_keep_their_order(trained, rows):
    answers = recommend(trained, asked([5, 1, 3]), rows)
    assert answers["user_id"].unique(maintain_order=True).to_list() == [5, 1, 3]
    ranked = answers.filter(~pl.col("is_exploration"))
    assert ranked["rank"].max() <= TOP
    for _, one in ranked.group_by("user_id", "trait", maintain_order=True):
        assert one["uplift"].is_sorted(descending=True)


def test_a_user_whose_own_posts_say_otherwise_gets_their_own(rows):
    own = examples({"fact_posts": make_posts(posts=12_000, own=0.9).lazy()}, UNTIL)
    answers = recommend(
        train_on(own),
        own.select("user_id", "platform", "subscription_tier")
        .unique()
        .sort("user_id")
        .with_columns(as_of=pl.lit(UNTIL).cast(MOMENT)),
        own,
    )
    first = answers.filter(pl.col("trait") == CATEGORY, pl.col("rank") == 1)
    best = [CATEGORIES[(user - 1) // 4 % 4] for user in first["user_id"]]
    assert (first["option"] == pl.Series(best)).mean() > 0.8
    assert answers["posts_own"].max() > 20


def test_strangers_get_what_everybody_tells(trained, rows):
    stranger = recommend(trained, asked([9_999], tier="unheard of"), rows)
    assert stranger.filter(pl.col("trait") == CATEGORY)["option"][0] == "Educational"
    assert (stranger["posts_own"] == 0).all()
    assert (stranger["own"] == 0).all()
    assert recommend(trained, asked([9_999], tier=None), rows.head(0)).height == stranger.height


def test_nothing_is_said_of_a_platform_without_evidence(trained, rows):
    assert recommend(trained, asked([1], platform="mastodon"), rows).is_empty()
    assert recommend(trained, asked([1]).head(0), rows).schema == ANSWERS


def test_exploration_is_marked_bounded_and_the_same_each_time(trained, rows):
    users = asked(list(range(1, 101, 2)))
    answers = recommend(trained, users, rows)
    assert answers.equals(recommend(trained, users, rows))
    alone = recommend(trained, asked([7]), rows)
    assert alone.equals(answers.filter(pl.col("user_id") == 7))
    tried = answers.filter("is_exploration")
    assert 0 < tried.height < 0.3 * answers.height
    assert (tried["rank"] > 1).all()
    assert tried["why"].str.contains("Worth a try").all()
    tomorrow = recommend(trained, asked(list(range(1, 101, 2)), at=UNTIL + timedelta(days=1)), rows)
    other = tomorrow.filter("is_exploration").select("user_id", "trait", "option")
    assert not other.equals(tried.select("user_id", "trait", "option"))


def test_what_is_too_rare_to_be_told_of_takes_no_draw_from_the_others():
    """An option of five posts, of which next to nothing is known: nearly every draw of all would be its."""
    requests_ = asked(list(range(1, 2001))).with_row_index("request")
    line, names = (len(requests_), 1), ("first", "second", "rare")
    effect, none = np.tile([0.05, 0.04, 0.0], line), np.zeros((line[0], 3))
    covariance = np.tile(np.diag([0.02, 0.03, 9.0]) ** 2, (line[0], 1, 1))
    posts = np.tile([500, 300, 5], line)
    belief = Belief(effect, none, none, covariance, covariance, (posts, posts, posts, np.zeros_like(posts)))
    answers = scoring._answers(requests_, CATEGORY, names, belief)
    assert set(answers["option"]) == {"first", "second"}
    # The second is better than the first as often as a normal number is above 0.01 / hypot(0.02, 0.03).
    assert answers["is_exploration"].sum() / line[0] == pytest.approx(0.39, abs=0.03)


def test_what_is_known_later_changes_nothing(trained, rows):
    moment = rows["as_of"][2000]
    altered = rows.with_columns(
        pl.when(pl.col("label_known_at") > moment).then(99.0).otherwise("log_engagement").alias("log_engagement")
    )
    then = asked([1, 3], at=moment)
    assert recommend(trained, then, rows).equals(recommend(trained, then, altered))


def test_requests_are_users_and_platforms_connected_then():
    day = datetime(2025, 3, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "account_id": [1, 2, 3, 4],
            "user_id": [10, 10, 11, 12],
            "platform": ["twitter", "twitter", "linkedin", "twitter"],
            "valid_from": [day, day, day, day + timedelta(days=9)],
            "valid_to": [None, None, day + timedelta(days=2), None],
        },
        schema_overrides={"valid_from": MOMENT, "valid_to": MOMENT},
    )
    users = pl.DataFrame(
        {
            "user_id": [10, 10, 11],
            "subscription_tier": ["free", "starter", "free"],
            "valid_from": [day, day + timedelta(days=3), day],
            "valid_to": [day + timedelta(days=3), None, None],
        },
        schema_overrides={"valid_from": MOMENT, "valid_to": MOMENT},
    )
    inputs = {"dim_social_account": frame.lazy(), "dim_user": users.lazy()}
    then = requests(inputs, day + timedelta(days=1))
    assert then.rows() == [(10, "twitter", "free", then["as_of"][0]), (11, "linkedin", "free", then["as_of"][0])]
    later = requests(inputs, day + timedelta(days=5))
    assert later.select("user_id", "subscription_tier").rows() == [(10, "starter")]


def test_video_is_advised_where_it_works(trained, rows):
    media = {
        platform: recommend(trained, asked([9_999], platform=platform), rows).filter(pl.col("trait") == MEDIA)[
            "option"
        ][0]
        for platform in ("twitter", "linkedin")
    }
    assert media["twitter"] == "video"
    assert media["linkedin"] != "video"
