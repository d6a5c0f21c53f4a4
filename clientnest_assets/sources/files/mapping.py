"""What a mapping file may say: how the columns of a foreign file become the columns of our tables.

Here is the form and its checks, against the contracts but without any file at hand. How a column's words
become values is in `expressions.py`; how files are read is in `reading.py` and `records.py`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.errors import ClientNestError

FILE_NAME = "$file"
"""Stands for the imported file's name wherever a mapping names a column of the file."""
ORIGINS = ("column", "constant", "template", "hash", "sum")
TIME_KEYS = ("format", "zone", "ambiguous", "truncate", "plus")

Format = Literal["csv", "jsonl", "parquet"]


def _as_text(value: Any) -> Any:
    """What YAML reads as a number, a date or a yes is text to us, in the way it is written in files."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | date) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Constant = Text | tuple[Text, ...] | None


class MappingError(ClientNestError):
    """A mapping cannot be used. The message names the file, the key, and what to do."""


class Strict(BaseModel):
    """A part of a mapping: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileForm(Strict):
    """How the file is written."""

    format: Format | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    encoding: str = "utf-8"
    missing: tuple[Text, ...] = ("",)
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"{value!r} is no encoding that Python knows, such as utf-8, cp1252 or utf-16") from None
        return value

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark: say which one the file uses for what")
        return self


class Offset(Strict):
    """A span of time added to a time."""

    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    @property
    def timedelta(self) -> timedelta:
        """The offset as Python has it."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes, seconds=self.seconds)


class ColumnSpec(Strict):
    """Where one value comes from, and what is done to it on the way, in the order of the fields."""

    column: str | None = None
    constant: Constant = None
    template: str | None = None
    hash: tuple[str, ...] | None = Field(default=None, min_length=1)
    sum: dict[str, Decimal] | None = Field(default=None, min_length=1)

    extract: str | None = None
    values: dict[Text, Text] | None = Field(default=None, min_length=1)
    find_all: str | None = None
    split: str | None = Field(default=None, min_length=1)

    format: tuple[str, ...] = ("iso",)
    zone: str | None = None
    ambiguous: Literal["refuse", "earliest", "latest"] = "refuse"
    truncate: bool = False
    plus: Offset | None = None

    default: Constant = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """`content: text` is short for `content: {column: text}`; one hash column or format needs no list."""
        if isinstance(value, str):
            return {"column": value}
        if not isinstance(value, dict):
            raise ValueError("expected the name of a column of the file, or keys such as column or constant")  # noqa: TRY004
        return {
            key: [item] if key in ("hash", "format") and isinstance(item, str) else item for key, item in value.items()
        }

    @field_validator("extract", "find_all")
    @classmethod
    def _regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                pl.Series([""], dtype=pl.String).str.extract(value, 0)
            except pl.exceptions.ComputeError as error:
                first = str(error).partition("\n\nThis error")[0]
                raise ValueError(
                    f"{value!r} is no regular expression of Rust's kind (no look-around): {first}"
                ) from None
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError(f"{value!r} is no time zone: use an IANA name such as UTC or Europe/Berlin") from None
        return value

    @field_validator("template")
    @classmethod
    def _template(cls, value: str | None) -> str | None:
        if value is not None and all(name is None for _, name in template_parts(value)):
            raise ValueError("a template without {column} is a constant: use constant")
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ORIGINS if name in self.model_fields_set]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none"
            raise ValueError(f"exactly one of {', '.join(ORIGINS)} says where the value comes from; {found}")
        steps = [name for name in ("extract", "values", "find_all", "split") if getattr(self, name) is not None]
        if steps and given[0] not in ("column", "template"):
            raise ValueError(f"{', '.join(steps)} work on the text of a column or template, not on {given[0]}")
        if self.find_all is not None and self.split is not None:
            raise ValueError("find_all and split both make the list: choose one")
        return self

    @property
    def reads(self) -> set[str]:
        """The columns (of the file, or named under `values`) that the value is made from."""
        placed = {name for _, name in template_parts(self.template or "") if name is not None}
        return placed | {self.column or ""} - {""} | set(self.hash or ()) | set(self.sum or ())

    @property
    def has_default(self) -> bool:
        """True if the mapping says what stands for a missing value; null counts as said."""
        return "default" in self.model_fields_set


class TableMapping(Strict):
    """The columns of one of our tables."""

    columns: dict[str, ColumnSpec] = Field(min_length=1)


class Mapping(Strict):
    """One mapping file. Make it with `loading.load_mapping`."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    file: FileForm = FileForm()
    personal: tuple[str, ...] = ()
    values: dict[str, ColumnSpec] = {}
    tables: dict[str, TableMapping] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_the_contracts(self) -> Self:
        problems = [problem for name, spec in self.values.items() for problem in self._value_problems(name, spec)]
        for table, mapping in self.tables.items():
            problems += _table_problems(table, mapping)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _value_problems(self, name: str, spec: ColumnSpec) -> Iterable[str]:
        made_here = sorted(spec.reads & set(self.values))
        if made_here:
            yield f"values.{name} reads {', '.join(made_here)}, also made under values: read columns of the file only"
        unfit = [key for key in ("hash", "sum", "find_all", "split", *TIME_KEYS) if key in spec.model_fields_set]
        if unfit:
            yield f"values.{name} makes text, so {', '.join(unfit)} cannot be used there: use it in the table's column"

    @property
    def contracts(self) -> dict[str, Contract]:
        """The contract of each table that the mapping fills."""
        return {table: CONTRACTS[table] for table in self.tables}

    @cached_property
    def file_columns(self) -> tuple[str, ...]:
        """The file's columns that any table needs, in order of their names."""
        specs = [*self.values.values(), *(spec for table in self.tables.values() for spec in table.columns.values())]
        read = {name for spec in specs for name in spec.reads}
        return tuple(sorted((read | set(self.personal)) - set(self.values) - {FILE_NAME}))

    def columns_behind(self, names: Iterable[str]) -> set[str]:
        """The file's columns behind names that may also stand for entries of `values`."""
        return {column for name in names for column in (self.values[name].reads if name in self.values else {name})}

    @cached_property
    def personal_columns(self) -> frozenset[str]:
        """The file's columns that hold personal data: those named, and those a personal column of ours is made from."""
        feeding = {
            name
            for table, contract in self.contracts.items()
            for column in contract.personal_columns
            if column in self.tables[table].columns
            for name in self.tables[table].columns[column].reads
        }
        return frozenset(self.columns_behind({*self.personal, *feeding}) - {FILE_NAME})

    def narrowed(self, table: str | None) -> Mapping:
        """This mapping with the one table only, or all of it for None.

        Raises:
            MappingError: if the mapping does not fill that table.
        """
        if table is None:
            return self
        if table not in self.tables:
            raise MappingError(
                f"mapping {self.source!r} has no table {table!r}: it fills {', '.join(self.tables)}. "
                f"Name one of them, or leave --table out to land all."
            )
        return self.model_copy(update={"tables": {table: self.tables[table]}})


