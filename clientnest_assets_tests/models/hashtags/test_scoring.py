"""Suggestions: by lift, for what goes with the draft, own evidence where there is much, nothing dead, banned or there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.hashtags.declaration import HASHTAGS
from clientnest_assets.models.hashtags.examples import requests
from clientnest_assets.models.hashtags.scoring import ANSWERS, EVERYBODY, OWN, PLATFORM, score
from clientnest_assets.models.model import Scoring
from clientnest_assets_tests.models.hashtags.conftest import (
    LIFT,
    OVEN,
    UNTIL,
    make_draft,
    make_posts,
    train_on,
    without,
)

GOOD = [tag for tag, lift in LIFT.items() if lift > 0]


def suggest(trained, past, **given):
    return HASHTAGS.score(trained.artefact, Scoring(make_draft(**given), past))


def test_hashtags_with_planted_lift_come_first(trained, posts):
    answers = suggest(trained, posts)
    assert answers.schema == ANSWERS
    assert answers["hashtag"].to_list()[:3] == GOOD
    assert answers["rank"].to_list() == list(range(1, answers.height + 1))
    first = answers.row(0, named=True)
    assert 0 < first["lift_low"] < first["lift"] < first["lift_high"]
    assert first["basis"] == PLATFORM
    assert first["posts_everybody"] > first["posts_platform"] > 100
    assert first["why"].startswith("With #good1 in the place of an average hashtag a post gets ")
    assert f"{first['posts_platform']} of them on twitter, 0 your own." in first["why"]


def test_what_is_there_already_is_not_suggested(trained, posts):
    assert "good1" not in suggest(trained, posts, content__hashtags=["good1"])["hashtag"]


def test_a_hashtag_that_does_not_go_with_the_text_is_not_suggested(trained, posts):
    """Oven lifts, in posts about bread; elsewhere nobody uses it."""
    assert OVEN not in suggest(trained, posts)["hashtag"]
    about_bread = suggest(trained, posts, content__words=["bread"])
    assert OVEN in about_bread["hashtag"]
    assert about_bread.filter(pl.col("hashtag") == OVEN)["relevance"].item() > 3


def test_banned_hashtags_are_not_suggested(trained, posts):
    answers = score(trained.artefact, Scoring(make_draft(), posts), banned={"good1"})
    assert "good1" not in answers["hashtag"]
    assert "good2" in answers["hashtag"]


def test_dead_hashtags_are_not_suggested(posts):
    late = pl.col("as_of") > posts["as_of"].max() - timedelta(days=40)
    gone = without(posts, "good1", late)
    answers = suggest(train_on(gone), gone)
    assert "good1" not in answers["hashtag"]
    assert "good2" in answers["hashtag"]


def test_a_new_user_gets_the_platforms_and_a_new_platform_everybodys(trained, posts):
    assert set(suggest(trained, posts)["basis"]) == {PLATFORM}
    nowhere = suggest(trained, posts.head(0), platform="mastodon")
    assert nowhere["hashtag"].to_list()[:3] == GOOD
    assert set(nowhere["basis"]) == {EVERYBODY}


def with_own(posts, which):
    """The posts as they had been if user 1 had put a hashtag of their own on those, which made them do well."""
    theirs, tags = (pl.col("user_id") == 1) & which, pl.col("content__hashtags")
    return posts.with_columns(
        pl.when(theirs).then(tags.list.concat(pl.lit(["mine"]))).otherwise(tags).alias("content__hashtags"),
        (pl.col("log_engagement") + pl.when(theirs).then(1.0).otherwise(0.0)).alias("log_engagement"),
    )


@pytest.mark.parametrize(("days", "is_dead"), [(12, False), (40, True)])
def test_a_hashtag_that_its_only_user_left_is_dead(trained, posts, days, is_dead):
    """Their last post with it was so many days before the draft."""
    known = (pl.col("as_of") < UNTIL - timedelta(days=days)) & (pl.col("post_id") % 2 == 0)
    own = with_own(posts, known)
    platform = own.filter(user_id=1)["platform"][0]
    assert ("mine" in suggest(trained, own, user_id=1, platform=platform)["hashtag"]) is not is_dead


def test_own_history_comes_first():
    """A hashtag that only this user has, and that works for them, is suggested to them alone."""
    own = with_own(make_posts(), pl.col("post_id") % 2 == 0)
    trained = train_on(own)
    answers = suggest(trained, own, user_id=1)
    mine = answers.filter(pl.col("hashtag") == "mine").row(0, named=True)
    assert mine["rank"] == 1
    assert mine["basis"] == OWN
    assert mine["posts_own"] > 5
    # Nobody counted the others, who are too few.
    assert (mine["posts_platform"], mine["posts_everybody"], mine["accounts"]) == (None, None, None)
    platform = own.filter(user_id=1)["platform"][0]
    assert mine["why"].endswith(
        f"seen in {mine['posts_own']} posts of your own on {platform}; too few others use it to tell."
    )
    assert "mine" not in suggest(trained, own, user_id=2)["hashtag"]
    assert "mine" not in suggest(trained, own, user_id=1, content__hashtags=["mine"])["hashtag"]
    assert "mine" not in score(trained.artefact, Scoring(make_draft(user_id=1), own), banned={"mine"})["hashtag"]


def test_what_is_known_later_changes_nothing(trained, posts):
    moment = posts["as_of"][3000]
    altered = posts.with_columns(
        pl.when(pl.col("label_known_at") > moment).then(99.0).otherwise("log_engagement").alias("log_engagement")
    )
    then = {"user_id": 1, "as_of": moment}
    assert suggest(trained, posts, **then).equals(suggest(trained, altered, **then))


def test_drafts_keep_their_order_and_unknown_text_is_no_crash(trained, posts):
    empty = make_draft(
        post_id=7, content__hashtags=None, content__words=None, content__content_category=None, content__media_type=None
    )
    later = make_draft(post_id=5, as_of=make_draft()["as_of"][0] - timedelta(days=1))
    answers = HASHTAGS.score(trained.artefact, Scoring(pl.concat([empty, later, make_draft(post_id=6)]), posts))
    assert answers["post_id"].unique(maintain_order=True).to_list() == [7, 5, 6]
    assert HASHTAGS.score(trained.artefact, Scoring(make_draft().head(0), posts)).schema == ANSWERS


@pytest.mark.parametrize(
    ("status", "published", "planned", "is_waiting"),
    [
        ("draft", None, -20, True),
        ("published", 2, 2, True),
        ("published", -1, -1, False),
        ("failed", None, -1, False),
        ("scheduled", None, 3, True),
    ],
)
def test_requests_are_posts_that_were_waiting_then(status, published, planned, is_waiting):
    until = datetime(2025, 3, 1, tzinfo=UTC)
    row = {
        "post_id": 1,
        "user_id": 1,
        "account_id": 1,
        "platform": "twitter",
        "created_at": until - timedelta(days=20),
        "published_at": None if published is None else until + timedelta(days=published),
        "planned_at": until + timedelta(days=planned),
        "status": status,
    }
    schema = dict.fromkeys(("created_at", "published_at", "planned_at"), MOMENT)
    frame = pl.DataFrame([row], schema_overrides=schema)
    assert requests({"dim_post": frame.lazy()}, until).height == is_waiting
    assert requests({"dim_post": frame.lazy()}, until + timedelta(days=60)).is_empty()
