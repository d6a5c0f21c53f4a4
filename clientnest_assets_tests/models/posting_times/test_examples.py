"""What the model of posting times learns from and whom it advises: nothing of the future, on the author's clock."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from clientnest_assets.models.posting_times.examples import examples, requests
from clientnest_assets_tests.models.posting_times.world import World

AT = datetime(2025, 3, 1, tzinfo=UTC)


def test_only_posts_whose_truth_was_known_are_examples(world: World):
    rows = world.rows(AT)
    known = world.posts.filter(pl.col("mature_at") < AT)
    assert set(rows["post_id"]) <= set(known["post_id"])
    hours = known.select("account_id", "local_published_date", "local_published_hour").n_unique()
    assert rows.height == hours > 0.9 * known.height
    assert (rows["label_known_at"] < AT).all()


def test_what_comes_later_changes_no_example_and_no_request(world: World):
    cut = {"fact_posts": world.posts.filter(pl.col("mature_at") < AT).lazy()}
    assert examples(cut, AT).equals(world.rows(AT))
    assert requests(cut, AT).equals(requests(world.inputs, AT))


def test_a_slot_is_the_weekday_and_hour_of_the_authors_clock(world: World):
    rows = world.rows().join(world.posts, on="post_id")
    expected = (rows["local_published_date"].dt.weekday().cast(pl.Int64) - 1) * 24 + rows["local_published_hour"]
    assert rows["slot"].cast(pl.Int64).equals(expected.alias("slot"))


def test_accounts_long_silent_are_not_advised(world: World):
    long_after = datetime(2026, 1, 1, tzinfo=UTC)
    assert requests(world.inputs, long_after).is_empty()


def test_each_account_and_each_platforms_newcomer_is_advised(world: World):
    asked = requests(world.inputs, AT)
    assert asked.filter(pl.col("account_id").is_null())["platform"].to_list() == ["linkedin", "twitter"]
    accounts = world.posts.filter(pl.col("mature_at") < AT)["account_id"].n_unique()
    assert asked.height == accounts + 2
    assert not asked.select("platform", "account_id").is_duplicated().any()


def test_a_thread_is_one_example(world: World):
    one = world.posts.sort("published_at").head(1)
    thread = [
        one.with_columns(pl.lit(each + 10_000, pl.Int64).alias("post_id"), pl.col("published_at").dt.truncate("1h"))
        for each in range(3)
    ]
    inputs = {"fact_posts": pl.concat([one.with_columns(pl.col("published_at").dt.truncate("1h")), *thread]).lazy()}
    assert examples(inputs, AT)["post_id"].to_list() == one["post_id"].to_list()
