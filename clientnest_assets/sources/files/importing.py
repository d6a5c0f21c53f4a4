"""Importing a file: staged, checked, landed, and counted again from the lake. The steps are in the sibling modules.

A file is a source of its own, `file:<mapping's source>/<file's name>`: imported again it replaces what it
landed before and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import Lake
from clientnest_assets.sources.files.checking import Checked, check
from clientnest_assets.sources.files.formats import read_records
from clientnest_assets.sources.files.mapping import Mapping
from clientnest_assets.sources.files.reading import import_name
from clientnest_assets.sources.files.records import Advance
from clientnest_assets.sources.files.staging import stage
from clientnest_assets.sources.landing import (
    NO_LIMIT,
    Limit,
    TooManyBadRowsError,
    land_window,
    quarantine_table,
    raw_table,
)


class NothingGoodError(ClientNestError):
    """No record of the file is fit for a table that holds rows of an earlier import: the mapping must be wrong."""


class LostRowsError(RuntimeError):
    """The lake does not hold what was landed: another writer changed this file's rows meanwhile."""


@dataclass(frozen=True)
class Imported:
    """What importing a file did to one table.

    `records = rows_written + rows_already_held + rows_quarantined + rows_left_out`.
    """

    contract: Contract
    source: str
    records: int
    rows_written: int
    """Good rows of days that changed; of a mutable table the versions that are new."""
    rows_already_held: int
    rows_quarantined: int
    rows_left_out: int
    """Records that the mapping's `when` has no row of this table for."""
    rows_removed: int
    """Rows of an earlier import of this file that are not in it any more."""
    days: tuple[date, date] | None
    days_changed: list[date]
    """The days whose rows in raw are not what they were: what is made from them is stale."""
    rules: dict[str, int]
    unread: list[str]


def source_name(mapping: Mapping, name: str) -> str:
    """The source of rows of a file of that name."""
    return f"file:{mapping.source}/{name}"


def check_file(
    path: Path,
    mapping: Mapping,
    lake: Lake,
    key: bytes,
    folder: Path,
    *,
    name: str | None = None,
    now: datetime | None = None,
    replace_versions: bool = False,
    advance: Advance = lambda _: None,
) -> list[Checked]:
    """Reads the whole file and finds what importing it would do, table by table. Writes nothing to the lake.

    Args:
        path: the file.
        mapping: what its columns mean; narrow it first to land some of its tables only.
        lake: where the rows will go.
        key: of the pseudonyms.
        folder: an empty one with room for the file; to be kept until it is landed.
        name: what to remember the file by; by default its own name.
        now: rows from later than a day after it are not plausible; by default the clock's.
        replace_versions: let the file replace the versions of mutable rows that it landed before.
        advance: told of the bytes read, as they are read.

    Raises:
        FileError, MappingError: naming what is wrong, where, and the remedy.
    """
    name = name or import_name(path)
    records = read_records(path, mapping, name, advance)
    (folder / "staged").mkdir()
    unread = [column for column in records.columns if column not in mapping.file_columns]
    staged = stage(records, mapping, folder / "staged", key, now or datetime.now(UTC))
    return [
        check(
            lake,
            each,
            source_name(mapping, name),
            folder / "checked" / each.contract.name,
            unread=unread,
            replace_versions=replace_versions,
        )
        for each in staged
    ]


def require_fit(checked: list[Checked], *, limit: Limit = NO_LIMIT, replace_versions: bool = False) -> None:
    """Refuses a file that cannot be what its mapping says. Nothing is written before this.

    Raises:
        NothingGoodError: if a table would lose all rows of an earlier import to bad ones.
        TooManyBadRowsError: if more of a table's rows are bad than the limit allows.
    """
    for each in checked:
        if each.good == 0 and each.rows_held and (each.contract.kind == "append" or replace_versions):
            raise NothingGoodError(
                f"none of the {each.records:,} records is fit for {each.contract.name} ({in_words(each.rules)}), and "
                f"{each.rows_held:,} rows of an earlier import would go. Nothing was changed. Is the mapping right?"
            )
        rows = each.good + each.bad
        if each.rows_at_fault > limit.rows and each.rows_at_fault > limit.share * rows:
            raise TooManyBadRowsError(
                f"{each.rows_at_fault:,} of {rows:,} rows for {each.contract.name} are bad ({in_words(each.rules)}); "
                f"allowed is a share of {limit.share:g}. Nothing was changed. Look at them with "
                "`clientnest import FILE --mapping MAPPING --dry-run` and mend the file or the mapping; or raise "
                "CLIENTNEST_MAX_BAD_SHARE, if it is to be so."
            )


