"""Upkeep of the lake's tables: small files are put together, the log is shortened, and files nobody needs are removed.

Rows never change. Writers and readers may be at work meanwhile: a partition that another writer takes first is left
for the next time. What time travel promises is kept: as far back as a table's log tells, its files are there. So are
those of older versions that a record names (see `records.py`).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.handle import MomentNotKeptError, open_handle, version_at
from clientnest_assets.lake.records import recorded_versions
from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    from deltalake import DeltaTable

RETENTION = timedelta(days=7)
SMALL_FILE_BYTES = 32 * 1024**2
FEWEST_SMALL_FILES = 4
COMPACTION_ATTEMPTS = 3
# A commit is timed when it is written, the files it removes a little before.
CLOCK_MARGIN = timedelta(hours=2)
FILE_RETENTION, LOG_CLEANUP = "delta.deletedFileRetentionDuration", "delta.enableExpiredLogCleanup"
LOG = "_delta_log"
MILLISECONDS = 1000


class MaintenanceError(ClientNestError):
    """The process that does the upkeep was ended."""


@dataclass(frozen=True)
class Upkeep:
    """What was done to one table, or would be in a dry run."""

    layer: str
    name: str
    files_before: int
    """Files that the newest version consists of."""
    files_after: int
    partitions_busy: int
    """Partitions that other writers were at; the next time puts their files together."""
    files_removed: int
    """Files of versions that are not kept any longer, and of writes that were killed."""
    bytes_freed: int
    kept_since: datetime
    """The earliest moment at which the table can be seen, if it was there then."""


@dataclass(frozen=True)
class Failed:
    """A table of which the upkeep failed. What was done before that stays done; no row is touched."""

    layer: str
    name: str
    reason: str


def maintain(
    lake: Lake, tables: Sequence[tuple[str, str]], *, retention: timedelta = RETENTION, dry_run: bool = False
) -> Iterator[Upkeep | Failed]:
    """Does the upkeep of each table in turn, in a process of its own: the libraries give no memory back.

    A table that fails does not keep the others from it.

    Args:
        lake: the lake.
        tables: layer and name of each.
        retention: how far back tables can be seen afterwards.
        dry_run: whether only to tell what would be done.

    Raises:
        MaintenanceError: if the process was ended, as the system does where memory is short.
    """
    # A fresh interpreter: a fork of one in which Polars has begun threads can hang.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        for layer, name in tables:
            try:
                yield child.submit(_attempt, lake, layer, name, retention, dry_run).result()
            except BrokenProcessPool:
                raise MaintenanceError(
                    f"the upkeep of {layer}.{name} was ended from outside; too little memory is the usual reason. Nothing "
                    "is lost. Free some memory and run it again, or leave the table out with --table."
                ) from None


def _attempt(lake: Lake, layer: str, name: str, retention: timedelta, dry_run: bool) -> Upkeep | Failed:
    try:
        return maintain_table(lake, layer, name, retention=retention, dry_run=dry_run)
    except Exception as error:  # noqa: BLE001 - the library's own errors cannot be sent to another process
        return Failed(layer, name, f"{type(error).__name__}: {error}")


def maintain_table(
    lake: Lake, layer: str, name: str, *, retention: timedelta = RETENTION, dry_run: bool = False
) -> Upkeep:
    """Does the upkeep of one table in this process; see `maintain`."""
    storage = Storage(lake.location(layer, name), lake.storage_options)

    def table() -> DeltaTable:
        return open_handle(storage.root, lake.storage_options)

    handle = table()
    before = _files(handle)
    crowded = _crowded(before, handle.metadata().partition_columns)
    since = datetime.now(UTC) - retention
    recorded = _readable(table, recorded_versions(lake).get(str(handle.metadata().id), set()))
    if dry_run:
        busy, files_after = 0, before.height - sum(count - 1 for _, count in crowded)
    else:
        _promise(handle, retention)
        busy = sum(not _compact(table, partition) for partition, _ in crowded)
        files_after = _files(table()).height
        _shorten_log(table, storage, since, recorded)
    handle = table()
    removed, freed = _remove_files(handle, storage, retention, recorded, dry_run=dry_run)
    oldest = min(each["timestamp"] for each in handle.history())
    kept_since = datetime.fromtimestamp(oldest / MILLISECONDS, UTC)
    return Upkeep(layer, name, before.height, files_after, busy, removed, freed, kept_since)


def _files(handle: DeltaTable) -> pl.DataFrame:
    return pl.DataFrame(handle.get_add_actions(flatten=True))


def _crowded(files: pl.DataFrame, columns: list[str]) -> list[tuple[list[tuple[str, str, Any]], int]]:
    """The partitions with many small files, as filters of Delta, and how many each has."""
    small = files.filter(pl.col("size_bytes") < SMALL_FILE_BYTES)
    names = [f"partition.{column}" for column in columns]
    counted = small.group_by(names).len() if names else small.select(pl.len())
    many = counted.filter(pl.col("len") >= FEWEST_SMALL_FILES).sort(names or "len")
    return [
        ([(column, "=", _text(value)) for column, value in zip(columns, values, strict=True)], count)
        for *values, count in many.iter_rows()
    ]


def _text(value: object) -> str:
    """A partition's value as Delta's filters take it: an empty text stands for null."""
    return "" if value is None else str(value)


def _promise(handle: DeltaTable, retention: timedelta) -> None:
    """Writes into the table how long removed files stay, and that its log is shortened here and by nobody else.

    Delta's own way to shorten a log forgets a version that was current within the retention, if it is itself older.
    """
    wanted = {FILE_RETENTION: f"interval {_hours(retention)} hours", LOG_CLEANUP: "false"}
    held = handle.metadata().configuration
    if any(held.get(key) != value for key, value in wanted.items()):
        handle.alter.set_table_properties(wanted)


def _hours(retention: timedelta) -> int:
    return int((retention + CLOCK_MARGIN).total_seconds() // 3600)


def _compact(table: Callable[[], DeltaTable], partition: list[tuple[str, str, Any]]) -> bool:
    """Puts the partition's small files together. False if other writers always came first."""
    from deltalake.exceptions import CommitFailedError

    for _ in range(COMPACTION_ATTEMPTS):
        try:
            table().optimize.compact(partition_filters=partition or None)
        except CommitFailedError:
            continue
        return True
    return False


