"""From resolved changes to the raw tables: a window of days at a time, each in one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from clientnest_assets.contracts import DAY, DELETED_AT, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.partitions import DAYS_PER_CHUNK, Window
from clientnest_assets.sources.app_database import SOURCE_NAME
from clientnest_assets.sources.change_capture.resolving import Resolved
from clientnest_assets.sources.change_capture.tables import marked
from clientnest_assets.sources.landing import Batch, land_window, quarantined, raw_table

VERSION_CHANGED = "version_changed"
ROWS_PER_COMMIT = 500_000
"""A window of several days has so many rows at most, those that it holds already among them."""


@dataclass
class Captured:
    """What capturing did to one table.

    `changes + tombstones = superseded + repeated + deletes + rows_written + rows_already_held + rows_quarantined`.
    """

    changes: int = 0
    superseded: int = 0
    """Changes that a later one of the same transaction made invisible."""
    repeated: int = 0
    """Versions that came before in the same batch with the same values."""
    deletes: int = 0
    tombstones: int = 0
    """Deletes of rows of which a version was captured. Of others there is nothing to end."""
    rows_written: int = 0
    rows_already_held: int = 0
    rows_quarantined: int = 0
    days: set[date] = field(default_factory=set)
    """The days of all good rows and tombstones."""
    days_changed: set[date] = field(default_factory=set)
    """Those that have other rows now."""
    rules: Counter[str] = field(default_factory=Counter)
    new_columns: set[str] = field(default_factory=set)
    """Columns that the contract does not know."""

    def add(self, other: Captured) -> None:
        """Counts what another batch did too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) | value if isinstance(value, set) else getattr(self, name) + value)


def land(lake: Lake, contract: Contract, resolved: Resolved) -> Captured:
    """Writes versions, tombstones and bad rows. Repeated, it changes nothing."""
    captured = Captured(resolved.changes, resolved.superseded, deletes=resolved.deletes, tombstones=resolved.tombstones)
    captured.days.update(resolved.batch.raw.get_column(DAY))
    for window in _windows(raw_table(lake, contract), resolved):
        here = pl.col(DAY).is_between(window.start, window.end, closed="left")
        part = Batch(resolved.batch.raw.filter(here), resolved.batch.quarantine.filter(here))
        again = resolved.again.filter(here)
        found = part

        def read(part: Batch = part, again: pl.DataFrame = again, window: Window = window) -> Batch:
            nonlocal found
            found = _against_held(lake, contract, part, again, window)
            return found

        landed = land_window(lake, contract, window, read, source=SOURCE_NAME, adds=True)
        captured.repeated += part.rows + again.height - found.rows
        captured.rows_written += landed.rows_written
        captured.rows_already_held += landed.rows_already_held
        captured.rows_quarantined += landed.rows_quarantined
        captured.days_changed.update(landed.days_changed)
        captured.rules.update(found.quarantine.get_column(RULES).explode().drop_nulls().to_list())
    return captured


def _against_held(lake: Lake, contract: Contract, batch: Batch, again: pl.DataFrame, window: Window) -> Batch:
    """The batch with versions among the bad rows whose key the lake, or an earlier one, has with other values."""
    key = contract.key
    # Of the columns that both know: one that is new at the source has no value in the rows of before.
    names = [name for name in [*contract.source_schema.names(), DELETED_AT] if name not in key]
    rows = pl.concat([batch.raw, again], how="diagonal_relaxed")
    table = raw_table(lake, contract).scan(window).filter(pl.col(SOURCE) == SOURCE_NAME).select(*key, *names)
    held = table.join(rows.lazy(), on=key, how="semi").collect()
    if held.is_empty() and again.is_empty():
        return batch
    version = pl.concat([held, batch.raw.select(held.columns)]).unique(key, keep="first", maintain_order=True)
    rows = rows.join(version.select(*key, pl.col(names).name.prefix("|first|")), on=key, how="left")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"|first|{name}")) for name in names)
    changed = rows.filter(differs).select(batch.raw.columns)
    bad = changed.drop(DAY, SOURCE, DELETED_AT).with_columns(pl.lit([VERSION_CHANGED]).alias(RULES))
    return Batch(
        batch.raw.join(held.join(changed, on=key, how="semi"), on=key, how="anti"),
        pl.concat([batch.quarantine, quarantined(contract, marked(contract, bad), SOURCE_NAME)]),
    )


def _windows(table: LakeTable, resolved: Resolved) -> Iterator[Window]:
    """Windows that begin and end with a day of rows to be landed: short ones, of days that hold many rows already.

    Landing reads and writes whole days.
    """
    parts = (resolved.batch.raw, resolved.batch.quarantine, resolved.again)
    new = pl.concat(each.select(DAY) for each in parts).group_by(DAY).agg(pl.len().alias("new"))
    held = table.row_counts().group_by(DAY).agg(pl.col("rows").sum())
    days = new.join(held, on=DAY, how="left").sort(DAY)
    first, last, inside = None, None, 0
    for day, rows in days.select(DAY, pl.col("new") + pl.col("rows").fill_null(0)).rows():
        if first and last and (inside + rows > ROWS_PER_COMMIT or (day - first).days >= DAYS_PER_CHUNK):
            yield Window.of_days(first, last)
            first, inside = None, 0
        first, last, inside = first or day, day, inside + rows
    if first and last:
        yield Window.of_days(first, last)
