"""Staged rows against their contract, against each other and against the lake: which are good, and why others are not.

Nothing is written to the lake here, so that a dry run ends after it. How rows came to be is in `staging.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import cast

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.files.records import RECORD
from clientnest_assets.sources.files.staging import ORIGINAL, UNKNOWN_DAY, Staged
from clientnest_assets.sources.landing import QUARANTINE_SCHEMA, Batch, quarantine_table, raw_table

ROWS_PER_COMMIT = 500_000
"""A window grows by whole days until it has so many rows. It is what is in memory, and in one commit, at a time."""

THERE_ALREADY = ("duplicate_row", "held_elsewhere")
"""Rules that say nothing against a row but that it came before: exports overlap."""


@dataclass(frozen=True)
class CheckedWindow:
    """One window's batch, on disk, and the days of it that have good rows."""

    window: Window
    folder: Path
    good: int
    bad: int

    def read(self) -> Batch:
        """The batch, from disk."""
        return Batch(pl.read_parquet(self.folder / "raw.parquet"), pl.read_parquet(self.folder / "quarantine.parquet"))


@dataclass(frozen=True)
class Checked:
    """What landing a file in one table would do. `windows` cover the file's days and those its source holds already."""

    contract: Contract
    source: str
    windows: list[CheckedWindow]
    rules: Counter[str]
    """How many rows break each rule. A row can break several."""
    days: tuple[date, date] | None
    """The first and the last day with good rows."""
    span: tuple[date, date] | None
    """The first and the last day that have good rows, or had some of this source before."""
    rows_at_fault: int
    """Rows for quarantine that are not merely there already."""
    rows_held: int
    """Rows of this source that the raw table holds before."""
    rows_left_out: int
    """Records that the mapping's `when` has no row of this table for."""
    unread: list[str]
    """Columns of the file that no table of the mapping is made from."""

    @cached_property
    def good(self) -> int:
        """Rows that can land."""
        return sum(each.good for each in self.windows)

    @cached_property
    def bad(self) -> int:
        """Rows for quarantine."""
        return sum(each.bad for each in self.windows)

    @property
    def records(self) -> int:
        """Records of the file."""
        return self.good + self.bad + self.rows_left_out


def check(
    lake: Lake, staged: Staged, source: str, folder: Path, *, unread: list[str], replace_versions: bool = False
) -> Checked:
    """Parts the staged rows into good and bad, window by window.

    Bad are: what staging found; all but the first of rows alike in every column; rows whose key stands in another row
    too, or was landed by another source; a version that this source landed before with other values (unless
    versions are to be replaced); and what the contract refuses.

    Args:
        lake: what is held already.
        staged: the file's rows.
        source: the file's name as a source.
        folder: an empty one, for the batches.
        unread: the file's columns that the mapping leaves out, to be told.
        replace_versions: see `landing.land_window`.
    """
    contract = staged.contract
    raw, quarantine = raw_table(lake, contract).row_counts(), quarantine_table(lake, contract).row_counts()
    mine = raw.filter(pl.col(SOURCE) == source)
    rows = staged.scan()
    by_day = rows.group_by(DAY).agg(pl.len().cast(pl.Int64).alias("rows")).collect()
    fallback = cast("date | None", by_day.get_column(DAY).min()) or UNKNOWN_DAY
    held_days = pl.concat([mine.select(DAY), quarantine.filter(pl.col(SOURCE) == source).select(DAY)])
    spread = pl.concat(
        [by_day.with_columns(pl.col(DAY).fill_null(fallback)), held_days.with_columns(rows=pl.lit(0, pl.Int64))]
    )
    against = _Against(
        contract,
        source,
        lake,
        elsewhere=_held_elsewhere(lake, rows, contract, source),
        repeated=_repeated_over_days(rows, contract),
        replace_versions=replace_versions,
    )
    windows: list[CheckedWindow] = []
    rules: Counter[str] = Counter()
    at_fault = 0
    days: list[date] = []
    for number, window in enumerate(_windows(spread)):
        here = pl.col(DAY).is_between(window.start, window.end, closed="left")
        if window.start <= fallback < window.end:
            here |= pl.col(DAY).is_null()
        batch = against.batch(rows.filter(here).collect(), window, fallback)
        target = folder / f"{number:06}"
        target.mkdir(parents=True)
        batch.raw.write_parquet(target / "raw.parquet", compression="lz4")
        batch.quarantine.write_parquet(target / "quarantine.parquet", compression="lz4")
        windows.append(CheckedWindow(window, target, batch.raw.height, batch.quarantine.height))
        broken = batch.quarantine.get_column(RULES).explode().value_counts()
        rules.update(dict(broken.iter_rows()))
        at_fault += batch.quarantine.filter(
            pl.col(RULES).list.set_difference(list(THERE_ALREADY)).list.len() > 0
        ).height
        days += batch.raw.get_column(DAY).unique().to_list()
    return Checked(
        contract=contract,
        source=source,
        windows=windows,
        rules=rules,
        days=_ends(days),
        span=_ends([*days, *mine.get_column(DAY)]),
        rows_at_fault=at_fault,
        rows_held=int(mine.get_column("rows").sum()),
        rows_left_out=staged.left_out,
        unread=unread,
    )


