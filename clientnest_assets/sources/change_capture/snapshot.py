"""The first reading of all tables, in the very state from which the slot tells of changes.

The slot is made under another name, for the time of the session only, and gets its own name once all is landed: a kill
leaves no slot behind, and the next snapshot begins anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import psycopg
from psycopg import Connection

from clientnest_assets.contracts import DELETED_AT, Contract, ContractError
from clientnest_assets.contracts.postgres import literal, quote
from clientnest_assets.partitions import DAYS_PER_CHUNK, Window
from clientnest_assets.sources.app_database import read_from
from clientnest_assets.sources.change_capture import slot as slots
from clientnest_assets.sources.change_capture.capture import Capture, Report, reporting
from clientnest_assets.sources.change_capture.held import Held
from clientnest_assets.sources.change_capture.landing import Captured, land
from clientnest_assets.sources.change_capture.resolving import resolve
from clientnest_assets.sources.change_capture.slot import MOST_LETTERS, CaptureError
from clientnest_assets.sources.change_capture.spool import ROWS_AT_ONCE
from clientnest_assets.sources.change_capture.status import remember
from clientnest_assets.sources.change_capture.tables import CAPTURED, ENTITY, Tables, ended_rows, written_rows

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection as Reader

Progress = Callable[[str, int, int], None]
"""Told of a table, of its rows that are landed, and of how many it has."""


def take_snapshot(
    capture: Capture,
    connection: Connection,
    report: Report = lambda _: None,
    progress: Progress = lambda *_: None,
) -> dict[str, Captured]:
    """Lands the captured tables as they are, and makes the slot that tells what changes from then on.

    Of a row that lives in the lake and is gone from the app a tombstone is landed. A slot of before is dropped first.

    Args:
        capture: from where and to where.
        connection: of `slot.connected`.
        report: told what was landed, by table, before the slot gets its name.
        progress: told as it goes.

    Returns:
        What was landed, by table.

    Raises:
        CaptureError: if the server or the role does not allow it; says what to change.
        ContractError: if a table breaks its contract as a whole.
    """
    slots.require_server(connection)
    # Raises if the name is taken by another database's.
    slots.state(connection)
    Tables.found(connection)
    slots.ensure_publication(connection, [contract.name for contract in CAPTURED], make=True)
    slots.drop(connection)
    # Before the snapshot: what another way in lands later may be younger than it.
    live = {contract.name: _live(Held(capture.lake, contract)) for contract in CAPTURED}
    name = slots.slot_name(connection)
    # Another each time: that of a session that was killed may live on for a moment.
    suffix = f"_{secrets.token_hex(4)}"
    passing = name[: MOST_LETTERS - len(suffix)] + suffix
    with psycopg.connect(capture.url, autocommit=True, replication="database") as replication:
        position, exported = _exported(replication, passing)
        now = datetime.now(UTC)
        with reporting(capture.folder, report) as done:
            _land(capture, exported, live, progress, done)
        remember(capture.folder, name, now, position)
        connection.execute("select pg_copy_logical_replication_slot(%s, %s, false)", (passing, name))
    return done


def _exported(replication: Connection, slot: str) -> tuple[int, str]:
    """Makes a slot that ends with the session; the place in the WAL and the name of the snapshot that it begins with."""
    try:
        # Waits until every transaction that is open now has ended.
        row = replication.execute(
            f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT".encode()
        ).fetchone()
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise CaptureError(
            f"the server has no free replication slot ({error}). Raise max_replication_slots: a snapshot takes two."
        ) from None
    assert row
    high, low = (int(part, 16) for part in str(row[1]).split("/"))
    return (high << 32) + low, str(row[2])


def _land(
    capture: Capture, exported: str, live: dict[str, pl.Series], progress: Progress, done: dict[str, Captured]
) -> None:
    import adbc_driver_postgresql.dbapi as adbc

    try:
        with adbc.connect(capture.url) as reader:
            with reader.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
                cursor.execute(f"set transaction snapshot {literal(exported)}")
                cursor.execute("select now()")
                now = cursor.fetch_polars().item()
            for contract in CAPTURED:
                done[contract.name] = _table(capture, reader, contract, now, live[contract.name], progress)
            reader.rollback()
    except adbc.Error as error:
        raise CaptureError(f"the tables cannot be read: {error}") from None


def _table(
    capture: Capture, reader: Reader, contract: Contract, now: datetime, live: pl.Series, progress: Progress
) -> Captured:
    held, captured = Held(capture.lake, contract), Captured()
    rows = _rows_by_day(reader, contract)
    total, read = int(rows.get_column("rows").sum()), 0
    present = [live.clear()]
    for window in _windows(rows):
        found = read_from(reader, contract, window)
        changes = written_rows(contract, found.rows, now, capture.pseudonym_key)
        captured.add(land(capture.lake, contract, resolve(changes, held, by_clock=capture.by_clock)))
        captured.new_columns.update(found.unknown_columns)
        present.append(changes.get_column(ENTITY))
        read += changes.height
        progress(contract.name, read, total)
    gone = live.filter(~live.is_in(pl.concat(present).implode()))
    for part in range(0, gone.len(), ROWS_AT_ONCE):
        deletes = ended_rows(gone.slice(part, ROWS_AT_ONCE), 0, 0, now)
        captured.add(land(capture.lake, contract, resolve(deletes, held, by_clock=capture.by_clock)))
    return captured


def _live(held: Held) -> pl.Series:
    """The ids of the rows that live as far as the lake knows."""
    return held.newest().filter(pl.col(DELETED_AT).is_null()).get_column(held.contract.entity_key)


def _rows_by_day(reader: Reader, contract: Contract) -> pl.DataFrame:
    """How many rows each day has, in order.

    Raises:
        ContractError: if rows have no time, or one that is none; they have no day, and would be lost unseen.
    """
    table, moment = quote(contract.name), quote(contract.cursor)
    with reader.cursor() as cursor:
        cursor.execute(f"select count(*) from {table} where isfinite({moment}) is not true")
        adrift = cursor.fetch_polars().item()
        if adrift:
            raise ContractError(
                f"{adrift} rows of {contract.name} have no {contract.cursor}, or an infinite one, so no day. Nothing of "
                "the table was written. Give them one in the app's database, and declare the column not null."
            )
        cursor.execute(
            f"select ({moment} at time zone 'UTC')::date as day, count(*) as rows from {table} group by 1 order by 1"
        )
        return cursor.fetch_polars()


def _windows(rows: pl.DataFrame) -> list[Window]:
    """Windows with about as many rows as are landed at once, of whole days."""
    windows: list[Window] = []
    held = 0
    for day, count in rows.iter_rows():
        last = windows[-1] if windows else None
        if last and held + count <= ROWS_AT_ONCE and (day - last.start).days < DAYS_PER_CHUNK:
            windows[-1] = Window.of_days(last.start, day)
            held += count
        else:
            windows.append(Window.of_days(day, day))
            held = count
    return windows
