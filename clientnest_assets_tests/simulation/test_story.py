from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.contracts.content_category import content_category
from clientnest_assets.contracts.contract import tag
from clientnest_assets.simulation import World

MUTABLE = [contract for contract in APP_TABLES if contract.kind == "mutable"]
APPEND = [contract for contract in APP_TABLES if contract.kind == "append"]
TABLES = [contract.name for contract in APP_TABLES]


def by_id(frame):
    return frame.sort("id")


@pytest.mark.parametrize("contract", APP_TABLES, ids=TABLES)
def test_every_row_keeps_its_contract_and_has_its_own_id(small, contract):
    rows = small.tables[contract.name]
    valid, failure = contract.schema.filter(rows)
    assert failure.counts() == {}
    assert len(valid) == len(rows) > 0
    assert rows["id"].n_unique() == len(rows)


@pytest.mark.parametrize("contract", APP_TABLES, ids=TABLES)
def test_every_row_lies_in_a_day_of_the_world(small, contract):
    days = small.tables[contract.name][contract.cursor].dt.date()
    assert days.min() >= small.world.first_day
    assert days.max() <= small.world.last_day


@pytest.mark.parametrize("contract", APP_TABLES, ids=TABLES)
def test_every_reference_finds_its_row(small, contract):
    for name, column in contract.columns.items():
        target = tag(column, "references")
        if target:
            held = small.tables[contract.name][name].drop_nulls()
            # A text that became a draft is logged with the draft; all other references precede too.
            assert held.is_in(small.tables[target]["id"].implode()).all(), name


@pytest.mark.parametrize("contract", APPEND, ids=[contract.name for contract in APPEND])
def test_ids_of_append_tables_follow_time(small, contract):
    rows = small.tables[contract.name].sort("id")
    assert rows[contract.cursor].is_sorted()


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(simulate):
    world = World(60, 30, 5, date(2026, 4, 19))
    first, second, other = simulate(world), simulate(world), simulate(replace(world, seed=6))
    for name in TABLES:
        assert_frame_equal(first.tables[name], second.tables[name])
    for file in ("posts", "user_days", "accounts"):
        assert_frame_equal(first.truth(file), second.truth(file))
    assert not first.tables["user_sessions"].equals(other.tables["user_sessions"])


def test_the_first_days_do_not_depend_on_how_many_follow(simulate):
    short = World(120, 26, 5, date(2026, 4, 19))
    before, after = simulate(short), simulate(short.extended(17))
    boundary = pl.lit(date(2026, 4, 20))
    for contract in APPEND:
        seen = after.tables[contract.name].filter(pl.col(contract.cursor).dt.date() < boundary)
        assert_frame_equal(by_id(before.tables[contract.name]), by_id(seen))
    for contract in MUTABLE:
        # A row that has not moved since is the same; a row that has moved says so.
        still = after.tables[contract.name].filter(pl.col("updated_at").dt.date() < boundary)
        same = before.tables[contract.name].join(still.select("id"), on="id", how="semi")
        assert len(same) == len(still)
        assert_frame_equal(by_id(same), by_id(still))
    truth = after.truth("user_days").filter(pl.col("day") < boundary)
    assert_frame_equal(before.truth("user_days"), truth)


@pytest.mark.parametrize(("users", "days"), [(1, 1), (3, 2), (2, 30)])
def test_the_smallest_worlds_exist(simulate, users, days):
    tables = simulate(World(users, days, 3, date(2026, 4, 19))).tables
    assert len(tables["auth_user"]) == users
    assert len(tables["subscription_events"].filter(pl.col("event") == "start")) == users


