"""Parquet files as records: typed columns written as text that the readings of `expressions.py` take back without loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.sources.files.reading import UNPACKS_TO, FileError, most_unpacked, too_large
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
from clientnest_assets.sources.files.specs import FileForm

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS_PER_BATCH = 100_000
LARGEST_FOOTER_BYTES = 1 << 26
END_BYTES = 8
"""A Parquet file ends with the length of its footer, four bytes, and PAR1."""


def parquet_records(path: Path, form: FileForm, wanted: list[str], advance: Advance) -> Records:
    """The records of a Parquet file.

    Raises:
        FileError: if it is none, is damaged, lacks a wanted column, or has more columns than anybody needs.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        size = path.stat().st_size
        if size == 0:
            raise FileError(f"{path} is empty: there is nothing to import.")
        _require_few_columns(path, _footer_bytes(path, size) > LARGEST_FOOTER_BYTES)
        file = pq.ParquetFile(path)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}.") from None
    except pa.ArrowInvalid as error:
        raise FileError(
            f"{path} is not a whole Parquet file ({error}). Nothing was imported; fetch it again."
        ) from None
    _require_few_columns(path, file.metadata.num_columns > MOST_COLUMNS)
    columns = list(file.schema_arrow.names)
    require_columns(path, columns, wanted, "")
    texts = [field.name for field in file.schema_arrow if field.name in wanted and _is_text(field.type)]
    file = pq.ParquetFile(path, metadata=file.metadata, read_dictionary=texts)
    rows = file.metadata.num_rows
    unpacked = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    per_batch = max(1, min(RECORDS_PER_BATCH, LONGEST_RECORD_BYTES * max(1, rows) // max(1, unpacked)))

    largest = most_unpacked(form, size)

    def batches() -> Batches:
        number = taken = 0
        try:
            for arrow in (part for whole in file.iter_batches(per_batch, columns=wanted) for part in _parts(whole)):
                taken += _unpacked_bytes(arrow)
                if taken > largest:
                    raise too_large(path, UNPACKS_TO, largest)
                batch = pl.DataFrame(_readable(arrow))
                advance(size * batch.height // max(1, rows))
                numbers = pl.int_range(number + 1, number + batch.height + 1, eager=True).alias(RECORD)
                number += batch.height
                yield batch.select(
                    numbers, pl.lit(None, pl.String).alias(BROKEN), *(_text(n, t) for n, t in batch.schema.items())
                )
        # A type that Polars does not know is a panic.
        except (
            pa.ArrowInvalid,
            pa.ArrowNotImplementedError,
            OSError,
            pl.exceptions.PolarsError,
            pl.exceptions.PanicException,
        ) as error:
            raise FileError(
                f"{path}, after record {number:,}: {error}. Nothing was imported; fetch it again."
            ) from None

    return Records(columns, batches())


def _footer_bytes(path: Path, size: int) -> int:
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    return int.from_bytes(end[:4], "little") if end.endswith(b"PAR1") else 0


def _require_few_columns(path: Path, too_many: bool) -> None:
    if too_many:
        raise FileError(f"{path} has more than {MOST_COLUMNS:,} columns. Write it anew with those that are needed.")


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that stay small when texts stand in each row: a file keeps one that repeats only once."""
    if batch.num_rows < 2 or _unpacked_bytes(batch) <= LONGEST_RECORD_BYTES:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _parts(batch.slice(0, middle))
    yield from _parts(batch.slice(middle))


def _unpacked_bytes(batch: pa.RecordBatch) -> int:
    """What the batch takes once each row has its own texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).cast(pa.int64())
            total += pc.sum(lengths.take(column.indices)).as_py() or 0
        else:
            total += column.nbytes
    return total


def _is_text(dtype: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(dtype) or pa.types.is_large_string(dtype))


def _readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with texts in each row, and with the widest decimals as text: Polars stops at 38 digits."""
    import pyarrow as pa

    def kind(dtype: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(dtype):
            return dtype.value_type
        return pa.string() if pa.types.is_decimal256(dtype) else dtype

    return batch.cast(pa.schema([pa.field(field.name, kind(field.type)) for field in batch.schema]))


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
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
