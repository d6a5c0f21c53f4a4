"""Which columns rows and tables of the lake may have: compared exactly before each write, because Delta casts in silence.

A table may hold nullable columns beyond its schema in the code: a source had them first. Types never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.errors import ClientNestError

if TYPE_CHECKING:
    from deltalake import Field


class SchemaMismatchError(ClientNestError):
    """Rows or a table on disk do not have the columns and types that the code has. Delta would cast them in silence."""


def require_table(name: str, held: pl.Schema, wanted: pl.Schema) -> None:
    """Raises a SchemaMismatchError if a column that the table holds is wanted with another type; names each."""
    if retyped := _retyped(held, wanted):
        raise SchemaMismatchError(
            f"{name} in the lake has another schema than these rows: {'; '.join(retyped)}. Nothing was written. Mend the "
            "source or the contract; a type can change only in a table that is made anew."
        )


def columns_to_add(held: pl.Schema, wanted: pl.Schema) -> pl.Schema:
    """The wanted columns that the table does not hold."""
    return pl.Schema({name: dtype for name, dtype in wanted.items() if name not in held})


def delta_fields(schema: pl.Schema) -> list[Field]:
    """The columns as Delta's nullable fields."""
    from deltalake import Field, Schema

    fields = Schema.from_arrow(pl.DataFrame(schema=schema).to_arrow().schema).fields
    return [Field(each.name, each.type, nullable=True) for each in fields]


def conformed(name: str, frame: pl.DataFrame, schema: pl.Schema, held: pl.Schema) -> pl.DataFrame:
    """The frame with the table's columns in its order; null where the frame lacks a column that only the table knows.

    Args:
        name: of the table, for the error.
        frame: rows to be written.
        schema: the columns that rows must have.
        held: all the table's columns.

    Raises:
        SchemaMismatchError: naming each column that is missing, unknown to the table, or of another type.
    """
    missing = [f"{column} is missing" for column in schema if column not in frame.columns]
    extra = [f"{column} is not in the table" for column in frame.columns if column not in held]
    if problems := missing + extra + _retyped(frame.schema, held):
        raise SchemaMismatchError(f"rows for {name} do not fit the table: {'; '.join(problems)}")
    return frame.select(as_selected(frame.schema, held))


def as_selected(found: pl.Schema, wanted: pl.Schema) -> list[pl.Expr]:
    """Expressions that give the wanted columns, null where they are not found, and then what else is found."""
    chosen = [pl.col(name) if name in found else pl.lit(None, dtype).alias(name) for name, dtype in wanted.items()]
    return chosen + [pl.col(name) for name in found if name not in wanted]


def _retyped(found: pl.Schema, expected: pl.Schema) -> list[str]:
    return [
        f"{name} is {found[name]} instead of {dtype}"
        for name, dtype in expected.items()
        if name in found and found[name] != dtype
    ]
