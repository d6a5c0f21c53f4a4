from datetime import date

import duckdb
import polars as pl
import pytest

from clientnest_assets.lake import Lake
from clientnest_assets.lake.sql import connect, tables
from clientnest_assets.partitions import Window

SCHEMA = pl.Schema({"id": pl.Int64(), "tags": pl.List(pl.String()), "day": pl.Date(), "source": pl.String()})
DAY = date(2025, 1, 6)


@pytest.fixture
def lake(tmp_path):
    lake = Lake(str(tmp_path / "a lake's folder"))
    for layer, name in (("raw", "posts"), ("features", "content")):
        table = lake.table(layer, name, SCHEMA)
        frame = pl.DataFrame([(1, ["a", "b"], DAY, "app"), (2, None, DAY, "app")], schema=SCHEMA, orient="row")
        table.replace_window(table.open(), frame, Window.of_days(DAY, DAY), source="app")
    return lake


def test_every_table_is_there_by_layer_and_name(lake):
    connection = connect(lake)

    assert tables(connection, lake) == [("features", "content"), ("raw", "posts")]
    rows = connection.execute(
        "select posts.id, posts.tags, content.day from raw.posts join features.content using (id) order by id"
    )
    assert rows.fetchall() == [(1, ["a", "b"], DAY), (2, None, DAY)]


def test_replaced_rows_are_not_seen(lake):
    table = lake.table("raw", "posts", SCHEMA)
    frame = pl.DataFrame([(3, [], DAY, "app")], schema=SCHEMA, orient="row")
    table.replace_window(table.open(), frame, Window.of_days(DAY, DAY), source="app")

    assert connect(lake).execute("select id from raw.posts").fetchall() == [(3,)]


def test_a_lake_that_is_not_there_has_no_tables(tmp_path):
    lake = Lake(str(tmp_path / "nothing"))

    assert tables(connect(lake), lake) == []


def test_tables_cannot_be_changed(lake):
    with pytest.raises(duckdb.Error):
        connect(lake).execute("delete from raw.posts")
