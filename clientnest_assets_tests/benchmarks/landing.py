"""Extraction, validation and Delta write of events against the bare ADBC read and the bare Delta write of the same rows.

`python -m clientnest_assets_tests.benchmarks.landing`. Both are measured in processes of their own, in turns, so that
whatever else the machine does meets both; the medians are compared.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.contracts.postgres import app_tables
from clientnest_assets.embedded.postgres import EmbeddedPostgres
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources import app_database
from clientnest_assets.sources.landing import Batch, land_window, prepare

EVENTS = CONTRACTS["app_events"]
FIRST = date(2026, 1, 5)
MOST_TIMES_BARE = 1.5
BAD_EACH = 1000
"""One row of so many breaks the contract."""


@dataclass(frozen=True)
class Measured:
    """What one way of bringing the rows took. CPU without the database server's."""

    rows: int
    seconds: float
    cpu_seconds: float
    peak_gigabytes: float


def bare(url: str, window: Window, folder: Path) -> int:
    """One query into one frame, one write of it."""
    import adbc_driver_postgresql.dbapi as adbc
    import polars as pl
    from deltalake import write_deltalake

    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select {', '.join(EVENTS.source_schema)}, occurred_at::date as day, 'app_database'::text as source "
            f"from app_events where occurred_at >= '{window.start_at}' and occurred_at < '{window.end_at}'"
        )
        rows: pl.DataFrame = cursor.fetch_polars()
    write_deltalake(str(folder), rows, partition_by=["day", "source"])
    return rows.height


def landing(url: str, window: Window, folder: Path) -> int:
    """As the raw assets do it, without Dagster."""
    lake = Lake(str(folder))

    def land(part: Window) -> int:
        def read() -> Batch:
            rows = app_database.read_window(url, EVENTS, part).rows
            return prepare(EVENTS, rows, app_database.SOURCE_NAME, b"k" * 32)

        return land_window(lake, EVENTS, part, read, source=app_database.SOURCE_NAME).rows_read

    return sum(land(part) for part in app_database.parts(url, EVENTS, window))


WAYS: dict[str, Callable[[str, Window, Path], int]] = {"bare": bare, "landing": landing}


def compare(rows: int, days: int, rounds: int, console: Console) -> bool:
    """Measures both ways `rounds` times and prints the medians. True if landing keeps its limit."""
    window = Window.of_days(FIRST, date.fromordinal(FIRST.toordinal() + days - 1))
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "home")
        url = server.ensure_running().url("postgres")
        try:
            with console.status(f"making {rows:,} events"):
                _fill(url, rows, days)
            for number in range(rounds):
                # In turns also within the rounds: whoever is first finds colder caches.
                for way in sorted(WAYS, reverse=bool(number % 2)):
                    with console.status(f"round {number + 1} of {rounds}: {way}"):
                        found[way].append(_measure(way, url, window, Path(folder) / "lake"))
        finally:
            server.stop()
    return _show(found, console)


def _measure(way: str, url: str, window: Window, folder: Path) -> Measured:
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", __spec__.name, "--one", way, url, str(window.start), str(window.last_day)]
    done = subprocess.run([*command, str(folder)], check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


def _one(way: str, url: str, first: str, last: str, folder: str) -> None:
    """In a process of its own: one way, once."""
    import adbc_driver_postgresql.dbapi  # noqa: F401 - imports are not what is measured
    import deltalake  # noqa: F401

    window = Window.of_days(date.fromisoformat(first), date.fromisoformat(last))
    started, cpu = time.monotonic(), time.process_time()
    rows = WAYS[way](url, window, Path(folder))
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(json.dumps(asdict(Measured(rows, seconds, cpu_seconds, peak))))


def _fill(url: str, rows: int, days: int) -> None:
    step = f"({days} * 86400.0 * i / {rows}) * interval '1 second'"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(app_tables([EVENTS]).encode())
        connection.execute(
            f"""
            insert into app_events
            select md5(i::text)::uuid::text, 1 + i % 100000, 'session-' || i / 7,
                case when i % {BAD_EACH} = 0 then 'swipe' else
                    (array['login', 'feature_used', 'click', 'error', 'performance'])[1 + i % 5] end,
                'feature_' || i % 40, '{{"page": "/p/' || i % 500 || '", "ms": ' || i % 977 || '}}',
                timestamptz '{FIRST} 00:00+00' + {step}, timestamptz '{FIRST} 00:00:02+00' + {step}
            from generate_series(0, {rows} - 1) as i
            """.encode()
        )
        connection.execute("vacuum analyze app_events")


def _show(found: dict[str, list[Measured]], console: Console) -> bool:
    table = Table("medians of", "rows", "seconds", "rows a second", "CPU seconds", "peak GB", box=None)
    seconds = {way: statistics.median(each.seconds for each in measured) for way, measured in found.items()}
    cpu = {way: statistics.median(each.cpu_seconds for each in measured) for way, measured in found.items()}
    for way, measured in found.items():
        rows, peak = measured[0].rows, max(each.peak_gigabytes for each in measured)
        figures = (f"{seconds[way]:.1f}", f"{rows / seconds[way]:,.0f}", f"{cpu[way]:.1f}", f"{peak:.1f}")
        table.add_row(way, f"{rows:,}", *figures)
    console.print(table)
    ratio = seconds["landing"] / seconds["bare"]
    console.print(
        f"landing takes {ratio:.2f} times the bare read and write (at most {MOST_TIMES_BARE}); "
        f"{cpu['landing'] / cpu['bare']:.2f} times the CPU"
    )
    same = len({each.rows for measured in found.values() for each in measured}) == 1
    return same and ratio <= MOST_TIMES_BARE


def main(
    rows: Annotated[int, typer.Option(help="Events.")] = 10_000_000,
    days: Annotated[int, typer.Option(help="Days they are spread over.")] = 10,
    rounds: Annotated[int, typer.Option(help="Measurements of each way.")] = 3,
) -> None:
    """Measure landing against a bare read and a bare write of the same rows."""
    if not compare(rows, days, rounds, Console()):
        raise typer.Exit(1)


if __name__ == "__main__":
    if "--one" in sys.argv:
        _one(*sys.argv[sys.argv.index("--one") + 1 :])
    else:
        typer.run(main)
