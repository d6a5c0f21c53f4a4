"""A window built again is the same, without the rows that vanished; and without a window nothing is built."""

import json
from dataclasses import replace

import pytest

LATER = {"min_date": "2025-01-13", "max_date": "2025-01-14"}
FACTS_ONLY = ("--select", "path:models/facts", "--exclude-resource-type", "unit_test")


@pytest.fixture
def copy(warehouse, databases):
    """The built warehouse, to be changed by one test."""
    return replace(warehouse, url=databases.create(warehouse.url))


def test_a_window_built_again_replaces_itself(copy):
    before = copy.facts()

    copy.build(*FACTS_ONLY)
    assert copy.facts() == before

    # The day after the window is not in it: max_date is exclusive.
    copy.build(*FACTS_ONLY, window=LATER)
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
    copy.build("--select", "dim_post", "--exclude-resource-type", "unit_test", window=None)
    copy.build(*FACTS_ONLY, window=LATER)
    moved = copy.rows("select published_date from facts.fact_posts where post_id = 13")
    assert [str(row["published_date"]) for row in moved] == ["2025-01-13"]

    copy.build(*FACTS_ONLY)
    users = copy.row("select sessions from facts.fact_users_daily where user_id = 2 and day = '2025-01-12'")
    assert users["sessions"] == 0
    assert copy.rows("select post_id from facts.fact_posts where post_id = 91") == []
    observed = copy.rows("select post_id from facts.fact_content_daily where day = '2025-01-12'")
    assert [row["post_id"] for row in observed] == [91]
    posts = copy.rows("select post_id from facts.fact_posts order by 1")
    assert [row["post_id"] for row in posts] == [11, 12, 13]


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

    copy.build("--select", "fact_users_daily", "--exclude-resource-type", "unit_test", "--full-refresh", *variables)

    days = copy.row("select count(distinct day) as days from facts.fact_users_daily")
    assert days["days"] == 8
