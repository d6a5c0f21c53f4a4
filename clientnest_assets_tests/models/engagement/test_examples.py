"""The rows: whose clock, whose earlier posts, which labels, and never the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.examples import labelled_requests, request_rows, requests, with_features

START = datetime(2025, 3, 3, 22, tzinfo=UTC)


def test_request_tells_local_plan_and_earlier_posts_of_the_account():
    hours = [0, 2, 26, 26]
    posts = pl.DataFrame(
        {
            "post_id": [4, 3, 2, 1],
            "user_id": 1,
            "account_id": [1, 1, 1, 2],
            "platform": "twitter",
            "created_at": [START + timedelta(hours=h) for h in hours],
            "planned_at": [START + timedelta(hours=h + 12) for h in hours],
            "author_timezone": "Asia/Tokyo",
        },
        schema_overrides={"created_at": MOMENT, "planned_at": MOMENT},
    )
    found = request_rows(posts)
    assert found["post_id"].to_list() == [4, 3, 1, 2]
    assert found["as_of"].equals(posts.sort("created_at", "post_id")["created_at"].alias("as_of"))
    assert found["hour"].to_list() == [19, 21, 21, 21]
    assert found["weekday"].to_list() == [2, 2, 3, 3]
    assert found["days_ahead"].to_list() == [0.5] * 4
    assert found["hours_since_previous_post"].to_list() == [None, 2.0, None, 24.0]
    assert found["posts_in_1_day"].to_list() == [0, 1, 0, 1]
    assert found["posts_in_7_days"].to_list() == [0, 1, 0, 2]


def test_only_posts_mature_before_the_end_of_the_partition_are_labelled(world):
    until = datetime(2025, 2, 10, tzinfo=UTC)
    found = labelled_requests(world.posts, world.outcomes, world.observations, until=until)
    expected = world.outcomes.filter(pl.col("mature_at") < until)
    assert set(found["post_id"]) == set(expected["post_id"])
    joined = found.join(expected, on="post_id")
    assert np.allclose(joined[spec.LABEL], np.log1p(joined["mature_engagement_score"]))


def test_history_holds_what_had_matured_when_the_post_was_written(world, rows):
    asked = rows.join(world.outcomes.drop("mature_at"), on="post_id").sample(40, seed=1)
    for post in asked.iter_rows(named=True):
        known = world.outcomes.filter(account_id=post["account_id"]).filter(pl.col("mature_at") <= post["as_of"])
        count = post[column(spec.HISTORY, "matured_posts")]
        assert (count or 0) == known.height


def test_a_canary_that_knows_the_label_a_second_later_never_arrives(world):
    """Each post's own outcome, in the history view, one second after the post was written."""
    history = spec.HISTORY
    canary = (
        world.posts.join(world.outcomes.drop("account_id"), on="post_id")
        .with_columns(
            (pl.col("created_at") + timedelta(seconds=1)).alias("event_at"),
            (pl.col("created_at") + timedelta(seconds=1)).alias("known_at"),
            pl.col("post_id").alias("matured_posts"),
            *(
                pl.lit(None, feature.dtype).alias(feature.name)
                for feature in history.features
                if feature.name != "matured_posts"
            ),
            pl.col("created_at").dt.date().alias("day"),
        )
        .select(history.computed_schema.names())
    )
    requests = labelled_requests(
        world.posts, world.outcomes, world.observations, until=datetime(2026, 1, 1, tzinfo=UTC)
    )
    found = with_features(requests, {**world.features, history: canary})
    seen = found.drop_nulls(column(history, "matured_posts"))
    assert seen.height > 1000
    assert (seen[column(history, "matured_posts")] < seen["post_id"]).all()


def test_posts_that_wait_at_the_days_end_are_asked_for_as_they_were_written(world):
    end = datetime(2025, 2, 20, tzinfo=UTC)
    posts = world.posts.with_columns(scheduled_at=pl.col("planned_at"))
    inputs = {
        "dim_post": posts.lazy(),
        "fact_posts": world.outcomes.lazy(),
        "fact_content_daily": world.observations.lazy(),
    }
    found = requests(inputs, end)
    waiting = posts.filter(pl.col("created_at") < end, pl.col("planned_at") >= end)
    assert found["post_id"].to_list() == waiting.sort("created_at", "post_id")["post_id"].to_list()
    asked = labelled_requests(world.posts, world.outcomes, world.observations, until=datetime(2026, 1, 1, tzinfo=UTC))
    same = asked.join(found.select("post_id"), on="post_id", how="semi", maintain_order="left")
    assert found.equals(same.select(found.columns))
