"""Changes of one pass, kept until all are read: in memory, or on disk where they are many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import polars as pl

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.sources.change_capture.pgoutput import Truncation
from clientnest_assets.sources.change_capture.tables import CHANGE, ENTITY, OLD_ENTITY

BYTES_IN_MEMORY = 128 * 1024 * 1024
ROWS_AT_ONCE = 200_000
"""So many changes of a table are resolved and landed together. A row's changes always are."""


@dataclass
class Spool:
    """The changes by table, as `tables.arranged` gives them: without personal data. A context manager."""

    truncations: dict[str, list[Truncation]] = field(default_factory=lambda: defaultdict(list))
    _frames: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    _files: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    _rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _moved: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _bytes: int = 0
    _folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._folder:
            self._folder.cleanup()

    @property
    def tables(self) -> list[str]:
        """The tables that have changes."""
        return sorted(self._rows.keys() | self.truncations.keys())

    def add(self, table: str, changes: pl.DataFrame) -> None:
        """Keeps changes that come after those of before."""
        self._frames[table].append(changes)
        self._rows[table] += changes.height
        if OLD_ENTITY in changes.columns:
            moved = changes.select(ENTITY, OLD_ENTITY).filter(pl.col(OLD_ENTITY).is_not_null())
            self._moved[table].update(*moved)
        self._bytes += int(changes.estimated_size())
        if self._bytes > BYTES_IN_MEMORY:
            self._write()

    def parts(self, table: str, rows_besides: int = 0) -> Iterator[tuple[pl.DataFrame, Callable[[str], pl.Expr]]]:
        """The table's changes in parts, each with all the changes of its rows; and what tells a part's ids in a column.

        Args:
            table: its name.
            rows_besides: how many more rows there will be to resolve, because of truncations.
        """
        count = 1 + (self._rows[table] + rows_besides) // ROWS_AT_ONCE
        # Rows that have changed their ids stay together.
        moved = pl.Series(sorted(self._moved[table]), dtype=pl.Int64).implode()
        files = [pl.scan_parquet(file) for file in self._files[table]]
        every_column = pl.LazyFrame(schema={**CHANGE, **CONTRACTS[table].source_schema})
        frames = [every_column, *files, *(frame.lazy() for frame in self._frames[table])]
        everything = pl.concat(frames, how="diagonal_relaxed")
        for number in range(count):

            def is_here(column: str, number: int = number) -> pl.Expr:
                bucket = pl.when(pl.col(column).is_in(moved)).then(0).otherwise((pl.col(column) % count).abs())
                return bucket == number

            yield everything.filter(is_here(ENTITY)).collect(engine="streaming"), is_here

    def _write(self) -> None:
        self._folder = self._folder or TemporaryDirectory(prefix="clientnest-capture-")
        for table, frames in self._frames.items():
            if frames:
                file = Path(self._folder.name) / f"{table}-{len(self._files[table])}.parquet"
                pl.concat(frames, how="diagonal").write_parquet(file)
                self._files[table].append(file)
                frames.clear()
        self._bytes = 0
