"""Examples: nothing that was known later, and what is missing is told from what is nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.examples import examples, failed_posts, requests

from .conftest import FIRST, UNTIL


def at(day: float) -> datetime:
    return datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=day)


def cut(world, until):
    """What was there at a moment."""
    return {
        "fact_users_daily": world.user_days.lazy().filter(pl.col("day") < until.date()),
        "social_posts": world.posts.lazy().filter(pl.col("updated_at") < until),
    }


def test_an_earlier_week_has_the_same_examples_as_a_later_one_has_of_that_time(world):
    until = UNTIL - timedelta(days=28)
    now, then = examples(world.inputs, UNTIL), examples(cut(world, until), until)
    assert then.height > 1000
    assert_frame_equal(then, now.filter(pl.col("label_known_at") < until))
    assert_frame_equal(then, examples(world.inputs, until))


def test_requests_say_the_same_of_a_user_as_examples_do(world):
    rows = examples(world.inputs, UNTIL)
    moment = rows["as_of"][rows.height // 2]
    asked = requests(cut(world, moment), moment)
    assert_frame_equal(asked, requests(world.inputs, moment))
    assert_frame_equal(asked, rows.filter(as_of=moment).select(asked.columns))


def test_a_post_counts_as_failed_from_its_first_failure_whatever_becomes_of_it():
    versions = pl.DataFrame(
        {
            "id": [1, 1, 1, 2, 3, 4],
            "user_id": [7, 7, 7, 7, 7, 8],
            "status": ["failed", "failed", "published", "failed", "scheduled", "failed"],
            "updated_at": [at(3), at(9), at(10), at(12), at(12), at(20)],
        }
    )
    active = pl.DataFrame({"user_id": [7, 7, 8], "as_of": [at(7), at(14), at(20)]})
    found = failed_posts(versions.lazy(), active).sort("as_of")
    assert found.rows() == [(7, at(7), 1, 1), (7, at(14), 1, 2)]


def test_users_without_a_row_of_their_own_have_the_tenure_of_their_first_visit(world):
    bare = world.user_days.with_columns(
        pl.lit(None, pl.Int64).alias("user_tenure_days"),
        pl.lit(None, pl.String).alias("subscription_tier"),
        pl.lit(None, pl.Float64).alias("churn_risk"),
    )
    found = examples(world.inputs | {"fact_users_daily": bare.lazy()}, UNTIL)
    assert found["user_tenure_days"].equals(examples(world.inputs, UNTIL)["user_tenure_days"])
    assert set(found["subscription_tier"]) == {"unknown"}
    assert found["churn_risk"].null_count() == found.height


def test_nothing_gives_no_examples(world):
    nothing = {name: frame.clear() for name, frame in world.inputs.items()}
    assert examples(nothing, UNTIL).schema == examples(world.inputs, UNTIL).schema
    assert requests(nothing, UNTIL).is_empty()
    assert examples(cut(world, at(20)), at(20)).is_empty()


def test_the_tables_that_are_read_have_the_columns_that_are_used(world):
    for upstream in CHURN.inputs:
        assert set(world.inputs[upstream.table].collect_schema()) == {name for name, _ in upstream.columns}
    assert FIRST.weekday() == 0
