"""Loads windows of raw tables from the lake into the warehouse's `raw` schema.

One transaction: the window is deleted, the lake's rows are copied in, and both are counted. The
copy goes straight into the table: until the commit nobody sees it, so a stage would only write
each row twice. The same transaction notes which days were loaded, and which business days the rows
are about that came, changed or went; see `behind.py` for who reads that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from clientnest_assets.contracts import CONTRACTS, DAY, WAREHOUSE_TABLES, Contract
from clientnest_assets.contracts.contract import About, tag
from clientnest_assets.contracts.postgres import literal, quote, raw_tables
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events.rollups import rollup_table
from clientnest_assets.sources.landing import raw_table
from clientnest_assets.warehouse.behind import BOOKKEEPING, SCHEMA, TABLE_DAYS, TABLE_DAYS_COLUMNS


class LoadError(ClientNestError):
    """The warehouse does not hold what the lake holds; the transaction was rolled back."""


@dataclass(frozen=True)
class Loaded:
    """What loading one window did: rows the lake has (all in the warehouse now), and rows they replaced."""

    window: Window
    rows: int
    rows_replaced: int
    touched: tuple[date, ...]
    """The business days of the rows that came, changed or went, in order. Nothing new touches nothing."""


def create_raw_tables(url: str) -> None:
    """Creates the raw schema and those of its tables and columns that are missing."""
    import psycopg

    wanted = {(contract.name, column) for contract in WAREHOUSE_TABLES for column in contract.landed_schema}
    wanted |= {(TABLE_DAYS, column) for column in TABLE_DAYS_COLUMNS}
    with psycopg.connect(url) as connection:
        present = "select table_name, column_name from information_schema.columns where table_schema = %s"
        if set(connection.execute(present, (SCHEMA,))) >= wanted:
            return
        connection.execute("select pg_advisory_xact_lock(hashtext('clientnest.raw'))")
        connection.execute((raw_tables(WAREHOUSE_TABLES, SCHEMA) + BOOKKEEPING).encode())


def load_window(lake: Lake, url: str, contract: Contract, window: Window) -> Loaded:
    """Makes the window of `raw.<table>` equal to the lake's, all sources together.

    Raises:
        LoadError: if the counts differ after the copy.
    """
    import adbc_driver_postgresql.dbapi as adbc

    table = f"{quote(SCHEMA)}.{quote(contract.name)}"
    inside = f"{quote(DAY)} >= {literal(str(window.start))} and {quote(DAY)} < {literal(str(window.end))}"
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        # Two loads of one window would each delete what they see and both insert: one after the other, then.
        cursor.execute(f"select pg_advisory_xact_lock(hashtext({literal(table)}))")
        cursor.fetchone()
        rows = _lake_table(lake, contract).scan(window).select(contract.landed_schema.names()).collect()
        cursor.execute(f"create temp table gone on commit drop as select * from {table} where {inside}")
        cursor.execute("select count(*) from gone")
        replaced = int(cursor.fetchone()[0])
        if replaced:
            cursor.execute(f"delete from {table} where {inside}")
        if not rows.is_empty():
            cursor.adbc_ingest(contract.name, rows.to_arrow(), mode="append", db_schema_name=SCHEMA)
        cursor.execute(f"select count(*) from {table} where {inside}")
        held = int(cursor.fetchone()[0])
        if held != rows.height:
            raise LoadError(f"{table} holds {held} rows for {window} after copying {rows.height} from the lake")
        touched = _note_days(cursor, contract, window, inside, had_rows=replaced > 0)
        connection.commit()
        if rows.height:
            # dbt's queries follow at once, before autovacuum would notice how the table has changed.
            cursor.execute(f"analyze {table}")
            connection.commit()
    return Loaded(window, rows.height, replaced, touched)


def _note_days(cursor: Any, contract: Contract, window: Window, inside: str, *, had_rows: bool) -> tuple[date, ...]:
    """Writes down that the window was loaded and which days it touched; returns these. Its rows before are in `gone`."""
    table, days = f"{quote(SCHEMA)}.{quote(contract.name)}", f"{quote(SCHEMA)}.{quote(TABLE_DAYS)}"
    # One after the other from here to the commit: a load that looks another table's rows up sees those of a load before.
    cursor.execute(f"select pg_advisory_xact_lock(hashtext({literal(days)}))")
    cursor.fetchone()
    now = f"select * from {table} where {inside}"
    changed = f"(table gone except all {now}) union all ({now} except all table gone)" if had_rows else now
    first, last = literal(str(window.start)), literal(str(window.last_day))
    # Timestamps: over dates it would step in the session's time zone, in which a midnight may be missing.
    spine = f"generate_series(timestamp {first}, timestamp {last}, '1 day') as spine (day)"
    about = contract.about or (About(contract.cursor),)
    cursor.execute(
        f"""
        with changed as ({changed}),
        touched as (
            {" union all ".join(_business_days(contract, each) for each in about)}
            -- What said that the day's input is missing says otherwise now, with or without rows.
            union all
            select spine.day::date from {spine}
            where not exists (
                select from {days} as known
                where known.table_name = {literal(contract.name)} and known.day = spine.day and known.rows_loaded is not null
            )
        )
        insert into {days} (table_name, day, touched_at, touched_by)
        select {literal(contract.name)}, day, clock_timestamp(), pg_current_xact_id()
        from (select distinct day from touched where day is not null) as distinct_days
        on conflict (table_name, day) do update set touched_at = excluded.touched_at, touched_by = excluded.touched_by
        returning day
        """
    )
    touched = tuple(sorted(day for (day,) in cursor.fetchall()))
    cursor.execute(
        f"""
        insert into {days} (table_name, day, rows_loaded, loaded_at)
        select {literal(contract.name)}, spine.day::date, count(loaded.{quote(DAY)}), clock_timestamp()
        from {spine} left join {table} as loaded on loaded.{quote(DAY)} = spine.day::date
        group by spine.day
        on conflict (table_name, day) do update set rows_loaded = excluded.rows_loaded, loaded_at = excluded.loaded_at
        """
    )
    return touched


def _business_days(contract: Contract, about: About) -> str:
    """The UTC days of one time that rows are about, of the rows of `changed`."""
    own, _, theirs = about.column.partition(".")
    if theirs:
        referenced = CONTRACTS[tag(contract.columns[own], "references")]
        return (
            f"select (referenced.{quote(theirs)} at time zone 'UTC')::date as day "
            f"from changed inner join {quote(SCHEMA)}.{quote(referenced.name)} as referenced "
            f"on changed.{quote(own)} = referenced.{quote(referenced.entity_key)}"
        )
    days = f"select (changed.{quote(own)} at time zone 'UTC')::date as day from changed"
    if not about.unless_same:
        return days
    key, cursor = quote(contract.entity_key), quote(contract.cursor)
    before = ", ".join(f"previous.{quote(name)}" for name in about.unless_same)
    now = ", ".join(f"changed.{quote(name)}" for name in about.unless_same)
    return f"""
        {days}
        left join lateral (
            select true as is_known, {before}
            from {quote(SCHEMA)}.{quote(contract.name)} as previous
            where previous.{key} = changed.{key} and previous.{cursor} < changed.{cursor}
            order by previous.{cursor} desc
            limit 1
        ) as previous on true
        where previous.is_known is null or row({now}) is distinct from row({before})
        """


def _lake_table(lake: Lake, contract: Contract) -> LakeTable:
    return rollup_table(lake, contract) if contract.origin == "rollup" else raw_table(lake, contract)


def row_counts(url: str, contract: Contract) -> pl.DataFrame:
    """Rows of one raw table by day: columns day, rows."""
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select {quote(DAY)}, count(*) as rows from {quote(SCHEMA)}.{quote(contract.name)} group by 1 order by 1"
        )
        counts: pl.DataFrame = cursor.fetch_polars()
    return counts
