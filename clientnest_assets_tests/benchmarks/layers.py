"""Each layer's speed, the same work without Dagster beside it, and the definitions' load time.

Everything is measured in one run on one machine, so that the ratios hold where the seconds do not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from clientnest_assets.cli.backfill import run_backfill
from clientnest_assets.cli.session import Session, console
from clientnest_assets.cli.simulate import begin
from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.defs.dbt import LAYERS
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.store import store_window
from clientnest_assets.partitions import Window
from clientnest_assets.sources import app_database
from clientnest_assets.sources.landing import land_window, prepare
from clientnest_assets.warehouse import dbt
from clientnest_assets.warehouse.layers import Step, steps, tested_models
from clientnest_assets.warehouse.load import create_raw_tables, load_window

DAILY = " or ".join(f"group:{group}" for group in ("raw", "warehouse", *LAYERS, "features"))
MOST_TIMES_PLAIN = 2.0
MOST_LOAD_SECONDS = 4.0
LOADS = 5

Layers = dict[str, tuple[int, float]]
"""Rows and seconds by layer."""


def main(
    users: Annotated[int, typer.Option(help="Users of the simulated company.")] = 2000,
    days: Annotated[int, typer.Option(help="Its days.")] = 120,
) -> None:
    """Measure the backfill of all daily assets against a plain script that calls the same functions."""
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as folder:
        plain_layers, plain = _measure(Path(folder) / "plain", users, days, _plain)
        _, dagster = _measure(Path(folder) / "dagster", users, days, _dagster)
        load = _load_seconds(Path(folder) / "dagster")
    table = Table("layer, plain", "rows", "seconds", "rows a second", box=None)
    for layer, (rows, seconds) in plain_layers.items():
        table.add_row(layer, f"{rows:,}", f"{seconds:.1f}", f"{rows / seconds:,.0f}")
    console.print(table)
    ratio = dagster / plain
    console.print(f"all daily assets, plain script: {plain:.1f} s")
    console.print(
        f"all daily assets, Dagster:      {dagster:.1f} s, {ratio:.2f} times the plain script (at most {MOST_TIMES_PLAIN})"
    )
    console.print(f"definitions load in {load:.1f} s warm, imports included (under {MOST_LOAD_SECONDS})")
    if ratio > MOST_TIMES_PLAIN or load > MOST_LOAD_SECONDS:
        raise typer.Exit(1)


def _measure(home: Path, users: int, days: int, work: Callable[[Session], Layers]) -> tuple[Layers, float]:
    home.mkdir()
    session = Session.open(home)
    with session.installation.services():
        begin(session, users, days, seed=1)
        _ = session.definitions  # parses the dbt project: once an installation, not once a backfill
        started = time.monotonic()
        layers = work(session)
        seconds = time.monotonic() - started
    session.installation.postgres.stop()
    shutil.rmtree(home / "postgres", ignore_errors=True)
    return layers, seconds


def _dagster(session: Session) -> Layers:
    if not run_backfill(session, None, None, select=DAILY):
        raise typer.Exit(1)
    return {}


def _plain(session: Session) -> Layers:
    """What the assets do, in the order of the backfill, without Dagster."""
    installation = session.installation
    chunks = list(installation.calendar.span().chunks())
    layers: Layers = {}

    def timed(layer: str, work: Callable[[], int]) -> None:
        started = time.monotonic()
        rows = work()
        layers[layer] = (rows, time.monotonic() - started)

    create_raw_tables(installation.warehouse_url)
    timed("raw", lambda: sum(land(session, window) for window in chunks))
    timed("warehouse", lambda: sum(load(session, window) for window in chunks))
    manifest = read_manifest(session)
    for step in steps(manifest):
        windows = chunks if step.is_windowed else [None]
        timed(
            step.name, lambda step=step, windows=windows: sum(build(session, manifest, step, each) for each in windows)
        )  # type: ignore[misc]
    timed("features", lambda: sum(_features(session, window) for window in chunks))
    return layers


def land(session: Session, window: Window) -> int:
    """Lands a window of every table of the app; returns the rows read."""
    installation = session.installation
    return sum(
        land_window(
            installation.lake,
            contract,
            window,
            lambda contract=contract: prepare(  # type: ignore[misc]
                contract,
                app_database.read_window(installation.app_database_url, contract, window).rows,
                app_database.SOURCE_NAME,
                installation.pseudonym_key,
            ),
            source=app_database.SOURCE_NAME,
        ).rows_read
        for contract in APP_TABLES
    )


def load(session: Session, window: Window) -> int:
    """Loads a window of every raw table of the app into the warehouse; returns the rows."""
    installation = session.installation
    return sum(
        load_window(installation.lake, installation.warehouse_url, contract, window).rows for contract in APP_TABLES
    )


def read_manifest(session: Session) -> dict[str, Any]:
    """dbt's manifest of the project."""
    manifest: dict[str, Any] = json.loads(dbt.prepared_manifest(session.installation.home).read_text())
    return manifest


def build(session: Session, manifest: dict[str, Any], step: Step, window: Window | None) -> int:
    """Builds and tests a step's models; returns the rows written."""
    tests = [test for test, model in tested_models(manifest).items() if model in step.models]
    built = dbt.build(session.installation.home, session.installation.warehouse_url, [*step.models, *tests], window)
    if built.failures:
        raise typer.Exit(1)
    return sum(model.rows or 0 for model in built.models.values())


def _features(session: Session, window: Window) -> int:
    rows = 0
    for view in VIEWS.values():
        lake, url = session.installation.lake, session.installation.warehouse_url
        inputs = {each.table: each.read(lake, url, window) for each in view.upstream}
        made = view.materialise(inputs, window)
        store_window(session.installation.lake, view, made, window)
        rows += made.height
    return rows


def _load_seconds(home: Path) -> float:
    """The median over fresh processes: imports and building, without the interpreter's own start and end."""
    code = (
        "import time; started = time.monotonic(); "
        "from clientnest_assets.definitions import build_definitions; "
        "from clientnest_assets.installation import Installation; "
        "build_definitions(Installation.load()).get_repository_def(); "
        "print(time.monotonic() - started)"
    )
    seconds = []
    for _ in range(LOADS + 1):
        environment = {**os.environ, "CLIENTNEST_HOME": str(home), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True)
        seconds.append(float(done.stdout))
    return sorted(seconds[1:])[LOADS // 2]


if __name__ == "__main__":
    typer.run(main)
