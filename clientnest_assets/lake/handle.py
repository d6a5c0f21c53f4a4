"""Delta handles: opening one, and what its log tells without reading a row: schema, files, versions.

Handles are the library's; our tables are in `table.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from clientnest_assets.errors import ClientNestError

if TYPE_CHECKING:
    from deltalake import DeltaTable

MILLISECONDS = 1000


class MomentNotKeptError(ClientNestError):
    """A table is asked for a moment that its log does not reach back to."""


def open_handle(location: str, storage_options: Mapping[str, str]) -> DeltaTable:
    """A fresh handle of the newest version.

    Raises:
        deltalake.exceptions.TableNotFoundError: if there is no table.
    """
    from deltalake import DeltaTable

    kind = DeltaTable if "://" in location else _folder_table()
    return kind(location, storage_options=dict(storage_options))


def schema_of(handle: DeltaTable) -> pl.Schema:
    """The table's columns and types."""
    return pl.scan_delta(handle).collect_schema()


def files_of(handle: DeltaTable, partition_by: tuple[str, ...]) -> pl.DataFrame:
    """One row a data file: its partition columns, then rows and bytes."""
    actions = pl.DataFrame(handle.get_add_actions(flatten=True))
    return actions.select(
        *(pl.col(f"partition.{name}").alias(name) for name in partition_by),
        pl.col("num_records").cast(pl.Int64).alias("rows"),
        pl.col("size_bytes").cast(pl.Int64).alias("bytes"),
    )


def version_at(handle: DeltaTable, moment: datetime) -> int | None:
    """The table's version at a moment by the times that its commits tell; None if it was made only later.

    Not by the times of the log's files: some stores keep those to the second, and a copied table has new ones.

    Raises:
        MomentNotKeptError: if the log was cleaned up to a later moment.
    """
    commits = sorted((int(each["version"]), int(each["timestamp"])) for each in handle.history())
    limit = moment.timestamp() * MILLISECONDS
    before = [version for version, timestamp in commits if timestamp <= limit]
    if before:
        return before[-1]
    oldest, since = commits[0]
    if oldest == 0:
        return None
    kept = datetime.fromtimestamp(since / MILLISECONDS, UTC)
    raise MomentNotKeptError(
        f"{handle.table_uri} is kept from {kept:%Y-%m-%d %H:%M:%S} UTC on, and {moment:%Y-%m-%d %H:%M:%S} is before. "
        "Ask for a later moment."
    )


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
