"""CSV files as records, and what is wrong with a file of which a quote is left open."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from clientnest_assets.sources.files.reading import UNDECODED, FileError, import_name, open_text
from clientnest_assets.sources.files.records import (
    BROKEN,
    LONGEST_RECORD_BYTES,
    MOST_COLUMNS,
    RECORD,
    Advance,
    Batches,
    Records,
    require_columns,
)
from clientnest_assets.sources.files.separated import Squeezed
from clientnest_assets.sources.files.specs import WHITESPACE, FileForm

if TYPE_CHECKING:
    import pyarrow.csv as arrow_csv

LONGEST_HEADER_BYTES = 1 << 20
MOST_LINES_OF_AN_OPEN_QUOTE = 100
"""A quote left open over more lines than this takes too much of the file along to be one bad row."""
DELIMITERS = (";", "\t", "|", ",")
END = "\x1e"
NOTHING_BELOW = "Empty CSV file"
"""What Arrow says of a header that not even a line end follows."""


def csv_records(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    """The records of a CSV file.

    Raises:
        FileError: if it is none in the given form, or lacks a wanted column; an open quote is found while batches
            are taken.
    """
    delimiter = "\t" if form.delimiter == WHITESPACE else form.delimiter or _by_name(path)
    header = _header(path, form, delimiter)
    require_columns(path, header, wanted, _delimiter_advice(header, delimiter))
    twice = sorted(name for name, times in Counter(header).items() if times > 1 and name in wanted)
    if twice:
        raise FileError(
            f"{path}, line {form.skip_lines + 1}: the header names {', '.join(map(repr, twice))} more than once. Rename one."
        )
    return Records(header, _batches(path, form, delimiter, wanted, advance))


def _by_name(path: Path) -> str:
    return "\t" if Path(import_name(path)).suffix.lower() in (".tsv", ".tab") else ","


def open_csv(path: Path, form: FileForm, advance: Advance = lambda _: None) -> io.RawIOBase:
    """The file's text, with tabs between columns where any number of blanks parts them."""
    stream = open_text(path, form, advance)
    return Squeezed(stream) if form.delimiter == WHITESPACE else stream


def _header(path: Path, form: FileForm, delimiter: str) -> list[str]:
    if form.columns:
        return list(form.columns)
    with open_csv(path, form) as stream:
        start = (stream.read(LONGEST_HEADER_BYTES) or b"").decode(errors="ignore")
    lines = io.StringIO(start, newline="")
    for _ in range(form.skip_lines):
        lines.readline()
    try:
        rows = csv.reader(lines, delimiter=delimiter, **_quoting(form))
        header = next((row for row in rows if row), [])
    except csv.Error as error:
        raise FileError(f"{path}: the header cannot be read ({error}). Is the delimiter right?") from None
    if not header:
        raise FileError(f"{path} holds only blank lines: there is nothing to import.")
    if len(header) > MOST_COLUMNS:
        raise FileError(
            f"{path} has more than {MOST_COLUMNS:,} columns. Is the delimiter right? Else write it anew with those "
            "that are needed."
        )
    if any(UNDECODED in name or "\0" in name for name in header):
        raise FileError(
            f"{path}, line {form.skip_lines + 1}: the header is not {form.encoding}. Say the right `encoding` under "
            "`file` in the mapping."
        )
    return header


def _quoting(form: FileForm) -> dict[str, Any]:
    return {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}


def _delimiter_advice(header: list[str], delimiter: str) -> str:
    other = next((mark for mark in DELIMITERS if mark != delimiter and mark in header[0]), None)
    if len(header) > 1 or other is None:
        return ""
    return f"The only one holds {other!r}: say `delimiter: {other!r}` under `file` in the mapping."


def _batches(path: Path, form: FileForm, delimiter: str, wanted: list[str], advance: Advance) -> Batches:
    """The records; those of the last block only once it is known that no quote is open at the end."""
    last: pl.DataFrame | None = None
    with _Counting(open_csv(path, form, advance), form.quote) as stream:
        for batch in _parsed(path, form, delimiter, wanted, stream):
            if last is not None:
                yield last
            last = batch
    if last is None:
        return
    left_open = _open_quote(path, form, delimiter) if stream.quotes % 2 else None
    if left_open is not None:
        if left_open.text is None:
            raise FileError(left_open.error(path))
        cut = pl.col(RECORD) == last.item(-1, RECORD)
        values = (pl.when(~cut).then(pl.col(name)).alias(name) for name in wanted)
        last = last.with_columns(*values, pl.when(cut).then(pl.lit(left_open.text)).otherwise(BROKEN).alias(BROKEN))
    yield last


def _parsed(path: Path, form: FileForm, delimiter: str, wanted: list[str], stream: _Counting) -> Batches:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    broken: list[tuple[int, str]] = []
    before = form.skip_lines + (0 if form.columns else 1)

    def keep(row: arrow_csv.InvalidRow) -> str:
        broken.append((row.number - before, row.text))
        return "skip"

    number = 0
    try:
        reader = arrow_csv.open_csv(
            stream,
            # One thread, because only then does a broken record know its number.
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=LONGEST_RECORD_BYTES,
                skip_rows=form.skip_lines,
                column_names=list(form.columns) if form.columns else None,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=form.quote or False,
                newlines_in_values=bool(form.quote),
                invalid_row_handler=keep,
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
        if number == 0 and NOTHING_BELOW in str(error):
            return
        left_open = _open_quote(path, form, delimiter)
        raise FileError(
            left_open.error(path)
            if left_open
            else f"{path}, after record {number:,}: {error}. Is the next record longer than "
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


class _Counting(io.RawIOBase):
    """A stream that counts the quotes it gives: an odd number says that one may be open at the end."""

    def __init__(self, stream: io.RawIOBase, quote: str) -> None:
        self.quotes = 0
        self._stream = stream
        self._quote = quote.encode()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size) or b""
        self.quotes += block.count(self._quote) if self._quote else 0
        return block

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass(frozen=True)
class _OpenQuote:
    """A quote that nothing closes: the line of its record, and all text from there, unless that is too much."""

    line: int
    text: str | None

    def error(self, path: Path) -> str:
        return (
            f"{path}, line {self.line:,}: a quote is opened there and never closed, so that all that follows would be "
            "one value. Nothing was imported. Mend the line; or, if quotes mean nothing in this file, say "
            "`quote: ''` under `file` in the mapping."
        )


def _open_quote(path: Path, form: FileForm, delimiter: str) -> _OpenQuote | None:
    """What is left open at the file's end, found by reading it record by record: slow, and rarely needed."""
    csv.field_size_limit(LONGEST_RECORD_BYTES)
    line, end, last = 1, 0, [END]
    with _lines(path, form) as lines:
        # Nothing tells whether the last record is whole, but that one more record comes out after it.
        reader = csv.reader(chain(lines, [END]), delimiter=delimiter, **_quoting(form))
        try:
            for row in reader:
                line, end, last = end + 1, reader.line_num, row
        except csv.Error:
            return _OpenQuote(end + 1, None)
    if last == [END]:
        return None
    if end - line > MOST_LINES_OF_AN_OPEN_QUOTE:
        return _OpenQuote(line, None)
    with _lines(path, form) as lines:
        return _OpenQuote(line, "".join(islice(lines, line - 1, None)))


def _lines(path: Path, form: FileForm) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(open_csv(path, form)), "utf-8", newline="")
