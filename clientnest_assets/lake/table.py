"""One Delta table: created by its schema, replaced by window, extended by what it lacks or by deliveries, read by window.

Each write is one commit, so a kill leaves the old state or the new one. Which columns may meet which is in
`schema.py`, SQL over tables in `sql.py`, upkeep in `maintenance.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake.handle import files_of, open_handle, schema_of, version_at
from clientnest_assets.lake.schema import (
    as_selected,
    columns_to_add,
    conformed,
    delta_fields,
    require_table,
)
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")
CONFLICT_ATTEMPTS = 24
LONGEST_WAIT_SECONDS = 3.0


class EmptyWindowError(ClientNestError):
    """A day that holds rows was about to be replaced by nothing."""


class DeliveredElsewhereError(ClientNestError):
    """Another writer has delivered part of a batch since: read on from what `LakeTable.delivered` tells."""


@dataclass(frozen=True)
class Lake:
    """A folder or bucket prefix with one Delta table at each `<layer>/<name>`."""

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Credentials among them: never shown."""

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
class Delivery:
    """A stretch of a feed, such as a partition of a topic: from position `start` up to but without `end`.

    `start` is what the feed's delivery before ended with, or None for the first.
    """

    start: int | None
    end: int


@dataclass(frozen=True)
class LakeTable:
    """One table of the lake. `schema` includes the partition columns.

    The table may hold further columns, all nullable: new at a source and not yet known to the code.
    """

    lake: Lake
    layer: str
    name: str
    schema: pl.Schema
    partition_by: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """Layer and name, as in SQL."""
        return f"{self.layer}.{self.name}"

    @property
    def location(self) -> str:
        """Where the table lies."""
        return self.lake.location(self.layer, self.name)

    def exists(self) -> bool:
        """True once something was written to it."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.location, dict(self.lake.storage_options))

    def open(self) -> DeltaTable:
        """A fresh handle, the table created if it is not there. Writes conflict with whatever came after it.

        Raises:
            SchemaMismatchError: if a column of the table on disk has another type than in the code.
        """
        from deltalake.exceptions import TableNotFoundError

        try:
            handle = self._handle()
        except TableNotFoundError:
            self._create()
            handle = self._handle()
        return self._handle() if self._widen(handle, self.schema) else handle

    def widen(self, schema: pl.Schema) -> bool:
        """Gives the table those of the columns that it lacks, as nullable ones. True if there were any.

        Whoever holds a handle from before opens a new one, and reads its input anew.

        Raises:
            SchemaMismatchError: if a column is held with another type.
        """
        return self._widen(self._handle(), schema)

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
        frame = self._fit(handle, frame, window, source)
        held = self._files_of(handle, window, source)
        emptied = held.filter(pl.col("rows") > 0).join(frame.select(DAY).unique(), on=DAY, how="anti")
        if not emptied.is_empty() and not allow_empty:
            days = ", ".join(str(day) for day in emptied.get_column(DAY).unique().sort().head(5))
            raise EmptyWindowError(
                f"{self.full_name} holds {emptied.get_column('rows').sum()} rows of days for which the source now "
                f"has none ({days}). Nothing was changed. If they really are gone at the source, run again with "
                "--allow-empty."
            )
        if frame.is_empty() and held.is_empty():
            return self._held(handle, window, source)
        _overwrite(handle, frame, f"{DAY} >= '{window.start}' and {DAY} < '{window.end}'", source)
        return self._held(handle, window, source)

    def add_missing(
        self, handle: DeltaTable, frame: pl.DataFrame, window: Window, *, key: list[str], source: str
    ) -> tuple[Commit, pl.DataFrame]:
        """Adds the rows whose key the window does not hold yet, and removes none. Also gives the rows that were new.

        Written as a replacement of the days with new rows, not as an append: two runs of the same day then conflict
        instead of both adding the same row.
        """
        frame = self._fit(handle, frame, window, source)
        held = self._read(handle, window, source)
        new = frame.join(held.select(key).collect(), on=key, how="anti", nulls_equal=True)
        if not new.is_empty():
            days = new.get_column(DAY).unique().sort()
            together = pl.concat([held.filter(pl.col(DAY).is_in(days.implode())).collect().select(frame.columns), new])
            listed = ", ".join(f"'{day}'" for day in days)
            _overwrite(handle, together.sort(DAY, *key), f"{DAY} in ({listed})", source)
        return self._held(handle, window, source), new

    def append_once(self, frame: pl.DataFrame, deliveries: Mapping[str, Delivery]) -> bool:
        """Appends the rows of some feeds in one commit, which also keeps how far each feed is delivered.

        Delta's application transactions carry the positions, so rows and positions are kept together or not at
        all: repeated after a kill or a lost answer nothing is appended twice. Waits out other writers.

        Args:
            frame: the rows of all the deliveries.
            deliveries: by the feed's name, one a source of rows and not one a run.

        Returns:
            False if all of it was delivered before, so that nothing was to be done.

        Raises:
            SchemaMismatchError: if the frame's schema is not the table's.
            DeliveredElsewhereError: if another writer has delivered some of it, or what comes before is missing.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        def work() -> bool:
            handle = self.open()
            reached = {feed: handle.transaction_version(feed) for feed in deliveries}
            if all((reached[feed] or 0) >= each.end for feed, each in deliveries.items()):
                return False
            if other := [feed for feed, each in deliveries.items() if reached[feed] != each.start]:
                raise DeliveredElsewhereError(
                    f"{self.full_name}: another writer has delivered {', '.join(other)} up to "
                    f"{', '.join(str(reached[feed]) for feed in other)} since this batch was read"
                )
            rows = conformed(self.full_name, frame, self.schema, schema_of(handle))
            kept = [Transaction(feed, each.end) for feed, each in deliveries.items()]
            write_deltalake(handle, rows, mode="append", commit_properties=CommitProperties(app_transactions=kept))
            return True

        return with_fresh_input(work)

    def delivered(self, feeds: Collection[str]) -> dict[str, int | None]:
        """How far each feed was delivered by `append_once`; None for one that never was."""
        if not self.exists():
            return dict.fromkeys(feeds)
        handle = self._handle()
        return {feed: handle.transaction_version(feed) for feed in feeds}

    def scan(self, window: Window | None = None, *, as_of: datetime | None = None) -> pl.LazyFrame:
        """The table's rows, of one window or of all time, now or as they stood at a moment; none if nobody ever wrote.

        Columns: the schema's, in its order, then those that only the table has.

        Raises:
            MomentNotKeptError: if the log does not reach back to the moment.
        """
        if not self.exists():
            return pl.LazyFrame(schema=self.schema)
        handle = self._handle()
        if as_of is not None:
            version = version_at(handle, as_of)
            if version is None:
                return pl.LazyFrame(schema=self.schema)
            handle.load_as_version(version)
        return self._read(handle, window, None)

    def row_counts(self) -> pl.DataFrame:
        """Rows and bytes per partition, from the table's log alone: one row each, the partition columns first."""
        empty = pl.DataFrame(
            schema={**{name: self.schema[name] for name in self.partition_by}, "rows": pl.Int64(), "bytes": pl.Int64()}
        )
        if not self.exists():
            return empty
        files = files_of(self._handle(), self.partition_by)
        return pl.concat([empty, files.group_by(self.partition_by).sum()]).sort(self.partition_by)

    def _create(self) -> None:
        from deltalake import DeltaTable

        if self.lake.is_local:
            Path(self.location).mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            self.location,
            schema=pl.DataFrame(schema=self.schema).to_arrow().schema,
            mode="ignore",
            partition_by=list(self.partition_by),
            storage_options=dict(self.lake.storage_options),
        )

    def _widen(self, handle: DeltaTable, schema: pl.Schema) -> bool:
        held = schema_of(handle)
        require_table(self.full_name, held, schema)
        missing = columns_to_add(held, schema)
        if missing:
            handle.alter.add_columns(delta_fields(missing))
        return bool(missing)

    def _handle(self) -> DeltaTable:
        return open_handle(self.location, self.lake.storage_options)

    def _fit(self, handle: DeltaTable, frame: pl.DataFrame, window: Window, source: str | None) -> pl.DataFrame:
        """The frame with exactly the table's columns, once every row is known to belong where it is to be written."""
        frame = conformed(self.full_name, frame, self.schema, schema_of(handle))
        outside = frame.filter(~_inside(window).fill_null(value=False)).height
        if outside:
            raise ValueError(f"{outside} rows for {self.full_name} lie outside the window {window}")
        if source is not None and frame.filter(pl.col(SOURCE).ne_missing(source)).height:
            raise ValueError(f"rows for {self.full_name} must all come from {source!r}")
        return frame

    def _read(self, handle: DeltaTable, window: Window | None, source: str | None) -> pl.LazyFrame:
        rows = pl.scan_delta(handle)
        if window is not None:
            rows = rows.filter(_inside(window))
        if source is not None:
            rows = rows.filter(pl.col(SOURCE) == source)
        return rows.select(as_selected(schema_of(handle), self.schema))

    def _files_of(self, handle: DeltaTable, window: Window, source: str | None) -> pl.DataFrame:
        files = files_of(handle, self.partition_by).filter(_inside(window))
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
            longest = min(LONGEST_WAIT_SECONDS, 0.1 * 2**attempt)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
    return work()


def _overwrite(handle: DeltaTable, frame: pl.DataFrame, predicate: str, source: str | None) -> None:
    from deltalake import write_deltalake

    if source is not None:
        predicate += " and " + SOURCE + " = '" + source.replace("'", "''") + "'"
    write_deltalake(handle, frame, mode="overwrite", predicate=predicate)


def _inside(window: Window) -> pl.Expr:
    return pl.col(DAY).is_between(window.start, window.end, closed="left")
