"""One Delta table: created by its schema, replaced by window, extended by versions, read by window.

Each write is one commit, so a kill leaves the old state or the new one. SQL over tables is in `sql.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.errors import ClientNestError
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")
CONFLICT_ATTEMPTS = 8


class SchemaMismatchError(ClientNestError):
    """Rows do not have exactly the table's schema. Delta would cast them in silence."""


class EmptyWindowError(ClientNestError):
    """A day that holds rows was about to be replaced by nothing."""


@dataclass(frozen=True)
class Lake:
    """A folder or bucket prefix with one Delta table at each `<layer>/<name>`."""

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """True for a folder, False for a bucket."""
        return "://" not in self.root

    def location(self, layer: str, name: str) -> str:
        """Where a table or folder of a layer lies."""
        return f"{self.root}/{layer}/{name}"

    def table(
        self, layer: str, name: str, schema: pl.Schema, *, partition_by: tuple[str, ...] = (DAY, SOURCE)
    ) -> LakeTable:
        """One table; nothing is read or made yet."""
        return LakeTable(self, layer, name, schema, partition_by)


@dataclass(frozen=True)
class Commit:
    """What one write left: the table's version, and rows and bytes that the window now holds of this source."""

    version: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class LakeTable:
    """One table of the lake. `schema` includes the partition columns."""

    lake: Lake
    layer: str
    name: str
    schema: pl.Schema
    partition_by: tuple[str, ...]

    @property
    def location(self) -> str:
        """Where a table or folder of a layer lies."""
        return self.lake.location(self.layer, self.name)

    def exists(self) -> bool:
        """True once something was written to it."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.location, dict(self.lake.storage_options))

    def open(self) -> DeltaTable:
        """A fresh handle, the table created if it is not there. Writes conflict with whatever came after it.

        Raises:
            SchemaMismatchError: if the table on disk has another schema.
        """
        from deltalake import DeltaTable

        if not self.exists():
            if self.lake.is_local:
                Path(self.location).mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                self.location,
                schema=pl.DataFrame(schema=self.schema).to_arrow().schema,
                mode="ignore",
                partition_by=list(self.partition_by),
                storage_options=dict(self.lake.storage_options),
            )
        handle = self._handle()
        held = pl.scan_delta(handle).collect_schema()
        if held != self.schema:
            raise SchemaMismatchError(
                f"{self.layer}.{self.name} in the lake has another schema than the code: {_differences(held, self.schema)}"
            )
        return handle

    def replace_window(
        self,
        handle: DeltaTable,
        frame: pl.DataFrame,
        window: Window,
        *,
        source: str | None = None,
        allow_empty: bool = False,
    ) -> Commit:
        """Makes the window (of this source, if the table has sources) hold exactly the frame's rows.

        Raises:
            SchemaMismatchError: if the frame's schema is not the table's.
            ValueError: if a row lies outside the window or belongs to another source.
            EmptyWindowError: if a day that holds rows would lose all of them, and `allow_empty` is not given.
            deltalake.exceptions.CommitFailedError: if somebody wrote the window since `handle` was opened.
        """
        self._require(frame, window, source)
        held = self._files_of(handle, window, source)
        emptied = held.filter(pl.col("rows") > 0).join(frame.select(DAY).unique(), on=DAY, how="anti")
        if not emptied.is_empty() and not allow_empty:
            days = ", ".join(str(day) for day in emptied.get_column(DAY).unique().sort().head(5))
            raise EmptyWindowError(
                f"{self.layer}.{self.name} holds {emptied.get_column('rows').sum()} rows of days for which the source now "
                f"has none ({days}). Nothing was changed. If they really are gone at the source, run again with "
                "--allow-empty."
            )
        if frame.is_empty() and held.is_empty():
            return self._held(handle, window, source)
        self._overwrite(handle, frame, window, source)
        return self._held(handle, window, source)

    def add_versions(
        self, handle: DeltaTable, frame: pl.DataFrame, window: Window, *, key: list[str], source: str
    ) -> tuple[Commit, int]:
        """Adds the rows whose key the window does not hold yet, and removes none. Also tells how many were new.

        Written as a replacement of the window, not as an append: two runs of the same day then conflict
        instead of both adding the same version.
        """
        self._require(frame, window, source)
        held = self._read(handle, window, source).collect()
        new = frame.join(held.select(key), on=key, how="anti", nulls_equal=True)
        if not new.is_empty():
            together = pl.concat([held.select(self.schema.names()), new]).sort(DAY, *key)
            self._overwrite(handle, together, window, source)
        return self._held(handle, window, source), new.height

    def scan(self, window: Window | None = None) -> pl.LazyFrame:
        """The table's rows, of one window or of all time; no rows if nothing was ever written."""
        if not self.exists():
            return pl.LazyFrame(schema=self.schema)
        handle = self._handle()
        return self._read(handle, window, None) if window else pl.scan_delta(handle)

    def row_counts(self) -> pl.DataFrame:
        """Rows and bytes per partition, from the table's log alone: one row each, the partition columns first."""
        empty = pl.DataFrame(
            schema={**{name: self.schema[name] for name in self.partition_by}, "rows": pl.Int64(), "bytes": pl.Int64()}
        )
        if not self.exists():
            return empty
        files = _files(self._handle(), self.partition_by)
        return pl.concat([empty, files.group_by(self.partition_by).sum()]).sort(self.partition_by)

    def _handle(self) -> DeltaTable:
        from deltalake import DeltaTable

        kind = _folder_table() if self.lake.is_local else DeltaTable
        return kind(self.location, storage_options=dict(self.lake.storage_options))

    def _require(self, frame: pl.DataFrame, window: Window, source: str | None) -> None:
        if frame.schema != self.schema:
            raise SchemaMismatchError(
                f"rows for {self.layer}.{self.name} do not fit the table: {_differences(frame.schema, self.schema)}"
            )
        if frame.is_empty():
            return
        outside = frame.filter(~_inside(window).fill_null(value=False)).height
        if outside:
            raise ValueError(f"{outside} rows for {self.layer}.{self.name} lie outside the window {window}")
        if source is not None and frame.filter(pl.col(SOURCE).ne_missing(source)).height:
            raise ValueError(f"rows for {self.layer}.{self.name} must all come from {source!r}")

    def _overwrite(self, handle: DeltaTable, frame: pl.DataFrame, window: Window, source: str | None) -> None:
        from deltalake import write_deltalake

        predicate = f"{DAY} >= '{window.start}' and {DAY} < '{window.end}'"
        if source is not None:
            predicate += " and " + SOURCE + " = '" + source.replace("'", "''") + "'"
        write_deltalake(handle, frame, mode="overwrite", predicate=predicate)

    def _read(self, handle: DeltaTable, window: Window, source: str | None) -> pl.LazyFrame:
        rows = pl.scan_delta(handle).filter(_inside(window))
        return rows if source is None else rows.filter(pl.col(SOURCE) == source)

    def _files_of(self, handle: DeltaTable, window: Window, source: str | None) -> pl.DataFrame:
        files = _files(handle, self.partition_by).filter(_inside(window))
        return files if source is None else files.filter(pl.col(SOURCE) == source)

    def _held(self, handle: DeltaTable, window: Window, source: str | None) -> Commit:
        files = self._files_of(handle, window, source)
        version = handle.version()
        return Commit(version, int(files.get_column("rows").sum()), int(files.get_column("bytes").sum()))


