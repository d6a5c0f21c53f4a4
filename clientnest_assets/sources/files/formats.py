"""Which format a file is in, and its records in the one form that all formats come to."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from clientnest_assets.sources.files.csv_file import csv_records
from clientnest_assets.sources.files.json_file import json_records
from clientnest_assets.sources.files.mapping import Mapping
from clientnest_assets.sources.files.parquet_file import parquet_records
from clientnest_assets.sources.files.reading import FileError, import_name
from clientnest_assets.sources.files.records import BROKEN, RECORD, Advance, Batches, Records
from clientnest_assets.sources.files.specs import FILE_NAME, FileForm, Format

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".js": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def read_records(path: Path, mapping: Mapping, name: str, advance: Advance = lambda _: None) -> Records:
    """The file's records, batch by batch as they are asked for.

    Each batch has `#record` (Int64), `#broken`, the columns that the mapping reads and `$file`, all but the
    first as text. A text that the mapping calls missing is null.

    Raises:
        FileError: if the file is empty or unreadable or lacks a column that the mapping reads; some of it only
            while batches are taken.
    """
    readers = {"csv": csv_records, "jsonl": json_records, "parquet": parquet_records}
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


def file_format(path: Path, form: FileForm) -> Format:
    """How the file is written: as the mapping says, else by the end of its name.

    Raises:
        FileError: if neither tells.
    """
    suffix = Path(import_name(path)).suffix.lower()
    found = form.format or FORMATS.get(suffix)
    if found is None:
        raise FileError(
            f"{path}: nothing tells how it is written. Say `format: csv`, jsonl or parquet under `file` in the mapping."
        )
    return found
