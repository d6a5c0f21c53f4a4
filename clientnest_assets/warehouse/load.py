"""Loads windows of raw tables from the lake into the warehouse's `raw` schema.

One transaction: the window is deleted, the lake's rows are copied in, and both are counted. The
copy goes straight into the table: until the commit nobody sees it, so a stage would only write
each row twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from clientnest_assets.contracts import DAY, WAREHOUSE_TABLES, Contract
from clientnest_assets.contracts.postgres import literal, quote, raw_tables
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events.rollups import rollup_table
from clientnest_assets.sources.landing import raw_table

SCHEMA = "raw"


class LoadError(ClientNestError):
    """The warehouse does not hold what the lake holds; the transaction was rolled back."""


@dataclass(frozen=True)
class Loaded:
    """What loading one window did: rows the lake has (all in the warehouse now), and rows they replaced."""

    window: Window
    rows: int
    rows_replaced: int


def create_raw_tables(url: str) -> None:
    """Creates the raw schema and those of its tables and columns that are missing."""
    import psycopg

    wanted = {(contract.name, column) for contract in WAREHOUSE_TABLES for column in contract.landed_schema}
    with psycopg.connect(url) as connection:
        present = "select table_name, column_name from information_schema.columns where table_schema = %s"
        if set(connection.execute(present, (SCHEMA,))) >= wanted:
            return
        connection.execute("select pg_advisory_xact_lock(hashtext('clientnest.raw'))")
        connection.execute(raw_tables(WAREHOUSE_TABLES, SCHEMA).encode())


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
        cursor.execute(f"with gone as (delete from {table} where {inside} returning 1) select count(*) from gone")
        replaced = int(cursor.fetchone()[0])
        if not rows.is_empty():
            cursor.adbc_ingest(contract.name, rows.to_arrow(), mode="append", db_schema_name=SCHEMA)
        cursor.execute(f"select count(*) from {table} where {inside}")
        held = int(cursor.fetchone()[0])
        if held != rows.height:
            raise LoadError(f"{table} holds {held} rows for {window} after copying {rows.height} from the lake")
        connection.commit()
        if rows.height:
            # dbt's queries follow at once, before autovacuum would notice how the table has changed.
            cursor.execute(f"analyze {table}")
            connection.commit()
    return Loaded(window, rows.height, replaced)


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