def _readable(table: Callable[[], DeltaTable], versions: set[int]) -> list[int]:
    """Those of the versions that the log still tells."""
    from deltalake.exceptions import DeltaError

    found = []
    for version in sorted(versions):
        with suppress(DeltaError):
            table().load_as_version(version)
            found.append(version)
    return found


def _shorten_log(table: Callable[[], DeltaTable], storage: Storage, since: datetime, recorded: list[int]) -> None:
    """Makes the log begin with the version that was current at the moment, and writes a checkpoint of the newest.

    Of an older version that a record names only a checkpoint stays: it can be read, and no moment is mistaken for it.
    """
    log = {file.path for file in storage.files(LOG) if file.path.removeprefix(f"{LOG}/")[:20].isdecimal()}
    try:
        first = version_at(table(), since) or 0
    except MomentNotKeptError:
        first = 0
    older = [version for version in recorded if version < first]
    kept = {_checkpoint(version) for version in older}
    superfluous = sorted(path for path in log - kept if int(path.removeprefix(f"{LOG}/")[:20]) < first)
    if superfluous:
        for version in (*older, first):
            if _checkpoint(version) not in log:
                handle = table()
                handle.load_as_version(version)
                handle.create_checkpoint()
    newest = table()
    # Last, so that readers begin with it.
    if superfluous or _checkpoint(newest.version()) not in log:
        newest.create_checkpoint()
    for path in superfluous:
        storage.delete(path)


def _checkpoint(version: int) -> str:
    return f"{LOG}/{version:020}.checkpoint.parquet"


def _remove_files(
    handle: DeltaTable, storage: Storage, retention: timedelta, recorded: list[int], *, dry_run: bool
) -> tuple[int, int]:
    """Removes the files that no kept version needs, and old ones that no log names; tells how many, and their bytes."""
    options: dict[str, Any] = {
        "retention_hours": _hours(retention),
        "enforce_retention_duration": False,
        "full": True,
        "keep_versions": recorded,
    }
    unneeded = set(handle.vacuum(dry_run=True, **options))
    if not unneeded:
        return 0, 0
    sizes = {file.path: file.size_bytes for file in storage.files()}
    if not dry_run:
        unneeded = set(handle.vacuum(dry_run=False, **options))
    return len(unneeded), sum(sizes.get(path, 0) for path in unneeded)
