"""Joining frames larger than memory: both sides are split by entity into files, and joined a piece at a time.

An entity's rows are all in one piece, so each piece is joined as if it were all there is, and the rows of any one entity
have to fit. What joining means is not known here. The files are temporary ones (TMPDIR) and take about as much room as
the input takes as Parquet.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

_ROW: Final = "__row"
_BUCKET: Final = "__bucket"
_LEN: Final = "len"

BUCKETS: Final = 1024
"""The finest pieces there can be. A piece is as many neighbours of them as fit."""
LEAST_BYTES: Final = 128 * 1024**2
"""Less than this is no use: the engine's own buffers outweigh the data."""
SHARE_OF_PIECE: Final = 0.3
"""The rows of a piece, as a share of the memory there is; joining them takes the rest."""
SHARE_OF_BATCH: Final = 0.03
"""The same for a batch that is split: the engine reads some more ahead."""
NUMBER_BYTES: Final = 8
TEXT_BYTES: Final = 32
ROW_BYTES: Final = 64
"""What joining takes for a row beside its columns."""
ROW_GROUPS: Final = 64
LEAST_ROWS: Final = 1024
"""Row groups of a file, and rows of each: a piece of it is read without the rest."""


@dataclass(frozen=True)
class Side:
    """Stored rows to be joined.

    Attributes:
        keys: the columns that say to which entity a row belongs, on both sides.
        rows: the rows.
        join: entity rows and stored rows of the same entities to the columns that are added to the entity rows.
    """

    keys: Sequence[str]
    rows: pl.LazyFrame
    join: Callable[[pl.DataFrame, pl.LazyFrame], pl.DataFrame]


def joined_at_once(entities: pl.LazyFrame, sides: Sequence[Side]) -> pl.DataFrame:
    """The entity rows with what each side adds."""
    asked = entities.collect()
    return pl.concat([asked, *(side.join(asked, side.rows) for side in sides)], how="horizontal")


def joined_in_pieces(
    entities: pl.LazyFrame, as_of: str, sides: Sequence[Side], memory_limit: int
) -> Iterator[pl.DataFrame]:
    """The same rows in the same order, in batches, with a bounded part of them in memory at a time.

    Args:
        entities: the entity rows.
        as_of: the column that joining needs beside the keys.
        sides: what is joined to them.
        memory_limit: in bytes, for the whole process, what it holds by now included. Kept from some 700 MB on: with less,
            the buffers of the engine's readers and writers outweigh the data.
    """
    budget = max(memory_limit - _resident_bytes(), LEAST_BYTES)
    with tempfile.TemporaryDirectory(prefix="clientnest-join-") as name:
        folder = Path(name)
        numbered = entities.with_row_index(_ROW)
        batches = _Files(folder / "entities", numbered.collect_schema())
        for batch in _batches(numbered, budget):
            batches.add(batch)
        added = []
        for number, side in enumerate(sides):
            asked = batches.scan().select(_ROW, *side.keys, as_of)
            added.append(_join_side(asked, side, folder / f"{number}", budget))
        for path in batches.paths:
            asked_rows = pl.read_parquet(path)
            first, last = asked_rows.item(0, _ROW), asked_rows.item(-1, _ROW)
            of_batch = pl.col(_ROW).is_between(first, last)
            columns = [files.scan().filter(of_batch).collect().sort(_ROW).drop(_ROW) for files in added]
            yield pl.concat([asked_rows.drop(_ROW), *columns], how="horizontal")


def from_batches(batches: Callable[[], Iterator[pl.DataFrame]], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """A lazy frame that is made batch by batch as it is read."""

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for batch in batches():
            chosen = batch if with_columns is None else batch.select(with_columns)
            if predicate is not None:
                chosen = chosen.filter(predicate)
            yield chosen if left is None else chosen.head(left)
            if left is not None and (left := max(left - chosen.height, 0)) == 0:
                return

    return register_io_source(source, schema=schema, validate_schema=True)


@dataclass
class _Files:
    """Parquet files that follow each other, and how many rows and bytes they were made of."""

    folder: Path
    schema: Mapping[str, pl.DataType]
    paths: list[Path] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(self.paths):08}.parquet"
        frame.write_parquet(path, compression="lz4", row_group_size=max(frame.height // ROW_GROUPS, LEAST_ROWS))
        self.paths.append(path)
        self.rows += frame.height
        self.bytes += int(frame.estimated_size())

    def scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.paths) if self.paths else pl.LazyFrame(schema=self.schema)


def _join_side(asked: pl.LazyFrame, side: Side, folder: Path, budget: int) -> _Files:
    """What the side adds to the entity rows, by the number of the row; a file a piece."""
    asked_files, asked_counts = _split(asked, side.keys, folder / "asked", budget)
    row_files, row_counts = _split(side.rows, side.keys, folder / "rows", budget)
    added = _Files(folder / "added", {})
    bytes_a_row = ROW_BYTES + row_files.bytes / max(row_files.rows, 1)
    for first, last in _pieces(asked_counts, row_counts, int(budget * SHARE_OF_PIECE / bytes_a_row)):
        of_piece = pl.col(_BUCKET).is_between(first, last)
        of_asked = asked_files.scan().filter(of_piece).collect()
        columns = side.join(of_asked, row_files.scan().filter(of_piece))
        added.add(pl.concat([of_asked.select(_ROW), columns], how="horizontal").sort(_ROW))
    for done in (asked_files, row_files):
        shutil.rmtree(done.folder, ignore_errors=True)
    return added


def _split(frame: pl.LazyFrame, keys: Sequence[str], folder: Path, budget: int) -> tuple[_Files, pl.DataFrame]:
    """The rows in files, each in the order of the buckets, and how many rows each bucket has in all."""
    bucket = (pl.struct(keys).hash() % BUCKETS).cast(pl.Int16).alias(_BUCKET)
    files = _Files(folder, {**frame.collect_schema(), _BUCKET: pl.Int16()})
    counts = [pl.DataFrame(schema={_BUCKET: pl.Int16, _LEN: pl.get_index_type()})]
    for batch in _batches(frame, budget):
        rows = batch.with_columns(bucket).sort(_BUCKET, maintain_order=True)
        files.add(rows)
        counts.append(rows.group_by(_BUCKET).len())
    return files, pl.concat(counts).group_by(_BUCKET).sum()


def _pieces(asked: pl.DataFrame, rows: pl.DataFrame, most_rows: int) -> list[tuple[int, int]]:
    """First and last bucket of each piece: neighbours with entity rows, as many as fit, one at least."""
    counted = asked.join(rows, on=_BUCKET, how="left").sort(_BUCKET)
    sizes = counted.select(_BUCKET, pl.sum_horizontal(pl.exclude(_BUCKET)).alias(_LEN))
    found: list[tuple[int, int]] = []
    held = 0
    for bucket, size in sizes.iter_rows():
        if found and held + size <= most_rows:
            found[-1] = (found[-1][0], bucket)
            held += size
        else:
            found.append((bucket, bucket))
            held = size
    return found


def _batches(frame: pl.LazyFrame, budget: int) -> Iterator[pl.DataFrame]:
    widths = [TEXT_BYTES if dtype == pl.String else NUMBER_BYTES for dtype in frame.collect_schema().dtypes()]
    rows = max(int(budget * SHARE_OF_BATCH) // sum(widths), 1)
    return (batch for batch in frame.collect_batches(chunk_size=rows, maintain_order=True) if batch.height)


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
