"""One small world in memory, shared by the tests of the simulation, and a database to write one to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.simulation import World
from clientnest_assets.simulation.story import Story
from clientnest_assets.simulation.truth import TruthFiles
from clientnest_assets.simulation.writer import conform

CONTRACTS = {contract.name: contract for contract in APP_TABLES}


class MemorySink:
    """Keeps the rows of each table as one frame."""

    def __init__(self) -> None:
        self._frames: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)

    def write(self, table: str, frame: pl.DataFrame) -> None:
        self._frames[table].append(conform(CONTRACTS[table], frame))

    def tables(self) -> dict[str, pl.DataFrame]:
        return {
            name: pl.concat(self._frames[name]) if name in self._frames else pl.DataFrame(schema=contract.source_schema)
            for name, contract in CONTRACTS.items()
        }


@dataclass(frozen=True)
class Simulated:
    world: World
    tables: dict[str, pl.DataFrame]
    truth_folder: Path

    def truth(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.truth_folder / f"{name}.parquet")


Simulate = Callable[[World], Simulated]


@pytest.fixture(scope="session")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    def run(world: World) -> Simulated:
        folder = tmp_path_factory.mktemp("truth") / "truth"
        sink, truth = MemorySink(), TruthFiles(folder)
        Story(world, sink, truth).run(lambda _day, _days: None)
        truth.finish(world)
        return Simulated(world, sink.tables(), folder)

    return run


@pytest.fixture(scope="session")
def small(simulate: Simulate) -> Simulated:
    """1,000 users over 50 days: long enough for every planted event, and for mature posts."""
    return simulate(World(users=1_000, days=50, seed=11, last_day=date(2026, 4, 19)))


@pytest.fixture
def app_database_url(databases) -> str:
    return databases.create()