def template_parts(template: str) -> list[tuple[str, str | None]]:
    """A template in pieces: a text, and the column that stands after it (None where none does).

    Raises:
        ValueError: if a brace is not closed, or a placeholder has a conversion or format.
    """
    parts = []
    for before, name, form, conversion in string.Formatter().parse(template):
        if form or conversion or name == "":
            raise ValueError("a template holds only {column}; braces of the text are written {{ and }}")
        parts.append((before, name))
    return parts


def _table_problems(table: str, mapping: TableMapping) -> Iterable[str]:
    contract = CONTRACTS.get(table)
    if contract is None:
        yield f"tables.{table}: there is no such table; the tables are {', '.join(CONTRACTS)}"
        return
    unknown = [name for name in mapping.columns if name not in contract.source_schema]
    if unknown:
        known = ", ".join(contract.source_schema)
        yield f"tables.{table}.columns: {table} has no {', '.join(unknown)}; its columns are {known}"
    required = [name for name, column in contract.columns.items() if not column.nullable]
    missing = [name for name in required if name not in mapping.columns]
    if missing:
        yield f"tables.{table}.columns: {', '.join(missing)} must be there; a constant will do where the file has none"
    for name, spec in mapping.columns.items():
        if name in contract.source_schema:
            yield from _type_problems(f"tables.{table}.columns.{name}", spec, contract.source_schema[name])


def _type_problems(where: str, spec: ColumnSpec, dtype: pl.DataType) -> Iterable[str]:
    given = spec.model_fields_set
    if not isinstance(dtype, pl.Datetime):
        unfit = [key for key in TIME_KEYS if key in given]
        if unfit:
            yield f"{where}: {', '.join(unfit)} are for times, and this is {dtype}"
    elif spec.zone is None and any(_is_without_zone(form) for form in spec.format) and (spec.column or spec.template):
        yield f"{where}: the format has no zone (%z), so say which one the times are in, such as zone: UTC"
    if not isinstance(dtype, pl.List) and (spec.find_all or spec.split):
        yield f"{where}: find_all and split make a list, and this is {dtype}; extract gives one text"
    if spec.hash and not isinstance(dtype, pl.Int64 | pl.String):
        yield f"{where}: a hash is an id (a number or a UUID), and this is {dtype}"
    if spec.sum and not dtype.is_numeric():
        yield f"{where}: a sum is a number, and this is {dtype}"


def _is_without_zone(form: str) -> bool:
    return form not in ("iso", "unix", "unix_ms") and not re.search(r"%:?z", form)
