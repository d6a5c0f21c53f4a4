"""JSON as records: an object on each line, or all of them in one array (also behind `name =`, as X's archive has it).

Values are the text that stands in the file: numbers keep every digit, lists and objects come as JSON.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from clientnest_assets.sources.files.reading import BLOCK_BYTES, FileError, open_text
from clientnest_assets.sources.files.records import (
    BROKEN,
    LONGEST_RECORD_BYTES,
    RECORD,
    Advance,
    Batches,
    Records,
    require_columns,
)
from clientnest_assets.sources.files.specs import FileForm

ARRAY = re.compile(r"\s*(?:[\w.$]+\s*=\s*)?\[")
BETWEEN = re.compile(r"[\s,]*")
AFTER_ARRAY = b" \t\r\n;"
"""What may follow an array: nothing that says anything."""
STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")
SPACED_COLON = re.compile(r'"\s+:')
NOT_A_NUMBER = re.compile(r'("(?:[^"\\]|\\.)*")|-?(?:NaN|Infinity)')

Route = tuple[str | int, ...]


def json_records(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    """The records of a file of JSON lines or of one JSON array.

    Raises:
        FileError: while batches are taken, if an array is cut off or damaged, or no record has a wanted column.
    """
    routes = {name: _route(name) for name in wanted}
    seen: set[str] = set()

    def batches() -> Batches:
        first: list[str] = []
        for lines in _objects(path, form, advance):
            first = first or list(_fields(lines.item(0, BROKEN)) or {})
            rows = [_values(text, routes, seen) for text in lines.get_column(BROKEN)]
            columns = [
                pl.Series(name, [row[at] if row else None for row in rows], dtype=pl.String)
                for at, name in enumerate(routes)
            ]
            broken = pl.Series([row is None for row in rows], dtype=pl.Boolean)
            yield lines.with_columns(*columns, pl.when(broken).then(pl.col(BROKEN)).alias(BROKEN))
        require_columns(path, sorted(seen.union(first)), wanted, "Those are of the first record.")

    return Records([], batches())


def _route(name: str) -> Route:
    """The steps of a path such as $.user.names[0], or the one step of a plain name.

    Raises:
        FileError: if the path is none of ours.
    """
    if not name.startswith("$."):
        return (name,)
    steps = list(STEP.finditer(name[1:]))
    if "".join(step.group() for step in steps) != name[1:]:
        raise FileError(f"{name!r} is no path: write it as $.object.name, with [0] for a list's first element.")
    return tuple(int(step[2]) if step[2] else step[1] for step in steps)


_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_string = msgspec.json.Decoder(str).decode


def _values(text: str, routes: dict[str, Route], seen: set[str]) -> list[str | None] | None:
    """The text of each wanted value, or None for what is no JSON object or names a field twice."""
    fields = _fields(text)
    if fields is None:
        return None
    row = []
    for name, route in routes.items():
        value = fields.get(str(route[0]))
        for step in route[1:]:
            value = _inside(value, step)
        if value is not None:
            seen.add(name)
        row.append(_text(value))
    return row


def _fields(text: str) -> dict[str, msgspec.Raw] | None:
    """The fields of an object as the text they have there; None for what is no object, or names a field twice."""
    try:
        fields = _raw_fields(text)
    except RecursionError:
        return None
    except msgspec.MsgspecError:
        # Python writes NaN and Infinity, which JSON has not: as texts they are read as what they are.
        try:
            fields = _raw_fields(NOT_A_NUMBER.sub(lambda found: found[1] or f'"{found[0]}"', text))
        except (msgspec.MsgspecError, RecursionError):
            return None
    # Cheap to look for, and so for most: only elsewhere may a name stand twice.
    is_plain = len(fields) == text.count('":') and not SPACED_COLON.search(text)
    return fields if is_plain or _names_each_once(text) else None


def _names_each_once(text: str) -> bool:
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated |= len({name for name, _ in pairs}) < len(pairs)

    try:
        json.loads(text, object_pairs_hook=note, strict=False)
    except (ValueError, RecursionError):
        return False
    return not repeated


def _inside(value: msgspec.Raw | None, step: str | int) -> msgspec.Raw | None:
    if value is None:
        return None
    try:
        if isinstance(step, str):
            return _raw_fields(value).get(step)
        return next(islice(_raw_elements(value), step, None), None)
    except msgspec.MsgspecError:
        return None


def _text(value: msgspec.Raw | None) -> str | None:
    if value is None:
        return None
    raw = bytes(value).strip()
    if raw.startswith(b'"'):
        return _string(raw)
    if raw.startswith((b"{", b"[")):
        return msgspec.json.format(raw, indent=-1).decode()
    return None if raw == b"null" else raw.decode()


def json_objects(path: Path, form: FileForm) -> Iterator[str]:
    """The text of each record."""
    for batch in _objects(path, form, lambda _: None):
        yield from batch.get_column(BROKEN)


def _objects(path: Path, form: FileForm, advance: Advance) -> Batches:
    """The file's records, not yet taken apart: `#record` is the line's number or the element's, `#broken` its text."""
    with open_text(path, form, advance) as stream:
        start = stream.read(BLOCK_BYTES)
        blocks = chain([start], iter(lambda: stream.read(BLOCK_BYTES), b""))
        array = ARRAY.match(start.decode(errors="ignore"))
        if array:
            yield from _elements(path, blocks, array.end())
        elif start.split(None, 1)[:1] == [b"{"] and start.lstrip()[1:2] in (b"\n", b"\r"):
            raise FileError(
                f"{path} holds one JSON object over many lines. Convert it to one object a line, such as with: "
                "jq -c '.data[]' < FILE > FILE.jsonl"
            )
        else:
            yield from _lines(path, blocks)


