"""Quarantined rows, kept as JSON, read back into the columns and types of a table. Nothing is checked beyond the types.

What became text because JSON has no such type (money, times, NaN) is read from text; any other text where a number
or a truth value belongs is no value of that type, as it was not when the row came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from clientnest_assets.contracts import Contract
from clientnest_assets.contracts.validation import RULES
from clientnest_assets.sources.landing import PSEUDONYM

WHOLE_NUMBERS = range(-(2**63), 2**63)
DIGITS = r"^-?(\d+)(?:\.(\d*?)0*)?$"
"""Digits before the point, and behind it without the zeros at the end."""


def read_kept(contract: Contract, rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """The rows in the schema's columns, and RULES: which values cannot be read (`<column>|cast`), or are gone.

    A text that was new to the contract when its row came stands there as a pseudonym. That is its value as long as
    the contract does not know the column, or holds it for personal; else the value is gone: `<column>|pseudonym`.

    Args:
        contract: the table's.
        rows: by column, as they stand in JSON. A missing column is null.
        schema: the columns to read. What the rows hold beyond them is only about the row, such as who sent it.
    """
    columns: list[pl.Series] = []
    broken: list[pl.Series] = []
    for name, dtype in schema.items():
        values = [row.get(name) for row in rows]
        if dtype == pl.String:
            given = pl.Series(name, [_text(value) for value in values], pl.String)
            is_readable = name in contract.source_schema and name not in contract.personal_columns
            gone = given.str.starts_with(PSEUDONYM).fill_null(value=False) & is_readable
            columns.append(given.str.strip_prefix(PSEUDONYM))
            broken.append(_rule(f"{name}|pseudonym", gone))
            continue
        read = _typed(values, dtype).alias(name)
        columns.append(read)
        is_given = pl.Series([value is not None for value in values], dtype=pl.Boolean)
        broken.append(_rule(f"{name}|cast", is_given & read.is_null()))
    frame = pl.DataFrame(columns)
    rules = pl.DataFrame(broken).select(pl.concat_list(pl.all()).list.drop_nulls().alias(RULES)).to_series()
    return frame.with_columns(rules)


def parse(rows: Iterable[str]) -> list[dict[str, Any]]:
    """Each row's JSON object."""
    return [json.loads(row) for row in rows]


def _rule(rule: str, breaks: pl.Series) -> pl.Series:
    return pl.select(pl.when(breaks).then(pl.lit(rule)).alias(rule)).to_series()


def _typed(values: list[Any], dtype: pl.DataType) -> pl.Series:
    """Null where a value is none of the type."""
    match dtype:
        case pl.Int64():
            return pl.Series(
                [value if type(value) is int and value in WHOLE_NUMBERS else None for value in values], dtype=dtype
            )
        case pl.Float64():
            return pl.Series([_number(value) for value in values], dtype=dtype)
        case pl.Boolean():
            return pl.Series([value if isinstance(value, bool) else None for value in values], dtype=dtype)
        case pl.List():
            return pl.Series([_texts(value) for value in values], dtype=dtype)
    texts = pl.Series([value if isinstance(value, str) else None for value in values], dtype=pl.String)
    match dtype:
        case pl.Decimal():
            digits = texts.str.extract_groups(DIGITS).struct.unnest().select(pl.all().str.len_chars().fill_null(0))
            fits = (digits["1"] <= dtype.precision - dtype.scale) & (digits["2"] <= dtype.scale)
            return texts.set(~fits, None).str.to_decimal(scale=dtype.scale).cast(dtype)
        case pl.Datetime():
            return texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
        case pl.Date():
            return texts.str.to_date("%Y-%m-%d", strict=False)
    raise TypeError(f"no way is chosen to read {dtype} from JSON; add it to {__name__}")


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _texts(value: object) -> list[str | None] | None:
    is_list = isinstance(value, list) and all(each is None or isinstance(each, str) for each in value)
    return value if is_list else None  # type: ignore[return-value]
