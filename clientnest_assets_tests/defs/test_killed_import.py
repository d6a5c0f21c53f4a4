"""`kill -9` of an import at any moment, and the same import again: the lake as if nothing had happened."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.sources.files.register import Register
from clientnest_assets.sources.landing import quarantine_table, raw_table

MAPPING = """
source: numbers
tables:
  social_posts:
    columns:
      id: id
      user_id: {constant: 1}
      account_id: {constant: 1}
      platform: {constant: twitter}
      status: {constant: published}
      ai_generated: {constant: false}
      created_at: &at {column: at, zone: UTC}
      updated_at: *at
  post_metrics:
    columns:
      id: id
      post_id: id
      collected_at: *at
      likes_count: likes
"""
IMPORT = """
import sys
from pathlib import Path
from clientnest_assets.defs.file_imports import File, FileImports
from clientnest_assets.installation import Installation
from clientnest_assets.settings import Environment, Settings
from clientnest_assets.sources.files import checking, parse_mapping
from clientnest_assets.sources.files.register import content_hash
home, path = Path(sys.argv[1]), Path(sys.argv[2])
checking.ROWS_PER_COMMIT = 1000
imports = FileImports(Installation(Settings(environment=Environment.TEST, home=home)), lambda arrivals, words: None)
file = File(path, parse_mapping(sys.argv[3], "m"), "m", "numbers.csv", content_hash(path))
print("begun", flush=True)
with imports.checked(file) as checked:
    print("checked", flush=True)
    imports.land(file, checked)
"""
ROWS = 5_000


def start(home: Path, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", IMPORT, str(home), str(path), MAPPING]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def finish(home: Path, path: Path) -> None:
    process = start(home, path)
    process.communicate()
    assert process.returncode == 0


def kill(home: Path, path: Path, seconds: float) -> None:
    """Kills the import so long after it has checked the file, if it is not done by then."""
    process = start(home, path)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "checked":
        assert process.poll() is None
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def numbers(path: Path, version: int) -> Path:
    bad = pl.col("id") % 97 == 0
    pl.select(
        id=pl.int_range(1 + version * 100, ROWS + 1),
        at=pl.datetime(2025, 1, 1) + pl.duration(minutes=pl.int_range(version * 100, ROWS) * 3),
    ).with_columns(
        likes=pl.when(bad).then(pl.lit("many")).otherwise((pl.col("id") * version).cast(pl.String))
    ).write_csv(path)
    return path


def held(home: Path) -> dict[str, Any]:
    lake = Lake(str(home / "lake"))
    tables = {}
    for name in ("social_posts", "post_metrics"):
        contract = CONTRACTS[name]
        tables[f"raw.{name}"] = raw_table(lake, contract).scan().collect().sort(contract.key).rows()
        bad = quarantine_table(lake, contract).scan().drop("quarantined_at")
        tables[f"quarantine.{name}"] = bad.collect().sort("row").rows()
    last = Register.read(lake).rows.filter(pl.col("status").is_in(["landed", "replaced"])).tail(1)
    return {**tables, "register": last.select("name", "content_hash", "records", "rows_quarantined").rows()}


def test_an_import_killed_again_and_again_ends_as_one_that_never_was(tmp_path: Path) -> None:
    chance = random.Random(7)
    paths = [numbers(tmp_path / f"{version}.csv", version) for version in (1, 2)]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for path in paths:
        finish(whole, path)
        for _ in range(2):
            kill(killed, path, chance.uniform(0, 1.5))
        finish(killed, path)

    expected, found = held(whole), held(killed)

    assert {name: len(rows) for name, rows in expected.items()} == {
        "raw.social_posts": ROWS - 100,
        "quarantine.social_posts": 0,
        "raw.post_metrics": ROWS - 200 - len(range(97 * 3, ROWS + 1, 97)),
        "quarantine.post_metrics": len(range(97 * 3, ROWS + 1, 97)),
        "register": 1,
    }
    for name, rows in expected.items():
        assert found[name] == rows, name
