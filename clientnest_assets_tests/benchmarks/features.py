"""Point-in-time reads side by side with bare Polars, bare DuckDB and, where there is one, Feast's file store.

    python -m clientnest_assets_tests.benchmarks.features
    python -m clientnest_assets_tests.benchmarks.features --scale 0.2 --feast-python ../feast/bin/python

Each reads the same two Parquet files in a process of its own, in turns, and ends with a frame in memory (ours within a
limit: with a file). "Plain" is the as-of join on the event time alone, which sees the future's corrections; "two times"
does what ours does: event and known time, late corrections, TTL. Ends with 1 if ours takes more than the limits: CPU
seconds are compared, because a busy machine spoils the others.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.table import Table

from clientnest_assets.cli.session import console
from clientnest_assets.features.point_in_time import get_historical_features
from clientnest_assets.features.view import MOMENT, Feature, FeatureView

MOST_TIMES_BARE = 1.3
LEAST_TIMES_FASTER_THAN_FEAST = 10.0
LIMIT_BYTES = 1_000_000_000
TTL = timedelta(days=30)
NAMES = [f"f{number}" for number in range(8)]
DAY_MICROSECONDS = 86_400_000_000
START = 1_735_689_600_000_000
SHARE_LATE = 0.05
FEAST = Path(__file__).with_name("feast_store.py")


def write_world(folder: Path, entity_rows: int, rows: int, entities: int) -> None:
    """A year of feature rows, known within the hour, a twentieth of them corrected up to 20 days later."""
    random = np.random.default_rng(1)
    late = int(rows * SHARE_LATE)
    entity = random.integers(0, entities, rows - late)
    event = START + random.integers(0, 365 * DAY_MICROSECONDS, rows - late)
    known = event + random.integers(0, DAY_MICROSECONDS // 24, rows - late)
    corrected = random.integers(0, rows - late, late)
    frame = pl.DataFrame(
        {
            "account_id": np.concatenate([entity, entity[corrected]]),
            "event_at": np.concatenate([event, event[corrected]]),
            "known_at": np.concatenate([known, known[corrected] + random.integers(1, 20 * DAY_MICROSECONDS, late)]),
            **{name: random.normal(size=rows) for name in NAMES},
        }
    ).cast({"event_at": MOMENT, "known_at": MOMENT})
    # As the lake keeps them: by day, and in each day by entity.
    frame.sort(pl.col("known_at").dt.date(), "account_id", "event_at").write_parquet(folder / "features.parquet")
    pl.DataFrame(
        {
            "account_id": random.integers(0, entities, entity_rows),
            "as_of": START + random.integers(0, 365 * DAY_MICROSECONDS, entity_rows),
            "label": random.normal(size=entity_rows),
        }
    ).cast({"as_of": MOMENT}).write_parquet(folder / "entities.parquet")


def ours(folder: Path) -> pl.DataFrame:
    """Our read, at once."""
    return _ours(folder, None).collect()


def ours_limited(folder: Path) -> pl.DataFrame:
    """Our read, in less memory than the frames take, into a file."""
    _ours(folder, LIMIT_BYTES).sink_parquet(folder / "joined.parquet")
    return pl.read_parquet(folder / "joined.parquet", columns=["view__status", "view__f0"])


def polars_plain(folder: Path, engine: Any = "streaming") -> pl.DataFrame:
    """Polars' own as-of join on the event time alone."""
    entities, rows = pl.scan_parquet(folder / "entities.parquet"), pl.scan_parquet(folder / "features.parquet")
    return (
        entities.sort("as_of")
        .join_asof(
            rows.drop("known_at").sort("event_at"),
            left_on="as_of",
            right_on="event_at",
            by="account_id",
            check_sortedness=False,
        )
        .collect(engine=engine)
    )


def polars_plain_in_memory(folder: Path) -> pl.DataFrame:
    """The same by the in-memory engine."""
    return polars_plain(folder, "in-memory")


