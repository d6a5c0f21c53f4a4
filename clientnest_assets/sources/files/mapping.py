"""A whole mapping: how the columns of a foreign file become the columns of our tables, checked against the contracts.

No file is needed for that. The parts it is made of are in `specs.py`, files are read in `reading.py` and `records.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Self

import polars as pl
from pydantic import Field, model_validator

from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.files.specs import FILE_NAME, TIME_KEYS, ColumnSpec, FileForm, Strict, When


class MappingError(ClientNestError):
    """A mapping cannot be used. The message names the file, the key, and what to do."""


class TableMapping(Strict):
    """The columns of one of our tables, and which records it takes (by default all)."""

    when: When | None = None
    columns: dict[str, ColumnSpec] = Field(min_length=1)

    @property
    def reads(self) -> set[str]:
        """The columns (of the file, or named under `values`) that the table is made from."""
        conditions = self.when.reads if self.when else set()
        return conditions | {name for spec in self.columns.values() for name in spec.reads}


class Mapping(Strict):
    """One mapping file. Make it with `loading.load_mapping`."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    file: FileForm = FileForm()
    personal: tuple[str, ...] = ()
    values: dict[str, ColumnSpec] = Field(default={})
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
        parts: list[ColumnSpec | TableMapping] = [*self.values.values(), *self.tables.values()]
        read = {name for part in parts for name in part.reads}
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

    @property
    def fingerprint(self) -> str:
        """A hash of all that the mapping does: another one where a file may come out otherwise."""
        return hashlib.sha256(self.model_dump_json(exclude={"description"}, exclude_unset=True).encode()).hexdigest()

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
