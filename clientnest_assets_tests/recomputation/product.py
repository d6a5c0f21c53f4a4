"""The product's own way from the app's database to the marts, by plain functions, a window at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from clientnest_assets.contracts import APP_TABLES, CONTRACTS, DELETED_AT, SOURCE
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import ONE_DAY, Window
from clientnest_assets.sources import app_database
from clientnest_assets.sources.landing import Batch, land_window, landed, prepare, raw_table
from clientnest_assets.warehouse import dbt, layers
from clientnest_assets.warehouse.behind import current_snapshot, days_behind, note_builds
from clientnest_assets.warehouse.load import create_raw_tables, load_window

KEY = b"a key of the tests' own"
BRIDGED = timedelta(days=7)
"""Days that are not behind are built again where so few lie between two that are."""
TICK = pl.duration(microseconds=1)


class BuildError(ClientNestError):
    """dbt failed."""


@dataclass(frozen=True)
class Product:
    """One installation, without Dagster."""

    home: Path
    lake: Lake
    app_url: str
    warehouse_url: str

    def land(self, window: Window, tables: Iterable[str] | None = None) -> None:
        """Lands the window of the tables, all by default; days may have lost all their rows."""
        for contract in APP_TABLES:
            if tables is None or contract.name in tables:
                land_window(
                    self.lake,
                    contract,
                    window,
                    lambda contract=contract: prepare(
                        contract,
                        app_database.read_window(self.app_url, contract, window).rows,
                        app_database.SOURCE_NAME,
                        KEY,
                    ),
                    source=app_database.SOURCE_NAME,
                    allow_empty=True,
                )

    def land_deletion(self, table: str, row: int, at: datetime) -> Window:
        """Lands the tombstone of a captured row, as change capture would; returns the window that holds it."""
        contract = CONTRACTS[table]
        versions = raw_table(self.lake, contract).scan().filter(pl.col(contract.entity_key) == row)
        newest = versions.sort(contract.cursor).tail(1).drop("day", SOURCE).collect()
        moment = pl.lit(at, contract.landed_schema[DELETED_AT])
        tombstone = newest.with_columns(
            moment.alias(DELETED_AT), pl.max_horizontal(moment, pl.col(contract.cursor) + TICK).alias(contract.cursor)
        )
        rows = landed(contract, tombstone, app_database.SOURCE_NAME)
        day = rows.get_column("day").item()
        batch = Batch(rows, prepare(contract, newest.drop(DELETED_AT).clear(), "", KEY).quarantine)
        window = Window.of_days(day, day)
        land_window(self.lake, contract, window, lambda: batch, source=app_database.SOURCE_NAME, adds=True)
        return window

    def load(self, window: Window, tables: Iterable[str] | None = None) -> None:
        """Loads the window of the tables into the warehouse, the children before their parents."""
        create_raw_tables(self.warehouse_url)
        for contract in reversed(APP_TABLES):
            if tables is None or contract.name in tables:
                load_window(self.lake, self.warehouse_url, contract, window)

    def build(self, window: Window, *, whole: bool = True, with_tests: bool = False) -> None:
        """Builds the window of every windowed model, and all other models if `whole`, in the order of the steps.

        Raises:
            BuildError: with what failed.
        """
        manifest = self.manifest
        tests = layers.tested_models(manifest) if with_tests else {}
        for step in layers.steps(manifest):
            if whole or step.is_windowed:
                nodes = {*step.models, *(test for test, model in tests.items() if model in step.models)}
                self._build(nodes, window if step.is_windowed else None)

    def build_days(self, days: Mapping[str, list[date]]) -> None:
        """Builds these days of the windowed models, and all other models, in the order of the steps.

        Raises:
            BuildError: with what failed.
        """
        manifest = self.manifest
        for step in layers.steps(manifest):
            if not step.is_windowed:
                self._build(step.models, None)
                continue
            models: dict[Window, list[str]] = {}
            for model in step.models:
                for window in _windows(days.get(manifest["nodes"][model]["name"], [])):
                    models.setdefault(window, []).append(model)
            for window in sorted(models):
                self._build(models[window], window)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The parsed dbt project."""
        manifest: Mapping[str, Any] = json.loads(dbt.prepared_manifest(self.home).read_text(encoding="utf-8"))
        return manifest

    def days_behind(self) -> dict[str, list[date]]:
        """The built days that are behind what was loaded since, by model."""
        return days_behind(self.warehouse_url, layers.windowed_inputs(self.manifest))

    def _build(self, nodes: Iterable[str], window: Window | None) -> None:
        seen = current_snapshot(self.warehouse_url)
        built = dbt.build(self.home, self.warehouse_url, nodes, window)
        if built.failures:
            raise BuildError("\n".join(built.failures))
        if window:
            names = [self.manifest["nodes"][model]["name"] for model in built.sound]
            note_builds(self.warehouse_url, names, window, seen)

    def digests(self) -> dict[str, str]:
        """A digest of every row of every table and view of the dimensions, facts and marts, by name."""
        asked = "select table_schema, table_name from information_schema.tables where table_schema = any(%s)"
        told = 'select md5(string_agg(row::text, chr(10) order by row::text collate "C")) from {} as row'
        with psycopg.connect(self.warehouse_url, options="-c timezone=UTC") as connection:
            names = connection.execute(asked, (["dimensions", "facts", "marts"],)).fetchall()
            return {
                f"{schema}.{name}": connection.execute(
                    sql.SQL(told).format(sql.Identifier(schema, name))  # type: ignore[arg-type]
                ).fetchall()[0][0]
                for schema, name in sorted(names)
            }

    def from_the_lake(self, warehouse_url: str, days: int, span: Window) -> Product:
        """The same lake with another, empty warehouse, loaded and built in windows of so many days."""
        # A home of its own: a parsed dbt project knows the database that it was parsed for.
        other = Product(self.home / "from_the_lake", self.lake, self.app_url, warehouse_url)
        for window in span.chunks(days):
            other.load(window)
        for window in span.chunks(days):
            other.build(window)
        return other

    def table(self, schema: str, name: str) -> pl.DataFrame:
        """All rows of a table of the warehouse; moments without zone, in UTC."""
        with psycopg.connect(self.warehouse_url, options="-c timezone=UTC") as connection:
            described = connection.execute(f'select * from "{schema}"."{name}" limit 0').description or []
            kinds = _types(connection, schema, name)
            selected = ", ".join(
                f"\"{column.name}\" at time zone 'UTC'"
                if kinds[column.name].startswith("timestamp")
                else f'"{column.name}"'
                for column in described
            )
            rows = connection.execute(f'select {selected} from "{schema}"."{name}"').fetchall()
        return pl.DataFrame(rows, schema=[column.name for column in described], orient="row", infer_schema_length=None)


def _types(connection: psycopg.Connection, schema: str, name: str) -> Mapping[str, str]:
    found = connection.execute(
        "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s",
        (schema, name),
    )
    return dict(found.fetchall())


def _windows(days: list[date]) -> list[Window]:
    """The days in as few windows as there are gaps of more than a few days between them."""
    windows: list[Window] = []
    for day in days:
        if windows and day - windows[-1].end <= BRIDGED:
            windows[-1] = Window(windows[-1].start, day + ONE_DAY)
        else:
            windows.append(Window.of_days(day, day))
    return windows
