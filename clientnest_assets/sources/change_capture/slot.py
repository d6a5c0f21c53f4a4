"""The server's side: the publication, the replication slot, how far it is behind, and who may read it.

The slot has its final name only once the first snapshot is landed, so its existence says so; see `snapshot.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import Connection

from clientnest_assets.contracts.postgres import quote
from clientnest_assets.errors import ClientNestError

PUBLICATION = "clientnest"
LOCK = "hashtext('clientnest.capture')"
GRACE_SECONDS = 3
MOST_LETTERS = 63
LOST = "lost"
SETTINGS = "-c synchronous_commit=local -c statement_timeout=0"
"""A commit of ours is on disk when it answers, but waits for no standby."""
TEXT_SETTINGS = (
    "set client_encoding = 'UTF8'",
    "set timezone = 'UTC'",
    "set datestyle = 'ISO'",
    "set extra_float_digits = 1",
    "set statement_timeout = 0",
)
"""Values are sent as texts of the session that reads them."""


class CaptureError(ClientNestError):
    """Changes cannot be captured: the server or its settings, the slot or the publication are not as they must be."""


class CaptureBusyError(CaptureError):
    """Somebody else is capturing changes from this database."""


@dataclass(frozen=True)
class SlotState:
    """The slot as the server tells of it."""

    name: str
    wal_status: str
    """reserved, extended (more WAL is kept than usual), unreserved (about to be lost) or lost."""
    confirmed: int
    """The place in the WAL up to which all is captured."""
    bytes_behind: int
    """WAL written since."""
    bytes_kept: int
    """WAL that the server keeps for the slot."""
    bytes_left: int | None
    """WAL that may be written before the slot is lost; None if the server keeps all it takes."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection that captures changes, alone.

    Raises:
        CaptureBusyError: if somebody else is capturing from this database.
        CaptureError: if it cannot be reached, or is gone before the end.
    """
    try:
        connection = psycopg.connect(
            url, autocommit=True, options=SETTINGS, application_name="clientnest capture", client_encoding="utf8"
        )
    except psycopg.OperationalError as error:
        raise CaptureError(f"the app's database cannot be reached: {error}") from None
    with connection:
        try:
            # One that was killed, or has just ended, may hold it for a moment.
            connection.execute(f"set lock_timeout = '{GRACE_SECONDS}s'".encode())
            connection.execute(f"select pg_advisory_lock({LOCK})".encode())
        except psycopg.errors.LockNotAvailable:
            raise CaptureBusyError(
                "somebody is capturing changes from this database already. Wait for it, or stop it."
            ) from None
        try:
            yield connection
        except psycopg.errors.ObjectInUse as error:
            raise CaptureBusyError(f"the replication slot is still being read: {error}") from None
        except psycopg.OperationalError as error:
            if not connection.closed:
                raise
            raise CaptureError(
                f"the connection to the app's database was lost ({error}). What is landed is safe: begin again, and it "
                "goes on from there."
            ) from None
        finally:
            if not connection.closed:
                connection.execute(f"select pg_advisory_unlock({LOCK})".encode())


def slot_name(connection: Connection) -> str:
    """The name of this database's slot: slots are named once a server."""
    row = connection.execute("select current_database()").fetchone()
    assert row
    return ("clientnest_" + re.sub("[^a-z0-9_]", "_", str(row[0]).lower()))[:MOST_LETTERS]


def state(connection: Connection) -> SlotState | None:
    """The slot, or None if there is none.

    Raises:
        CaptureError: if a slot of that name belongs to another database.
    """
    name = slot_name(connection)
    row = connection.execute(
        "select wal_status, confirmed_flush_lsn - '0/0', pg_current_wal_lsn() - confirmed_flush_lsn, "
        "pg_current_wal_lsn() - restart_lsn, safe_wal_size, database = current_database() "
        "from pg_replication_slots where slot_name = %s",
        (name,),
    ).fetchone()
    if row is None:
        return None
    if not row[5]:
        raise CaptureError(
            f"the replication slot {name} belongs to another database of the server. Rename the database."
        )
    confirmed, behind, kept = (max(0, int(each or 0)) for each in row[1:4])
    return SlotState(name, row[0] or LOST, confirmed, behind, kept, None if row[4] is None else int(row[4]))


