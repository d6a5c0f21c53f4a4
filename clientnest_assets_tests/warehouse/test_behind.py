"""Arrival apart from event time: which business days a load touches, and which built days are behind it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.landing import raw_table
from clientnest_assets.warehouse.behind import Inputs, current_snapshot, days_behind, note_builds
from clientnest_assets.warehouse.load import create_raw_tables, load_window

MONDAY = date(2025, 1, 6)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=number) for number in (1, 2, 3))
WEEK = Window.of_days(MONDAY, MONDAY + timedelta(days=6))


def at(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


@pytest.fixture
def url(databases):
    url = databases.create()
    create_raw_tables(url)
    return url


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path))


def load(lake, url, table, rows, window=WEEK):
    """Lands the rows (dicts; what is missing is null) as all that the window holds, loads it and tells what it touched.

    The days were loaded before, without rows: the very first load of a day touches it whatever it brings.
    """
    contract = CONTRACTS[table]
    with psycopg.connect(url) as connection:
        is_first = not connection.execute("select 1 from raw.table_days where table_name = %s", (table,)).fetchone()
    if is_first:
        load_window(lake, url, contract, WEEK)
    landed = [{"source": "app", "day": row[contract.cursor].date(), **row} for row in rows]
    target = raw_table(lake, contract)
    frame = pl.DataFrame(landed, schema=contract.landed_schema, orient="row")
    target.replace_window(target.open(), frame, window, source="app", allow_empty=True)
    return load_window(lake, url, contract, window).touched


def session(number, moment, seconds=60):
    return {"id": number, "user_id": 1, "created_at": moment, "duration": seconds}


def post(number, created, published, updated):
    return {
        "id": number, "user_id": 1, "account_id": 1, "platform": "tiktok", "status": "published", "ai_generated": False,
        "created_at": created, "published_time": published, "updated_at": updated,
    }  # fmt: skip


def metrics(number, post_id, moment, likes):
    return {"id": number, "post_id": post_id, "collected_at": moment, "likes_count": likes}


def build(url, model, first, last):
    """Notes a build that was done at once."""
    note_builds(url, [model], Window.of_days(first, last), current_snapshot(url))


def behind(url, *tables, looks_back=False):
    return days_behind(url, {"fact": Inputs(frozenset(tables), looks_back)}).get("fact", [])


def test_a_first_load_touches_the_days_of_its_rows(lake, url):
    assert load(lake, url, "user_sessions", [session(1, at(MONDAY)), session(2, at(WEDNESDAY))]) == (MONDAY, WEDNESDAY)


def test_loading_the_same_again_touches_nothing(lake, url):
    rows = [session(1, at(MONDAY)), session(2, at(WEDNESDAY))]
    load(lake, url, "user_sessions", rows)

    assert load(lake, url, "user_sessions", rows) == ()


@pytest.mark.parametrize(
    "rows",
    [
        [session(1, at(MONDAY)), session(2, at(WEDNESDAY), seconds=61)],
        [session(1, at(MONDAY))],
        [session(1, at(MONDAY)), session(2, at(WEDNESDAY)), session(3, at(WEDNESDAY))],
    ],
    ids=["changed", "gone", "new"],
)
def test_a_row_that_came_changed_or_went_touches_its_day_alone(lake, url, rows):
    load(lake, url, "user_sessions", [session(1, at(MONDAY)), session(2, at(WEDNESDAY))])

    assert load(lake, url, "user_sessions", rows) == (WEDNESDAY,)


def test_a_post_touches_the_days_it_was_written_and_published_not_the_day_it_was_landed_for(lake, url):
    rows = [post(1, at(MONDAY), at(TUESDAY), at(THURSDAY))]

    assert load(lake, url, "social_posts", rows) == (MONDAY, TUESDAY)


def test_an_observation_touches_its_day_and_the_day_of_its_posts_publication(lake, url):
    load(lake, url, "social_posts", [post(1, at(MONDAY), at(TUESDAY), at(TUESDAY))])

    touched = load(lake, url, "post_metrics", [metrics(1, 1, at(THURSDAY), 5), metrics(2, 404, at(WEDNESDAY), 5)])

    assert touched == (TUESDAY, WEDNESDAY, THURSDAY)


def test_usage_touches_the_day_on_which_its_request_was_made(lake, url):
    request = {"id": 7, "user_id": 1, "request_type": "image_caption", "status": "completed", "created_at": at(MONDAY)}
    load(lake, url, "ai_requests", [{**request, "updated_at": at(TUESDAY)}])

    usage = {"id": 1, "request_id": 7, "user_id": 1, "tokens_used": 1, "cost": Decimal(1), "timestamp": at(TUESDAY)}
    assert load(lake, url, "ai_usage_logs", [usage]) == (MONDAY, TUESDAY)


def user(number, joined, updated, **changed):
    return {
        "id": number, "email": "p", "subscription_tier": "free", "date_joined": joined, "last_login": updated,
        "is_active": True, "timezone": "UTC", "updated_at": updated, **changed,
    }  # fmt: skip


def test_a_login_touches_its_own_day_and_not_the_day_of_sign_up(lake, url):
    first = user(1, at(MONDAY), at(MONDAY))
    assert load(lake, url, "auth_user", [first]) == (MONDAY,)

    second = user(1, at(MONDAY), at(WEDNESDAY))
    assert load(lake, url, "auth_user", [first, second]) == (WEDNESDAY,)


def test_another_time_zone_touches_everything_since_sign_up(lake, url):
    first, second = user(1, at(MONDAY), at(MONDAY)), user(1, at(MONDAY), at(WEDNESDAY), timezone="Asia/Tokyo")
    load(lake, url, "auth_user", [first])

    assert load(lake, url, "auth_user", [first, second]) == (MONDAY, WEDNESDAY)


def test_an_edited_post_touches_the_day_it_was_published_again_and_not_the_day_it_was_written(lake, url):
    first = post(1, at(MONDAY), at(TUESDAY), at(TUESDAY))
    load(lake, url, "social_posts", [first])

    edited = {**first, "content": "other words", "updated_at": at(THURSDAY)}
    assert load(lake, url, "social_posts", [first, edited]) == (TUESDAY,)


def test_a_day_that_is_loaded_for_the_first_time_is_touched_with_or_without_rows(lake, url):
    sessions = CONTRACTS["user_sessions"]

    assert load_window(lake, url, sessions, Window.of_days(MONDAY, TUESDAY)).touched == (MONDAY, TUESDAY)
    assert load_window(lake, url, sessions, Window.of_days(MONDAY, TUESDAY)).touched == ()


def test_a_day_without_rows_was_loaded_all_the_same(lake, url):
    load(lake, url, "user_sessions", [session(1, at(TUESDAY))])

    with psycopg.connect(url) as connection:
        rows = connection.execute("select day, rows_loaded from raw.table_days order by day limit 3").fetchall()
    assert rows == [(MONDAY, 0), (TUESDAY, 1), (WEDNESDAY, 0)]


def test_a_built_day_is_behind_what_was_loaded_after_it(lake, url):
    load(lake, url, "user_sessions", [session(1, at(MONDAY))])
    build(url, "fact", MONDAY, THURSDAY)
    assert behind(url, "user_sessions") == []

    load(lake, url, "user_sessions", [session(1, at(MONDAY)), session(2, at(TUESDAY))])

    assert behind(url, "user_sessions") == [TUESDAY]
    assert behind(url, "user_sessions", looks_back=True) == [TUESDAY, WEDNESDAY, THURSDAY]
    assert behind(url, "post_metrics") == []
    build(url, "fact", TUESDAY, THURSDAY)
    assert behind(url, "user_sessions", looks_back=True) == []


def test_a_day_that_was_never_built_is_not_behind(lake, url):
    load(lake, url, "user_sessions", [session(1, at(MONDAY))])

    assert behind(url, "user_sessions") == []


def test_a_load_that_commits_while_a_day_is_built_leaves_the_day_behind(lake, url):
    load(lake, url, "user_sessions", [session(1, at(MONDAY))])
    seen = current_snapshot(url)
    load(lake, url, "user_sessions", [session(1, at(MONDAY)), session(2, at(MONDAY))])
    note_builds(url, ["fact"], Window.of_days(MONDAY, MONDAY), seen)

    assert behind(url, "user_sessions") == [MONDAY]


def test_a_load_that_began_before_a_build_and_committed_after_it_leaves_the_day_behind(url):
    with psycopg.connect(url) as loading:
        loading.execute(
            "insert into raw.table_days select 'user_sessions', date '2025-01-06', 1, now(), now(), pg_current_xact_id()"
        )
        build(url, "fact", MONDAY, MONDAY)

    assert behind(url, "user_sessions") == [MONDAY]


def test_a_warehouse_restored_into_a_younger_cluster_is_behind_whatever_its_transactions_are_called(url):
    note_builds(url, ["fact"], Window.of_days(MONDAY, TUESDAY), "9000000000:9000000000:")

    assert behind(url, "user_sessions") == [MONDAY, TUESDAY]


def test_a_warehouse_that_was_never_loaded_has_nothing_behind(databases):
    assert days_behind(databases.create(), {"fact": Inputs(frozenset({"user_sessions"}), looks_back=True)}) == {}