def land_file(
    lake: Lake,
    checked: list[Checked],
    *,
    replace_versions: bool = False,
    advance: Callable[[Checked], None] = lambda _: None,
) -> list[Imported]:
    """Lands what `check_file` found, one commit a table and window. After a kill in between, import again.

    Raises:
        LostRowsError: if the lake's own counts differ from what was landed.
    """
    return [_land(lake, each, replace_versions=replace_versions, advance=advance) for each in checked]


def in_words(rules: dict[str, int]) -> str:
    """How many rows break each rule, the commonest first."""
    ordered = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{rule} {count:,}" for rule, count in ordered) or "no reason"


def _land(lake: Lake, checked: Checked, *, replace_versions: bool, advance: Callable[[Checked], None]) -> Imported:
    contract, source = checked.contract, checked.source
    keeps = contract.kind == "mutable" and not replace_versions
    raw, quarantine = raw_table(lake, contract), quarantine_table(lake, contract)
    own = pl.col(SOURCE) == source
    changed: list[date] = []
    written = added = removed = 0
    for each in checked.windows:
        batch = each.read()
        held = raw.scan(each.window).filter(own).collect()
        new = batch.raw.join(held, on=contract.key, how="anti")
        days = new.get_column(DAY).unique() if keeps else _days_that_differ(held, batch.raw)
        bad_days = _days_that_differ(quarantine.scan(each.window).filter(own).collect(), batch.quarantine)
        # What is there already is not written again: the same file twice leaves no trace in the tables' logs.
        if len(days) or len(bad_days):
            land_window(
                lake,
                contract,
                each.window,
                each.read,
                source=source,
                allow_empty=True,
                is_whole=True,
                replace_versions=replace_versions,
            )
        changed += days.to_list()
        added += new.height
        written += new.height if keeps else batch.raw.filter(pl.col(DAY).is_in(days.implode())).height
        removed += 0 if keeps else held.join(batch.raw, on=contract.key, how="anti").height
        advance(checked)
    rows, bad = (_rows(table.row_counts(), source) for table in (raw, quarantine))
    expected = checked.rows_held + added - removed
    if rows != expected or bad != checked.bad:
        raise LostRowsError(
            f"{contract.name} holds {rows:,} rows of {source} and {bad:,} in quarantine, where {expected:,} and "
            f"{checked.bad:,} were to be. Was another import of this file running? Import it again."
        )
    return Imported(
        contract=contract,
        source=source,
        records=checked.records,
        rows_written=written,
        rows_already_held=checked.good - written,
        rows_quarantined=checked.bad,
        rows_left_out=checked.rows_left_out,
        rows_removed=removed,
        days=checked.days,
        days_changed=sorted(changed),
        rules=dict(checked.rules),
        unread=checked.unread,
    )


def _days_that_differ(held: pl.DataFrame, new: pl.DataFrame) -> pl.Series:
    """The days whose rows are not the same in both, whatever their order."""

    def marks(frame: pl.DataFrame) -> pl.DataFrame:
        hashes = pl.struct(new.columns).hash()
        return frame.group_by(DAY).agg(hashes.sort().alias("hashes"))

    both = marks(held).join(marks(new), on=DAY, how="full", coalesce=True, suffix="_new")
    return both.filter(pl.col("hashes").ne_missing(pl.col("hashes_new"))).get_column(DAY)


def _rows(counts: pl.DataFrame, source: str) -> int:
    return int(counts.filter(pl.col(SOURCE) == source).get_column("rows").sum())
