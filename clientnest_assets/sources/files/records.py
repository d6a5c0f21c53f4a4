"""CSV, JSON lines and Parquet as one thing: batches of numbered records in which every value is text.

What a mapping makes of the text is found in `expressions.py`. A record that has no columns, because its
line is broken, is kept as the text it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.sources.files.mapping import FILE_NAME, FileForm, Mapping
from clientnest_assets.sources.files.reading import (
    BLOCK_BYTES,
    UNDECODED,
    FileError,
    file_format,
    import_name,
    open_text,
)

if TYPE_CHECKING:
    import pyarrow.csv as arrow_csv

RECORD = "#record"
"""The record's number in the file, from 1, the header not counted; of JSON lines the line's."""
BROKEN = "#broken"
"""The text of a record that has no columns; null for every other."""
RECORDS_PER_BATCH = 100_000
LONGEST_RECORD_BYTES = 1 << 24
LONGEST_HEADER_BYTES = 1 << 20
MOST_COLUMNS = 10_000
SHOWN_COLUMNS = 40
DELIMITERS = (";", "\t", "|", ",")

Advance = Callable[[int], None]
Batches = Iterator[pl.DataFrame]


@dataclass(frozen=True)
class Records:
    """The records of one file: the names of its columns (none known before reading for JSON lines), and its batches."""

    columns: list[str]
    batches: Batches


def read_records(path: Path, mapping: Mapping, name: str, advance: Advance = lambda _: None) -> Records:
    """The file's records, batch by batch as they are asked for.

    Each batch has `#record` (Int64), `#broken`, the columns that the mapping reads and `$file`, all but the
    first as text. A text that the mapping calls missing is null.

    Raises:
        FileError: if the file is empty or unreadable or lacks a column that the mapping reads; some of it only
            while batches are taken.
    """
    readers = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}
    wanted = list(mapping.file_columns)
    records = readers[file_format(path, mapping.file)](path, mapping.file, wanted, advance)
    missing = list(mapping.file.missing)

    def finished() -> Batches:
        count = 0
        for batch in records.batches:
            count += batch.height
            known = (pl.when(~pl.col(column).is_in(missing)).then(pl.col(column)).alias(column) for column in wanted)
            yield batch.select(RECORD, BROKEN, *known, pl.lit(name).alias(FILE_NAME))
        if count == 0:
            raise FileError(f"{path} has a header and no records: there is nothing to import.")

    return Records(records.columns, finished())


def _csv(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    delimiter = form.delimiter or ("\t" if Path(import_name(path)).suffix == ".tsv" else ",")
    header = _csv_header(path, form, delimiter)
    _require(path, header, wanted, _delimiter_advice(header, delimiter))
    return Records(header, _csv_batches(path, form, delimiter, wanted, advance))


def _csv_header(path: Path, form: FileForm, delimiter: str) -> list[str]:
    with open_text(path, form) as stream:
        start = stream.read(LONGEST_HEADER_BYTES).decode(errors="ignore")
    if UNDECODED in start.partition("\n")[0] or "\0" in start.partition("\n")[0]:
        raise FileError(
            f"{path}, line 1: the header is not {form.encoding}. Say the right `encoding` under `file` in the mapping."
        )
    try:
        rows = csv.reader(io.StringIO(start.replace("\0", ""), newline=""), delimiter=delimiter, quotechar=form.quote)
        header = next((row for row in rows if row), [])
    except csv.Error as error:
        raise FileError(f"{path}: the header cannot be read ({error}).") from None
    if not header:
        raise FileError(f"{path} holds only blank lines: there is nothing to import.")
    if len(header) > MOST_COLUMNS:
        raise FileError(f"{path} has more than {MOST_COLUMNS:,} columns. Is the delimiter right?")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FileError(f"{path}, line 1: the header names {', '.join(map(repr, twice))} more than once. Rename one.")
    return header


def _csv_batches(path: Path, form: FileForm, delimiter: str, wanted: list[str], advance: Advance) -> Batches:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    broken: list[tuple[int, str]] = []

    def keep(row: arrow_csv.InvalidRow) -> str:
        broken.append((row.number - 1, row.text))
        return "skip"

    number = 0
    with open_text(path, form, advance) as stream:
        try:
            reader = arrow_csv.open_csv(
                stream,
                # One thread, because only then does a broken record know its number.
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=LONGEST_RECORD_BYTES),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter, quote_char=form.quote, newlines_in_values=True, invalid_row_handler=keep
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for arrow in reader:
                batch = pl.DataFrame(arrow)
                # The reader is ahead of us: some broken records belong to later batches.
                numbers = _numbers(number, batch.height, [at for at, _ in broken])
                last = int(numbers.last() or number)  # type: ignore[arg-type]
                here, broken[:] = (
                    [each for each in broken if each[0] <= last],
                    [each for each in broken if each[0] > last],
                )
                number = last
                yield _with_broken(batch.with_columns(numbers.alias(RECORD)), here, wanted)
        except pa.ArrowInvalid as error:
            raise FileError(
                f"{path}, after record {number:,}: {error}. Is a quote left open, or a record longer than "
                f"{LONGEST_RECORD_BYTES >> 20} MiB? Nothing was imported."
            ) from None
    if broken:
        yield _with_broken(None, broken, wanted)


def _numbers(before: int, height: int, broken: list[int]) -> pl.Series:
    """The numbers of the next good records, when `before` is the number of the last one and broken ones lie between."""
    candidates = pl.int_range(before + 1, before + height + len(broken) + 1, eager=True)
    return candidates.filter(~candidates.is_in(broken)).head(height)


def _with_broken(good: pl.DataFrame | None, broken: list[tuple[int, str]], wanted: list[str]) -> pl.DataFrame:
    schema = {RECORD: pl.Int64(), BROKEN: pl.String(), **dict.fromkeys(wanted, pl.String())}
    parts = [pl.DataFrame(schema=schema), pl.DataFrame(broken, schema=[RECORD, BROKEN], orient="row")]
    if good is not None:
        parts.append(good)
    return pl.concat([part.cast({RECORD: pl.Int64}) for part in parts if part.width], how="diagonal").sort(RECORD)


def _json_lines(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    paths = {name: _json_path(name) for name in wanted}
    seen: set[str] = set()

    def batches() -> Batches:
        for lines in _lines(path, form, advance):
            text = pl.col(BROKEN)
            whole = text.str.json_path_match("$").str.starts_with("{").fill_null(value=False)
            seen.update(
                name for name in wanted if lines.get_column(BROKEN).str.contains(f'"{_leaf(name)}"', literal=True).any()
            )
            yield lines.with_columns(
                *(text.str.json_path_match(route).alias(name) for name, route in paths.items()),
                pl.when(~whole).then(text).alias(BROKEN),
            )
        _require(path, sorted(seen), wanted, "These are the ones among them that any line has.")

    return Records([], batches())


def _lines(path: Path, form: FileForm, advance: Advance) -> Batches:
    """The file's lines that are not blank: `#record` is the line's number, `#broken` its text."""
    with open_text(path, form, advance) as stream:
        rest, before = b"", 0
        while True:
            block = stream.read(BLOCK_BYTES)
            if before == 0 and not rest and block.lstrip()[:1] == b"[":
                raise FileError(
                    f"{path} holds one JSON array; JSON lines has an object on each line. "
                    "Convert it, such as with: jq -c '.[]' < FILE > FILE.jsonl"
                )
            whole, newline, tail = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
            if len(tail) > LONGEST_RECORD_BYTES:
                raise FileError(f"{path}, line {before + 1:,} is longer than {LONGEST_RECORD_BYTES >> 20} MiB.")
            rest = tail
            if whole or newline:
                # Only the line feed ends a line: JSON text may hold other characters that end lines elsewhere.
                lines = pl.Series(BROKEN, whole.decode().split("\n"))
                numbers = pl.int_range(before + 1, before + len(lines) + 1, eager=True).alias(RECORD)
                before += len(lines)
                yield pl.DataFrame([numbers, lines]).filter(pl.col(BROKEN).str.strip_chars() != "")
            if not block:
                return


def _json_path(name: str) -> str:
    return name if name.startswith("$.") else "$['" + name.replace("'", "\\'") + "']"


def _leaf(name: str) -> str:
    return name.rpartition(".")[2] if name.startswith("$.") else name


def _parquet(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    del form
    try:
        size = path.stat().st_size
        if size == 0:
            raise FileError(f"{path} is empty: there is nothing to import.")
        file = pq.ParquetFile(path)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}.") from None
    except pa.ArrowInvalid as error:
        raise FileError(
            f"{path} is not a whole Parquet file ({error}). Nothing was imported; fetch it again."
        ) from None
    columns = list(file.schema_arrow.names)
    _require(path, columns, wanted, "")

    def batches() -> Batches:
        number = 0
        try:
            for arrow in file.iter_batches(RECORDS_PER_BATCH, columns=wanted):
                batch = pl.DataFrame(arrow)
                advance(size * batch.height // max(1, file.metadata.num_rows))
                numbers = pl.int_range(number + 1, number + batch.height + 1, eager=True).alias(RECORD)
                number += batch.height
                yield batch.select(
                    numbers, pl.lit(None, pl.String).alias(BROKEN), *(_text(n, t) for n, t in batch.schema.items())
                )
        except (pa.ArrowInvalid, OSError) as error:
            raise FileError(
                f"{path}, after record {number:,}: {error}. Nothing was imported; fetch it again."
            ) from None

    return Records(columns, batches())


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A typed column as text that the readings of `expressions.py` take back without loss."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.to_string("%Y-%m-%d %H:%M:%S%.9f" + ("+00:00" if dtype.time_zone else ""))
    if isinstance(dtype, pl.List | pl.Struct | pl.Array):
        value = pl.struct(column.alias("value")).struct.json_encode()
        return value.str.json_path_match("$.value").alias(name)
    if isinstance(dtype, pl.Binary):
        raise FileError(f"column {name!r} holds binary data, which no mapping can read. Store it as text.")
    return column.cast(pl.String)


def _require(path: Path, columns: list[str], wanted: list[str], advice: str) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        more = f" and {len(columns) - SHOWN_COLUMNS:,} more" if len(columns) > SHOWN_COLUMNS else ""
        raise FileError(
            f"{path} has no column {', '.join(map(repr, missing))}, which the mapping reads. Its columns are "
            f"{', '.join(map(repr, columns[:SHOWN_COLUMNS]))}{more}. {advice}".rstrip()
        )


def _delimiter_advice(header: list[str], delimiter: str) -> str:
    other = next((mark for mark in DELIMITERS if mark != delimiter and mark in header[0]), None)
    if len(header) > 1 or other is None:
        return ""
    return f"The only one holds {other!r}: say `delimiter: {other!r}` under `file` in the mapping."
