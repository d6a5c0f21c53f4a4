"""The recomputation at any size: `python -m clientnest_assets_tests.recomputation --users 500`.

Prints what differs, with table, key, column and both values, and what each stage took. Ends with 1 if anything does.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psycopg
import typer

from clientnest_assets.embedded.postgres import EmbeddedPostgres
from clientnest_assets_tests.recomputation.trial import Trial


def main(users: Annotated[int, typer.Option(help="Users of the simulated company.")] = 300) -> None:
    """Let a year arrive, disturb it, and hold every row of the warehouse against its recomputation."""
    with TemporaryDirectory(prefix="clientnest-recomputation-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "server")
        server, numbers = postgres.ensure_running(), itertools.count(1)

        def create_database() -> str:
            name = f"trial_{next(numbers)}"
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute(f"create database {name}".encode())
            return server.url(name)

        try:
            found = _run(Path(folder) / "home", create_database, users)
        finally:
            postgres.stop()
    sys.exit(1 if found else 0)


def _run(home: Path, create_database: Callable[[], str], users: int) -> int:
    home.mkdir()
    started = time.monotonic()
    trial = Trial.begin(home, create_database, users=users)
    found = _told("the app's database", started, [])
    started = time.monotonic()
    trial.arrive(31)
    found += _told("the year, arrived by month", started, trial.differences())
    for script in ("later.sql", "a_little.sql"):
        started = time.monotonic()
        trial.disturb(script)
        trial.arrive_again(122)
        if script == "later.sql":
            trial.delete()
        behind = trial.catch_up()
        print("days behind:", ", ".join(f"{model} {len(days)}" for model, days in sorted(behind.items())) or "none")
        found += _told(f"after {script}", started, trial.differences())
    started = time.monotonic()
    rebuilt, held = trial.product.from_the_lake(create_database(), 92, trial.span).digests(), trial.product.digests()
    other = sorted(name for name in held.keys() | rebuilt.keys() if held.get(name) != rebuilt.get(name))
    return found + _told("built anew from the lake", started, [f"{name} is not identical" for name in other])


def _told(stage: str, started: float, differences: list[str]) -> int:
    print(
        f"{stage}: {len(differences)} differences, {time.monotonic() - started:.1f} s",
        *differences,
        sep="\n  ",
        flush=True,
    )
    return len(differences)


if __name__ == "__main__":
    typer.run(main)
