"""A window built again is the same, without the rows that vanished; and without a window nothing is built."""

import json
from dataclasses import replace

import pytest

from clientnest_assets_tests.dbt_project.conftest import WINDOW

LATER = {"min_date": "2025-01-13", "max_date": "2025-01-14"}
# What facts read beside dimensions is built with them, by window too.
FACTS_ONLY = ("--select", "path:models/facts", "path:models/intermediate/facts")
DIMENSIONS_ONLY = ("--select", "path:models/dimensions")


@pytest.fixture
def copy(warehouse, databases):
    """The built warehouse, to be changed by one test."""
    return replace(warehouse, url=databases.create(warehouse.url))


def test_a_window_built_again_replaces_itself(copy):
    before = copy.facts()

    copy.run(*FACTS_ONLY)
    assert copy.facts() == before

    # The day after the window is not in it: max_date is exclusive.
    copy.run(*FACTS_ONLY, window=LATER)
    assert set(before["fact_users_daily"]) < set(copy.facts()["fact_users_daily"])
    days = copy.row("select max(day) as last from facts.fact_users_daily")
    assert str(days["last"]) == "2025-01-13"

    # Gone at the source: a session, an observation, a post; and a post that moved to the next day.
    copy.execute(
        """
        delete from raw.user_sessions where id = 4;
        delete from raw.post_metrics where id in (5, 7);
        delete from raw.social_posts where id = 91;
        update raw.social_posts set published_time = '2025-01-13 00:00+00' where id = 13;
        """
    )
    copy.run(*DIMENSIONS_ONLY, window=None)
    copy.run(*FACTS_ONLY, window=LATER)
    moved = copy.rows("select published_date from facts.fact_posts where post_id = 13")
    assert [str(row["published_date"]) for row in moved] == ["2025-01-13"]

    copy.run(*FACTS_ONLY)
    users = copy.row("select sessions from facts.fact_users_daily where user_id = 2 and day = '2025-01-12'")
    assert users["sessions"] == 0
    assert copy.rows("select post_id from facts.fact_posts where post_id = 91") == []
    observed = copy.rows("select post_id from facts.fact_content_daily where day = '2025-01-12'")
    assert [row["post_id"] for row in observed] == [91]
    posts = copy.rows("select post_id from facts.fact_posts order by 1")
    assert [row["post_id"] for row in posts] == [11, 12, 13, 92, 93]


def test_a_fact_gets_its_key_when_what_it_is_about_arrives(copy):
    copy.execute(
        """
        insert into raw.auth_user
            (id, email, full_name, subscription_tier, date_joined, is_active, timezone, updated_at, day, source)
        values (900, 'p', 'p', 'enterprise', '2025-01-01 00:00+00', true, 'Asia/Tokyo', '2025-02-01 00:00+00',
                '2025-02-01', 'app_database');
        insert into raw.social_media_accounts
            (id, user_id, platform, connected_at, updated_at, day, source)
        values (900, 900, 'twitter', '2025-01-01 00:00+00', '2025-02-01 00:00+00', '2025-02-01', 'app_database')
        """
    )

    copy.run(*DIMENSIONS_ONLY, window=None)
    copy.run(*FACTS_ONLY)

    post = copy.row(
        """
        select users.user_id, posts.subscription_tier, accounts.platform, posts.local_published_hour
        from facts.fact_posts as posts
        inner join dimensions.dim_user as users using (user_key)
        inner join dimensions.dim_social_account as accounts using (account_key)
        where posts.post_id = 91
        """
    )
    assert tuple(post.values()) == (900, "enterprise", "twitter", 21)
    day = copy.row(
        "select user_tenure_days, connected_accounts from facts.fact_users_daily where user_id = 900 limit 1"
    )
    assert tuple(day.values()) == (5, 1)


def test_a_day_is_final_when_the_observations_of_the_29th_day_after_it_are_loaded(copy):
    copy.execute(
        """
        insert into raw.table_days (table_name, day, rows_loaded, loaded_at)
        values ('post_metrics', '2025-02-05', 0, now()), ('account_metrics', '2025-02-09', 3, now());
        -- Touched, but not loaded.
        insert into raw.table_days (table_name, day, touched_at) values ('post_metrics', '2025-02-28', now())
        """
    )

    copy.run(*FACTS_ONLY)

    posts = copy.rows("select post_id from facts.fact_posts where is_final order by 1")
    content = copy.rows("select distinct day from facts.fact_content_daily where is_final")
    social = copy.rows("select distinct day from facts.fact_social_daily where is_final")
    assert [row["post_id"] for row in posts] == [11, 92]
    assert [str(row["day"]) for row in content] == ["2025-01-07"]
    assert [str(row["day"]) for row in social] == ["2025-01-11"]


def test_a_window_says_the_same_whatever_chunk_it_is_built_in(copy):
    before = copy.facts()

    for first, end in (("06", "07"), ("07", "11"), ("11", "13")):
        copy.run(*FACTS_ONLY, window={"min_date": f"2025-01-{first}", "max_date": f"2025-01-{end}"})

    assert copy.facts() == before


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({}, "fact_posts is built by window and needs the variable(s) min_date, max_date"),
        ({"min_date": "2025-01-06"}, "needs the variable(s) max_date"),
        ({"min_date": "2025-01-06", "max_date": "2025-01-06"}, "empty window"),
    ],
)
def test_a_run_without_a_window_fails_and_names_what_is_missing(warehouse, window, message):
    before = warehouse.facts()["fact_posts"]

    succeeded, events = warehouse.dbt("run", "--select", "fact_posts", window=window)

    assert not succeeded
    assert any(message in event.info.msg for event in events if event.info.level == "error")
    assert warehouse.facts()["fact_posts"] == before


def test_a_full_refresh_does_not_reduce_a_fact_to_one_window(copy):
    variables = ("--vars", json.dumps(LATER))

    copy.run("--select", "fact_users_daily", "--full-refresh", *variables)

    days = copy.row("select count(distinct day) as days from facts.fact_users_daily")
    assert days["days"] == 8


def test_two_builds_of_one_day_wait_for_each_other_and_those_of_other_days_do_not(copy):
    database = copy.url.rsplit("/", 1)[-1]
    copy.execute(f"alter database {database} set lock_timeout = '300ms'")
    with copy.connection() as other, other.transaction():
        other.execute(
            "select pg_advisory_xact_lock(hashtext(%s), date '2025-01-08' - date '1970-01-01')",
            (f'"{database}"."facts"."fact_sessions"',),
        )
        succeeded, events = copy.dbt("run", "--select", "fact_sessions", window=WINDOW)
        assert not succeeded
        assert any("lock timeout" in event.info.msg for event in events if event.info.level == "error")
        copy.run("--select", "fact_sessions", window=LATER)
    copy.run("--select", "fact_sessions")
