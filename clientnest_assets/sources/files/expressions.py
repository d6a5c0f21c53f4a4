"""How a mapping's words become values: each column of a table as one Polars expression over text.

A value that is there and cannot be read as its column's type comes out as null, and the expression
beside it says that it failed. Nothing is guessed, rounded or cut on the way, save where the mapping says so.
Which rows fail for other reasons is found in `checking.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import cast

import polars as pl

from clientnest_assets.sources.files.specs import ColumnSpec, Constant, FileForm, template_parts

ISO_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M%z",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
UNIX_UNITS: dict[str, int] = {"unix": 1_000_000, "unix_ms": 1_000}
"""Microseconds in one unit of a number that counts from 1970."""
LONGEST_UNIX = 2**62
"""Microseconds from 1970 that are no time any more."""
TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
SUM_SCALE = 12
"""Digits behind the point while numbers are added, before the sum is rounded to its column's own."""
FIRST_YEAR = 1000
SEPARATOR = "\x1f"
NOTHING = "\x00"
UTC_MICROSECONDS = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Reading:
    """How one column is read."""

    value: pl.Expr
    failed: Callable[[pl.Expr], pl.Expr]
    """Given the value, once it is computed: whether there was something that could not be read."""


def reading(
    spec: ColumnSpec, dtype: pl.DataType, form: FileForm, *, personal: Collection[str] = (), key: bytes = b""
) -> Reading:
    """The expressions for a column of the given type, over columns of text.

    Args:
        spec: what the mapping says of it.
        dtype: the type that the contract wants.
        form: how the file writes numbers.
        personal: columns whose hashes are keyed, so that nobody can find the person by trying names.
        key: the key of those hashes.
    """
    if "constant" in spec.model_fields_set:
        return Reading(constant(spec.constant, dtype, spec), never)
    if spec.hash:
        return Reading(_hash(spec.hash, dtype, key if set(spec.hash) & set(personal) else b""), never)
    if spec.sum:
        return _sum(spec.sum, dtype, form)
    given, found = texts(spec)
    typed = parsed(found, dtype, spec, form)
    if not spec.has_default:
        return Reading(typed, lambda value: given.is_not_null() & value.is_null())
    default = constant(spec.default, dtype, spec)
    return Reading(
        pl.when(found.is_null()).then(default).otherwise(typed),
        lambda value: found.is_not_null() & value.is_null(),
    )


def never(_: pl.Expr) -> pl.Expr:
    """Nothing can fail where nothing is read."""
    return pl.lit(value=False)


def texts(spec: ColumnSpec) -> tuple[pl.Expr, pl.Expr]:
    """The text that a column or template gives, and what `extract` and `values` make of it (null: nothing)."""
    if spec.template is not None:
        parts = template_parts(spec.template)
        given = pl.concat_str(pl.lit(text) if name is None else pl.lit(text) + pl.col(name) for text, name in parts)
    else:
        given = pl.col(cast("str", spec.column))
    found = given
    if spec.extract is not None:
        found = found.str.extract(spec.extract, _group(spec.extract))
    if spec.values is not None:
        found = found.replace_strict(
            list(spec.values), list(spec.values.values()), default=None, return_dtype=pl.String
        )
    return given, found


def constant(value: Constant, dtype: pl.DataType, spec: ColumnSpec) -> pl.Expr:
    """A literal of the type.

    Raises:
        ValueError: if the value cannot be read as the type.
    """
    if value is None:
        return pl.lit(None, dtype)
    if isinstance(dtype, pl.List):
        return pl.lit(pl.Series([list(value) if isinstance(value, tuple) else [value]], dtype=dtype)).first()
    if isinstance(value, tuple):
        raise ValueError(f"a list cannot be read as {dtype}")  # noqa: TRY004
    plain = ColumnSpec(column="text", zone=spec.zone or "UTC") if isinstance(dtype, pl.Datetime) else spec
    read = pl.DataFrame({"text": [value]}).select(parsed(pl.col("text"), dtype, plain, FileForm())).item()
    if read is None:
        raise ValueError(f"{value!r} cannot be read as {dtype}")
    return pl.lit(read, dtype)


