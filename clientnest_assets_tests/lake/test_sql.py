"""SQL sees every table of a lake, as it is or as it stood at a moment, on a folder and on the S3 server."""

import time
from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest

from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.handle import MomentNotKeptError
from clientnest_assets.lake.sql import connect, tables
from clientnest_assets.partitions import Window

SCHEMA = pl.Schema({"id": pl.Int64(), "tags": pl.List(pl.String()), "day": pl.Date(), "source": pl.String()})
DAY = date(2025, 1, 6)


def put(lake, layer, name, *numbers, day=DAY):
    table = lake.table(layer, name, SCHEMA)
    rows = [(number, ["a", "b"] if number % 2 else None, day, "app") for number in numbers]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    table.replace_window(table.open(), frame, Window.of_days(day, day), source="app")


def moment():
    """Now, with a moment before and after it in which nothing happens: commits tell their time in milliseconds."""
    time.sleep(0.002)
    now = datetime.now(UTC)
    time.sleep(0.002)
    return now


def numbers(connection, table="raw.posts"):
    return [number for (number,) in connection.execute(f"select id from {table} order by id").fetchall()]


@pytest.fixture
def filled(lake):
    put(lake, "raw", "posts", 1, 2)
    put(lake, "features", "content", 1, 2)
    return lake


def test_every_table_is_there_by_layer_and_name(filled):
    assert tables(filled) == [("features", "content"), ("raw", "posts")]
    rows = connect(filled).execute(
        "select posts.id, posts.tags, content.day from raw.posts join features.content using (id) order by id"
    )
    assert rows.fetchall() == [(1, ["a", "b"], DAY), (2, None, DAY)]


def test_replaced_rows_are_not_seen(filled):
    put(filled, "raw", "posts", 3)

    assert numbers(connect(filled)) == [3]


def test_a_lake_that_is_not_there_has_no_tables(lake):
    assert tables(lake) == []
    assert connect(lake).execute("select 1").fetchall() == [(1,)]


def test_tables_cannot_be_changed(filled):
    with pytest.raises(duckdb.Error):
        connect(filled).execute("delete from raw.posts")


def test_a_query_that_names_tables_finds_them_and_any_other_finds_all(filled):
    schemas = "select table_schema, table_name from information_schema.tables order by all"

    assert numbers(connect(filled, query="select id from RAW.Posts")) == [1, 2]
    assert connect(filled, query="from raw.posts").execute(schemas).fetchall() == [("raw", "posts")]
    assert connect(filled, query=schemas).execute(schemas).fetchall() == [("features", "content"), ("raw", "posts")]


def test_tables_are_seen_as_they_stood_and_those_made_later_not_at_all(lake):
    before = moment()
    put(lake, "raw", "posts", 1, 2)
    first = moment()
    put(lake, "raw", "posts", 3)
    put(lake, "features", "content", 4)
    second = moment()
    put(lake, "raw", "posts", 5)

    assert numbers(connect(lake, as_of=first)) == [1, 2]
    assert numbers(connect(lake, as_of=second)) == [3]
    assert numbers(connect(lake, as_of=moment())) == [5]
    assert numbers(connect(lake, as_of=second), "features.content") == [4]
    for made_later in (connect(lake, as_of=first), connect(lake, as_of=first, query="from features.content")):
        with pytest.raises(duckdb.CatalogException, match="content"):
            numbers(made_later, "features.content")
    with pytest.raises(duckdb.CatalogException, match="posts"):
        numbers(connect(lake, as_of=before))


def test_a_moment_before_the_log_begins_is_refused_only_where_it_is_asked_for(filled):
    storage = Storage.of(filled)
    for number in (3, 4, 5):
        put(filled, "raw", "posts", number)
    posts = filled.table("raw", "posts", SCHEMA)
    posts.open().create_checkpoint()
    for version in range(4):
        storage.delete(f"raw/posts/_delta_log/{version:020}.json")
    early = datetime.now(UTC) - timedelta(days=1)

    with pytest.raises(MomentNotKeptError, match=r"raw/posts/ is kept from 20.* UTC on"):
        connect(filled, query="from raw.posts", as_of=early)
    assert connect(filled, as_of=early).execute("from information_schema.tables").fetchall() == []
    assert numbers(connect(filled, as_of=moment())) == [5]


def test_one_day_as_of_a_moment_reads_that_days_files_only(filled):
    for number in range(30):
        put(filled, "raw", "posts", number, day=DAY + timedelta(days=number))
    connection = connect(filled, as_of=moment())

    plan = connection.execute(f"explain analyze select id from raw.posts where day = '{DAY}'").fetchall()[0][1]
    assert "Scanning Files: 1/30" in plan
