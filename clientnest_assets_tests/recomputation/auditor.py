"""Recomputes the warehouse's tables out of a journal, in DuckDB, by the definitions in the folder beside this file.

It shares nothing with the product but the words of its definitions: no dbt, no macro, no reader, no contract.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import polars as pl

from clientnest_assets_tests.recomputation.journal import Journal

DEFINITIONS = Path(__file__).with_name("definitions")
FILES = ("definitions", "users", "content", "ai", "subscriptions", "user_marts", "content_marts", "company_marts")


def recompute(journal: Journal, first_day: date, last_day: date) -> Recomputed:
    """All tables, of the days from the first to the last, both inside."""
    connection = journal.connection.cursor()
    connection.execute("drop schema if exists audit cascade; create schema audit; set schema = 'audit'")
    if not connection.execute("select 1 from duckdb_functions() where function_name = 'local_time'").fetchone():
        connection.create_function("local_time", _local_time, ["timestamp", "varchar"], "timestamp")
    zones = pl.DataFrame({"zone": sorted(available_timezones())})
    connection.register("zone_names", zones)
    connection.execute("create table time_zones as from zone_names")
    connection.execute("create table span as select ?::date as first_day, ?::date as last_day", [first_day, last_day])
    connection.execute(
        "create table days as select unnest(generate_series(first_day, last_day, interval 1 day))::date as day from span"
    )
    for table in journal.mutable_tables():
        connection.execute(
            f"create view {table} as from app.{table} "
            f"where id not in (select id from app.deletions where table_name = '{table}') "
            "qualify row_number() over (partition by id order by updated_at desc) = 1"
        )
    for name in FILES:
        connection.execute((DEFINITIONS / f"{name}.sql").read_text(encoding="utf-8"))
    return Recomputed(connection)


class Recomputed:
    """The recomputed tables, by the names they have in the warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def table(self, name: str) -> pl.DataFrame:
        """All rows of a table."""
        return self._connection.execute(f"from audit.{name}").pl()


def _local_time(moment: datetime, zone: str) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
