"""`clientnest doctor`: looks for what is wrong with this set-up, and says the remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from packaging.requirements import Requirement
from rich.markup import escape

from clientnest_assets.cli.session import HomeOption, Session, console, set_home
from clientnest_assets.cli.up import is_listening, is_serving, ports
from clientnest_assets.errors import ClientNestError
from clientnest_assets.installation import Installation
from clientnest_assets.settings import DBT_PROJECT, PROJECT_ROOT, Settings

SUPPORTED = ((3, 11), (3, 14))
FREE_BYTES = 5 * 1024**3
Problem = tuple[str, str]
"""What is wrong, and the remedy."""


def doctor(home: HomeOption = None) -> None:
    """Look for what is wrong with this set-up, and say the remedy. Ends non-zero if anything is."""
    set_home(home)
    problems = 0
    for name, check in CHECKS.items():
        if problems and check in NEED_SETTINGS:
            console.print(f"[yellow]-[/] {name}: not looked at before the above is mended")
            continue
        found = list(check())
        problems += len(found)
        console.print(f"[{'red' if found else 'green'}]{'✗' if found else '✓'}[/] {name}")
        for problem, remedy in found:
            console.print(f"    {escape(problem)}\n    [bold]remedy:[/] {escape(remedy)}")
    if problems:
        raise typer.Exit(1)


def _python() -> Iterator[Problem]:
    if not SUPPORTED[0] <= sys.version_info[:2] < SUPPORTED[1]:
        yield (
            f"Python {sys.version.split()[0]} is not supported",
            "use Python 3.11, 3.12 or 3.13 and run `make install`",
        )


def _packages() -> Iterator[Problem]:
    """Packages that are not at the version the project is tested with."""
    constraints = PROJECT_ROOT / "constraints.txt"
    if not constraints.exists():
        yield "constraints.txt is missing", "run from a complete checkout"
        return
    different = []
    for line in filter(None, constraints.read_text().splitlines()):
        wanted = Requirement(line)
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            continue
        if (wanted.marker is None or wanted.marker.evaluate()) and found not in wanted.specifier:
            different.append(f"{wanted.name} {found} instead of {wanted.specifier}")
    if different:
        yield f"other versions than tested: {', '.join(different[:5])}", "run `make install`"


def _settings() -> Iterator[Problem]:
    try:
        Settings.load()
    except ClientNestError as error:
        yield str(error), "set or unset the variables named above"


def _home() -> Iterator[Problem]:
    folder = Installation.load().home
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(existing, os.W_OK):
        yield f"{existing} cannot be written", "choose another folder with --home or CLIENTNEST_HOME"
    if shutil.disk_usage(existing).free < FREE_BYTES:
        yield f"less than 5 GiB are free on the disk of {existing}", "free some, or choose another folder with --home"


def _dbt() -> Iterator[Problem]:
    if not (DBT_PROJECT / "dbt_project.yml").exists():
        yield f"there is no dbt project in {DBT_PROJECT}", "install from a checkout: `pip install -e .`"
    if not (Path(sys.executable).parent / "dbt").exists():
        yield "dbt is not installed beside this Python", "run `make install`"


def _databases() -> Iterator[Problem]:
    import psycopg

    installation = Installation.load()
    try:
        with installation.services():
            for name in ("app_database_url", "warehouse_url", "dagster_database_url"):
                try:
                    psycopg.connect(getattr(installation, name), connect_timeout=5).close()
                except psycopg.OperationalError as error:
                    yield f"{name} does not answer: {error}", f"check CLIENTNEST_{name.upper()} and the network"
    except ClientNestError as error:
        yield str(error), f"read {installation.postgres.log}; a disk that is full or a folder of another user are usual"


def _lake() -> Iterator[Problem]:
    from clientnest_assets.lake.sql import connect

    installation = Installation.load()
    try:
        with installation.lake_service():
            connect(installation.lake).execute("select count(*) from information_schema.tables")
    except ClientNestError as error:
        yield str(error), 'read docs/operator.md, "A lake on S3": what a store must be able to do, and the variables'
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        yield f"the lake cannot be read: {error}", "check CLIENTNEST_LAKE_URL and the AWS_* variables"


def _online_store() -> Iterator[Problem]:
    """A Redis that does not answer; where there is none the warehouse is the store, and looked at as a database."""
    from clientnest_assets.features.registry import VIEWS

    installation = Installation.load()
    if not installation.settings.online_store_url:
        return
    try:
        installation.online_store.generation(next(iter(VIEWS.values())))
    except ClientNestError as error:
        yield str(error), "check CLIENTNEST_ONLINE_STORE_URL and the network, or unset it"


def _ports() -> Iterator[Problem]:
    session = Session.open()
    if is_serving(session):
        return
    for port, option in zip(ports(session), ("--ui-port", "--web-port"), strict=True):
        if is_listening(port):
            yield f"port {port} is taken by another program", f"stop it, or give `clientnest up` another {option}"


NEED_SETTINGS = (_home, _databases, _lake, _online_store, _ports)
CHECKS: dict[str, Callable[[], Iterator[Problem]]] = {
    "Python version": _python,
    "package versions": _packages,
    "settings": _settings,
    "home folder": _home,
    "dbt project": _dbt,
    "databases": _databases,
    "lake": _lake,
    "online store": _online_store,
    "ports": _ports,
}
