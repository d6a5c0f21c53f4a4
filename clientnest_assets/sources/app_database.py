"""Windowed reads from the app's PostgreSQL, over ADBC: Arrow from the wire to the frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.contracts import DELETED_AT, Contract, ContractError
from clientnest_assets.contracts.postgres import column_type, literal, quote
from clientnest_assets.contracts.validation import RULES
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection, Cursor

SOURCE_NAME = "app_database"
LENGTH = re.compile(r"(?<=character varying)\(\d+\)|(?<=timestamp)\(\d\)")
"""The length of a text or the precision of a time, which a type may have on the way to the contract's."""


NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
TYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("bigint", "integer", "smallint"), pl.Int64()),
    **dict.fromkeys(("double precision", "real"), pl.Float64()),
    "boolean": pl.Boolean(),
    "timestamp with time zone": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
"""The types in which a column that the contract does not know arrives; any other as text, see `arriving_type`."""
MOST_DIGITS = 38
MOST_ROWS = 2_000_000
"""Read at a time: one to two gigabytes with all that is made of them on the way."""


@dataclass(frozen=True)
class Extract:
    """The rows of one window, in the contract's columns and types, then the columns the contract does not know."""

    rows: pl.DataFrame
    unknown_columns: list[str]
    """Named as at the source."""


@dataclass(frozen=True)
class _Found:
    """A table's columns as the database declares them."""

    types: dict[str, str]
    required: frozenset[str]
    """Those that are declared not null."""


def parts(url: str, contract: Contract, window: Window, *, most_rows: int = MOST_ROWS) -> list[Window]:
    """The window in pieces of whole days, each of about `most_rows` rows at most: what is read at a time fits in memory.

    A day is never cut. How many rows there are is the database's own estimate, which costs nothing.
    """
    import psycopg

    with psycopg.connect(url) as connection:

        def rows(days: Window) -> int:
            asked = f"explain (format json) select 1 from {quote(contract.name)} where {_inside(contract, days)}"
            (plan,) = connection.execute(asked.encode()).fetchone() or ([{"Plan": {"Plan Rows": 0}}],)
            return int(plan[0]["Plan"]["Plan Rows"])

        try:
            if rows(window) <= most_rows:
                return [window]
            found: list[tuple[Window, int]] = []
            for day in window.days():
                piece, weight = Window.of_days(day, day), rows(Window.of_days(day, day))
                if found and found[-1][1] + weight <= most_rows:
                    before, held = found.pop()
                    piece, weight = Window.of_days(before.start, day), held + weight
                found.append((piece, weight))
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            # Reading says it in full.
            return [window]
    return [piece for piece, _ in found]


def read_window(url: str, contract: Contract, window: Window) -> Extract:
    """The rows whose cursor column lies in the window, from one snapshot of the table.

    Columns that the contract does not know come along. One whose name the lake needs for itself, or has in other
    letters, comes as `app_<name>`.

    Raises:
        ContractError: if the table or one of its columns is missing or has another type, or if rows have no value in
            the cursor column: they belong to no window, and would be lost unseen.
    """
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(url) as connection:
        return read_from(connection, contract, window)


def read_from(connection: Connection, contract: Contract, window: Window) -> Extract:
    """As `read_window`, as the connection's transaction sees the table."""
    with connection.cursor() as cursor:
        # Otherwise texts come in the database's own encoding, and Arrow takes their bytes for UTF-8.
        cursor.execute("set client_encoding = 'UTF8'")
        found = _columns(cursor, contract)
        require_table(contract, found.types)
        if contract.cursor not in found.required:
            _require_cursor(cursor, contract)
        unknown = {
            name: arriving_type(kind) for name, kind in found.types.items() if name not in contract.source_schema
        }
        names = dict(zip(unknown, names_in_lake(contract, unknown), strict=True))
        wanted = {**contract.source_schema, **unknown}
        columns = ", ".join(_selected(name, dtype, names.get(name, name)) for name, dtype in wanted.items())
        cursor.execute(f"select {columns} from {quote(contract.name)} where {_inside(contract, window)}")
        rows = cursor.fetch_polars()
    typed = [_typed(names.get(name, name), dtype) for name, dtype in wanted.items()]
    return Extract(rows.select(typed), sorted(unknown))


