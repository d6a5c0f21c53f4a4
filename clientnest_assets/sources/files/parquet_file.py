"""Parquet files as records: typed columns written as text that the readings of `expressions.py` take back without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.sources.files.reading import FileError
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

    del form
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
    rows = file.metadata.num_rows
    unpacked = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    per_batch = max(1, min(RECORDS_PER_BATCH, LONGEST_RECORD_BYTES * max(1, rows) // max(1, unpacked)))

    def batches() -> Batches:
        number = 0
        try:
            for arrow in file.iter_batches(per_batch, columns=wanted):
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


def _readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the widest decimals as text: Polars stops at 38 digits."""
    import pyarrow as pa

    fields = [
        pa.field(field.name, pa.string()) if pa.types.is_decimal256(field.type) else field for field in batch.schema
    ]
    return batch.cast(pa.schema(fields))


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
