"""One installation: everything that the settings resolve to, each part when it is first asked for.

Embedded, asking for a database starts the embedded PostgreSQL. In production nothing is started.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Self

from clientnest_assets.embedded.object_store import BUCKET, EmbeddedObjectStore
from clientnest_assets.embedded.postgres import EmbeddedPostgres, Server
from clientnest_assets.partitions import Calendar, read_calendar, write_calendar
from clientnest_assets.settings import Settings, SettingsError, store_options

if TYPE_CHECKING:
    from pydantic import SecretStr

    from clientnest_assets.features.online.store import OnlineStore
    from clientnest_assets.lake import Lake

APP_DATABASE = "clientnest_app"
WAREHOUSE = "clientnest_warehouse"
DAGSTER_DATABASE = "clientnest_dagster"
LAKE_KIND_FILE = "lake-kind"


class LakeKind(StrEnum):
    """Where the lake of an embedded home is."""

    FOLDER = "folder"
    S3 = "s3"


class Installation:
    """Addresses, secrets and the calendar of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = settings.home.expanduser().absolute()
        self._lake_is_safe = False

    @classmethod
    def load(cls) -> Self:
        """The installation that the environment describes.

        Raises:
            SettingsError: naming what is missing or contradictory.
        """
        return cls(Settings.load())

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The embedded PostgreSQL of the home."""
        return EmbeddedPostgres(self.home)

    @property
    def app_database_url(self) -> str:
        """The app's database."""
        return self.settings.app_database_url or self._server.url(APP_DATABASE)

    @property
    def warehouse_url(self) -> str:
        """The warehouse."""
        return self.settings.warehouse_url or self._server.url(WAREHOUSE)

    @property
    def dagster_database_url(self) -> str:
        """Dagster's own storage."""
        return self.settings.dagster_database_url or self._server.url(DAGSTER_DATABASE)

    @property
    def object_store(self) -> EmbeddedObjectStore:
        """The embedded object store of the home; it runs only where `lake_kind` says so."""
        return EmbeddedObjectStore(self.home)

    @property
    def lake_kind(self) -> LakeKind:
        """Where the lake of an embedded home is, as its demo was told."""
        file = self.home / LAKE_KIND_FILE
        return LakeKind(file.read_text()) if file.exists() else LakeKind.FOLDER

    @property
    def lake(self) -> Lake:
        """The lake. One in a bucket passed the guard of `lake/guard.py` first.

        Raises:
            SettingsError: if variables are set that would reach the embedded object store, and break it.
            UnsafeStoreError: if the store would lose commits.
            UnreachableStoreError: if it takes no object.
        """
        lake = self._unguarded_lake()
        if not lake.is_local and not self._lake_is_safe:
            from clientnest_assets.lake.guard import require_safe_store

            require_safe_store(lake.root, lake.storage_options, self.home / "guard")
            self._lake_is_safe = True
        return lake

    @property
    def online_store_url(self) -> str:
        """Where the newest features are: a Redis, or the warehouse."""
        return self.settings.online_store_url or self.warehouse_url

    @cached_property
    def online_store(self) -> OnlineStore:
        """The online store, with its connections kept for the next who asks; nothing is connected to yet."""
        from clientnest_assets.features.online.store import open_store

        return open_store(self.online_store_url, self._online_namespace if self.settings.online_store_url else "")

    @property
    def truth(self) -> Path:
        """What is true in the simulated world. Only evaluation reads it."""
        return self.home / "truth"

    @property
    def dagster_home(self) -> Path:
        """The folder of Dagster's configuration."""
        return self.home / "dagster"

    @property
    def landing_url(self) -> str:
        """Where files are dropped."""
        return self.settings.landing_url or str(self.home / "landing")

    @property
    def spool(self) -> Path:
        """The folder in which events that came over HTTP wait, safe on disk, until they are in the lake."""
        return self.home / "spool"

    @cached_property
    def pseudonym_key(self) -> bytes:
        """The key of all pseudonyms; embedded, made once and kept in the home."""
        if self.settings.pseudonym_key:
            return self.settings.pseudonym_key.get_secret_value().encode()
        return self._kept_secret("pseudonym-key")

    @cached_property
    def events_keys(self) -> list[str]:
        """The keys of which a sender of events shows one; embedded, one made once and kept in the home."""
        return self._keys(self.settings.events_keys, "events-key")

    @cached_property
    def features_keys(self) -> list[str]:
        """The keys of which a reader of features shows one; embedded, one made once and kept in the home."""
        return self._keys(self.settings.features_keys, "features-key")

    @property
    def calendar(self) -> Calendar:
        """The days there is data for: the home's own, or from the first day of the settings to today."""
        if self.settings.first_day:
            return Calendar(self.settings.first_day)
        today = datetime.now(UTC).date()
        return read_calendar(self._calendar_file) or Calendar(today, today)

    @property
    def has_data(self) -> bool:
        """True once there is a day to work on."""
        return self.settings.first_day is not None or self._calendar_file.exists()

    def keep_calendar(self, calendar: Calendar) -> None:
        """Makes this the embedded installation's calendar."""
        self.home.mkdir(parents=True, exist_ok=True)
        write_calendar(self._calendar_file, calendar)

    def begin_anew(self, lake_kind: LakeKind = LakeKind.FOLDER) -> None:
        """Removes all that was made in an embedded home: lake, warehouse, runs, calendar. The app's rows stay.

        Args:
            lake_kind: where the lake is from now on.

        Raises:
            SettingsError: outside the embedded environment.
        """
        if not self.settings.is_embedded:
            raise SettingsError("only an embedded installation can begin anew")
        import psycopg
        from psycopg import sql

        if self.settings.online_store_url:
            # First, since it may not answer. In the warehouse it goes with that.
            self.online_store.clean([])
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            for name in (WAREHOUSE, DAGSTER_DATABASE):
                connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        if self.lake_kind is LakeKind.S3:
            from clientnest_assets.lake.files import Storage

            with self.lake_service():
                Storage.of(self.lake).clear()
        fresh = self.home / f"{LAKE_KIND_FILE}.new"
        fresh.write_text(lake_kind)
        fresh.rename(self.home / LAKE_KIND_FILE)
        for folder in ("lake", "site", "spool", "platforms/stand-in"):
            if (self.home / folder).exists():
                shutil.rmtree(self.home / folder)
        self._calendar_file.unlink(missing_ok=True)
        _create_databases(self._server)

    @contextmanager
    def services(self) -> Iterator[None]:
        """The services this installation runs itself, up and held until the end of the block."""
        if not self.settings.is_embedded:
            yield
            return
        with self.postgres.lease(), self.lake_service():
            yield

    @contextmanager
    def lake_service(self) -> Iterator[None]:
        """What reading the lake needs, up and held: the embedded object store, where the lake is on it."""
        if self._has_object_store:
            with self.object_store.lease():
                yield
        else:
            yield

    def _unguarded_lake(self) -> Lake:
        # Imported here, like the contracts below: they take a second, and `--help` needs neither.
        from clientnest_assets.lake import Lake

        if not self._has_object_store:
            return Lake(self.settings.lake_url or str(self.home / "lake"), store_options())
        options = self.object_store.ensure_running().options
        strays = sorted(store_options().keys() - options.keys())
        if strays:
            raise SettingsError(
                f"{', '.join(strays)}: set in the environment, and the libraries would send them to the embedded object "
                "store, which they are not for. Unset them, or use a lake in a folder."
            )
        return Lake(f"s3://{BUCKET}/lake", options)

    @property
    def _has_object_store(self) -> bool:
        return self.settings.is_embedded and self.lake_kind is LakeKind.S3

    def _keys(self, given: SecretStr | None, name: str) -> list[str]:
        if given:
            return [key.strip() for key in given.get_secret_value().split(",") if key.strip()]
        return [self._kept_secret(name).decode()] if self.settings.is_embedded else []

    @property
    def _online_namespace(self) -> str:
        """Tells this installation's keys in a Redis from those of others: all who share a lake share it."""
        if self.settings.lake_url:
            return hashlib.sha256(self.settings.lake_url.encode()).hexdigest()[:12]
        return self._kept_secret("online-namespace").decode()[:12]

    def _kept_secret(self, name: str) -> bytes:
        """A secret made at random when it is first asked for, and kept in a file of the home."""
        file = self.home / name
        if not file.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            # Linked into place whole: a kill or a second process never leaves or sees an empty one.
            with NamedTemporaryFile(dir=self.home) as fresh:
                fresh.write(secrets.token_urlsafe(32).encode())
                fresh.flush()
                with suppress(FileExistsError):
                    os.link(fresh.name, file)
        return file.read_bytes()

    @property
    def _calendar_file(self) -> Path:
        return self.home / "calendar.json"

    @cached_property
    def _server(self) -> Server:
        server = self.postgres.ensure_running()
        _create_databases(server)
        return server


def _create_databases(server: Server) -> None:
    import psycopg

    from clientnest_assets.contracts import APP_TABLES
    from clientnest_assets.contracts.postgres import app_tables, quote

    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('clientnest.databases'))")
        present = {name for (name,) in connection.execute("select datname from pg_database")}
        for name in (APP_DATABASE, WAREHOUSE, DAGSTER_DATABASE):
            if name not in present:
                connection.execute(f"create database {quote(name)}".encode())
        with psycopg.connect(server.url(APP_DATABASE)) as app:
            newest = app.execute("select to_regclass(%s)", (APP_TABLES[-1].name,)).fetchone()
            if newest == (None,):
                app.execute(app_tables(APP_TABLES).encode())
