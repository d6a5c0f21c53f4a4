"""The online store: reads of one entity and of a hundred over all views, and publications, on both stores.

The declared views with made-up values: what a read costs does not depend on what they say. Reads go through
`read_entities`, as the API's do, from one thread; entities are drawn at random, so that no row is read often.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from clientnest_assets.cli.session import Session, console
from clientnest_assets.features.online import OnlineStore, open_store, read_entities
from clientnest_assets.features.online.store import Position
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.serving.app import settle_collector
from clientnest_assets_tests.features.online.redis_server import running_redis

MOST_MILLISECONDS = {1: 5.0, 100: 15.0}
"""The 99th percentile, by entities a read."""
NOW = datetime(2026, 5, 1, tzinfo=UTC)
PLATFORMS = ("facebook", "instagram", "linkedin", "tiktok", "twitter")
SLOTS = len(PLATFORMS) * 7 * 24


def main(
    entities: Annotated[int, typer.Option(help="Users, and as many accounts and posts.")] = 100_000,
    reads: Annotated[int, typer.Option(help="Reads of one entity; of a hundred a tenth as many.")] = 3000,
) -> None:
    """Measure reads and publications of the online store, in PostgreSQL and in Redis."""
    chance = np.random.default_rng(1)
    states = {view: _state(view, entities, chance) for view in VIEWS.values()}
    features = sum(len(view.features) for view in states)
    console.print(f"{len(states)} views with {features} features, {sum(map(len, states.values())):,} rows")
    missed = False
    settle_collector()
    for name, opened in (("PostgreSQL", _postgres), ("Redis", _redis)):
        with opened() as store:
            _measure_publications(name, store, states)
            for size, limit in MOST_MILLISECONDS.items():
                asked = _asked(entities, reads if size == 1 else reads // 10, size, chance)
                half, most = _percentiles(lambda each, store=store: read_entities(store, each, states, NOW), asked)  # type: ignore[misc]
                missed |= most > limit
                console.print(
                    f"{name}: {size} {'entity' if size == 1 else 'entities'} over all views: p50 {half:.2f} ms, "
                    f"p99 {most:.2f} ms (at most {limit:.0f})"
                )
    if missed:
        raise typer.Exit(1)


@contextmanager
def _postgres() -> Iterator[OnlineStore]:
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as folder:
        session = Session.open(Path(folder))
        with session.installation.services():
            store = session.installation.online_store
            yield store
            store.close()
        session.installation.postgres.stop()


@contextmanager
def _redis() -> Iterator[OnlineStore]:
    with tempfile.TemporaryDirectory(prefix="clientnest-bench-") as folder, running_redis(folder) as url:
        store = open_store(url, "bench")
        yield store
        store.close()


def _state(view: FeatureView, entities: int, chance: np.random.Generator) -> pl.DataFrame:
    """A row for each entity of a view, with values of the right types, some of them null."""
    by_slot = "hour" in view.entity_keys
    rows = SLOTS if by_slot else entities
    number = pl.int_range(pl.len())
    keys = {
        "platform": pl.lit(pl.Series(PLATFORMS)).gather(number // (7 * 24)),
        "weekday": number // 24 % 7 + 1,
        "hour": number % 24,
    }
    columns: dict[str, Any] = {}
    for each in view.features:
        is_null = chance.random(rows) < 0.05
        columns[each.name] = pl.select(
            pl.when(pl.Series(~is_null)).then(pl.Series(_values(each.dtype, rows, chance), dtype=each.dtype))
        ).to_series()
    return pl.DataFrame(columns).with_columns(
        *((keys[key] if by_slot else number + 1).cast(view.schema[key]).alias(key) for key in view.entity_keys),
        pl.lit(NOW).cast(MOMENT).alias(view.event_time),
    )


def _values(dtype: pl.DataType, rows: int, chance: np.random.Generator) -> Any:
    match dtype:
        case pl.Int64():
            return chance.integers(0, 1000, rows)
        case pl.Float64():
            return chance.normal(size=rows)
        case pl.Boolean():
            return chance.random(rows) < 0.5
        case pl.String():
            return np.array(["free", "starter", "professional"])[chance.integers(0, 3, rows)].tolist()
    words = np.array([f"word{number}" for number in range(5000)])
    return words[chance.integers(0, len(words), (rows, 12))].tolist()


def _measure_publications(name: str, store: OnlineStore, states: dict[FeatureView, pl.DataFrame]) -> None:
    rows = sum(map(len, states.values()))
    for version, (words, share) in enumerate(
        (("first", 0), ("unchanged", 0), ("a tenth changed", 10), ("all changed", 1))
    ):
        published = {view: _older(view, each, share) for view, each in states.items()}
        started = time.monotonic()
        done = [store.publish(view, each, Position(0, version, NOW)) for view, each in published.items()]
        seconds = time.monotonic() - started
        console.print(
            f"{name}: publication, {words}: {rows / seconds:,.0f} rows a second, {seconds:.1f} s, "
            f"{sum(each.written for each in done):,} written"
        )


def _older(view: FeatureView, rows: pl.DataFrame, every: int) -> pl.DataFrame:
    """The state with each so-manieth row true from another time; 0 is none of them."""
    if not every:
        return rows
    event = pl.col(view.event_time)
    shifted = event.dt.offset_by(f"-{every}m")
    return rows.with_columns(pl.when(pl.int_range(pl.len()) % every == 0).then(shifted).otherwise(event))


def _asked(entities: int, reads: int, size: int, chance: np.random.Generator) -> list[list[dict[str, Any]]]:
    def entity(number: int) -> dict[str, Any]:
        return {
            "user_id": number,
            "account_id": number,
            "post_id": number,
            "platform": PLATFORMS[number % len(PLATFORMS)],
            "weekday": number % 7 + 1,
            "hour": number % 24,
        }

    return [[entity(number) for number in each] for each in chance.integers(1, entities + 1, (reads, size)).tolist()]


def _percentiles(
    read: Callable[[list[dict[str, Any]]], object], asked: list[list[dict[str, Any]]]
) -> tuple[float, float]:
    """Half of the reads, and 99 of 100, took at most so many milliseconds."""
    for each in asked[:20]:
        read(each)
    milliseconds = []
    for each in asked:
        started = time.perf_counter()
        read(each)
        milliseconds.append((time.perf_counter() - started) * 1000)
    half, most = np.percentile(milliseconds, (50, 99))
    return float(half), float(most)


if __name__ == "__main__":
    typer.run(main)
