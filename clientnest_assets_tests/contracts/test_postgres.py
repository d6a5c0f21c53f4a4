"""DDL from the contracts, tried on a real server: it says exactly what the contract says, and may be run twice."""

from decimal import Decimal

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import APP_TABLES, CONTRACTS
from clientnest_assets.contracts.postgres import app_tables, column_type, literal, quote, raw_tables

COLUMNS = (
    "select column_name, data_type, udt_name, numeric_precision, numeric_scale, is_nullable = 'YES' as nullable "
    "from information_schema.columns where table_schema = %s and table_name = %s order by ordinal_position"
)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pl.Int64(), "bigint"),
        (pl.Float64(), "double precision"),
        (pl.Boolean(), "boolean"),
        (pl.String(), "text"),
        (pl.Date(), "date"),
        (pl.Datetime("us", "UTC"), "timestamptz"),
        (pl.Decimal(12, 6), "numeric(12,6)"),
        (pl.List(pl.String()), "text[]"),
    ],
)
def test_each_type_has_one_that_holds_it_exactly(dtype, expected):
    assert column_type(dtype) == expected


@pytest.mark.parametrize("dtype", [pl.Int32(), pl.Datetime("us"), pl.Datetime("us", "Europe/Berlin"), pl.Struct({})])
def test_a_type_nobody_chose_is_refused(dtype):
    with pytest.raises(TypeError, match="no PostgreSQL type is chosen"):
        column_type(dtype)


def test_identifiers_and_text_survive_their_quotes(databases):
    awkward = "a\"b'c; drop table x"
    with psycopg.connect(databases.create()) as connection:
        row = connection.execute(f"select {literal(awkward)} as {quote(awkward)}".encode())
        assert (row.description[0].name, row.fetchone()) == (awkward, (awkward,))


def test_the_apps_tables_have_the_contracts_columns_and_the_id_as_key(databases):
    with psycopg.connect(databases.create()) as connection:
        connection.execute(app_tables(APP_TABLES))
        connection.execute(app_tables(APP_TABLES))
        for contract in APP_TABLES:
            found = connection.execute(COLUMNS, ("public", contract.name)).fetchall()
            assert [(row[0], row[-1]) for row in found] == [
                (name, column.nullable) for name, column in contract.columns.items()
            ]
            keys = connection.execute(
                "select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any (indkey) "
                "where indrelid = to_regclass(%s) and indisprimary",
                (contract.name,),
            )
            assert keys.fetchall() == [("id",)]


def test_the_raw_tables_add_day_and_source_and_describe_every_column(databases):
    with psycopg.connect(databases.create()) as connection:
        connection.execute(raw_tables(CONTRACTS.values()))
        connection.execute(raw_tables(CONTRACTS.values()))
        for contract in CONTRACTS.values():
            found = connection.execute(COLUMNS, ("raw", contract.name)).fetchall()
            deleted_at = ["deleted_at"] if contract.kind == "mutable" else []
            assert [row[0] for row in found] == [*contract.source_schema.names(), *deleted_at, "day", "source"]
            comments = connection.execute(
                "select attname, col_description(attrelid, attnum) from pg_attribute "
                "where attrelid = to_regclass(%s) and attnum > 0",
                (f"raw.{contract.name}",),
            )
            told = dict(comments.fetchall())
            assert all(told[name] == column.description for name, column in contract.columns.items())


def test_a_raw_table_of_an_earlier_version_gains_the_columns_it_lacks(databases):
    with psycopg.connect(databases.create()) as connection:
        connection.execute(raw_tables(CONTRACTS.values()))
        connection.execute("insert into raw.experiments (id, day) values (1, '2025-01-06')")
        connection.execute("alter table raw.experiments drop column deleted_at, drop column metric")
        connection.execute(raw_tables(CONTRACTS.values()))

        found = connection.execute(COLUMNS, ("raw", "experiments")).fetchall()
        assert {row[0] for row in found} == set(CONTRACTS["experiments"].landed_schema)
        assert connection.execute("select id, metric, deleted_at from raw.experiments").fetchall() == [(1, None, None)]


def test_money_keeps_every_digit(databases):
    with psycopg.connect(databases.create()) as connection:
        connection.execute(app_tables(APP_TABLES))
        insert = "insert into ai_usage_logs values (1, 1, 1, 10, %s, now()) returning cost"
        assert connection.execute(insert, (Decimal("123456.654321"),)).fetchone() == (Decimal("123456.654321"),)
