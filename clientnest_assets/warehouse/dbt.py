"""The dbt project as a program: how it connects, its manifest, and builds of some of its models.

dbt runs in this process, through its own `dbtRunner`: as a child it would spend seconds on imports and
on parsing before each build, more than the build itself takes for a day.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from clientnest_assets.errors import ClientNestError
from clientnest_assets.partitions import Window
from clientnest_assets.settings import DBT_PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_lock = threading.Lock()
"""dbt keeps flags and connections in globals: one command at a time in a process."""
_parsed: dict[Path, tuple[float, Manifest]] = {}


WINDOW_VARIABLES = ("CLIENTNEST_DBT_MIN_DATE", "CLIENTNEST_DBT_MAX_DATE")
FAILED = ("error", "fail", "runtime error")


class DbtError(ClientNestError):
    """A dbt command failed. The message holds what it said was wrong."""


@dataclass(frozen=True)
class Built:
    """What a build did. Models go by dbt's unique id."""

    events: list[dict[str, Any]]
    """dbt's structured log events."""
    rows: dict[str, int]
    """Rows written, by model."""
    failures: list[str]
    """What failed and why: models, and tests of severity error."""
    unsound: set[str]
    """Models that failed, or that a failed test is about."""


def connection_environment(warehouse_url: str) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads, out of the warehouse's address."""
    from psycopg.conninfo import conninfo_to_dict

    given = {name: str(value) for name, value in conninfo_to_dict(warehouse_url).items()}
    return {
        "CLIENTNEST_DBT_HOST": given.get("host", "localhost"),
        "CLIENTNEST_DBT_PORT": given.get("port", "5432"),
        "CLIENTNEST_DBT_USER": given.get("user", ""),
        "CLIENTNEST_DBT_PASSWORD": given.get("password", ""),
        "CLIENTNEST_DBT_DATABASE": given.get("dbname", ""),
        "CLIENTNEST_DBT_SSLMODE": given.get("sslmode", "prefer"),
        "CLIENTNEST_DBT_SSLROOTCERT": given.get("sslrootcert", ""),
    }


def docs_page(home: Path) -> Path:
    """The docs site: one self-contained page, written by the asset docs/dbt_docs, served on port 8000."""
    return home / "site" / "dbt" / "index.html"


def prepared_manifest(home: Path) -> Path:
    """The project's manifest.json, parsed anew if a file of the project is newer. Needs no database.

    Raises:
        DbtError: if the project cannot be parsed.
    """
    folder = home / "dbt"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "target" / "manifest.json"
    with FileLock(folder / "parse.lock"):
        if not file.exists() or file.stat().st_mtime < _newest_change():
            _parse(home, {}, file.parent)
            # Partial parsing may leave an unchanged manifest untouched; its time says when it was last checked.
            file.touch()
    return file


def build(home: Path, warehouse_url: str, models: Iterable[str], window: Window | None = None) -> Built:
    """Builds the named models and runs the data tests on them, those that reach into other layers too.

    A model that fails is told in `failures`; so is each of its tests that could not run.

    Args:
        home: artefacts and logs go below it.
        warehouse_url: where to build.
        models: their names.
        window: the days, for models that are built by window.

    Raises:
        DbtError: if dbt could not begin.
    """
    arguments = [
        "build",
        *("--select", *models),
        # Unit tests are for whoever changes a model; they say nothing about data.
        *("--exclude-resource-type", "unit_test"),
        *("--indirect-selection", "eager"),
    ]
    environment = connection_environment(warehouse_url)
    if window:
        # Not as --vars: after a change of those dbt parses the whole project anew.
        environment |= dict(zip(WINDOW_VARIABLES, (str(window.start), str(window.end)), strict=True))
    events: list[dict[str, Any]] = []
    manifest = _manifest(home, environment)
    with TemporaryDirectory(dir=home / "dbt") as target:
        # Artefacts of its own, which nobody reads: two chunks may build the same layer at the same time.
        result = _invoke(home, arguments, environment, events, target=Path(target), manifest=manifest)
    finished = list(getattr(result, "results", None) or [])
    if not finished and result is None:
        raise DbtError(f"dbt {' '.join(arguments)} could not begin:\n{_errors(events)}")
    failed = [each for each in finished if str(each.status) in FAILED]
    return Built(
        events=events,
        rows={each.node.unique_id: int(each.adapter_response.get("rows_affected", 0)) for each in finished},
        failures=[f"{each.node.name}: {each.message or each.status}" for each in failed],
        unsound={name for each in failed for name in (each.node.unique_id, *each.node.depends_on.nodes)},
    )


def generate_docs(home: Path, warehouse_url: str) -> None:
    """Writes the static docs site to `docs_page`.

    Raises:
        DbtError: with what dbt said.
    """
    target = home / "dbt" / "docs"
    events: list[dict[str, Any]] = []
    environment = connection_environment(warehouse_url)
    if _invoke(home, ["docs", "generate", "--static"], environment, events, target=target) is None:
        raise DbtError(f"dbt docs generate failed:\n{_errors(events)}")
    page = docs_page(home)
    page.parent.mkdir(parents=True, exist_ok=True)
    (target / "static_index.html").replace(page)


def _manifest(home: Path, environment: Mapping[str, str]) -> Manifest:
    """The manifest to build with, parsed once a process. It names the database, which `prepared_manifest` cannot know."""
    changed = _newest_change()
    if home not in _parsed or _parsed[home][0] < changed:
        with FileLock(home / "dbt" / "parse.lock"):
            _parsed[home] = (changed, _parse(home, environment, home / "dbt" / "build"))
    return _parsed[home][1]


def _parse(home: Path, environment: Mapping[str, str], target: Path) -> Manifest:
    events: list[dict[str, Any]] = []
    manifest = _invoke(home, ["parse"], environment, events, target=target)
    if manifest is None:
        raise DbtError(f"the dbt project in {DBT_PROJECT} cannot be parsed:\n{_errors(events)}")
    return manifest  # type: ignore[no-any-return]


def _invoke(
    home: Path,
    arguments: list[str],
    environment: Mapping[str, str],
    events: list[dict[str, Any]],
    *,
    target: Path,
    manifest: Manifest | None = None,
) -> Any:
    """Runs one dbt command; its events are appended to `events`. None if it failed before it had a result."""
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    def keep(event: Any) -> None:
        if event.info.level != "debug":
            events.append(MessageToDict(event, preserving_proto_field_name=True))

    options = {
        "--project-dir": DBT_PROJECT,
        "--profiles-dir": DBT_PROJECT,
        "--target-path": target,
        "--log-path": home / "dbt" / "logs",
    }
    with _lock:
        for name in WINDOW_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update({**environment, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
        outcome = dbtRunner(manifest=manifest, callbacks=[keep]).invoke(
            [*arguments, *(str(part) for option in options.items() for part in option), "--log-level", "none"]
        )
    if outcome.exception is not None:
        events.append({"info": {"level": "error", "msg": str(outcome.exception)}, "data": {}})
    return outcome.result


def _errors(events: list[dict[str, Any]]) -> str:
    return "\n".join(event["info"]["msg"] for event in events if event["info"]["level"] == "error")


def _newest_change() -> float:
    return max(file.stat().st_mtime for file in DBT_PROJECT.rglob("*") if file.suffix in (".sql", ".yml", ".md"))
