"""A lake in a folder, and importing files into it without Dagster or PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.sources.files import Imported, Mapping, check_file, land_file, parse_mapping, require_fit
from clientnest_assets.sources.landing import quarantine_table, raw_table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = b"k" * 32

POSTS = """
source: posts
personal: [author]
tables:
  social_posts:
    columns:
      id: {column: link, extract: '/([0-9]+)$'}
      user_id: {hash: author}
      account_id: {hash: author}
      platform: {constant: twitter}
      content: text
      hashtags: {column: text, find_all: '#(\\w+)'}
      status: {constant: published}
      published_time: &when {column: at, format: '%d.%m.%Y %H:%M', zone: Europe/Berlin}
      created_at: *when
      updated_at: *when
      ai_generated: {constant: false}
  post_metrics:
    columns:
      id: &id {column: link, extract: '/([0-9]+)$'}
      post_id: *id
      collected_at: {<<: *when, plus: {days: 7, seconds: 1}}
      likes_count: likes
"""


@dataclass
class Importer:
    """Writes files and imports them into one lake."""

    folder: Path
    lake: Lake
    numbers: Any = field(default_factory=count)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def check(self, path: Path, mapping: Mapping | str = POSTS, **options: Any) -> Any:
        chosen = parse_mapping(mapping, "test.yaml") if isinstance(mapping, str) else mapping
        spool = self.folder / f"spool{next(self.numbers)}"
        spool.mkdir()
        return check_file(path, chosen, self.lake, KEY, spool, now=NOW, **options)

    def load(self, path: Path, mapping: Mapping | str = POSTS, **options: Any) -> dict[str, Imported]:
        checked = self.check(path, mapping, **options)
        replace = {name: value for name, value in options.items() if name == "replace_versions"}
        require_fit(checked, **replace)
        return {each.contract.name: each for each in land_file(self.lake, checked, **replace)}

    def raw(self, table: str) -> pl.DataFrame:
        contract = CONTRACTS[table]
        return raw_table(self.lake, contract).scan().collect().sort("source", *contract.key)

    def quarantine(self, table: str) -> pl.DataFrame:
        return quarantine_table(self.lake, CONTRACTS[table]).scan().collect().sort("source", "row")

    def versions(self) -> dict[str, int]:
        from deltalake import DeltaTable

        tables = sorted(Path(self.lake.root).glob("*/*"))
        return {str(table): DeltaTable(str(table)).version() for table in tables}


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(tmp_path, Lake(str(tmp_path / "lake")))


@pytest.fixture
def post_file(importer: Importer) -> Callable[..., Path]:
    """Makes a file of posts: one line a tuple of (id, text, at, likes), all by one author."""

    def make(*posts: tuple[object, ...], name: str = "posts.csv") -> Path:
        lines = [f'https://x/{number},"{text}",{at},{likes},ann' for number, text, at, likes in posts]
        return importer.write(name, "\n".join(["link,text,at,likes,author", *lines, ""]))

    return make
