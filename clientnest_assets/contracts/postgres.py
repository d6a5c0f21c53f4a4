"""PostgreSQL DDL out of the contracts: the app's tables (simulated), and the warehouse's raw schema."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from clientnest_assets.contracts.contract import DAY, Contract


def column_type(dtype: pl.DataType) -> str:
    """The PostgreSQL type that holds a contract's type exactly.

    Raises:
        TypeError: for a type that no contract uses yet.
    """
    match dtype:
        case pl.Int64():
            return "bigint"
        case pl.Float64():
            return "double precision"
        case pl.Boolean():
            return "boolean"
        case pl.String():
            return "text"
        case pl.Date():
            return "date"
        case pl.Datetime(time_zone="UTC"):
            return "timestamptz"
        case pl.Decimal():
            return f"numeric({dtype.precision},{dtype.scale})"
        case pl.List():
            return f"{column_type(dtype.inner)}[]"  # type: ignore[arg-type]
    raise TypeError(f"no PostgreSQL type is chosen for {dtype}; add it to {__name__}.column_type")


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def app_tables(contracts: Iterable[Contract]) -> str:
    """Statements that create the app's own tables where they are missing. Key: the id, as in the app."""
    statements = []
    for contract in contracts:
        lines = [
            f"  {quote(name)} {column_type(dtype)}{'' if contract.columns[name].nullable else ' not null'}"
            for name, dtype in contract.source_schema.items()
        ]
        lines.append(f"  primary key ({quote(contract.entity_key)})")
        statements.append(f"create table if not exists {quote(contract.name)} (\n" + ",\n".join(lines) + "\n);")
        statements.append(
            f"create index if not exists {quote(contract.name + '_' + contract.cursor)} "
            f"on {quote(contract.name)} ({quote(contract.cursor)});"
        )
    return "\n".join(statements)


def raw_tables(contracts: Iterable[Contract], schema: str = "raw") -> str:
    """Statements that create the warehouse's raw tables where they are missing.

    Without a key: the lake has already told rows apart. Each column carries its description.
    """
    statements = [f"create schema if not exists {quote(schema)};"]
    for contract in contracts:
        table = f"{quote(schema)}.{quote(contract.name)}"
        lines = [f"  {quote(name)} {column_type(dtype)}" for name, dtype in contract.landed_schema.items()]
        statements.append(f"create table if not exists {table} (\n" + ",\n".join(lines) + "\n);")
        # A table of an earlier version lacks what its contract has gained since.
        statements.append(
            f"alter table {table} "
            + ", ".join(
                f"add column if not exists {quote(name)} {column_type(dtype)}"
                for name, dtype in contract.landed_schema.items()
            )
            + ";"
        )
        statements.append(f"create index if not exists {quote(f'{contract.name}_{DAY}')} on {table} ({quote(DAY)});")
        history = (
            contract.key if contract.kind == "mutable" else [contract.history_of, DAY] if contract.history_of else []
        )
        if history:
            columns = ", ".join(quote(name) for name in history)
            statements.append(f"create index if not exists {quote(f'{contract.name}_history')} on {table} ({columns});")
        statements.append(f"comment on table {table} is {literal(contract.description)};")
        statements.extend(
            f"comment on column {table}.{quote(name)} is {literal(column.description or '')};"
            for name, column in contract.columns.items()
        )
    return "\n".join(statements)


def literal(text: str) -> str:
    """A text literal, quoted."""
    return "'" + text.replace("'", "''") + "'"