@dataclass(frozen=True)
class _Against:
    """All that one table's rows are held against."""

    contract: Contract
    source: str
    lake: Lake
    elsewhere: pl.DataFrame
    repeated: pl.DataFrame
    replace_versions: bool

    def batch(self, rows: pl.DataFrame, window: Window, fallback: date) -> Batch:
        """The window's rows, parted."""
        columns = self.contract.source_schema.names()
        rows = rows.sort(RECORD)
        fit = rows.filter(pl.col(RULES).list.len() == 0)
        copies = fit.filter(~pl.struct(columns).is_first_distinct())
        fit = fit.join(copies.select(RECORD), on=RECORD, how="anti")
        found = [
            rows.filter(pl.col(RULES).list.len() > 0).select(RECORD, RULES),
            _broken(copies, "duplicate_row"),
            _broken(fit.join(self.elsewhere, on=self.contract.key, how="semi"), "held_elsewhere"),
            _broken(fit.join(self.repeated, on=self.contract.key, how="semi"), "primary_key"),
            _broken(self._changed(fit, window), "version_changed"),
        ]
        known = pl.concat(found)
        valid, invalid = _validated(self.contract, fit.join(known.select(RECORD), on=RECORD, how="anti"))
        bad = pl.concat([known, invalid]).group_by(RECORD).agg(pl.col(RULES).explode())
        quarantine = (
            rows.drop(RULES)
            .join(bad, on=RECORD)
            .select(
                pl.col(DAY).fill_null(fallback),
                pl.lit(self.source).alias(SOURCE),
                pl.col(RULES).list.sort(),
                reason(pl.col(RULES).list.sort()).alias("reason"),
                pl.col(ORIGINAL).struct.json_encode().alias("row"),
            )
        )
        raw = valid.join(rows.select(RECORD, DAY), on=RECORD).with_columns(pl.lit(self.source).alias(SOURCE))
        # A file never says that a row was deleted.
        raw = raw.match_to_schema(self.contract.landed_schema, missing_columns="insert", extra_columns="ignore")
        return Batch(
            raw.sort(DAY, *self.contract.key),
            quarantine.match_to_schema(QUARANTINE_SCHEMA).sort(DAY, "row"),
        )

    def _changed(self, fit: pl.DataFrame, window: Window) -> pl.DataFrame:
        """Rows of a mutable table whose version this source has landed before, with other values."""
        if self.contract.kind != "mutable" or self.replace_versions:
            return fit.clear()
        held = raw_table(self.lake, self.contract).scan(window).filter(pl.col(SOURCE) == self.source).collect()
        both = fit.join(held, on=self.contract.key, suffix="#held")
        others = [name for name in self.contract.source_schema if name not in self.contract.key]
        return both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}#held")) for name in others))


def _validated(contract: Contract, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Valid rows with their record's number, and of the others the number and the broken rules."""
    checked = validate(contract, rows.select(*contract.source_schema.names(), RECORD))
    return checked.valid, checked.invalid.select(RECORD, RULES)


def _broken(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    return rows.select(RECORD, pl.lit([rule], pl.List(pl.String)).alias(RULES))


def _held_elsewhere(lake: Lake, rows: pl.LazyFrame, contract: Contract, source: str) -> pl.DataFrame:
    """The keys of the rows that other sources have landed: one export may overlap another, or the app itself."""
    held = raw_table(lake, contract).scan().filter(pl.col(SOURCE) != source).select(contract.key)
    return held.join(rows.select(contract.key), on=contract.key, how="semi").unique().collect()


def _repeated_over_days(rows: pl.LazyFrame, contract: Contract) -> pl.DataFrame:
    """The keys that stand on more than one day. Within a window validation finds them, but not across."""
    fit = rows.filter(pl.col(RULES).list.len() == 0)
    days = fit.group_by(contract.key).agg(pl.col(DAY).n_unique().alias("days"))
    return days.filter(pl.col("days") > 1).select(contract.key).collect()


def _ends(days: list[date]) -> tuple[date, date] | None:
    return (min(days), max(days)) if days else None


def _windows(spread: pl.DataFrame) -> Iterator[Window]:
    """Windows of whole days that cover every day given, each of about `ROWS_PER_COMMIT` rows at most."""
    days = spread.group_by(DAY).agg(pl.col("rows").sum()).sort(DAY)
    before = pl.col("rows").cum_sum() - pl.col("rows")
    spans = days.group_by((before // ROWS_PER_COMMIT).alias("number")).agg(
        pl.col(DAY).min().alias("first"), pl.col(DAY).max().alias("last")
    )
    for first, last in spans.sort("first").select("first", "last").iter_rows():
        yield Window.of_days(first, last)
