"""Capturing: what was committed since the last time is read from the slot, landed, and only then let go.

A kill at any moment is harmless: the same changes are read again, and landing them again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
from psycopg import Connection

from clientnest_assets.contracts import CONTRACTS, DELETED_AT, Contract
from clientnest_assets.contracts.postgres import literal
from clientnest_assets.lake import Lake
from clientnest_assets.sources.change_capture import slot as slots
from clientnest_assets.sources.change_capture.held import VERSION, Held
from clientnest_assets.sources.change_capture.landing import Captured, land
from clientnest_assets.sources.change_capture.pgoutput import (
    POSITION,
    PROTOCOL_VERSION,
    Decoder,
    Truncation,
)
from clientnest_assets.sources.change_capture.resolving import resolve
from clientnest_assets.sources.change_capture.slot import LOST, PUBLICATION, CaptureBusyError, CaptureError, SlotState
from clientnest_assets.sources.change_capture.spool import Spool
from clientnest_assets.sources.change_capture.status import remember, require_own
from clientnest_assets.sources.change_capture.tables import (
    CAPTURED,
    CHANGE,
    ENTITY,
    Tables,
    arranged,
    ended_rows,
    values_of,
)
from clientnest_assets.sources.change_capture.tombstones import CLOCK_SKEW

Report = Callable[[dict[str, Captured]], None]

UNTOLD = "change-capture.untold"
MESSAGES_AT_ONCE = 200_000
"""One pass over the slot ends with the transaction in which it has read so many messages."""


@dataclass(frozen=True)
class Capture:
    """Whose changes are captured, and where they go."""

    url: str
    lake: Lake
    pseudonym_key: bytes
    folder: Path
    """A folder of this installation, for small files that tell how capturing stands."""
    by_clock: bool
    """Whether the app's `updated_at` goes by the clock; see `tombstones.ended`."""


@dataclass(frozen=True)
class Pass:
    """One pass over the slot."""

    tables: dict[str, Captured] = field(default_factory=dict)
    captured_until: datetime | None = None
    """All that was committed before this moment is in the lake."""
    is_drained: bool = True
    """False if there was more than one pass reads."""


def capture_once(capture: Capture, connection: Connection, report: Report = lambda _: None) -> Pass:
    """Lands what was committed since the last pass, or the first part of it.

    Args:
        capture: from where and to where.
        connection: of `slot.connected`.
        report: told what was landed, by table, before the slot is moved on.

    Raises:
        CaptureError: if there is no slot, if the server has given it up, or if another installation has read from it.
        ContractError: if a table lacks a column or has it otherwise. Nothing of the pass is landed.
    """
    slot = require_slot(connection)
    require_own(capture.folder, slot)
    slots.ensure_publication(connection, [contract.name for contract in CAPTURED], make=False)
    now = datetime.now(UTC)
    end = slots.end_of_wal(connection)
    if end <= slot.confirmed:
        remember(capture.folder, slot.name, now, slot.confirmed)
        return Pass(captured_until=now)
    tables = Tables.found(connection)
    decoder = Decoder(tables.keys)
    with Spool() as spool:
        for messages in _messages(capture.url, slot, end):
            for found in decoder.decode(messages):
                if isinstance(found, Truncation):
                    for oid in found.tables:
                        spool.truncations[tables.contracts[oid].name].append(found)
                else:
                    contract = tables.contracts[found.relation.oid]
                    schema = tables.schema(found.relation)
                    spool.add(contract.name, arranged(contract, found.frame, schema, capture.pseudonym_key))
        with reporting(capture.folder, report) as done:
            done.update({name: _land(capture, spool, name) for name in spool.tables})
    is_drained = decoder.messages < MESSAGES_AT_ONCE
    until = now if is_drained else decoder.committed_at
    reached = end if is_drained else decoder.end_lsn
    assert until
    remember(capture.folder, slot.name, until, reached)
    slots.advance(connection, slot, reached)
    return Pass(done, until, is_drained)


