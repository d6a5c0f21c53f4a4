"""What a view is given to read: which days and rows, in which types, from the warehouse and from the lake."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window

WINDOW = Window.of_days(date(2026, 3, 10), date(2026, 3, 11))
COLUMNS = (("id", pl.Int64()), ("day", pl.Date()))


@pytest.fixture(scope="module")
def url(databases):
    url = databases.create()
    with psycopg.connect(url) as connection:
        connection.execute("create schema facts")
        connection.execute("create table facts.done (id integer, day date, sessions integer, cost numeric(18, 6))")
        connection.execute(
            """
            insert into facts.done
            select extract(day from day), day, extract(day from day)::integer % 2, 0.100001
            from generate_series(date '2026-03-01', date '2026-03-31', interval '1 day') as day
            """
        )
    return url


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


@pytest.mark.parametrize(
    ("about", "days"),
    [
        pytest.param({}, [10, 11], id="the window"),
        pytest.param({"days_back": 2}, [8, 9, 10, 11], id="days before it"),
        pytest.param({"days_back": None}, list(range(1, 12)), id="all days before it"),
        pytest.param({"days_back": 3, "where": "sessions > 0"}, [7, 9, 11], id="a condition"),
        pytest.param(
            {"days_back": 3, "where": "day >= {start} or sessions > 0"},
            [7, 9, 10, 11],
            id="a condition on days before it",
        ),
        pytest.param({"moment": ""}, list(range(1, 32)), id="whatever the day"),
        pytest.param({"moment": "", "where": "id > 29"}, [30, 31], id="a condition, whatever the day"),
    ],
)
def test_rows_that_are_read(url, lake, about, days):
    found = Upstream("facts", "done", COLUMNS, **about).read(lake, url, WINDOW).collect()
    assert sorted(found["id"]) == days


def test_money_can_be_read_exactly_or_as_a_float(url, lake):
    for dtype, value in ((pl.Decimal(18, 6), Decimal("0.100001")), (pl.Float64(), 0.100001)):
        upstream = Upstream("facts", "done", (("day", pl.Date()), ("cost", dtype)))
        found = upstream.read(lake, url, WINDOW).collect()
        assert found["cost"].dtype == dtype
        assert found["cost"].to_list() == [value, value]


@pytest.mark.parametrize(
    ("about", "days"),
    [
        ({}, [10, 11]),
        ({"days_back": 1}, [9, 10, 11]),
        ({"days_back": None}, [1, 9, 10, 11]),
        ({"moment": ""}, [10, 11, 12]),
    ],
    ids=["the window", "a day before it", "all days before it", "days after it"],
)
def test_days_of_the_lake_that_are_read(lake, about, days):
    schema = CONTRACTS["support_tickets"].landed_schema
    table = lake.table("raw", "support_tickets", schema, partition_by=("day",))
    tickets = pl.DataFrame({"id": [1, 9, 10, 11, 12], "day": [date(2026, 3, day) for day in (1, 9, 10, 11, 12)]})
    rows = tickets.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in tickets
    )
    table.replace_window(table.open(), rows.select(schema.names()), Window.of_days(date(2026, 3, 1), date(2026, 3, 31)))

    found = Upstream("raw", "support_tickets", COLUMNS, **about).read(lake, "", WINDOW).collect()
    assert sorted(found["id"]) == days
