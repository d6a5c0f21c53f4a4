"""The online store in PostgreSQL: a typed table a state in the schema `online`, the default in the warehouse itself.

A publication is one transaction, so readers see it whole or not at all, and a kill rolls it back. A read is one
prepared statement over all views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from queue import Empty, LifoQueue
from typing import Any, Final, TypeVar

import polars as pl
import psycopg

from clientnest_assets.contracts.postgres import column_type, literal, quote
from clientnest_assets.features.online.store import (
    LOCK_WAIT_SECONDS,
    Generation,
    HeldRow,
    OnlineStoreError,
    Position,
    Published,
    busy,
    conformed,
    outdated,
    state_name,
)
from clientnest_assets.features.view import KEYS, FeatureView

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

SCHEMA: Final = "online"
GENERATIONS: Final = f"{SCHEMA}.generations"
MOST_IDLE: Final = 8
LOCK_NOT_AVAILABLE: Final = "55P03"
"""What PostgreSQL says when a lock was waited for in vain."""
CREATE_GENERATIONS: Final = (
    f"create schema if not exists {SCHEMA}",
    f"""
    create table if not exists {GENERATIONS} (
        state text primary key,
        view text not null,
        number bigint not null,
        table_created_ms bigint not null,
        table_version bigint not null,
        as_of timestamptz not null,
        published_at timestamptz not null,
        rows bigint not null,
        newest_event_at timestamptz
    )
    """,
    f"comment on table {GENERATIONS} is 'What each table of this schema holds: rows of which view, as of when.'",
)
SESSION: Final = "set plan_cache_mode = force_generic_plan; set jit = off; set timezone = 'UTC'"
"""Lookups by primary key: planned once, whatever is asked for."""


class PostgresStore:
    """An online store in a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: LifoQueue[Connection] = LifoQueue(MOST_IDLE)
        self._present: frozenset[str] = frozenset()
        self._queries: dict[tuple[str, ...], bytes] = {}

    def publish(self, view: FeatureView, rows: pl.DataFrame, position: Position) -> Published:
        """See `OnlineStore.publish`."""
        kept = conformed(view, rows)
        state = state_name(view)
        table = f"{SCHEMA}.{quote(state)}"
        with self._writing(view) as (connection, cursor):
            # One publication of a view after the other, so that the older sees that it is.
            cursor.execute(f"set local lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            cursor.execute(f"select pg_advisory_xact_lock(hashtext({literal(table)}))")
            cursor.fetchone()
            _create(cursor, view, state)
            held = _generation(cursor, state)
            if held and held.position > position:
                return Published(held, is_current=False, written=0, unchanged=0, removed=0)
            written, removed = _replace(cursor, view, kept, table)
            generation = Generation(
                number=held.number + 1 if held else 1,
                position=position,
                published_at=datetime.now(UTC),
                rows=kept.height,
                newest_event_at=kept[view.event_time].max(),  # type: ignore[arg-type]
            )
            _note(cursor, view, state, generation)
            connection.commit()
        if written or removed:
            self._run(lambda connection: _tidy(connection, view, table))
        return Published(generation, is_current=True, written=written, unchanged=kept.height - written, removed=removed)

    def generation(self, view: FeatureView) -> Generation | None:
        """See `OnlineStore.generation`."""

        def work(connection: Connection) -> Generation | None:
            return _generation(connection.cursor(), state_name(view))

        return self._run(work)

    def count(self, view: FeatureView) -> int:
        """See `OnlineStore.count`."""
        table = f"{SCHEMA}.{quote(state_name(view))}"

        def work(connection: Connection) -> int:
            try:
                ((rows,),) = connection.execute(f"select count(*) from {table}".encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return 0
            return int(rows)

        return self._run(work)

    def read(self, views: Sequence[FeatureView], entities: Sequence[Mapping[str, Any]]) -> list[list[HeldRow | None]]:
        """See `OnlineStore.read`."""

        def work(connection: Connection) -> list[list[HeldRow | None]]:
            try:
                return self._read(connection, views, entities)
            except psycopg.errors.UndefinedTable:
                # Cleaned or dropped since it was seen.
                self._present = frozenset()
                return self._read(connection, views, entities)

        return self._run(work)

    def clean(self, views: Iterable[FeatureView]) -> list[str]:
        """See `OnlineStore.clean`."""
        wanted = list(views)

        def work(connection: Connection) -> list[str]:
            with connection.transaction():
                if not _has_generations(connection.cursor()):
                    return []
                found = connection.execute(f"select state, view from {GENERATIONS}".encode())
                held: dict[str, str] = dict(found.fetchall())
                gone = outdated(held, held, wanted)
                for state in gone:
                    connection.execute(f"drop table if exists {SCHEMA}.{quote(state)}".encode())
                connection.execute(f"delete from {GENERATIONS} where state = any(%s)".encode(), (gone,))
            return gone

        return self._run(work)

    def close(self) -> None:
        """See `OnlineStore.close`."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _read(
        self, connection: Connection, views: Sequence[FeatureView], entities: Sequence[Mapping[str, Any]]
    ) -> list[list[HeldRow | None]]:
        states, present = [state_name(view) for view in views], self._present
        if unknown := [state for state in states if state not in present]:
            found = connection.execute(
                "select tablename from pg_tables where schemaname = %s and tablename = any(%s)", (SCHEMA, unknown)
            )
            self._present = present = present.union(state for (state,) in found)
        held = [(view, state) for view, state in zip(views, states, strict=True) if state in present]
        rows: list[tuple[Any, ...]] = []
        if held and entities:
            keys = _keys(view for view, _ in held)
            asked = [_array(key, [entity.get(key) for entity in entities]) for key in keys]
            # Put in order here: sorting wide rows would cost the server more than finding them.
            found_rows = connection.execute(self._query(held), asked, prepare=True, binary=True).fetchall()
            rows = sorted(found_rows, key=itemgetter(0))
        found_by_state: dict[str, list[HeldRow | None]] = {}
        start = 1
        for view, state in held:
            first, end = start + 1, start + 1 + len(view.features)
            found_by_state[state] = [
                None if row[start] is None else HeldRow(row[start], row[first:end]) for row in rows
            ]
            start = end
        return [found_by_state.get(state) or [None] * len(entities) for state in states]

    def _query(self, held: Sequence[tuple[FeatureView, str]]) -> bytes:
        """One statement for all views: a row for each entity asked for, its number first, the views' columns side by side."""
        states = tuple(state for _, state in held)
        if states not in self._queries:
            keys = _keys(view for view, _ in held)
            selected = [
                f"v{number}.{quote(name)}"
                for number, (view, _) in enumerate(held)
                for name in (view.event_time, *view.feature_names)
            ]
            joins = [
                f"left join {SCHEMA}.{quote(state)} as v{number} on "
                + " and ".join(f"v{number}.{quote(key)} = asked.{quote(key)}" for key in view.entity_keys)
                for number, (view, state) in enumerate(held)
            ]
            arrays = ", ".join(f"%s::{column_type(KEYS[key].dtype)}[]" for key in keys)
            names = ", ".join(quote(key) for key in (*keys, "number"))
            self._queries[states] = (
                f"select asked.number, {', '.join(selected)} "
                f"from unnest({arrays}) with ordinality as asked ({names}) {' '.join(joins)}"
            ).encode()
        return self._queries[states]

    def _run(self, work: Callable[[Connection], T]) -> T:
        """Does the work on an idle connection, or on a new one; what the server closed meanwhile is passed over."""
        while True:
            connection, is_fresh = self._take()
            try:
                result = work(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                connection.close()
                if is_fresh:
                    raise _unreachable(error) from error
            except BaseException:
                connection.close()
                raise
            else:
                self._give_back(connection)
                return result

    def _take(self) -> tuple[Connection, bool]:
        try:
            return self._idle.get_nowait(), False
        except Empty:
            pass
        try:
            connection = psycopg.connect(self._url, autocommit=True)
            connection.execute(SESSION.encode())
        except psycopg.OperationalError as error:
            raise _unreachable(error) from error
        return connection, True

    def _give_back(self, connection: Connection) -> None:
        if self._idle.full():
            connection.close()
        else:
            self._idle.put(connection)

    @contextmanager
    def _writing(self, view: FeatureView) -> Iterator[tuple[Any, Any]]:
        """A transaction over ADBC, which takes columns as they are; rolled back unless it is committed."""
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as adbc

        try:
            with adbc.connect(self._url) as connection, connection.cursor() as cursor:
                yield connection, cursor
        except adbc_driver_manager.Error as error:
            if error.sqlstate == LOCK_NOT_AVAILABLE:
                raise OnlineStoreError(busy(view)) from error
            raise _unreachable(error) from error


def _create(cursor: Any, view: FeatureView, state: str) -> None:
    """Makes the state's table where it is missing, in the transaction that fills it."""
    cursor.execute(f"select to_regclass({literal(f'{SCHEMA}.{quote(state)}')}) is not null")
    if cursor.fetchone() == (True,):
        return
    cursor.execute(f"select pg_advisory_xact_lock(hashtext({literal(GENERATIONS)}))")
    cursor.fetchone()
    names = [*view.entity_keys, view.event_time, *view.feature_names]
    columns = ", ".join(f"{quote(name)} {column_type(view.schema[name])}" for name in names)
    key = ", ".join(map(quote, view.entity_keys))
    table = f"{SCHEMA}.{quote(state)}"
    for statement in CREATE_GENERATIONS:
        cursor.execute(statement)
    cursor.execute(f"create table {table} ({columns}, primary key ({key}))")
    cursor.execute(f"comment on table {table} is {literal(view.description)}")


def _replace(cursor: Any, view: FeatureView, rows: pl.DataFrame, table: str) -> tuple[int, int]:
    """Makes the table hold exactly the rows; returns how many were written and how many removed."""
    keys = [quote(key) for key in view.entity_keys]
    values = [quote(name) for name in (view.event_time, *view.feature_names)]
    matches = " and ".join(f"held.{key} = staged.{key}" for key in keys)
    cursor.execute(f"create temporary table staged on commit drop as table {table} with no data")
    if not rows.is_empty():
        cursor.adbc_ingest("staged", rows.to_arrow(), mode="append", temporary=True)
    # Of the keys only: plans need no more, and statistics of thirty columns cost more than the publication.
    cursor.execute(f"analyze staged ({', '.join(keys)})")
    removed = _count(
        cursor, f"delete from {table} as held where not exists (select from staged where {matches}) returning 1"
    )
    # Told apart by a join, not by the conflict: that would lock, and so write, each row that is as it should be.
    written = _count(
        cursor,
        f"""
        insert into {table}
        select staged.* from staged left join {table} as held on {matches}
        where held.{keys[0]} is null
            or row({", ".join(f"held.{name}" for name in values)})
            is distinct from row({", ".join(f"staged.{name}" for name in values)})
        on conflict ({", ".join(keys)})
        do update set {", ".join(f"{name} = excluded.{name}" for name in values)}
        returning 1
        """,
    )
    return written, removed


def _tidy(connection: Connection, view: FeatureView, table: str) -> None:
    """Frees what the rows before took. Until then each read goes past them, which doubles its time."""
    keys = ", ".join(map(quote, view.entity_keys))
    # Without the truncation that would lock readers out; what somebody else tidies is left to them.
    connection.execute(f"vacuum (analyze, truncate false, skip_locked) {table} ({keys})".encode())


def _count(cursor: Any, statement: str) -> int:
    cursor.execute(f"with changed as ({statement}) select count(*) from changed")
    return int(cursor.fetchone()[0])


def _note(cursor: Any, view: FeatureView, state: str, generation: Generation) -> None:
    position = generation.position
    values = {
        "state": literal(state),
        "view": literal(view.name),
        "number": generation.number,
        "table_created_ms": position.created_ms,
        "table_version": position.version,
        "as_of": _moment(position.as_of),
        "published_at": _moment(generation.published_at),
        "rows": generation.rows,
        "newest_event_at": _moment(generation.newest_event_at),
    }
    cursor.execute(
        f"insert into {GENERATIONS} ({', '.join(values)}) values ({', '.join(map(str, values.values()))}) "
        f"on conflict (state) do update set {', '.join(f'{name} = excluded.{name}' for name in values)}"
    )


def _moment(moment: datetime | None) -> str:
    return "null" if moment is None else f"timestamptz {literal(moment.astimezone(UTC).isoformat())}"


def _has_generations(cursor: Any) -> bool:
    cursor.execute(f"select to_regclass({literal(GENERATIONS)}) is not null")
    found: tuple[bool] = cursor.fetchone()
    return found[0]


def _generation(cursor: Any, state: str) -> Generation | None:
    """The held generation of a state, by a cursor of either driver."""
    if not _has_generations(cursor):
        return None
    cursor.execute(
        "select number, table_created_ms, table_version, as_of, published_at, rows, newest_event_at "
        f"from {GENERATIONS} where state = {literal(state)}"
    )
    row = cursor.fetchone()
    if row is None:
        return None
    number, created_ms, version, as_of, *rest = row
    return Generation(number, Position(created_ms, version, as_of), *rest)


def _keys(views: Iterable[FeatureView]) -> list[str]:
    used = {key for view in views for key in view.entity_keys}
    return [key for key in KEYS if key in used]


def _array(key: str, values: list[Any]) -> Any:
    """The values as a parameter. Numbers are written out: by size, the driver would give them types of their own."""
    if KEYS[key].dtype == pl.String():
        return values
    return f"{{{','.join('null' if value is None else str(value) for value in values)}}}"


def _unreachable(error: Exception) -> OnlineStoreError:
    return OnlineStoreError(
        f"the online store in the warehouse failed: {str(error).strip()}. Look at CLIENTNEST_WAREHOUSE_URL and the network."
    )
