"""From PostgreSQL's texts to the contract's types: all rows at once, and no value changed in silence.

The texts are those of a session with `DateStyle = ISO` and `TimeZone = UTC`. What types a table may have is decided in
`sources/app_database.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from clientnest_assets.contracts.validation import RULES

ELEMENT = r'(?s)"(?:[^"\\]|\\.)*"|[^",{}]+'
"""An element of an array's text: quoted, with backslashes before what would end it, or plain."""


def typed(texts: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The columns of the schema in its types, and RULES: null, or `<column>|cast` for each value that has no such type."""
    values = texts.select(_value(name, dtype) for name, dtype in schema.items())
    failed = [
        pl.when(texts[name].is_not_null() & values[name].is_null()).then(pl.lit(f"{name}|cast"))
        for name, dtype in schema.items()
        if dtype != pl.String()
    ]
    rules = pl.concat_list(failed).list.drop_nulls() if failed else pl.lit([], pl.List(pl.String))
    return values.with_columns(rules.alias(RULES)).with_columns(
        pl.when(pl.col(RULES).list.len() > 0).then(pl.col(RULES)).alias(RULES)
    )


def _value(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name)
    match dtype:
        case pl.String():
            return text
        case pl.Boolean():
            return text.replace_strict({"t": True, "f": False}, default=None, return_dtype=pl.Boolean)
        case pl.Datetime():
            # Years past 9999, those before Christ and infinity are written otherwise: they have no such type.
            naive = text.str.strip_suffix("+00").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
            return pl.when(text.str.ends_with("+00")).then(naive).dt.replace_time_zone("UTC").alias(name)
        case pl.Date():
            return text.str.to_date("%Y-%m-%d", strict=False)
        case pl.List():
            return _elements(text)
    return text.cast(dtype, strict=False)


def _elements(text: pl.Expr) -> pl.Expr:
    """The elements of an array of one dimension that is counted from 1."""
    element = pl.element()
    unquoted = element.str.strip_prefix('"').str.strip_suffix('"').str.replace_all(r"(?s)\\(.)", "$1")
    plain = pl.when(element != "NULL").then(element)
    elements = text.str.extract_all(ELEMENT).list.eval(
        pl.when(element.str.starts_with('"')).then(unquoted).otherwise(plain)
    )
    return pl.when(text.str.starts_with("{") & ~text.str.starts_with("{{")).then(elements)
