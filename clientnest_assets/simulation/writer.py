"""Where simulated rows go: the app's database, in bounded memory and in one transaction.

The transaction makes a kill harmless: the database holds the old world or the new one. Rows travel
as Arrow through binary COPY, which casts nothing; the contract gives the exact types.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import polars as pl
import psycopg

from clientnest_assets.contracts import APP_TABLES, Contract
from clientnest_assets.contracts.postgres import app_tables, quote
from clientnest_assets.simulation.world import WorldError, as_datetime

if TYPE_CHECKING:
    from adbc_driver_postgresql.dbapi import Connection, Cursor

_BUFFERED_ROWS = 50_000
_CONTRACTS = {contract.name: contract for contract in APP_TABLES}


class Sink(Protocol):
    """What the story hands its rows to: contract columns, moments as int64 microseconds, in causal order."""

    def write(self, table: str, frame: pl.DataFrame) -> None:
        """Takes rows of a table."""


def conform(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with exactly the contract's columns and types."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in contract.source_schema.items())


class _DatabaseSink:
    """Buffers rows per table and copies them in. `since` leaves out what the database already holds."""

    def __init__(self, cursor: Cursor, since: int | None) -> None:
        self._cursor = cursor
        self._since = None if since is None else as_datetime(since)
        self._buffers: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
        self._buffered: defaultdict[str, int] = defaultdict(int)
        self.rows = dict.fromkeys(_CONTRACTS, 0)

    def write(self, table: str, frame: pl.DataFrame) -> None:
        self._buffers[table].append(frame)
        self._buffered[table] += len(frame)
        if self._buffered[table] >= _BUFFERED_ROWS:
            self._flush(_CONTRACTS[table])

    def flush(self) -> None:
        for table in list(self._buffers):
            self._flush(_CONTRACTS[table])

    def _flush(self, contract: Contract) -> None:
        frame = conform(contract, pl.concat(self._buffers.pop(contract.name)))
        del self._buffered[contract.name]
        if self._since is not None:
            frame = frame.filter(pl.col(contract.cursor) >= self._since)
        if frame.is_empty():
            return
        self.rows[contract.name] += len(frame)
        into_stage = self._since is not None and contract.kind == "mutable"
        target = _stage(contract) if into_stage else contract.name
        self._cursor.adbc_ingest(target, frame.to_arrow(), mode="append", temporary=into_stage)


@contextmanager
def replacing(app_database_url: str) -> Iterator[_DatabaseSink]:
    """A sink that replaces all rows of the app's tables, which are created where missing."""
    _create_tables(app_database_url)
    with _transaction(app_database_url) as (connection, cursor):
        cursor.execute("truncate " + ", ".join(quote(name) for name in _CONTRACTS))
        sink = _DatabaseSink(cursor, since=None)
        yield sink
        sink.flush()
        connection.commit()
    _analyze(app_database_url)


@contextmanager
def continuing(app_database_url: str, since: int) -> Iterator[_DatabaseSink]:
    """A sink that adds what happened from a moment on, and drops what it is handed from before.

    Rows of append tables from that moment on are replaced; mutable rows are inserted or updated by id.
    Doing it twice gives the same tables.

    Raises:
        WorldError: the database holds no user from before that moment, so nothing can be continued.
    """
    _create_tables(app_database_url)
    with _transaction(app_database_url) as (connection, cursor):
        cursor.execute(f"select exists (select from auth_user where date_joined < {_literal(since)})")
        if cursor.fetchone() != (True,):
            raise WorldError(
                f"the app's database holds no user from before {as_datetime(since):%Y-%m-%d}: simulate first"
            )
        for contract in _CONTRACTS.values():
            if contract.kind == "append":
                late = f"{quote(contract.cursor)} >= {_literal(since)}"
                cursor.execute(f"delete from {quote(contract.name)} where {late}")
            else:
                cursor.execute(
                    f"create temporary table {_stage(contract)} (like {quote(contract.name)}) on commit drop"
                )
        sink = _DatabaseSink(cursor, since)
        yield sink
        sink.flush()
        for contract in _CONTRACTS.values():
            if contract.kind == "mutable":
                cursor.execute(_upsert(contract))
        connection.commit()
    _analyze(app_database_url)


def _literal(moment: int) -> str:
    return f"timestamptz '{as_datetime(moment).isoformat()}'"


def _stage(contract: Contract) -> str:
    return f"stage_{contract.name}"


def _upsert(contract: Contract) -> str:
    key = quote(contract.entity_key)
    columns = [quote(name) for name in contract.columns]
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    return (
        f"insert into {quote(contract.name)} ({', '.join(columns)}) select {', '.join(columns)} "
        f"from pg_temp.{_stage(contract)} on conflict ({key}) do update set {changes}"
    )


@contextmanager
def _transaction(url: str) -> Iterator[tuple[Connection, Cursor]]:
    """An ADBC connection in one transaction, rolled back unless committed."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        yield connection, cursor


def _create_tables(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(app_tables(_CONTRACTS.values()).encode())


def _analyze(url: str) -> None:
    """Fresh statistics, so that the first queries by cursor use its index."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(("analyze " + ", ".join(quote(name) for name in _CONTRACTS)).encode())
