"""How an unknown file is written: format, encoding, delimiter, lines before the header. And its first records, as text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from clientnest_assets.sources.files.csv_file import csv_records, open_csv
from clientnest_assets.sources.files.formats import FORMATS
from clientnest_assets.sources.files.json_file import json_objects, json_records
from clientnest_assets.sources.files.parquet_file import parquet_records
from clientnest_assets.sources.files.reading import UNDECODED, FileError, first_bytes, import_name, open_text
from clientnest_assets.sources.files.records import BROKEN, MOST_COLUMNS, Records
from clientnest_assets.sources.files.specs import WHITESPACE, FileForm, Format
from clientnest_assets.sources.files.suggesting.columns import guessed_names

SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 200_000
SAMPLE_LINES = 200
SAMPLE_OBJECTS = 1_000
MOST_LINES_BEFORE = 30
DEEPEST_PATH = 3
DELIMITERS = (",", ";", "\t", "|")
CONSISTENT = 0.8
ENCODINGS = ("cp1252", "mac_roman")
LIKELY = "’‘“”–—…éèêëàáâäöüßçñóíúôîïåøæãõ€™·•"  # noqa: RUF001
UNLIKELY = "ÕÒÓÔÐÑÉÊ¬¨¥ªº‡‰ŠŽŒ†ˆ‹›¢£§¶Ÿµ∂∑∏π∫Ω√≈∆◊ˇ˝˛"  # noqa: RUF001
VALUE = re.compile(r"^[+-]?\d[\d.,:/ T+-]*Z?$")
WORDLIKE = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Sample:
    """A file's form, and its first records."""

    form: FileForm
    """Only what differs from the default is set."""
    records: pl.DataFrame
    """Every column that a mapping can name, as text; null where it is empty."""
    notes: list[str]


def sampled(path: Path) -> Sample:
    """The form and first records of a file.

    Raises:
        FileError: if it is unreadable, empty or without records.
    """
    found = _format(path)
    given: dict[str, Any] = {}
    if FORMATS.get(Path(import_name(path)).suffix.lower()) != found:
        given["format"] = found
    notes: list[str] = []
    if found == "parquet":
        columns = _parquet_columns(path)
        return Sample(FileForm(**given), _first(path, parquet_records(path, FileForm(), columns, _nothing)), notes)
    encoding = _encoding(path)
    if encoding != "utf-8":
        given["encoding"] = encoding
        notes.append(f"the file is not UTF-8; its characters make most sense as {encoding}. Look at accents and quotes")
    if found == "jsonl":
        form = FileForm(**given)
        return Sample(form, _first(path, json_records(path, form, _paths(path, form), _nothing)), notes)
    given |= _csv_form(path, FileForm(**given), notes)
    form = FileForm(**given)
    header = csv_records(path, form, [], _nothing).columns
    once = [name for name, times in Counter(header).items() if times == 1]
    if len(once) < len(set(header)):
        notes.append(f"columns of one name cannot be read: {', '.join(sorted(set(header) - set(once)))}. Rename them")
    records = _first(path, csv_records(path, form, once, _nothing))
    if form.columns:
        guesses = guessed_names(records)
        form = form.model_copy(update={"columns": tuple(guesses.get(name, name) for name in form.columns)})
        records = records.rename(guesses)
    return Sample(form, records, notes)


def _nothing(_: int) -> None:
    """Progress that nobody sees."""


def _first(path: Path, records: Records) -> pl.DataFrame:
    batches, height = [], 0
    for batch in records.batches:
        batches.append(batch.filter(pl.col(BROKEN).is_null()).drop("#record", BROKEN))
        height += batch.height
        if height >= SAMPLE_RECORDS:
            break
    if not height:
        raise FileError(f"{path} has a header and no records: there is nothing to suggest from.")
    return pl.concat(batches).head(SAMPLE_RECORDS)


def _format(path: Path) -> Format:
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    with open_text(path, FileForm(encoding=_encoding(path))) as stream:
        start = stream.read(SAMPLE_BYTES).decode(errors="ignore").lstrip()
    if not start:
        raise FileError(f"{path} holds only blank lines: there is nothing to suggest from.")
    return "jsonl" if re.match(r'\{\s*["}]|\[\s*[\[{]|[\w.$]+\s*=\s*\[', start) else "csv"


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path) if parquet_records(path, FileForm(), [], _nothing) else None
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return [field.name for field in schema or [] if not any(check(field.type) for check in binary)]


def _encoding(path: Path) -> str:
    """UTF-8 if the file can be it; else UTF-16 by its mark, or the older encoding that gives the likelier characters."""
    raw = first_bytes(path, SAMPLE_BYTES)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(raw) > 1 and raw[offset::2].count(0) > len(raw) // 4:
            return name
    try:
        raw[: len(raw) - 4 if len(raw) == SAMPLE_BYTES else None].decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return "utf-8"
        return max(ENCODINGS, key=lambda name: _likelihood(raw.decode(name, errors="replace")))
    return "utf-8"


