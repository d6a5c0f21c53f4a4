"""What is true in the world, written beside it. Only evaluation may read this folder.

`posts.parquet` (one row a published post), `user_days.parquet` (one row for each user and day on
which they were still there), `accounts.parquet`, `effects.json` and `world.json`.
Files are written to a sibling folder first, which then takes the place of the old one.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from clientnest_assets.simulation.effects import draw_effects
from clientnest_assets.simulation.truth_effects import describe
from clientnest_assets.simulation.world import World, WorldError

_ROW_GROUP = 100_000
_WORLD_FILE = "world.json"


class TruthFiles:
    """Writes a world's truth in row groups, so that memory does not grow with its days."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fresh = folder.with_name(folder.name + ".writing")
        shutil.rmtree(self._fresh, ignore_errors=True)
        self._fresh.mkdir(parents=True)
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._buffers: dict[str, list[pl.DataFrame]] = {}

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Adds rows to one of the Parquet files; all frames of a file have one schema."""
        buffer = self._buffers.setdefault(name, [])
        buffer.append(frame)
        if sum(map(len, buffer)) >= _ROW_GROUP:
            self._flush(name)

    def finish(self, world: World) -> None:
        """Completes the files and puts them in the place of older ones."""
        for name in self._buffers:
            self._flush(name)
        for writer in self._writers.values():
            writer.close()
        self._dump("effects.json", describe(world, draw_effects(world)))
        self._dump(_WORLD_FILE, {**asdict(world), "last_day": world.last_day.isoformat()})
        shutil.rmtree(self._folder, ignore_errors=True)
        self._fresh.rename(self._folder)

    def _flush(self, name: str) -> None:
        if not self._buffers[name]:
            return
        table = pl.concat(self._buffers[name]).to_arrow()
        self._buffers[name] = []
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self._fresh / f"{name}.parquet", table.schema, compression="zstd")
        self._writers[name].write_table(table)

    def _dump(self, name: str, content: dict[str, Any]) -> None:
        (self._fresh / name).write_text(json.dumps(content, indent=2) + "\n")


def read_world(folder: Path) -> World:
    """The world whose truth is in a folder, as it was last written or advanced.

    Raises:
        WorldError: there is none; it says what to do.
    """
    path = folder / _WORLD_FILE
    if not path.exists():
        raise WorldError(f"no simulated world is recorded in {folder}: write one first with write_world")
    content = json.loads(path.read_text())
    return World(**{**content, "last_day": date.fromisoformat(content["last_day"])})


def read_posts(folder: Path) -> pl.DataFrame:
    """The truth of each published post: its expected engagement and what that is made of. One row a post."""
    return pl.read_parquet(folder / "posts.parquet")
