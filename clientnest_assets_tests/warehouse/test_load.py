"""The warehouse's raw schema after a load: equal to the lake, window by window, whatever happens meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS, WAREHOUSE_TABLES
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.landing import raw_table
from clientnest_assets.warehouse.load import LoadError, create_raw_tables, load_window, row_counts
from clientnest_assets.warehouse.read import read_table

USAGE, POSTS = CONTRACTS["ai_usage_logs"], CONTRACTS["social_posts"]
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
MONDAY = NOON.date()
WEEK = Window.of_days(MONDAY, MONDAY + timedelta(days=6))


@pytest.fixture
def url(databases):
    url = databases.create()
    create_raw_tables(url)
    return url


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path))


def land(lake, *keys, source="app", over=WEEK):
    """Makes the window hold usage rows of (id, days after Monday)."""
    rows = [
        (number, 1, 1, 10, Decimal("0.123456"), NOON + timedelta(days=after), MONDAY + timedelta(days=after), source)
        for number, after in keys
    ]
    table = raw_table(lake, USAGE)
    frame = pl.DataFrame(rows, schema=USAGE.landed_schema, orient="row")
    table.replace_window(table.open(), frame, over, source=source, allow_empty=True)


def held(url):
    with psycopg.connect(url) as connection:
        return connection.execute("select id, day, source, cost from raw.ai_usage_logs order by id").fetchall()


def expected(*keys):
    return [(number, MONDAY + timedelta(days=after), source, Decimal("0.123456")) for number, after, source in keys]


def test_a_loaded_window_equals_the_lakes_of_all_sources(lake, url):
    land(lake, (1, 0), (2, 1))
    land(lake, (3, 1), source="file")

    done = load_window(lake, url, USAGE, WEEK)

    assert (done.rows, done.rows_replaced) == (3, 0)
    assert held(url) == expected((1, 0, "app"), (2, 1, "app"), (3, 1, "file"))
    assert row_counts(url, USAGE).rows() == [(MONDAY, 1), (MONDAY + timedelta(days=1), 2)]


def test_loading_again_replaces_the_window_and_leaves_the_days_beside_it(lake, url):
    land(lake, (1, 0), (2, 1), (3, 2))
    load_window(lake, url, USAGE, WEEK)
    land(lake, (4, 1))

    tuesday = Window.of_days(MONDAY + timedelta(days=1), MONDAY + timedelta(days=1))
    done = load_window(lake, url, USAGE, tuesday)

    assert (done.rows, done.rows_replaced) == (1, 1)
    assert held(url) == expected((1, 0, "app"), (3, 2, "app"), (4, 1, "app"))


def test_a_window_that_the_lake_holds_no_rows_of_becomes_empty(lake, url):
    land(lake, (1, 0))
    load_window(lake, url, USAGE, WEEK)
    land(lake)

    assert load_window(lake, url, USAGE, WEEK).rows_replaced == 1
    assert held(url) == []


def test_a_table_that_was_never_landed_is_empty(lake, url):
    assert load_window(lake, url, POSTS, WEEK).rows == 0


def test_lists_nulls_and_emoji_arrive_as_they_are(lake, url):
    row = (
        1,
        1,
        1,
        "twitter",
        "é 🔥\n",
        ["a", "b'c", ""],
        None,
        "draft",
        None,
        None,
        True,
        NOON,
        NOON,
        None,
        MONDAY,
        "app",
    )
    table = raw_table(lake, POSTS)
    table.replace_window(
        table.open(), pl.DataFrame([row], schema=POSTS.landed_schema, orient="row"), WEEK, source="app"
    )

    load_window(lake, url, POSTS, WEEK)

    found = read_table(url, "raw", "social_posts", POSTS.landed_schema)
    assert found.rows() == [row]


def test_loads_of_one_window_at_once_leave_one_copy(lake, url):
    land(lake, *((number, number % 7) for number in range(1, 200)))

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: load_window(lake, url, USAGE, WEEK), range(8)))

    assert [each.rows for each in done] == [199] * 8
    assert len(held(url)) == 199


def test_a_load_whose_counts_differ_leaves_the_old_rows(lake, url):
    land(lake, (1, 0))
    load_window(lake, url, USAGE, WEEK)
    land(lake, (2, 0), (3, 0))
    with psycopg.connect(url) as connection:
        connection.execute(
            "create function raw.lose() returns trigger language plpgsql as 'begin return null; end'; "
            "create trigger lose before insert on raw.ai_usage_logs for each row when (new.id = 3) "
            "execute function raw.lose()"
        )

    with pytest.raises(LoadError, match=r"holds 1 rows for 2025-01-06 to 2025-01-12 after copying 2 from the lake"):
        load_window(lake, url, USAGE, WEEK)

    assert held(url) == expected((1, 0, "app"))


def test_creating_the_raw_tables_at_once_and_again_is_harmless(databases):
    url = databases.create()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: create_raw_tables(url), range(6)))

    with psycopg.connect(url) as connection:
        names = connection.execute("select table_name from information_schema.tables where table_schema = 'raw'")
        assert {name for (name,) in names} == {
            *(contract.name for contract in WAREHOUSE_TABLES),
            "table_days",
            "built_days",
        }