def _likelihood(text: str) -> int:
    counts = Counter(text)
    # A byte without a character would send its row to quarantine.
    return sum(counts[mark] for mark in LIKELY) - sum(counts[mark] for mark in UNLIKELY) - 1000 * counts["\ufffd"]


def _csv_form(path: Path, form: FileForm, notes: list[str]) -> dict[str, Any]:
    with open_csv(path, form) as stream:
        text = (stream.read(SAMPLE_BYTES) or b"").decode(errors="ignore")
    default = "\t" if Path(import_name(path)).suffix.lower() in (".tsv", ".tab") else ","
    tables = {mark: _rows(text, mark) for mark in DELIMITERS}
    tables[WHITESPACE] = [line.split() for line in text.splitlines()[:SAMPLE_LINES] if line.strip()]
    shapes = {mark: _shape(rows) for mark, rows in tables.items()}
    fitting = [mark for mark in DELIMITERS if shapes[mark][0] > 1 and shapes[mark][1] >= CONSISTENT]
    best = max(fitting, key=lambda mark: (shapes[mark][1] >= 0.98, shapes[mark][0]), default=None)
    if best is None and shapes[WHITESPACE][0] > 1 and shapes[WHITESPACE][1] >= CONSISTENT:
        best = WHITESPACE
    chosen = best or default
    width, _ = shapes[chosen]
    rows = tables[chosen]
    given: dict[str, Any] = {} if chosen == default else {"delimiter": chosen}
    before = next((at for at, row in enumerate(rows[:MOST_LINES_BEFORE]) if len(row) == width), 0) if width > 1 else 0
    if before:
        given["skip_lines"] = _lines_before(text, chosen, before)
        notes.append(f"the first {given['skip_lines']} lines are no table and are skipped")
    header = rows[before] if rows else []
    if not _is_header(header, rows[before + 1 :]):
        given["columns"] = tuple(f"column_{at}" for at in range(1, width + 1))
        notes.append(
            "the file has no header: the names of its columns are guesses and numbers. EDIT `columns` under `file`"
        )
    return given


def _rows(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(SAMPLE_BYTES)
    try:
        rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), SAMPLE_LINES))
    except csv.Error:
        return []
    # The last one may be cut off by the end of the sample.
    return [row for row in (rows[:-1] if len(text) >= SAMPLE_BYTES // 4 else rows) if row]


def _shape(rows: list[list[str]]) -> tuple[int, float]:
    """The commonest number of columns, and the share of the rows that have it."""
    if not rows:
        return 0, 0.0
    (width, times), *_ = Counter(len(row) for row in rows).most_common(1)
    return min(width, MOST_COLUMNS), times / len(rows)


def _lines_before(text: str, delimiter: str, rows: int) -> int:
    """The lines that the first rows take, blank ones among them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if delimiter == WHITESPACE else delimiter)
    seen = 0
    for row in reader:
        if seen == rows and row:
            return reader.line_num - 1
        seen += bool(row)
    return 0


def _is_header(first: list[str], others: list[list[str]]) -> bool:
    """A header has words, each once; numbers, or a value that comes again below it, are data."""
    names = [cell.strip() for cell in first]
    if not all(names) and sum(not name for name in names) > 1:
        return False
    if len(set(names)) < len(names) * 0.7 or any(UNDECODED in name for name in names):
        return False
    worded = sum(bool(WORDLIKE.search(name)) and not re.search(r"://|@\w+\.|\d{4}-\d\d", name) for name in names)
    # What looks like a number or a time, and stands above such, is a value too.
    if any(
        VALUE.match(name) and column and all(VALUE.match(cell.strip()) for cell in column)
        for name, column in zip(
            names, zip(*(row for row in others if len(row) == len(names)), strict=False), strict=False
        )
    ):
        return False
    below = [set(column) for column in zip(*(row for row in others if len(row) == len(names)), strict=False)]
    repeated = sum(name in column for name, column in zip(names, below, strict=False))
    return worded >= max(1, round(0.7 * len(names))) and repeated * 2 <= len(names)


def _paths(path: Path, form: FileForm) -> list[str]:
    """The fields of the first objects; those of objects within them by path."""
    found: dict[str, None] = {}
    for text in islice(json_objects(path, form), SAMPLE_OBJECTS):
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found |= dict.fromkeys(_paths_in(value, "", 1))
    if not found:
        raise FileError(f"{path} holds no JSON object: there is nothing to suggest from.")
    return list(found)


def _paths_in(value: dict[str, Any], above: str, depth: int) -> list[str]:
    paths = []
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and depth < DEEPEST_PATH and _is_step(name):
            paths += _paths_in(inner, f"{above}.{name}", depth + 1)
        elif not above:
            paths.append(name)
        elif _is_step(name):
            paths.append(f"${above}.{name}")
    return paths


def _is_step(name: str) -> bool:
    return not set(name) & set(".[]")