def test_moments_of_a_post_are_in_order(small):
    posts = small.tables["social_posts"]
    assert set(posts["status"]) == {"draft", "scheduled", "published", "failed"}
    published = posts.filter(pl.col("status") == "published")
    assert (published["created_at"] < published["scheduled_time"]).all()
    assert (published["scheduled_time"] <= published["published_time"]).all()
    assert published["updated_at"].equals(published["published_time"], check_names=False)
    assert posts.filter(pl.col("status") != "published")["published_time"].is_null().all()
    connected = posts.join(small.tables["social_media_accounts"], left_on="account_id", right_on="id")
    assert (connected["connected_at"] < connected["created_at"]).all()
    assert (connected["platform"] == connected["platform_right"]).all()
    assert (connected["user_id"] == connected["user_id_right"]).all()


def test_posts_wait_for_the_days_after_the_last(small):
    waiting = small.tables["social_posts"].filter(pl.col("status") == "scheduled")
    assert len(waiting) > 50
    assert (waiting["scheduled_time"].dt.date() > small.world.last_day).all()
    drafts = small.tables["social_posts"].filter(pl.col("status") == "draft")
    assert drafts["scheduled_time"].is_null().all()


def test_each_post_is_of_the_category_its_author_meant(small):
    posts = small.tables["social_posts"].with_columns(category=content_category(pl.col("content")))
    shares = posts["category"].value_counts(normalize=True)
    assert set(shares["category"]) == {
        "Promotional", "Educational", "Behind the Scenes", "Interactive", "General", "Unknown",
    }  # fmt: skip
    assert shares["proportion"].min() > 0.02
    truth = small.truth("posts").join(posts, left_on="post_id", right_on="id")
    # Each category has its own effect, so the truth holds one value for each.
    effects = truth.group_by("category").agg(
        pl.col("log_category").n_unique(), pl.col("log_category").first().alias("effect")
    )
    assert effects["log_category"].to_list() == [1] * 6
    assert effects["effect"].n_unique() == 6


def test_users_do_things_only_inside_their_sessions(small):
    sessions = small.tables["user_sessions"].with_columns(
        start="created_at", end=pl.col("created_at") + pl.duration(seconds="duration")
    )
    for table in ("social_posts", "ai_requests", "support_tickets"):
        done = small.tables[table].select("id", "user_id", done_at="created_at")
        inside = done.join(sessions, on="user_id").filter(pl.col("done_at").is_between("start", "end"))
        assert inside["id"].n_unique() == len(done), table


def test_a_user_row_shows_the_latest_login_and_plan(small):
    users = small.tables["auth_user"].sort("id")
    latest = small.tables["user_sessions"].group_by("user_id").agg(pl.col("created_at").max()).sort("user_id")
    seen = users.join(latest, left_on="id", right_on="user_id", how="left")
    assert seen["last_login"].equals(seen["created_at"], check_names=False, null_equal=True)
    events = small.tables["subscription_events"].sort("occurred_at", "id")
    plans = events.group_by("user_id").agg(pl.col("to_tier").last()).sort("user_id")
    assert users["subscription_tier"].to_list() == plans["to_tier"].to_list()


def test_plans_change_from_where_they_stood(small):
    events = small.tables["subscription_events"].sort("user_id", "occurred_at", "id")
    before = events.with_columns(before=pl.col("to_tier").shift().over("user_id"))
    assert before.filter(pl.col("event") == "start")["before"].is_null().all()
    moved = before.filter(pl.col("event") != "start")
    assert (moved["from_tier"] == moved["before"]).all()
    assert (events.filter(pl.col("to_tier") == "free")["mrr"] == 0).all()
    assert (events.filter(pl.col("to_tier") != "free")["mrr"] > 0).all()


def test_whoever_has_left_is_silent(small):
    left = small.truth("user_days").filter("churned").select("user_id", left_on="day")
    assert len(left) > 50
    for table in ("user_sessions", "social_posts", "ai_requests"):
        after = small.tables[table].join(left, on="user_id").filter(pl.col("created_at").dt.date() >= pl.col("left_on"))
        assert after.is_empty(), table
    days = small.truth("user_days").join(left, on="user_id")
    assert (days["day"] <= days["left_on"]).all()