def parsed(text: pl.Expr, dtype: pl.DataType, spec: ColumnSpec, form: FileForm) -> pl.Expr:
    """The text as the type, or null where it does not say exactly that."""
    match dtype:
        case pl.String():
            return text
        case pl.Boolean():
            word = text.str.strip_chars().str.to_lowercase()
            return pl.when(word.is_in(TRUE)).then(statement=True).when(word.is_in(FALSE)).then(statement=False)
        case pl.Datetime():
            return _time(text, spec)
        case pl.List():
            return _list(text, spec)
    return number(text, dtype, form)


def number(text: pl.Expr, dtype: pl.DataType, form: FileForm) -> pl.Expr:
    """The text as a number of the type; null unless it is one exactly. 12.0 is the integer 12, 1e3 is none."""
    plain = text.str.strip_chars()
    if form.thousands is not None:
        grouped = rf"^[+-]?[0-9]{{1,3}}(?:[{form.thousands}][0-9]{{3}})+(?:[{form.decimal}][0-9]*)?$"
        without = plain.str.replace_all(form.thousands, "", literal=True)
        plain = pl.when(plain.str.contains(grouped)).then(without).otherwise(plain)
    if form.decimal == ",":
        plain = pl.when(plain.str.contains(r"^[^.]*$")).then(plain.str.replace(",", ".", literal=True))
    match dtype:
        case pl.Int64():
            return plain.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?$", 1).cast(pl.Int64, strict=False)
        case pl.Float64():
            value = plain.cast(pl.Float64, strict=False)
            return pl.when(value.is_finite()).then(value)
        case pl.Decimal():
            exact = plain.str.extract(rf"^([+-]?[0-9]*(?:\.[0-9]{{0,{dtype.scale}}})?)0*$", 0)
            # A small cost is often written as 1e-05, the shortest text of a binary number: exact when it comes back.
            binary = plain.str.extract(r"(?i)^[+-]?[0-9.]+e[+-]?[0-9]+$", 0).cast(pl.Float64, strict=False)
            shortened = binary.round(dtype.scale).cast(dtype, strict=False)
            return (
                pl.when(exact.str.contains("[0-9]"))
                .then(exact.cast(dtype, strict=False))
                .when(shortened.cast(pl.Float64) == binary)
                .then(shortened)
            )
    raise TypeError(f"no reading is chosen for {dtype}; add it to {__name__}.number")


def _time(text: pl.Expr, spec: ColumnSpec) -> pl.Expr:
    times = text.map_batches(lambda series: _times(series, spec), return_dtype=UTC_MICROSECONDS, is_elementwise=True)
    return times + spec.plus.timedelta if spec.plus else times


def _times(texts: pl.Series, spec: ColumnSpec) -> pl.Series:
    """The texts as times. Formats are tried in order, each on what those before it have left."""
    plain = texts.str.strip_chars()
    if not spec.truncate:
        # The lake keeps microseconds. More digits than that would be lost, so they are not taken in silence.
        plain = _only(plain, ~plain.str.contains(r"\.[0-9]{6}[0-9]*[1-9]"))
    times = pl.Series(texts.name, [None], dtype=UTC_MICROSECONDS).new_from_index(0, len(texts))
    for form in spec.format:
        if form == "iso":
            rest = plain.str.replace(r"(?i)^([0-9-]+)T", "$1 ").str.replace(r"(?i) ?Z$", "+00:00")
        else:
            rest = plain
        for each in ISO_FORMATS if form == "iso" else (form,):
            rest = _only(rest, times.is_null())
            # Without any rows the formats are tried out, whether they are some.
            if len(rest) and rest.null_count() == len(rest):
                return times
            found = _times_in(rest, each, spec)
            # %Y takes 25 for the year 25: a format that does not fit.
            times = times.fill_null(_only(found, found.dt.year() >= FIRST_YEAR))
    return times


def _only(series: pl.Series, kept: pl.Series) -> pl.Series:
    """The series with null in place of what is not kept."""
    return series.to_frame().select(pl.when(kept).then(pl.first())).to_series()


