"""What every command needs: the installation, Dagster's instance on it, the definitions, and a console."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from filelock import FileLock, Timeout
from rich.console import Console

from clientnest_assets.errors import ClientNestError
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Window
from clientnest_assets.settings import PREFIX, PROJECT_ROOT, store_options

if TYPE_CHECKING:
    import dagster as dg

console = Console(file=sys.stdout)
"""Where commands speak. Bound to the terminal as it is at the start: what libraries print is led elsewhere."""
errors = Console(stderr=True)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of all local state. Default: CLIENTNEST_HOME, else .clientnest beside the project.",
        show_default=False,
    ),
]
LONG_STATEMENT_MILLISECONDS = 600_000
CONNECTION_AGE_SECONDS = 3600
UPLOAD_ENCRYPTION = {"ServerSideEncryption": "AWS_SERVER_SIDE_ENCRYPTION", "SSEKMSKeyId": "AWS_SSE_KMS_KEY_ID"}


class BusyError(ClientNestError):
    """Another command of this home is doing what only one may do at a time."""


class CommandError(ClientNestError):
    """A command was given something it cannot work with."""


def set_home(home: Path | None) -> None:
    """Makes `--home` count for this process and its children."""
    if home is not None:
        os.environ[f"{PREFIX}HOME"] = str(home.expanduser().absolute())


class Session:
    """One command's view of the installation."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    @classmethod
    def open(cls, home: Path | None = None) -> Session:
        """The session of this process' environment, with `home` in place of CLIENTNEST_HOME if given."""
        set_home(home)
        return cls(Installation.load())

    def prepare_dagster(self) -> None:
        """Makes Dagster's home and sets the variables that its processes, children included, read."""
        home = self.installation.dagster_home
        home.mkdir(parents=True, exist_ok=True)
        logs = self.installation.home / "logs" / "compute"
        (home / "dagster.yaml").write_text(_instance_configuration(self.installation.settings.compute_logs_url, logs))
        logs.mkdir(parents=True, exist_ok=True)
        os.environ.update(
            {
                "DAGSTER_HOME": str(home),
                # SQLAlchemy takes plain postgresql:// for psycopg 3, and dagster-postgres wants psycopg2.
                "CLIENTNEST_DAGSTER_STORAGE": re.sub(
                    "^postgres(ql)?://", "postgresql+psycopg2://", self.installation.dagster_database_url
                ),
                "CLIENTNEST_COMPUTE_LOGS": str(logs),
                f"{PREFIX}HOME": str(self.installation.home),
            }
        )
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "100")

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance of this installation."""
        self.prepare_dagster()
        import dagster as dg

        instance = dg.DagsterInstance.from_config(str(self.installation.dagster_home))
        # Outside the webserver every event opens a connection of its own: three quarters of a backfill's event log.
        instance.optimize_for_webserver(
            statement_timeout=LONG_STATEMENT_MILLISECONDS, pool_recycle=CONNECTION_AGE_SECONDS, max_overflow=8
        )
        return instance

    @cached_property
    def definitions(self) -> dg.Definitions:
        """What Dagster loads, on the calendar as it is now."""
        from clientnest_assets.definitions import build_definitions

        return build_definitions(self.installation)

    def window(self, first: str | None, last: str | None) -> Window:
        """The days from `first` to `last`, both YYYY-MM-DD and inside; by default all that the calendar has.

        Raises:
            CommandError: if a day cannot be read, the two are the wrong way round, or the calendar lacks them.
        """
        if not self.installation.has_data:
            raise CommandError(
                f"there is no data in {self.installation.home} yet. Begin with `clientnest demo`, "
                "`clientnest simulate` or `clientnest import`."
            )
        span = self.installation.calendar.span()
        start, end = _day(first, "--from") or span.start, _day(last, "--to") or span.last_day
        for option, day in (("--from", start), ("--to", end)):
            if not span.start <= day < span.end:
                raise CommandError(f"{option} {day} is not one of the days there is data for: {span}.")
        if end < start:
            raise CommandError(f"--from {start} is after --to {end}.")
        return Window.of_days(start, end)


def _instance_configuration(compute_logs_url: str | None, staged: Path) -> str:
    """The project's dagster.yaml; with an address for what steps print, that instead of the folder.

    Args:
        compute_logs_url: `s3://bucket/prefix`.
        staged: the folder in which a step's output is until it is uploaded, when the step ends.
    """
    text = (PROJECT_ROOT / "dagster.yaml").read_text()
    if compute_logs_url is None:
        return text
    import yaml

    address, options = urlsplit(compute_logs_url), store_options()
    given = {
        "bucket": address.netloc,
        "prefix": address.path.strip("/"),
        "local_dir": str(staged),
        "endpoint_url": options.get("AWS_ENDPOINT_URL"),
        "region": options.get("AWS_REGION"),
        "upload_extra_args": {
            name: options[variable] for name, variable in UPLOAD_ENCRYPTION.items() if variable in options
        },
    }
    configuration = yaml.safe_load(text)
    configuration["compute_logs"] = {
        "module": "dagster_aws.s3.compute_log_manager",
        "class": "S3ComputeLogManager",
        "config": {name: value for name, value in given.items() if value},
    }
    return str(yaml.safe_dump(configuration, sort_keys=False))


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text} is not a day. Write it as 2026-01-31.") from None


@contextmanager
def materialising(session: Session) -> Iterator[None]:
    """Holds this home's lock on materialising from the command line.

    Raises:
        BusyError: if another command holds it.
    """
    home = session.installation.home
    busy = f"another clientnest command is materialising in {home}; wait for it, or stop it."
    with alone(home / "backfill.lock", busy):
        yield


@contextmanager
def alone(file: Path, busy: str) -> Iterator[None]:
    """Holds a lock file without waiting for it.

    Raises:
        BusyError: saying `busy`, if another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(busy) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stopping() -> Iterator[Event]:
    """Ctrl-C and SIGTERM set the event, so that what is under way is finished; a second time they interrupt it."""
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
