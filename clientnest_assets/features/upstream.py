"""What feature views read: tables of the layers before, by column and by day, in the lake or in the warehouse.

Which asset of Dagster stands behind a table is not decided here; its name is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from clientnest_assets.contracts import CONTRACTS, DAY
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import RESTATEMENT_DAYS, Window
from clientnest_assets.warehouse.read import read_table

RAW = "raw"
START = "{start}"


@dataclass(frozen=True)
class Upstream:
    """One table that a view reads, and how far back.

    Attributes:
        layer: `raw` for a table of the lake, or a schema of the warehouse.
        table: its name.
        columns: names and types of what is read, in order.
        moment: the date or moment by which rows belong to a day; empty where the table is read as it is, what came after
            the window too, and `compute` bounds it by times of its own.
        days_back: so many days before the window are read too; None is all of them.
        where: a further condition in SQL, for tables of the warehouse. `{start}` in it is the window's start: of the
            days before it only those rows may be needed on which something happened.
        partition_days: so many days before `moment` a row's partition can lie, where it is not the moment's own day.
    """

    layer: str
    table: str
    columns: tuple[tuple[str, pl.DataType], ...]
    moment: str = DAY
    days_back: int | None = 0
    where: str = ""
    partition_days: int = 0

    @property
    def partitions_back(self) -> int | None:
        """The days before a partition whose partitions of the table it is made of too; None is all of them."""
        return None if self.days_back is None else self.days_back + self.partition_days

    def read(self, lake: Lake, warehouse_url: str, window: Window) -> pl.LazyFrame:
        """The table's rows up to the window's end: those of the window and of `days_back` days before it."""
        first = None if self.days_back is None else window.start - timedelta(days=self.days_back)
        if self.layer == RAW:
            return self._scan(lake, first, window.end)
        conditions = [f"({self.where})"] if self.where else []
        if self.moment:
            conditions = [each.replace(START, self._bound(window.start)) for each in conditions]
            conditions.append(f"{self.moment} < {self._bound(window.end)}")
        if self.moment and first is not None:
            conditions.append(f"{self.moment} >= {self._bound(first)}")
        columns = dict(self.columns)
        return read_table(warehouse_url, self.layer, self.table, columns, where=" and ".join(conditions)).lazy()

    def _scan(self, lake: Lake, first: date | None, end: date) -> pl.LazyFrame:
        rows = lake.table(RAW, self.table, CONTRACTS[self.table].landed_schema).scan()
        if self.moment:
            rows = rows.filter(pl.col(DAY) < end)
        return (rows if first is None else rows.filter(pl.col(DAY) >= first)).select(name for name, _ in self.columns)

    def _bound(self, day: date) -> str:
        is_date = dict(self.columns)[self.moment] == pl.Date
        return f"'{day}'::date" if is_date else f"'{day}T00:00:00+00:00'::timestamptz"


def reaches_back(upstream: tuple[Upstream, ...]) -> int | None:
    """How many days before its own a partition made of these tables reads at most; None is all of them."""
    found = [each.partitions_back for each in upstream]
    return None if None in found else max((days for days in found if days is not None), default=0)


def mapped_days(upstream: Upstream) -> int:
    """How many partitions before its own Dagster shows a day to be made of; what reads all of them shows a month."""
    return RESTATEMENT_DAYS if upstream.partitions_back is None else upstream.partitions_back


Inputs = Mapping[str, pl.LazyFrame]
"""Upstream frames by the name of their table."""