def _times_in(plain: pl.Series, form: str, spec: ColumnSpec) -> pl.Series:
    if form in UNIX_UNITS:
        # Digits behind the point are kept, as far as microseconds go.
        count = number(pl.first(), pl.Decimal(38, len(str(UNIX_UNITS[form])) - 1), FileForm())
        microseconds = plain.to_frame().select((count * UNIX_UNITS[form]).cast(pl.Int64, strict=False)).to_series()
        return _only(microseconds, microseconds.abs() < LONGEST_UNIX).cast(UTC_MICROSECONDS)
    if "%z" in form or "%:z" in form:
        return plain.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    local = plain.str.to_datetime(form, time_unit="us", strict=False)
    if spec.zone is None:
        return local.clear(len(local)).cast(UTC_MICROSECONDS)
    ambiguous = "null" if spec.ambiguous == "refuse" else spec.ambiguous
    zoned = local.dt.replace_time_zone(spec.zone, ambiguous=ambiguous, non_existent="null")  # type: ignore[arg-type]
    return zoned.dt.convert_time_zone("UTC")


def _list(text: pl.Expr, spec: ColumnSpec) -> pl.Expr:
    if spec.find_all is not None:
        found = text.str.extract_all(spec.find_all)
        return found.list.eval(pl.element().str.extract(spec.find_all, _group(spec.find_all)))
    if spec.split is not None:
        parts = text.str.split(spec.split).list.eval(pl.element().str.strip_chars())
        return parts.list.eval(pl.element().filter(pl.element() != ""))
    is_array = text.str.json_path_match("$").is_not_null() & text.str.contains(r"^\s*\[")
    return pl.when(is_array).then(text).str.json_decode(pl.List(pl.String))


def _sum(weights: Mapping[str, object], dtype: pl.DataType, form: FileForm) -> Reading:
    exact = pl.Decimal(38, SUM_SCALE)
    parts = {name: number(pl.col(name), exact, form) for name in weights}
    total = reduce(lambda left, right: left + right, (parts[name] * pl.lit(weights[name]) for name in weights))
    typed: pl.Expr = total.cast(dtype, strict=False)
    if isinstance(dtype, pl.Int64):
        typed = pl.when(typed.cast(exact) == total).then(typed)
    unread = [pl.col(name).is_not_null() & part.is_null() for name, part in parts.items()]
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in weights)
    return Reading(typed, lambda value: pl.any_horizontal(unread) | (complete & value.is_null()))


def _hash(names: Collection[str], dtype: pl.DataType, key: bytes) -> pl.Expr:
    columns = [pl.col(name) for name in names]
    joined = pl.concat_str([column.fill_null(NOTHING) for column in columns], separator=SEPARATOR)
    text = pl.when(pl.any_horizontal(column.is_not_null() for column in columns)).then(joined)
    return text.map_batches(lambda series: hashed(series, dtype, key), return_dtype=dtype, is_elementwise=True)


def hashed(texts: pl.Series, dtype: pl.DataType, key: bytes) -> pl.Series:
    """An id for each text: the same on every machine and in every version. Keyed if a key is given.

    A number takes 63 bits of SHA-256 and is never 0; a million ids collide with a chance of 5 in 100 million.
    A text takes 128 bits, written as a UUID of version 8 (RFC 9562).
    """
    distinct = texts.drop_nulls().unique()
    if distinct.is_empty():
        return pl.Series(texts.name, [None] * len(texts), dtype=dtype)
    if key:
        digests = [hmac.digest(key, text.encode(), "sha256") for text in distinct]
    else:
        digests = [hashlib.sha256(text.encode()).digest() for text in distinct]
    ids: list[object]
    if isinstance(dtype, pl.String):
        ids = [_uuid(digest[:16].hex()) for digest in digests]
    else:
        ids = [max(1, int.from_bytes(digest[:8]) >> 1) for digest in digests]
    return texts.replace_strict(distinct, pl.Series(ids, dtype=dtype), return_dtype=dtype)


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def _group(pattern: str) -> int:
    """The first group of a regular expression, or all of it where it has none."""
    return 1 if pl.Series([""], dtype=pl.String).str.extract_groups(pattern).struct.fields else 0