def _inside(contract: Contract, window: Window) -> str:
    column = quote(contract.cursor)
    return f"{column} >= {literal(window.start_at.isoformat())} and {column} < {literal(window.end_at.isoformat())}"


def _columns(cursor: Cursor, contract: Contract) -> _Found:
    cursor.execute(
        "select attname::text as name, case typtype when 'e' then 'text' else format_type(atttypid, atttypmod) end "
        "as type, attnotnull as required from pg_attribute join pg_type on pg_type.oid = atttypid "
        f"where attrelid = to_regclass({literal(quote(contract.name))}) and attnum > 0 and not attisdropped "
        "order by attnum"
    )
    columns = cursor.fetch_polars()
    return _Found(
        dict(columns.select("name", "type").iter_rows()), frozenset(columns.filter("required").get_column("name"))
    )


def _require_cursor(cursor: Cursor, contract: Contract) -> None:
    cursor.execute(f"select count(*) from {quote(contract.name)} where {quote(contract.cursor)} is null")
    (adrift,) = cursor.fetchone() or (0,)
    if adrift:
        raise ContractError(
            f"{adrift} rows of {contract.name} have no {contract.cursor}, so no day. Nothing was written. Give them one "
            "in the app's database, and declare the column not null."
        )


def arriving_type(kind: str) -> pl.DataType:
    """The type in which a column of an unknown kind arrives: as text where no other holds it exactly."""
    numeric = NUMERIC.fullmatch(kind)
    if numeric:
        precision, scale = (int(digits) for digits in numeric.groups())
        return pl.Decimal(precision, scale) if scale <= precision <= MOST_DIGITS else pl.String()
    return TYPES.get(LENGTH.sub("", kind), pl.String())


def names_in_lake(contract: Contract, unknown: Iterable[str]) -> list[str]:
    """What unknown columns are called in the lake, whose tables do not tell capital letters from small ones."""
    taken = {name.casefold() for name in [*contract.landed_schema, DELETED_AT, RULES]}
    names: list[str] = []
    for name in unknown:
        names.append(f"app_{name}" if name.casefold() in taken else name)
        taken.add(names[-1].casefold())
    return names


def require_table(contract: Contract, found: Mapping[str, str]) -> None:
    """Raises a ContractError that names the columns that a table with these columns and types lacks or has otherwise."""
    if not found:
        raise ContractError(
            f"the app's database has no table {contract.name}. Check the app database's address and the reader's rights."
        )
    missing = [name for name in contract.source_schema if name not in found]
    retyped = [
        f"{name} is {found[name]} instead of {column_type(dtype)}"
        for name, dtype in contract.source_schema.items()
        if name in found and LENGTH.sub("", found[name]) not in _accepted(dtype)
    ]
    if missing or retyped:
        problems = [f"missing: {', '.join(missing)}"] if missing else []
        problems += [f"of another type: {'; '.join(retyped)}"] if retyped else []
        raise ContractError(
            f"table {contract.name} of the app's database breaks its contract ({'; '.join(problems)}). Nothing was "
            "written. Mend the table, or the contract in clientnest_assets/contracts."
        )


def _accepted(dtype: pl.DataType) -> set[str]:
    """The types of PostgreSQL that reach the contract's type without loss."""
    expected = column_type(dtype)
    alike = {
        "bigint": {"integer", "smallint"},
        "double precision": {"real"},
        "text": {"character varying", "uuid", "inet", "json", "jsonb", "citext"},
        "timestamptz": {"timestamp with time zone"},
        "text[]": {"character varying[]"},
    }
    accepted = {expected, *alike.get(expected, set())}
    if isinstance(dtype, pl.Decimal):
        accepted |= {f"numeric({precision},{dtype.scale})" for precision in range(1, dtype.precision + 1)}
    return accepted


def _selected(name: str, dtype: pl.DataType, alias: str) -> str:
    # ADBC hands numeric over as opaque bytes; as text it stays exact. Text-like types become text on the server.
    if isinstance(dtype, (pl.Decimal, pl.String)):
        return f"{quote(name)}::text as {quote(alias)}"
    if isinstance(dtype, pl.List):
        return f"{quote(name)}::text[] as {quote(alias)}"
    return f"{quote(name)} as {quote(alias)}"


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Decimal):
        return pl.col(name).str.to_decimal(scale=dtype.scale).cast(dtype)
    return pl.col(name).cast(dtype)