def polars_two_times(folder: Path) -> pl.DataFrame:
    """What ours does, in Polars' own words."""
    entities, rows = pl.scan_parquet(folder / "entities.parquet"), pl.scan_parquet(folder / "features.parquet")
    usable = (
        rows.with_columns(available=pl.max_horizontal("event_at", "known_at"))
        .sort("available", "event_at", "known_at", maintain_order=True)
        .filter(pl.col("event_at") >= pl.col("event_at").cum_max().over("account_id"))
        .drop("known_at")
    )
    joined = (
        entities.with_row_index("row")
        .sort("as_of")
        .join_asof(usable, left_on="as_of", right_on="available", by="account_id", check_sortedness=False)
        .sort("row")
    )
    is_fresh = pl.col("as_of") - pl.col("event_at") <= pl.lit(TTL)
    return joined.with_columns(pl.when(is_fresh).then(pl.col(NAMES))).collect(engine="streaming")


def duckdb_plain(folder: Path) -> pl.DataFrame:
    """DuckDB's own as-of join on the event time alone."""
    return _duckdb(
        folder,
        f"""
        select e.*, f.event_at, {", ".join(f"f.{name}" for name in NAMES)}
        from entities as e asof left join features as f on e.account_id = f.account_id and e.as_of >= f.event_at
        """,
    )


def duckdb_two_times(folder: Path) -> pl.DataFrame:
    """What ours does, in SQL."""
    fresh = f"e.as_of - f.event_at <= interval {TTL.days} days"
    return _duckdb(
        folder,
        f"""
        with available as (select *, greatest(event_at, known_at) as available_at from features),
        running as (
            select *, max(event_at) over (
                partition by account_id order by available_at, event_at, known_at rows unbounded preceding
            ) as newest
            from available
        ),
        usable as (
            select * from running where event_at >= newest
            qualify row_number() over (
                partition by account_id, available_at order by event_at desc, known_at desc
            ) = 1
        )
        select e.*, f.event_at, {", ".join(f"case when {fresh} then f.{name} end as {name}" for name in NAMES)}
        from numbered as e asof left join usable as f on e.account_id = f.account_id and e.as_of >= f.available_at
        order by e.file_row_number
        """,
    )


OURS, LIMITED = "ours", "ours, within 1 GB"
PLAIN: dict[str, Callable[[Path], pl.DataFrame]] = {
    "Polars streaming, plain": polars_plain,
    "Polars in memory, plain": polars_plain_in_memory,
    "DuckDB, plain": duckdb_plain,
}
TWO_TIMES: dict[str, Callable[[Path], pl.DataFrame]] = {
    "Polars, two times": polars_two_times,
    "DuckDB, two times": duckdb_two_times,
}
CONTENDERS: dict[str, Callable[[Path], pl.DataFrame]] = {OURS: ours, LIMITED: ours_limited, **PLAIN, **TWO_TIMES}
FEAST_STORE = "Feast, file store"
WORLD = "world"