def has_slot(connection: Connection) -> bool:
    """True once a first snapshot is landed, lost slots included."""
    return state(connection) is not None


def require_server(connection: Connection) -> None:
    """Raises a CaptureError, with the remedy, if the server or the role does not allow logical replication."""
    row = connection.execute(
        "select current_setting('wal_level'), rolreplication or rolsuper or pg_has_role(current_user, "
        "(select oid from pg_roles where rolname = 'rds_replication'), 'member'), current_user, "
        "current_setting('server_encoding') from pg_roles where rolname = current_user"
    ).fetchone()
    assert row
    if row[3] == "SQL_ASCII":
        raise CaptureError(
            "the app's database has the encoding SQL_ASCII: its texts are bytes of which nobody says what letters they "
            "are. Move it to one with the encoding UTF8 (pg_dump, createdb --encoding UTF8, pg_restore)."
        )
    if row[0] != "logical":
        raise CaptureError(
            f"the app's database has wal_level = {row[0]}. Set it to logical (alter system set wal_level = logical;) and "
            "start the server anew. On managed servers it is a parameter, such as rds.logical_replication."
        )
    if not row[1]:
        raise CaptureError(
            f"the role {row[2]} may not replicate. An administrator runs: alter role {row[2]} replication;"
        )


def ensure_publication(connection: Connection, tables: Collection[str], *, make: bool) -> None:
    """Sees to it that all that is captured is published.

    Args:
        connection: to the app's database.
        tables: their names.
        make: make or mend the publication, if the role may. Changes from before are not in it, so a snapshot follows.

    Raises:
        CaptureError: with the SQL that the owner of the tables has to run, or the command that takes a snapshot.
    """
    # A table of which only some rows are published lacks the others. Older servers do not know of such filters.
    listed = connection.execute(
        "select tablename from pg_publication_tables as listed where pubname = %s "
        "and to_jsonb(listed) ->> 'rowfilter' is null",
        (PUBLICATION,),
    )
    missing = sorted(set(tables) - {name for (name,) in listed})
    kinds = connection.execute(
        "select pubinsert and pubupdate and pubdelete and pubtruncate, pubviaroot from pg_publication where pubname = %s",
        (PUBLICATION,),
    ).fetchone()
    if kinds == (True, True) and not missing:
        return
    named = ", ".join(quote(name) for name in tables)
    create = f"create publication {PUBLICATION} for table {named} with (publish_via_partition_root = true)"
    drop = f"drop publication if exists {PUBLICATION}"
    if not make:
        what = (
            f"the publication {PUBLICATION} lacks {', '.join(missing)}"
            if kinds
            else f"there is no publication {PUBLICATION}"
        )
        raise CaptureError(
            f"{what}, so changes may have been missed. Take a new snapshot: clientnest capture --snapshot"
        )
    try:
        with connection.transaction():
            connection.execute(drop.encode())
            connection.execute(create.encode())
    except psycopg.errors.InsufficientPrivilege:
        raise CaptureError(f"this role may not publish the app's tables. Their owner runs: {drop}; {create};") from None


def advance(connection: Connection, slot: SlotState, lsn: int) -> None:
    """Tells the server that all up to this place is captured: it may throw that WAL away."""
    if lsn > slot.confirmed:
        connection.execute("select pg_replication_slot_advance(%s, '0/0'::pg_lsn + %s::numeric)", (slot.name, lsn))


def end_of_wal(connection: Connection) -> int:
    """The place in the WAL before which all that is committed now stands, and is on disk."""
    # Where the server commits asynchronously, what was committed just now can be decoded only once it is on disk.
    row = connection.execute("select pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()").fetchone()
    if row == (True,):
        connection.execute("select pg_logical_emit_message(true, 'clientnest', '')")
    row = connection.execute("select pg_current_wal_flush_lsn() - '0/0'").fetchone()
    assert row
    return int(row[0])


def drop(connection: Connection) -> bool:
    """Drops the slot. True if there was one."""
    found = connection.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots "
        "where slot_name = %s and database = current_database()",
        (slot_name(connection),),
    ).fetchall()
    return bool(found)


def stop(connection: Connection) -> bool:
    """Drops the slot, so that the server keeps no WAL for it, and the publication. True if there was a slot."""
    found = drop(connection)
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"drop publication if exists {PUBLICATION}".encode())
    return found