@contextmanager
def reporting(folder: Path, report: Report) -> Iterator[dict[str, Captured]]:
    """Reports what the block lands. Cut off before that, the next time reports all days that it lands again."""
    untold = folder / UNTOLD
    was_cut_off = untold.exists()
    folder.mkdir(parents=True, exist_ok=True)
    untold.touch()
    done: dict[str, Captured] = {}
    yield done
    for captured in done.values() if was_cut_off else ():
        captured.days_changed |= captured.days
    report(done)
    untold.unlink()


def require_slot(connection: Connection) -> SlotState:
    """The slot.

    Raises:
        CaptureError: if there is none, or if the server has thrown away WAL that was not captured.
    """
    slot = slots.state(connection)
    again = "Take a snapshot: clientnest capture --snapshot"
    if slot is None:
        raise CaptureError(f"there is no replication slot {slots.slot_name(connection)} yet. {again}")
    if slot.wal_status == LOST:
        raise CaptureError(
            f"the replication slot {slot.name} is lost: it was behind by more than the server's max_slot_wal_keep_size, "
            f"so changes are missing. {again}, which lands what has changed meanwhile, deletes too."
        )
    return slot


def _land(capture: Capture, spool: Spool, table: str) -> Captured:
    """Resolves and lands the changes of one table, a part of its rows at a time."""
    contract, truncations = CONTRACTS[table], spool.truncations[table]
    held = Held(capture.lake, contract)
    newest = held.newest().filter(pl.col(DELETED_AT).is_null()) if truncations else None
    captured = Captured()
    known = {*CHANGE, *contract.source_schema}
    for changes, is_here in spool.parts(table, 0 if newest is None else newest.height):
        if newest is not None:
            live = newest.filter(is_here(contract.entity_key))
            ends = [_truncated(contract, each, changes, live, by_clock=capture.by_clock) for each in truncations]
            changes = pl.concat([changes, *ends], how="diagonal")  # noqa: PLW2901
        captured.add(land(capture.lake, contract, resolve(changes, held, by_clock=capture.by_clock)))
        captured.new_columns |= set(values_of(changes)) - known
    return captured


def _truncated(
    contract: Contract, truncation: Truncation, changes: pl.DataFrame, live: pl.DataFrame, *, by_clock: bool
) -> pl.DataFrame:
    """A truncation as deletes: of the rows that live in the lake, and of those of the changes before it."""
    if by_clock:
        live = live.filter(pl.col(VERSION) <= truncation.committed_at + CLOCK_SKEW)
    position = 2 * truncation.position
    # In the lake already, by a run that was killed or by a reading of the window: what comes after it.
    after = changes.filter(pl.col(POSITION) > position).select(contract.entity_key, contract.cursor)
    live = live.join(after, left_on=[contract.entity_key, VERSION], right_on=after.columns, how="anti")
    before = changes.filter(pl.col(POSITION) < position).get_column(ENTITY)
    entities = pl.concat([live.get_column(contract.entity_key).alias(ENTITY), before]).unique(maintain_order=True)
    return ended_rows(entities, position, truncation.transaction, truncation.committed_at)


def _messages(url: str, slot: SlotState, end: int) -> Iterator[pa.BinaryArray]:
    """The messages of whole transactions that were committed before a place in the WAL, some megabytes at a time."""
    import adbc_driver_postgresql.dbapi as adbc

    query = (
        f"select data from pg_logical_slot_peek_binary_changes({literal(slot.name)}, '0/0'::pg_lsn + {end}::numeric, "
        f"{MESSAGES_AT_ONCE}, 'proto_version', '{PROTOCOL_VERSION}', 'publication_names', '{PUBLICATION}')"
    )
    try:
        with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            for setting in slots.TEXT_SETTINGS:
                cursor.execute(setting)
            cursor.execute(query)
            for batch in cursor.fetch_record_batch():
                yield batch.column(0)
    except adbc.Error as error:
        if "is active for PID" in str(error):
            raise CaptureBusyError(
                f"the replication slot {slot.name} is still being read, perhaps for a capture that was killed: {error}"
            ) from None
        raise CaptureError(f"the replication slot {slot.name} cannot be read: {error}") from None
