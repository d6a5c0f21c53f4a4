"""What all tests share: one real PostgreSQL a session, databases of their own on it, and one small company, built once.

A test that changes the company does so to a copy; so no test depends on another. Not here: what only one
folder of tests needs.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import polars as pl
import psutil
import psycopg
import pytest

from clientnest_assets.cli.backfill import run_backfill
from clientnest_assets.cli.session import Session
from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.contracts.postgres import app_tables
from clientnest_assets.embedded.object_store import (
    BUCKET,
    EmbeddedObjectStore,
    EmbeddedObjectStoreError,
    ObjectStoreServer,
)
from clientnest_assets.embedded.postgres import EmbeddedPostgres, Server
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.lake.sql import tables
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings
from clientnest_assets.simulation import World, write_world
from clientnest_assets.warehouse.dbt import prepared_manifest

WORLD = World(users=60, days=35, seed=8, last_day=date(2026, 4, 19))
BAD_ROWS = {
    "user_sessions": "insert into user_sessions values (9000001, 1, '2026-04-02 10:00+00', -5, 'desktop', '203.0.113.9')",
    "ai_usage_logs": "insert into ai_usage_logs values (9000001, 1, 1, 10, -0.5, '2026-04-03 10:00+00')",
    "social_posts": (
        "insert into social_posts values (9000001, 1, 1, 'myspace', 'Hello', '{a}', null, 'published', null, "
        "'2026-04-04 10:00+00', false, '2026-04-04 09:00+00', '2026-04-04 10:00+00')"
    ),
}
"""Rows that the app's database takes and the contracts do not, by table."""
SCHEMAS = ("raw", "reference", "intermediate", "dimensions", "facts", "marts")
WITHOUT_CLOCK = {("raw", "table_days"): "table_name, day, rows_loaded", ("raw", "built_days"): "model, day"}
"""What of a table is the same whenever it is written."""
ALONE = (
    "test_year.py",
    "test_killed_backfill.py",
    "test_daily_runs.py",
    "test_rebuild.py",
    "test_lake_on_s3.py",
    "test_consume.py",
    "test_killed_import.py",
)
"""Files that share nothing with their folder and take long: they come first, so that no worker ends with one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-snapshots", action="store_true", help="Write what is found into the snapshots instead of comparing."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, all others as they are."""
    items.sort(key=lambda item: ALONE.index(item.path.name) if item.path.name in ALONE else len(ALONE))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers a folder's tests stay together, so that what they share is built once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", maxsplit=1)[0]
            return file if Path(file).name in ALONE else str(Path(file).parent)

    return ByFolder(config, log)


@pytest.fixture(scope="session", autouse=True)
def _no_installation_from_outside() -> Iterator[None]:
    """The developer's own settings are not the tests'."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("CLIENTNEST_", "DAGSTER_", "DBT_", "AWS_"))]:
            del os.environ[name]
        yield


@pytest.fixture(scope="module", autouse=True)
def _environment_before_the_module(_no_installation_from_outside: None) -> Iterator[None]:
    """What is built once for a module runs commands too."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def _environment_as_before(_environment_before_the_module: None) -> Iterator[None]:
    """Commands set variables for their children; none is left behind."""
    with patch.dict(os.environ):
        yield


class Databases:
    """Databases of the session's server, made and dropped as tests need them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def create(self, template: str = "template1") -> str:
        """The URL of a new database, empty or a copy of the one with the template's URL."""
        name, copied = f"test_{next(self._numbers)}", template.rsplit("/", 1)[-1]
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            # A database with connections cannot be copied, and pools of earlier commands keep some.
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (copied,))
            connection.execute(f'create database {name} template "{copied}"')
        return self._server.url(name)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with server_home() as home:
        yield Databases(EmbeddedPostgres(home).ensure_running())


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """A folder for a server of one test's own, stopped after it."""
    with server_home() as home:
        yield home


@contextmanager
def server_home() -> Iterator[Path]:
    # Not in pytest's own folder: each pytest that starts closes that to other users, PostgreSQL's among them.
    with TemporaryDirectory(prefix="clientnest-tests-") as folder:
        home = Path(folder) / "home"
        try:
            yield home
        finally:
            server = EmbeddedPostgres(home).running()
            if server:
                # At once, without writing out what is thrown away with the folder.
                postmaster = psutil.Process(server.pid)
                postmaster.send_signal(signal.SIGQUIT)
                postmaster.wait()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    """A real S3-compatible server with an empty bucket. A test writes under a prefix of its own, see `bucket`."""
    store = EmbeddedObjectStore(tmp_path_factory.mktemp("object-store"))
    try:
        server = store.ensure_running()
    except EmbeddedObjectStoreError as error:
        pytest.skip(str(error))
    yield server
    store.stop()


@pytest.fixture
def bucket(object_store: ObjectStoreServer) -> Lake:
    """An empty lake in the bucket, under a prefix of one test's own."""
    return Lake(f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}", object_store.options)


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake of one test's own: each such test runs on a folder and on the S3 server."""
    if request.param == "folder":
        return Lake(str(tmp_path / "a lake's folder"))
    found = request.getfixturevalue("bucket")
    assert isinstance(found, Lake)
    return found


