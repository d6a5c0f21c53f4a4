"""Windowed reads from the app's PostgreSQL, over ADBC: Arrow from the wire to the frame."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from clientnest_assets.contracts import Contract, ContractError
from clientnest_assets.contracts.postgres import column_type, literal, quote
from clientnest_assets.partitions import Window

SOURCE_NAME = "app_database"
LENGTH = re.compile(r"(?<=character varying)\(\d+\)|(?<=timestamp)\(\d\)")
"""The length of a text or the precision of a time, which a type may have on the way to the contract's."""


@dataclass(frozen=True)
class Extract:
    """The rows of one window, in the contract's columns and types, and columns the contract does not know."""

    rows: pl.DataFrame
    unknown_columns: list[str]


def read_window(url: str, contract: Contract, window: Window) -> Extract:
    """The rows whose cursor column lies in the window, from one snapshot of the table.

    Raises:
        ContractError: if the table or one of its columns is missing or has another type, or if rows have no value in
            the cursor column: they belong to no window, and would be lost unseen.
    """
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select attname::text as name, case typtype when 'e' then 'text' else format_type(atttypid, atttypmod) end "
            "as type from pg_attribute join pg_type on pg_type.oid = atttypid "
            f"where attrelid = to_regclass({literal(quote(contract.name))}) and attnum > 0 and not attisdropped"
        )
        found = dict(cursor.fetch_polars().iter_rows())
        _require_table(contract, found)
        cursor.execute(
            f"select count(*) from {quote(contract.name)} where {quote(contract.cursor)} is null and not (select "
            f"attnotnull from pg_attribute where attrelid = to_regclass({literal(quote(contract.name))}) "
            f"and attname = {literal(contract.cursor)})"
        )
        adrift = int(cursor.fetchone()[0])
        if adrift:
            raise ContractError(
                f"{adrift} rows of {contract.name} have no {contract.cursor}, so no day. Nothing was written. Give them one "
                "in the app's database, and declare the column not null."
            )
        columns = ", ".join(_selected(name, dtype) for name, dtype in contract.source_schema.items())
        cursor.execute(
            f"select {columns} from {quote(contract.name)} "
            f"where {quote(contract.cursor)} >= {literal(window.start_at.isoformat())} "
            f"and {quote(contract.cursor)} < {literal(window.end_at.isoformat())}"
        )
        rows = cursor.fetch_polars()
    return Extract(
        rows.select(_typed(name, dtype) for name, dtype in contract.source_schema.items()),
        sorted(set(found) - set(contract.source_schema)),
    )


def _require_table(contract: Contract, found: dict[str, str]) -> None:
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


def _selected(name: str, dtype: pl.DataType) -> str:
    # ADBC hands numeric over as opaque bytes; as text it stays exact. Text-like types become text on the server.
    if isinstance(dtype, (pl.Decimal, pl.String)):
        return f"{quote(name)}::text as {quote(name)}"
    if isinstance(dtype, pl.List):
        return f"{quote(name)}::text[] as {quote(name)}"
    return quote(name)


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Decimal):
        return pl.col(name).str.to_decimal(scale=dtype.scale).cast(dtype)
    return pl.col(name).cast(dtype)
