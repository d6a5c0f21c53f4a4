"""An app database of one test's own, captured into a lake of its own."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.sources.change_capture import Capture, Pass, capture_once, connected, stop, take_snapshot
from clientnest_assets.sources.landing import quarantine_table, raw_table

KEY = b"k" * 32
AT = "2026-01-0{} 10:00+00"


@dataclass
class Captured:
    """The app, as its own code changes it, and the lake, as change capture fills it."""

    capture: Capture
    stack: ExitStack
    passes: list[Pass] = field(default_factory=list)

    def app(self, *statements: str) -> None:
        """Runs the statements in one transaction."""
        with psycopg.connect(self.capture.url) as connection:
            for statement in statements:
                connection.execute(statement)

    def app_value(self, query: str) -> tuple[Any, ...]:
        """The first row of an answer."""
        with psycopg.connect(self.capture.url) as connection:
            row = connection.execute(query).fetchone()
        assert row
        return row

    def begin(self) -> dict[str, Any]:
        """Takes a snapshot."""
        with connected(self.capture.url) as connection:
            return take_snapshot(self.capture, connection)

    def drain(self) -> dict[str, Any]:
        """Captures until nothing is left; what was done to each table in the last pass."""
        with connected(self.capture.url) as connection:
            while True:
                done = capture_once(self.capture, connection)
                if done.is_drained:
                    return done.tables

    def raw(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """The columns of all versions, by id and version."""
        rows = raw_table(self.capture.lake, CONTRACTS[table]).scan().collect()
        return rows.sort("id", "updated_at").select(columns or rows.columns).rows()

    def bad(self, table: str) -> list[tuple[list[str], str]]:
        """Rules and rows in quarantine."""
        return quarantine_table(self.capture.lake, CONTRACTS[table]).scan().select("rules", "row").collect().rows()

    def latest(self, table: str) -> pl.DataFrame:
        """The newest version of each row that is not deleted, as staging sees it."""
        rows = raw_table(self.capture.lake, CONTRACTS[table]).scan().collect()
        newest = rows.sort("updated_at").group_by("id").last()
        return newest.filter(pl.col("deleted_at").is_null()).select(rows.columns).sort("id")


@pytest.fixture
def captured(databases, empty_app, tmp_path):
    """An app by the clock, its tables empty, not captured yet."""
    capture = Capture(empty_app, Lake(str(tmp_path / "lake")), KEY, tmp_path / "home", by_clock=True)
    with ExitStack() as stack:
        yield Captured(capture, stack)
    with connected(empty_app) as connection:
        stop(connection)


@pytest.fixture
def simulated(captured):
    """An app whose `updated_at` is of a simulated time."""
    from dataclasses import replace

    captured.capture = replace(captured.capture, by_clock=False)
    return captured


def post(number: int, content: str | None, updated_at: str, *, status: str = "draft", tags: str = "'{}'") -> str:
    """An insert of a post."""
    text = "null" if content is None else "'" + content.replace("'", "''") + "'"
    return (
        f"insert into social_posts values ({number}, 1, 1, 'twitter', {text}, {tags}, null, '{status}', null, null, true, "
        f"'2026-01-01 09:00+00', '{updated_at}')"
    )


@pytest.fixture
def new_post():
    return post
