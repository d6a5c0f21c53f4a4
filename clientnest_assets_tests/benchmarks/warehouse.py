"""The facts through dbt beside the same SQL run bare, and a year of them month by month.

dbt's fixed cost is what it takes to build the same models for a day on which there is nothing: it is stated
apart, and what a real day takes beyond it is compared with the bare statements.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql

from clientnest_assets.cli.session import Session, console
from clientnest_assets.cli.simulate import begin
from clientnest_assets.partitions import ONE_DAY, Window
from clientnest_assets.warehouse import dbt
from clientnest_assets.warehouse.layers import Step, steps, window_column
from clientnest_assets.warehouse.load import create_raw_tables
from clientnest_assets_tests.benchmarks.layers import build, land, load, read_manifest

MOST_TIMES_BARE = 1.5
MOST_TIMES_HALF_THE_YEAR = 2.4
REPEATS = 5
YEARS_BEFORE_ALL_DATA = timedelta(days=3650)


def main(
    users: Annotated[int, typer.Option(help="Users of the simulated company.")] = 1000,
    days: Annotated[int, typer.Option(help="Its days.")] = 372,
) -> None:
    """Measure a day of facts against the same statements without dbt, and how a year's chunks grow."""
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as folder:
        session = Session.open(Path(folder))
        with session.installation.services():
            begin(session, users, days, seed=1)
            manifest = read_manifest(session)
            before_facts, windowed = _prepare(session, manifest)
            months = [_seconds(lambda each=each: _build_all(session, windowed, each)) for each in _months(session)]  # type: ignore[misc]
            whole, fixed, bare = _one_day(session, manifest, windowed)
        session.installation.postgres.stop()
    half = len(months) // 2
    growth, ratio = sum(months[: 2 * half]) / sum(months[:half]), max(whole - fixed, 0) / bare
    console.print(f"{users} users, {days} days; loads, dimensions and views: {before_facts:.1f} s")
    console.print(
        f"facts, {2 * half} chunks of a month: {sum(months[: 2 * half]):.1f} s, {growth:.2f} times the first {half} "
        f"(at most {MOST_TIMES_HALF_THE_YEAR}); first chunk {months[0]:.2f} s, last {months[-1]:.2f} s"
    )
    console.print(
        f"a day of facts: bare SQL {bare:.2f} s; dbt {whole:.2f} s, of which {fixed:.2f} s are its fixed cost"
    )
    console.print(f"beyond its fixed cost dbt takes {ratio:.2f} times the bare SQL (at most {MOST_TIMES_BARE})")
    if ratio > MOST_TIMES_BARE or growth > MOST_TIMES_HALF_THE_YEAR:
        raise typer.Exit(1)


def _months(session: Session) -> list[Window]:
    """The calendar in chunks, without a shorter one at its end."""
    chunks = list(session.installation.calendar.span().chunks())
    return [each for each in chunks if len(each.days()) == len(chunks[0].days())]


def _prepare(session: Session, manifest: dict[str, Any]) -> tuple[float, list[Step]]:
    """Lands and loads all days and builds what facts are made of; the windowed steps up to the facts are left."""
    create_raw_tables(session.installation.warehouse_url)
    started = time.monotonic()
    for window in session.installation.calendar.span().chunks():
        land(session, window)
        load(session, window)
    ordered = steps(manifest)
    last = max(number for number, step in enumerate(ordered) if step.layer == "facts")
    for step in ordered[: last + 1]:
        # What is built by window gets its empty table now, for the views that read it.
        build(session, manifest, step, _before_all_data(session) if step.is_windowed else None)
    windowed = [step for step in ordered[: last + 1] if step.is_windowed]
    return time.monotonic() - started, windowed


def _before_all_data(session: Session) -> Window:
    day = session.installation.calendar.first_day - YEARS_BEFORE_ALL_DATA
    return Window.of_days(day, day)


def _build_all(session: Session, windowed: list[Step], window: Window) -> dict[str, str]:
    """Builds the windowed models without their tests; returns their queries in the order of building."""
    queries: dict[str, str] = {}
    for step in windowed:
        built = dbt.build(session.installation.home, session.installation.warehouse_url, step.models, window)
        if built.failures:
            console.print("; ".join(built.failures))
            raise typer.Exit(1)
        queries |= {name: model.sql for name, model in built.models.items() if model.sql}
    return queries


def _one_day(session: Session, manifest: dict[str, Any], windowed: list[Step]) -> tuple[float, float, float]:
    """Seconds of a day of all facts through dbt, of a day without data, and of the bare statements."""
    last = session.installation.calendar.today() - ONE_DAY
    day, nothing = Window.of_days(last, last), _before_all_data(session)
    queries = _build_all(session, windowed, day)
    whole, fixed, bare = [], [], []
    for _ in range(REPEATS):
        # In turn, so that what else the machine does falls on each alike.
        fixed.append(_seconds(lambda: _build_all(session, windowed, nothing)))
        whole.append(_seconds(lambda: _build_all(session, windowed, day)))
        bare.append(_seconds(lambda: _run_bare(session.installation.warehouse_url, manifest, queries, day)))
    # The least of each: what disturbs only ever adds.
    return min(whole), min(fixed), min(bare)


def _run_bare(url: str, manifest: dict[str, Any], queries: dict[str, str], window: Window) -> None:
    """What the strategy replace_window does, for each model in a transaction: temporary table, delete, insert."""
    for name, query in queries.items():
        node = manifest["nodes"][name]
        table, key = sql.Identifier(node["schema"], node["alias"]), node["config"].get("unique_key")
        column = sql.Identifier(window_column(node) or "")
        with psycopg.connect(url) as connection:
            connection.execute(f"create temporary table made on commit drop as (\n{query}\n)".encode())
            gone = sql.SQL("delete from {} where {} >= %s and {} < %s").format(table, column, column)
            connection.execute(gone, (window.start, window.end))
            if key:
                moved = sql.SQL("delete from {table} where {key} in (select {key} from made)")
                connection.execute(moved.format(table=table, key=sql.Identifier(key)))
            columns = sql.SQL(", ").join(
                sql.Identifier(column.name)
                for column in connection.execute("select * from made limit 0").description or []
            )
            connection.execute(
                sql.SQL("insert into {table} ({columns}) select {columns} from made").format(
                    table=table, columns=columns
                )
            )


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    typer.run(main)
