"""The parts of a mapping: how the file is written, where one value comes from, which records a table takes.

How the parts make a whole, and whether it fits the contracts, is in `mapping.py`. What a part does to a file's
words is in `expressions.py`.
"""

from __future__ import annotations

import string
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

FILE_NAME = "$file"
"""Stands for the imported file's name wherever a mapping names a column of the file."""
ORIGINS = ("column", "constant", "template", "hash", "sum")
WHITESPACE = "whitespace"
TIME_KEYS = ("format", "zone", "ambiguous", "truncate", "plus")

Format = Literal["csv", "jsonl", "parquet"]


def _as_text(value: Any) -> Any:
    """What YAML reads as a number, a date or a yes is text to us, in the way it is written in files."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | date) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Constant = Text | tuple[Text, ...] | None


class Strict(BaseModel):
    """A part of a mapping: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileForm(Strict):
    """How the file is written."""

    format: Format | None = None
    delimiter: str | None = None
    """One character, or `whitespace`: blanks and tabs, however many."""
    quote: str = Field(default='"', max_length=1)
    """Empty where nothing is quoted."""
    skip_lines: int = Field(default=0, ge=0)
    """Lines before the header, such as a title."""
    columns: tuple[Text, ...] | None = Field(default=None, min_length=1)
    """The names of the columns of a CSV file that has no header."""
    encoding: str = "utf-8"
    missing: tuple[Text, ...] = ("",)
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    largest_gib: int | None = Field(default=None, ge=1)
    """How much the file may unpack to. By default what `reading.py` says."""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and value != WHITESPACE and len(value) != 1:
            raise ValueError(
                f"{value!r} is not one character; for columns parted by any number of blanks: {WHITESPACE}"
            )
        return value

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


class When(Strict):
    """Which records of the file a table has a row for; every condition given must hold."""

    not_empty: tuple[str, ...] = ()
    equals: dict[str, tuple[Text, ...]] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """One column, or one value, needs no list."""
        if not isinstance(value, dict):
            return value
        made = dict(value)
        if isinstance(made.get("not_empty"), str):
            made["not_empty"] = [made["not_empty"]]
        if isinstance(made.get("equals"), dict):
            made["equals"] = {
                name: given if isinstance(given, list) else [given] for name, given in made["equals"].items()
            }
        return made

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.not_empty and not self.equals:
            raise ValueError("say not_empty: COLUMN, or equals: {COLUMN: VALUE}; leave `when` out to take every record")
        return self

    @property
    def reads(self) -> set[str]:
        """The columns (of the file, or named under `values`) that decide."""
        return {*self.not_empty, *self.equals}


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
