"""What a contract is: one table's columns, keys, kind and personal data, declared once.

The columns are a dataframely schema. Everything else that has to agree with it (Delta schema,
PostgreSQL DDL, dbt source, docs) is derived from here, in the sibling modules. The tables
themselves are in `app.py` and `events.py`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import dataframely as dy
import polars as pl

from clientnest_assets.errors import ClientNestError

Kind = Literal["append", "mutable"]
Origin = Literal["app_database", "events", "rollup"]

DAY = "day"
SOURCE = "source"
DELETED_AT = "deleted_at"
LANDED_COLUMNS: dict[str, pl.DataType] = {DAY: pl.Date(), SOURCE: pl.String()}
"""What landing adds to each row: its UTC partition day, and the way in that brought it."""
TOMBSTONE_COLUMNS: dict[str, pl.DataType] = {DELETED_AT: pl.Datetime("us", "UTC")}
"""What landing adds to mutable rows: when the row was deleted, where change capture saw that; else null."""


class ContractError(ClientNestError):
    """A whole batch breaks its contract: a column is missing or has another type."""


def key(description: str) -> dy.Int64:
    """The table's own id."""
    return dy.Int64(primary_key=True, min=1, description=description)


def reference(table: str, description: str, *, nullable: bool = False) -> dy.Int64:
    """The id of a row of another table. Not checked on landing: either side may arrive first."""
    return dy.Int64(nullable=nullable, min=1, description=description, metadata={"references": table})


def moment(description: str, *, nullable: bool = False, primary_key: bool = False) -> dy.Datetime:
    """A point in time, UTC, to the microsecond."""
    return dy.Datetime(
        nullable=nullable,
        primary_key=primary_key,
        time_zone="UTC",
        time_unit="us",
        description=description,
    )


def count(description: str, *, unit: str, nullable: bool = False) -> dy.Int64:
    """A number of things, never negative."""
    return dy.Int64(nullable=nullable, min=0, description=description, metadata={"unit": unit})


def one_of(values: tuple[str, ...], description: str, *, nullable: bool = False) -> dy.String:
    """Text out of a closed set. Kept as text: PostgreSQL's COPY takes no dictionary types."""
    return dy.String(
        nullable=nullable,
        check={"allowed_values": lambda column: column.is_in(list(values))},
        description=description,
        metadata={"values": list(values)},
    )


def personal(description: str, *, nullable: bool = False) -> dy.String:
    """Text about a person. Replaced by its keyed pseudonym before the first write."""
    return dy.String(nullable=nullable, description=description, metadata={"personal": True})


class About(NamedTuple):
    """A time whose UTC day a row is about."""

    column: str
    """A column of the row, or `post_id.published_time` for one of the row that it references."""
    unless_same: tuple[str, ...] = ()
    """Of a mutable row: a version that changed none of these columns says nothing new about that day."""


@dataclass(frozen=True)
class Contract:
    """One source table. `schema` is what the source sends; `landed_schema` what the lake holds."""

    name: str
    kind: Kind
    cursor: str
    """The column whose UTC day is the row's partition."""
    schema: type[dy.Schema]
    origin: Origin = "app_database"
    about: tuple[About, ...] = ()
    """What says which business days a row is about; without any, the cursor does. A row that comes late, changes or
    goes changes what is told of these days."""
    history_of: str = ""
    """The column whose rows are read back through time, one after the other: the warehouse has an index for it."""

    @property
    def description(self) -> str:
        """What one row is, in words."""
        return inspect.cleandoc(self.schema.__doc__ or "")

    @cached_property
    def columns(self) -> dict[str, dy.Column]:
        """The columns by name, as dataframely knows them."""
        return self.schema.columns()

    @property
    def key(self) -> list[str]:
        """The columns that tell one landed row from another: the id, with the version of a mutable row."""
        return self.schema.primary_key()

    @property
    def entity_key(self) -> str:
        """The column that names the thing, whatever its version."""
        return self.key[0]

    @cached_property
    def source_schema(self) -> pl.Schema:
        """The columns and types that the source sends."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    @cached_property
    def landed_schema(self) -> pl.Schema:
        """Personal columns stay text (of a pseudonym), so that only the landing columns are new."""
        tombstone = TOMBSTONE_COLUMNS if self.kind == "mutable" else {}
        return pl.Schema({**self.source_schema, **tombstone, **LANDED_COLUMNS})

    @property
    def personal_columns(self) -> list[str]:
        """The columns whose values are replaced by pseudonyms."""
        return [name for name, column in self.columns.items() if tag(column, "personal")]


def tag(column: dy.Column, name: str) -> Any:
    """What the contract says of a column beyond its type: `unit`, `values`, `references`, `personal`."""
    return (column.metadata or {}).get(name)
