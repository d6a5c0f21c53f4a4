"""A window replaced part by part is replaced whole or not at all."""

from datetime import date

import polars as pl
import pytest

from clientnest_assets.lake import SchemaMismatchError
from clientnest_assets.lake.parts import replace_in_parts
from clientnest_assets.partitions import Window

SCHEMA = pl.Schema({"id": pl.Int64(), "day": pl.Date(), "source": pl.String()})
WEEK = Window.of_days(date(2025, 1, 6), date(2025, 1, 12))


@pytest.fixture
def table(lake):
    return lake.table("raw", "things", SCHEMA)


def rows(*ids, day=6, source="a"):
    return pl.DataFrame([(number, date(2025, 1, day), source) for number in ids], schema=SCHEMA, orient="row")


def held(table):
    return sorted(table.scan().collect().rows())


def test_parts_replace_the_window_of_their_sources_in_one_commit(table):
    replace_in_parts(table, table.open(), [rows(1, source="c"), rows(2, 3)], WEEK, sources=["a", "c"])
    table.replace_window(table.open(), rows(9, source="b"), WEEK, source="b")
    before = table.open().version()

    version = replace_in_parts(
        table,
        table.open(),
        (rows(10 * part, 10 * part + 1, day=6 + part) for part in range(3)),
        WEEK,
        sources=["a", "c"],
    )

    assert version == before + 1
    assert held(table) == sorted(
        [*rows(0, 1).rows(), *rows(10, 11, day=7).rows(), *rows(20, 21, day=8).rows(), *rows(9, source="b").rows()]
    )


def test_no_parts_make_the_window_empty(table):
    replace_in_parts(table, table.open(), [rows(1)], WEEK, sources=["a"])
    replace_in_parts(table, table.open(), [], WEEK, sources=["a"])
    version = table.open().version()

    # Nothing to take away: no commit either.
    assert replace_in_parts(table, table.open(), [], WEEK, sources=["a"]) == version
    assert held(table) == []


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (rows(2, day=20), ValueError),
        (rows(2, source="b"), ValueError),
        (rows(2).drop("id"), SchemaMismatchError),
        (rows(2).cast({"id": pl.Float64}), SchemaMismatchError),
    ],
)
def test_a_part_that_does_not_belong_leaves_the_table_as_it_was(table, bad, error):
    replace_in_parts(table, table.open(), [rows(1)], WEEK, sources=["a"])

    with pytest.raises(error):
        replace_in_parts(table, table.open(), [rows(5), bad], WEEK, sources=["a"])

    assert held(table) == rows(1).rows()


def test_what_a_part_raises_comes_through(table):
    def parts():
        yield rows(1)
        raise LookupError("the source broke off")

    with pytest.raises(LookupError, match="broke off"):
        replace_in_parts(table, table.open(), parts(), WEEK, sources=["a"])
    assert held(table) == []