def with_fresh_input(work: Callable[[], T]) -> T:
    """Does the work, and all of it again if another writer won: open, read, compute and write belong inside."""
    from deltalake.exceptions import CommitFailedError

    for attempt in range(1, CONFLICT_ATTEMPTS):
        try:
            return work()
        except CommitFailedError:
            time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
    return work()


@cache
def _folder_table() -> type[DeltaTable]:
    """A table whose files Polars finds in any folder: delta-rs percent-encodes the folder's path, Polars takes it as is."""
    from deltalake import DeltaTable

    class FolderTable(DeltaTable):
        @property
        def table_uri(self) -> str:
            return unquote(super().table_uri)

        def file_uris(self, *arguments: Any, **options: Any) -> list[str]:
            encoded = super().table_uri.removeprefix("file://")
            plain = self.table_uri.removeprefix("file://")
            return [plain + uri.removeprefix(encoded) for uri in super().file_uris(*arguments, **options)]

    return FolderTable


def _files(handle: DeltaTable, partition_by: tuple[str, ...]) -> pl.DataFrame:
    actions = pl.DataFrame(handle.get_add_actions(flatten=True))
    return actions.select(
        *(pl.col(f"partition.{name}").alias(name) for name in partition_by),
        pl.col("num_records").cast(pl.Int64).alias("rows"),
        pl.col("size_bytes").cast(pl.Int64).alias("bytes"),
    )


def _inside(window: Window) -> pl.Expr:
    return pl.col(DAY).is_between(window.start, window.end, closed="left")


def _differences(found: pl.Schema, expected: pl.Schema) -> str:
    if found.names() != expected.names() and set(found) == set(expected):
        return f"columns in the order {found.names()} instead of {expected.names()}"
    missing = [f"{name} is missing" for name in expected if name not in found]
    extra = [f"{name} is not in the table" for name in found if name not in expected]
    retyped = [
        f"{name} is {found[name]} instead of {expected[name]}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    return "; ".join(missing + extra + retyped)