def main(
    scale: Annotated[float, typer.Option(help="1: 1 million entity rows, 10 million feature rows.")] = 1.0,
    rounds: Annotated[int, typer.Option(help="How often each is run, in turns; the best counts.")] = 3,
    feast_python: Annotated[Path | None, typer.Option(help="A Python that has feast installed.")] = None,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Join feature rows to entity rows as of their moments, and compare with the bare engines."""
    if only and folder:
        if only == WORLD:
            write_world(folder, int(1_000_000 * scale), int(10_000_000 * scale), int(100_000 * scale))
        else:
            sys.stdout.write(json.dumps(run(only, folder)))
        return
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as name:
        world = Path(name)
        # A child's peak of memory is not told apart from what its parent had: the parent stays small.
        _call([*_command(WORLD, world), "--scale", str(scale)])
        runs = [{each: _measure(each, world) for each in CONTENDERS} for _ in range(rounds)]
        if feast_python is not None:
            runs[0][FEAST_STORE] = _child([str(feast_python), str(FEAST), str(world)])
    best = {each: _best([run[each] for run in runs if each in run]) for each in runs[0]}
    bare = min(best[each]["cpu"] for each in PLAIN)
    _show(best, bare)
    same = {each: (best[each]["present"], round(best[each]["sum"], 3)) for each in (OURS, LIMITED, *TWO_TIMES)}
    if len(set(same.values())) > 1:
        console.print(f"[red]the joined values differ:[/] {same}")
        raise typer.Exit(1)
    ratio = best[OURS]["cpu"] / bare
    console.print(f"ours: {ratio:.2f} times the CPU seconds of the best plain join (at most {MOST_TIMES_BARE})")
    peak = best[LIMITED]["peak"]
    console.print(f"within the limit: at most {peak / 1e6:,.0f} MB in memory (limit {LIMIT_BYTES / 1e6:,.0f} MB)")
    missed = ratio > MOST_TIMES_BARE or peak > LIMIT_BYTES
    if FEAST_STORE in best:
        faster = best[FEAST_STORE]["seconds"] / best[OURS]["seconds"]
        console.print(
            f"Feast's file store takes {faster:.0f} times as long (at least {LEAST_TIMES_FASTER_THAN_FEAST:.0f})"
        )
        missed = missed or faster < LEAST_TIMES_FASTER_THAN_FEAST
    if missed:
        raise typer.Exit(1)


def run(name: str, folder: Path) -> dict[str, float]:
    """Runs one contender in this process: seconds, CPU seconds, peak memory, and what its values come to."""
    started, cpu = time.perf_counter(), time.process_time()
    rows = CONTENDERS[name](folder)
    measured = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    values = rows.get_column("view__f0" if name in (OURS, LIMITED) else "f0").drop_nulls()
    return {**measured, "peak": float(peak), "present": float(values.len()), "sum": float(values.sum())}


def _ours(folder: Path, memory_limit: int | None) -> pl.LazyFrame:
    view = FeatureView(
        name="view",
        version=1,
        entity_keys=("account_id",),
        features=tuple(Feature(name, pl.Float64(), "Any number.") for name in NAMES),
        compute=lambda inputs, _window: inputs["rows"],
        upstream=(),
        owner="data@clientnest.example",
        description="For measuring.",
        ttl=TTL,
    )
    entities, rows = pl.scan_parquet(folder / "entities.parquet"), pl.scan_parquet(folder / "features.parquet")
    return get_historical_features(entities, {view: rows}, memory_limit=memory_limit)


def _duckdb(folder: Path, query: str) -> pl.DataFrame:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for table in ("entities", "features"):
            connection.execute(f"create view {table} as select * from '{folder}/{table}.parquet'")
        numbered = f"read_parquet('{folder}/entities.parquet', file_row_number = true)"
        connection.execute(f"create view numbered as select * from {numbered}")
        return connection.execute(query).pl()


def _measure(name: str, folder: Path) -> dict[str, float]:
    return _child(_command(name, folder))


def _command(name: str, folder: Path) -> list[str]:
    module = "clientnest_assets_tests.benchmarks.features"
    return [sys.executable, "-m", module, "--only", name, "--folder", str(folder)]


def _child(command: list[str]) -> dict[str, float]:
    measured: dict[str, float] = json.loads(_call(command).splitlines()[-1])
    return measured


def _call(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[-3:]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The quickest of the runs, and the most memory that any took."""
    quickest = {key: min(each[key] for each in runs) for key in ("seconds", "cpu")}
    return {**runs[0], **quickest, "peak": max(each["peak"] for each in runs)}


def _show(best: dict[str, dict[str, float]], bare: float) -> None:
    table = Table("", "seconds", "CPU seconds", "times the best plain", "peak MB", box=None)
    for name, each in best.items():
        table.add_row(
            name,
            f"{each['seconds']:.1f}",
            f"{each['cpu']:.1f}",
            f"{each['cpu'] / bare:.2f}",
            f"{each['peak'] / 1e6:,.0f}",
        )
    console.print(table)
    console.print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
