"""Replacing a window of a table by more rows than memory holds: part by part, and still in one commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.lake.schema import conformed
from clientnest_assets.lake.table import LakeTable
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


def replace_in_parts(
    table: LakeTable, handle: DeltaTable, parts: Iterable[pl.DataFrame], window: Window, *, sources: Collection[str]
) -> int:
    """Makes the window of these sources hold exactly the rows of the parts; returns the table's version.

    Parts are taken one at a time, as they are written; where there are none, the window becomes empty.

    Raises:
        SchemaMismatchError: if a part's schema is not the table's.
        ValueError: if a row lies outside the window or belongs to another source.
        deltalake.exceptions.CommitFailedError: if somebody wrote the window since `handle` was opened.
    """
    from deltalake import write_deltalake

    waiting = iter(parts)
    first = next(waiting, None)
    if first is None:
        held = table.row_counts().filter(_inside(window, sources))
        if held.is_empty():
            return handle.version()
        first = pl.DataFrame(schema=table.schema)
    stream = _Stream(table, handle, chain([first], waiting), window, sources)
    quoted = ", ".join("'" + source.replace("'", "''") + "'" for source in sorted(sources))
    predicate = f"{DAY} >= '{window.start}' and {DAY} < '{window.end}' and {SOURCE} in ({quoted})"
    try:
        write_deltalake(handle, stream, mode="overwrite", predicate=predicate)
    except Exception:
        # What a part raises comes back through Arrow as text only.
        if stream.failure:
            raise stream.failure from None
        raise
    return handle.version()


class _Stream:
    """The parts as one Arrow stream, each checked as it is asked for."""

    def __init__(
        self,
        table: LakeTable,
        handle: DeltaTable,
        parts: Iterator[pl.DataFrame],
        window: Window,
        sources: Collection[str],
    ) -> None:
        self._name, self._wanted = table.full_name, table.schema
        self._held = pl.scan_delta(handle).collect_schema()
        self._parts, self._belongs = parts, _inside(window, sources)
        self.failure: Exception | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        schema = _arrow(pl.DataFrame(schema=self._held)).schema
        return pa.RecordBatchReader.from_batches(schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for part in self._parts:
                yield from _arrow(self._checked(part)).to_batches()
        except Exception as error:
            self.failure = error
            raise

    def _checked(self, part: pl.DataFrame) -> pl.DataFrame:
        rows = conformed(self._name, part, self._wanted, self._held)
        if strangers := rows.filter(~self._belongs.fill_null(value=False)).height:
            raise ValueError(f"{strangers} rows for {self._name} lie outside the window or are of another source")
        return rows


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _inside(window: Window, sources: Collection[str]) -> pl.Expr:
    return pl.col(DAY).is_between(window.start, window.end, closed="left") & pl.col(SOURCE).is_in(list(sources))
