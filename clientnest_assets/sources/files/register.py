"""The register of imported files: a small table of the lake that knows each file by its content.

It is a log, one row for each thing that happened to a file. What a source holds now is told by its newest row of a
landing; everything older was replaced since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from clientnest_assets.lake import DeliveredElsewhereError, Delivery, Lake, LakeTable
from clientnest_assets.sources.files.reading import FileError

LAYER, TABLE = "landing", "files"
FEED = "landing.files"
SCHEMA = pl.Schema(
    {
        "number": pl.Int64(),
        "content_hash": pl.String(),
        "name": pl.String(),
        "mapping": pl.String(),
        "mapping_hash": pl.String(),
        "source": pl.String(),
        "tables": pl.List(pl.String()),
        "size_bytes": pl.Int64(),
        "status": pl.String(),
        "records": pl.Int64(),
        "rows_written": pl.Int64(),
        "rows_quarantined": pl.Int64(),
        "first_day": pl.Date(),
        "last_day": pl.Date(),
        "registered_at": pl.Datetime("us", "UTC"),
        "archive_path": pl.String(),
        "message": pl.String(),
    }
)
ATTEMPTS = 8


class Status(StrEnum):
    """What happened to a file."""

    BEGUN = "begun"
    """Its rows are on their way: all, some or none of them are in the lake."""
    LANDED = "landed"
    REPLACED = "replaced"
    """Landed in place of another content that had its name."""
    UNCHANGED = "unchanged"
    """Its content was landed before."""
    REJECTED = "rejected"


IN_THE_LAKE = (Status.LANDED, Status.REPLACED)


@dataclass(frozen=True)
class Entry:
    """One row of the register."""

    content_hash: str
    name: str
    mapping: str
    mapping_hash: str
    source: str
    tables: Collection[str]
    size_bytes: int
    status: Status
    records: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0
    first_day: date | None = None
    last_day: date | None = None
    """The span of days that the import may change: those of the file, and those its source held before."""
    registered_at: datetime | None = None
    """Set on writing."""
    archive_path: str | None = None
    """Where in the landing folder the file went; null for one that was imported from elsewhere."""
    message: str = ""


@dataclass(frozen=True)
class Register:
    """The register of one lake, as it was when it was read."""

    table: LakeTable
    rows: pl.DataFrame

    @classmethod
    def read(cls, lake: Lake) -> Register:
        """The register as it is now; empty where nothing was imported yet."""
        table = lake.table(LAYER, TABLE, SCHEMA, partition_by=())
        return cls(table, table.scan().select(SCHEMA.names()).sort("number").collect())

    def newest(self, source: str) -> Entry | None:
        """The newest import of the source, be it at its end or only begun; None if there was none."""
        return self._newest(source, [*IN_THE_LAKE, Status.BEGUN])

    def holding(self, source: str) -> Entry | None:
        """What the source holds, as far as an import has come to its end; None if none has."""
        return self._newest(source, list(IN_THE_LAKE))

    def held_content(self, content_hash: str, mapping_source: str) -> list[Entry]:
        """The sources of a mapping that hold exactly this content now."""
        kept = self.rows.filter(
            pl.col("source").str.starts_with(f"file:{mapping_source}/")
            & pl.col("status").is_in([*IN_THE_LAKE, Status.BEGUN])
        )
        newest = kept.group_by("source").agg(pl.col("number").max()).select("number")
        same = (pl.col("content_hash") == content_hash) & pl.col("status").is_in(IN_THE_LAKE)
        return [_entry(row) for row in kept.join(newest, on="number").filter(same).sort("number").to_dicts()]

    def write(self, entry: Entry) -> Entry:
        """Adds a row, after all that is there; returns it with its time."""
        stamped = {**asdict(entry), "registered_at": datetime.now(UTC), "tables": sorted(entry.tables)}
        for _ in range(ATTEMPTS):
            reached = self.table.delivered([FEED])[FEED]
            number = (reached or 0) + 1
            row = pl.DataFrame([{"number": number, **stamped}], schema=SCHEMA)
            try:
                if self.table.append_once(row, {FEED: Delivery(reached, number)}):
                    break
            except DeliveredElsewhereError:
                continue
        else:
            raise RuntimeError(f"{ATTEMPTS} times another writer was quicker to write {self.table.full_name}")
        return _entry(row.to_dicts()[0])

    def _newest(self, source: str, statuses: list[Status]) -> Entry | None:
        own = (pl.col("source") == source) & pl.col("status").is_in(statuses)
        found = self.rows.filter(own).tail(1).to_dicts()
        return _entry(found[0]) if found else None


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, as they are (packed, where they are).

    Raises:
        FileError: if it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}.") from None


def _entry(row: dict[str, object]) -> Entry:
    kept = {name: value for name, value in row.items() if name != "number"}
    return Entry(**{**kept, "status": Status(str(row["status"]))})  # type: ignore[arg-type]
