"""What all formats have in common: batches of numbered records in which every value is text.

What a mapping makes of the text is found in `expressions.py`; how a format is read, in `csv_file.py`, `json_file.py`
and `parquet_file.py`. A record that has no columns, because its line is broken, is kept as the text it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from clientnest_assets.sources.files.reading import FileError

RECORD = "#record"
"""The record's number in the file, from 1, the header not counted; of JSON lines the line's."""
BROKEN = "#broken"
"""The text of a record that has no columns; null for every other."""
LONGEST_RECORD_BYTES = 1 << 26
MOST_COLUMNS = 10_000
SHOWN_COLUMNS = 40
LONGEST_SHOWN_NAME = 60

Advance = Callable[[int], None]
Batches = Iterator[pl.DataFrame]


@dataclass(frozen=True)
class Records:
    """The records of one file: the names of its columns (none known before reading for JSON), and its batches."""

    columns: list[str]
    batches: Batches


def require_columns(path: Path, columns: list[str], wanted: list[str], advice: str) -> None:
    """Refuses a file that lacks columns the mapping reads.

    Raises:
        FileError: naming them, and those that are there.
    """
    missing = [name for name in wanted if name not in columns]
    if missing:
        more = f" and {len(columns) - SHOWN_COLUMNS:,} more" if len(columns) > SHOWN_COLUMNS else ""
        shown = ", ".join(repr(name[:LONGEST_SHOWN_NAME]) for name in columns[:SHOWN_COLUMNS])
        raise FileError(
            f"{path} has no column {', '.join(map(repr, missing))}, which the mapping reads. Its columns are "
            f"{shown}{more}. {advice}".rstrip()
        )
