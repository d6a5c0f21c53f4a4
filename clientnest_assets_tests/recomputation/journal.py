"""What an observer of the app's database has seen: its rows now, every version of a mutable row, and what was deleted.

Kept in DuckDB, schema `app`, with the app's own names and types; moments are timestamps without zone, in UTC.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psycopg

TYPES = {
    "timestamp with time zone": "timestamp",
    "text": "varchar",
    "text[]": "varchar",
    "bigint": "bigint",
    "boolean": "boolean",
    "double precision": "double",
}
"""DuckDB's type for PostgreSQL's; numeric keeps its own. A list is kept as JSON."""


class Journal:
    """Looks at an app database now and then, and forgets nothing that was true of a mutable row."""

    def __init__(self, url: str) -> None:
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute("create schema app")
        self.connection.execute("create table app.deletions (table_name varchar, id bigint, deleted_at timestamp)")
        self._url = url

    def look(self) -> None:
        """Reads all tables. Rows of append tables are as they are now; versions of mutable ones come to those seen."""
        with psycopg.connect(self._url, options="-c timezone=UTC") as app, TemporaryDirectory() as folder:
            for table, columns in _tables(app).items():
                file = Path(folder) / f"{table}.csv"
                _write(app, table, columns, file)
                self._take(table, columns, file)

    def note_deletion(self, table: str, row: int, at: datetime) -> None:
        """Someone saw the row of a mutable table being deleted."""
        self.connection.execute("insert into app.deletions values (?, ?, ?)", [table, row, at.replace(tzinfo=None)])

    def mutable_tables(self) -> list[str]:
        """The tables whose rows have versions."""
        asked = "select table_name from duckdb_columns() where schema_name = 'app' and column_name = 'updated_at'"
        return sorted(name for (name,) in self.connection.execute(asked).fetchall())

    def _take(self, table: str, columns: dict[str, str], file: Path) -> None:
        types = {name: TYPES.get(kind, kind.replace("numeric", "decimal")) for name, kind in columns.items()}
        declared = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        seen = f"select * from read_csv('{file}', header = false, allow_quoted_nulls = false, columns = {{{declared}}})"
        if "updated_at" in columns:
            self.connection.execute(f"create table if not exists app.{table} as {seen} limit 0")
            self.connection.execute(
                f"insert into app.{table} from ({seen}) as seen "
                f"anti join app.{table} as held on seen.id = held.id and seen.updated_at = held.updated_at"
            )
        else:
            self.connection.execute(f"create or replace table app.{table} as {seen}")


def _tables(app: psycopg.Connection) -> dict[str, dict[str, str]]:
    """The columns of each table and their types, in the app's words."""
    found = app.execute(
        "select relname, attname, format_type(atttypid, atttypmod) from pg_attribute "
        "join pg_class on pg_class.oid = attrelid where relnamespace = 'public'::regnamespace and relkind = 'r' "
        "and attnum > 0 and not attisdropped order by relname, attnum"
    )
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        tables.setdefault(table, {})[column] = kind
    return tables


def _write(app: psycopg.Connection, table: str, columns: dict[str, str], file: Path) -> None:
    selected = ", ".join(
        f"\"{name}\" at time zone 'UTC'"
        if kind.startswith("timestamp")
        else f'to_json("{name}")'
        if kind.endswith("[]")
        else f'"{name}"'
        for name, kind in columns.items()
    )
    copy = f"copy (select {selected} from {table} order by id) to stdout (format csv)"
    with file.open("wb") as out, app.cursor().copy(copy.encode()) as rows:
        for piece in rows:
            out.write(piece)