def _lines(path: Path, blocks: Iterator[bytes]) -> Batches:
    rest, before = b"", 0
    for block in chain(blocks, [b""]):
        # Only the line feed ends a line: JSON text may hold other characters that end lines elsewhere.
        whole, newline, tail = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
        if len(tail) > LONGEST_RECORD_BYTES:
            raise FileError(
                f"{path}, line {before + 1 + whole.count(10) + len(newline):,} is longer than "
                f"{LONGEST_RECORD_BYTES >> 20} MiB. Nothing was imported. Is it JSON lines?"
            )
        rest = tail
        if whole or newline:
            lines = pl.Series(BROKEN, whole.decode().split("\n"))
            numbers = pl.int_range(before + 1, before + len(lines) + 1, eager=True).alias(RECORD)
            before += len(lines)
            batch = pl.DataFrame([numbers, lines]).filter(pl.col(BROKEN).str.strip_chars() != "")
            if not batch.is_empty():
                yield batch


def _elements(path: Path, blocks: Iterator[bytes], begin: int) -> Batches:
    """The elements of one array. What is cut off or damaged is refused as a whole: nobody knows what comes after it."""
    decode = json.JSONDecoder(strict=False).raw_decode
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, at, number = decoder.decode(next(blocks)), begin, 0
    while True:
        found, at = _whole_elements(text, at, decode)
        if found:
            numbers = pl.int_range(number + 1, number + len(found) + 1, eager=True).alias(RECORD)
            number += len(found)
            yield pl.DataFrame([numbers, pl.Series(BROKEN, found)])
        if text[at : at + 1] == "]":
            _require_end(path, chain([text[at + 1 :].encode()], blocks), number)
            return
        block = next(blocks, b"")
        if not block or len(text) - at > LONGEST_RECORD_BYTES:
            raise FileError(
                f"{path} is cut off or damaged after record {number:,}: the array that it holds does not go on or "
                f"end there (or the record is longer than {LONGEST_RECORD_BYTES >> 20} MiB). Nothing was imported; "
                "fetch it again."
            )
        text, at = text[at:] + decoder.decode(block), 0


def _require_end(path: Path, rest: Iterator[bytes], number: int) -> None:
    """Refuses a file that goes on after its array, such as one with an array on each line."""
    if any(block.translate(None, AFTER_ARRAY) for block in rest):
        raise FileError(
            f"{path} goes on after the end of the array of its first {number:,} records. Nothing was imported. Is it an "
            "array on each line? Convert it to one object a line: jq -c '.[]' < FILE > FILE.jsonl"
        )


def _whole_elements(text: str, at: int, decode: Callable[[str, int], tuple[Any, int]]) -> tuple[list[str], int]:
    """The elements that stand whole in the text from a place on, and the place after them."""
    found: list[str] = []
    while True:
        between = BETWEEN.match(text, at)
        at = between.end() if between else at
        try:
            _, end = decode(text, at)
        except (ValueError, RecursionError, StopIteration):
            return found, at
        found.append(text[at:end])
        at = end
