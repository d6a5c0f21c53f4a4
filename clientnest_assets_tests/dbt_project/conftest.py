"""A real PostgreSQL with a small world in its raw schema, and the warehouse that dbt builds of it, once a session."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from dbt.cli.main import dbtRunner
from psycopg.rows import dict_row

from clientnest_assets.contracts import WAREHOUSE_TABLES
from clientnest_assets.contracts.dbt_sources import DBT_PROJECT
from clientnest_assets.warehouse.dbt import connection_environment, forget_repeated_flags
from clientnest_assets.warehouse.load import create_raw_tables

WINDOW = {"min_date": "2025-01-06", "max_date": "2025-01-13"}
LOADED = ("2024-12-01", "2025-01-20")
FACTS = (
    "fact_users_daily",
    "fact_content_daily",
    "fact_posts",
    "fact_social_daily",
    "fact_ai_daily",
    "fact_sessions",
    "fact_ai_requests",
    "fact_subscription_events",
)


@dataclass(frozen=True)
class Warehouse:
    """One database of the session's server, and dbt upon it."""

    url: str
    target: Path

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True, options="-c timezone=UTC") as connection:
            yield connection

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.connection() as connection:
            return connection.execute(query).fetchall()

    def row(self, query: str) -> dict[str, Any]:
        (row,) = self.rows(query)
        return row

    def execute(self, statements: str) -> None:
        with self.connection() as connection:
            connection.execute(statements)

    def dbt(self, *arguments: str, window: dict[str, str] | None = None) -> tuple[bool, list[Any]]:
        """Whether the command succeeded, and what it told on the way."""
        given = {f"CLIENTNEST_DBT_{name.upper()}": date for name, date in (window or {}).items()}
        environment = {
            **connection_environment(self.url),
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(self.target / "logs"),
            **given,
        }
        events: list[Any] = []
        where = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
        with patch.dict(os.environ, environment):
            result = dbtRunner(callbacks=[events.append]).invoke(["--quiet", *arguments, *where])
        forget_repeated_flags()
        return result.success, events

    def build(self, *arguments: str, window: dict[str, str] | None = WINDOW) -> None:
        """Builds and tests."""
        self._succeed("build", *arguments, window=window)

    def run(self, *arguments: str, window: dict[str, str] | None = WINDOW) -> None:
        """Builds alone."""
        self._succeed("run", *arguments, window=window)

    def _succeed(self, command: str, *arguments: str, window: dict[str, str] | None) -> None:
        succeeded, events = self.dbt(command, *arguments, window=window)
        assert succeeded, "\n".join(event.info.msg for event in events if event.info.level == "error")

    def note_loaded(self, first: str, last: str) -> None:
        """Writes down, as the loader does, that every raw table was loaded for each of the days, with the rows it has."""
        for contract in WAREHOUSE_TABLES:
            self.execute(
                f"""
                insert into raw.table_days (table_name, day, rows_loaded, loaded_at)
                select '{contract.name}', spine.day::date, count(loaded.day), now()
                from generate_series(date '{first}', date '{last}', '1 day') as spine (day)
                left join raw.{contract.name} as loaded on loaded.day = spine.day::date
                group by 2
                """
            )

    def facts(self) -> dict[str, list[str]]:
        """Every row of every fact, as text."""
        return {
            fact: [row["told"] for row in self.rows(f"select fact::text as told from facts.{fact} as fact order by 1")]
            for fact in FACTS
        }


@pytest.fixture(scope="session")
def warehouse(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Built with every model, data test and unit test. Tests read it and change nothing."""
    built = Warehouse(databases.create(), tmp_path_factory.mktemp("dbt"))
    # Another time zone than UTC, on which no definition may depend.
    built.execute(f"alter database {built.url.rsplit('/', 1)[-1]} set timezone = 'America/New_York'")
    create_raw_tables(built.url)
    built.execute(Path(__file__).with_name("world.sql").read_text(encoding="utf-8"))
    built.note_loaded(*LOADED)
    built.build()
    return built