@dataclass(frozen=True)
class Company:
    """One installation on the session's server, and the commands that a person would give it."""

    installation: Installation
    databases: Databases | None

    @classmethod
    def found(cls, home: Path, databases: Databases, calendar: Calendar, app_database_url: str) -> Company:
        """A company that has an app and a calendar, and neither lake nor warehouse yet."""
        settings = Settings(
            # The one environment that takes addresses.
            environment=Environment.PRODUCTION,
            home=home,
            app_database_url=app_database_url,
            warehouse_url=databases.create(),
            dagster_database_url=databases.create(),
        )
        company = cls(Installation(settings), databases)
        company.installation.keep_calendar(calendar)
        return company

    def copy(self, home: Path) -> Company:
        """The same company once more: its lake, its databases, its key."""
        assert self.databases
        settings = self.installation.settings
        shutil.copytree(self.installation.home, home)
        urls = {
            name: self.databases.create(getattr(settings, name))
            for name in ("app_database_url", "warehouse_url", "dagster_database_url")
        }
        return Company(Installation(settings.model_copy(update={"home": home, **urls})), self.databases)

    @classmethod
    def embedded(cls, home: Path) -> Company:
        """The company of a home with a server of its own, as the `clientnest` command sees it."""
        return cls(Installation(Settings(environment=Environment.TEST, home=home)), None)

    def backfill(self, first: str | None = None, last: str | None = None, **options: Any) -> bool:
        """`clientnest backfill`, as a command of its own would run it."""
        session = Session(Installation(self.installation.settings))
        try:
            return run_backfill(session, first, last, **options)
        finally:
            session.instance.dispose()

    def plan(self, **options: Any) -> list[Any]:
        """What `clientnest backfill` would run now."""
        from clientnest_assets.cli.plan import Only, Planner

        session = Session(Installation(self.installation.settings))
        try:
            calendar = self.installation.calendar
            planner = Planner(session.definitions.resolve_asset_graph(), session.instance, calendar)
            return planner.plan(planner.default_selection(), calendar.span(), Only(options.get("only", "missing")))
        finally:
            session.instance.dispose()

    def unfinished_runs(self, tag: str) -> list[str]:
        """Ids of runs with the tag that have neither succeeded nor failed."""
        session = Session(Installation(self.installation.settings))
        try:
            return [run.run_id for run in session.instance.get_runs() if tag in run.tags and not run.is_finished]
        finally:
            session.instance.dispose()

    def app(self, statement: str) -> list[tuple[Any, ...]]:
        """Asks or changes the app's database."""
        return _execute(self.installation.app_database_url, statement)

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        """Asks or changes the warehouse."""
        return _execute(self.installation.warehouse_url, statement)

    def lake(self, layer: str, name: str) -> pl.DataFrame:
        """A whole table of the lake."""
        lake = self.installation.lake
        return pl.scan_delta(lake.location(layer, name), storage_options=dict(lake.storage_options)).collect()

    def state(self) -> dict[str, str]:
        """A digest of every row of every table of the lake and of the warehouse, by table; without times of the clock."""
        lake = self.installation.lake
        values = pl.struct(pl.exclude("quarantined_at")).struct.json_encode()
        found = {
            f"lake {layer}.{name}": self.lake(layer, name).select(values).to_series() for layer, name in tables(lake)
        }
        listed = "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'"
        for schema, name in self.warehouse(listed):
            if schema in SCHEMAS:
                columns = WITHOUT_CLOCK.get((schema, name), "*")
                rows = self.warehouse(f'select t::text from (select {columns} from "{schema}"."{name}") as t')
                found[f"warehouse {schema}.{name}"] = pl.Series([row for (row,) in rows], dtype=pl.String)
        return {
            table: f"{rows.len()} rows {hashlib.sha256(chr(10).join(rows.sort()).encode()).hexdigest()}"
            for table, rows in found.items()
        }


def _execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def small_app(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an app database with 60 users' 35 days and a few rows that break their contracts. Read it only."""
    url = databases.create()
    write_world(WORLD, url, tmp_path_factory.mktemp("world") / "truth", lambda _day, _days: None)
    for statement in BAD_ROWS.values():
        _execute(url, statement)
    return url


@pytest.fixture(scope="session")
def parsed_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Gives a home the dbt project as dbt parsed it once, which takes dbt some seconds."""
    parsed = prepared_manifest(tmp_path_factory.mktemp("parsed")).parent

    def give(home: Path) -> None:
        shutil.copytree(parsed, home / "dbt" / "target")

    return give


@pytest.fixture
def company(databases: Databases, small_app: str, tmp_path: Path) -> Company:
    """A company of one test's own, with the small app and nothing built yet."""
    calendar = Calendar(WORLD.first_day, WORLD.last_day)
    return Company.found(tmp_path / "home", databases, calendar, databases.create(small_app))


@pytest.fixture(scope="session")
def small_company(
    databases: Databases,
    small_app: str,
    parsed_project: Callable[[Path], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Company:
    """The small company after one `clientnest backfill` of everything. Read it only, or take a copy."""
    home = tmp_path_factory.mktemp("company") / "home"
    built = Company.found(home, databases, Calendar(WORLD.first_day, WORLD.last_day), databases.create(small_app))
    parsed_project(home)
    with patch.dict(os.environ):
        assert built.backfill()
    return built


@pytest.fixture(scope="session")
def company_class() -> type[Company]:
    return Company


@pytest.fixture
def empty_app(databases: Databases) -> str:
    """The URL of an app database with all tables and no row."""
    url = databases.create()
    _execute(url, app_tables(APP_TABLES))
    return url


@pytest.fixture
def compare_snapshot(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares text with a file beside the test; `pytest --rewrite-snapshots` writes the file instead."""

    def compare(file: Path, found: str) -> None:
        if request.config.getoption("--rewrite-snapshots"):
            file.write_text(found)
        assert file.read_text() == found, "if the change is meant: pytest --rewrite-snapshots, and look at the diff"

    return compare
