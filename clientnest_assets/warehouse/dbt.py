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
from clientnest_assets.warehouse.layers import BUILT

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
class Model:
    """A model or seed that was built."""

    seconds: float
    rows: int | None
    """Rows written: all of a table, the window of a model built by window; None for a view."""
    sql: str | None
    """The query as it ran; None for a seed."""


@dataclass(frozen=True)
class Tested:
    """A data test that ran."""

    status: str
    """pass, warn, fail or error."""
    message: str
    """What dbt said of it."""
    rows_failing: int | None
    """None if the test itself could not run."""
    sql: str
    """The query of the failing rows, as it ran."""

    @property
    def passed(self) -> bool:
        """Whether no row failed."""
        return self.status == "pass"


@dataclass(frozen=True)
class Built:
    """What a build did. Everything goes by dbt's unique id."""

    models: dict[str, Model]
    """Models and seeds that were built, whatever their tests say, in the order in which they were done."""
    tests: dict[str, Tested]
    """The tests that ran, in order."""
    failures: list[str]
    """What failed and why: models, and tests of severity error."""
    unsound: set[str]
    """Models that failed, or that a failed test is about."""
    waiting: dict[str, list[str]]
    """Tests that did not run, because they also read these models, which are not built yet."""

    @property
    def sound(self) -> list[str]:
        """The models that were built and that no failed test is about, in the same order."""
        return [name for name in self.models if name not in self.unsound]


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


def build(home: Path, warehouse_url: str, nodes: Iterable[str], window: Window | None = None) -> Built:
    """Builds models and seeds and runs data tests, each in its place: those named and no other.

    A model that fails is told in `failures`; so is each of the tests that could not run. A test that also reads a model
    which is neither among those named nor in the warehouse says nothing about data: it waits until that one is built.

    Args:
        home: artefacts and logs go below it.
        warehouse_url: where to build.
        nodes: the unique ids of models, seeds and tests.
        window: the days, for models that are built by window.

    Raises:
        DbtError: if dbt could not begin, or does not know one of the nodes.
    """
    environment = connection_environment(warehouse_url)
    manifest = _manifest(home, environment)
    wanted = sorted(nodes)
    if unknown := [node for node in wanted if node not in manifest.nodes]:
        raise DbtError(f"the dbt project in {DBT_PROJECT} has no {', '.join(unknown)}. Load the definitions anew.")
    waiting = _waiting_tests(manifest, set(wanted), warehouse_url)
    ready = set(wanted).difference(waiting)
    if not ready:
        # To select nothing is to select all.
        return Built({}, {}, [], set(), waiting)
    arguments = ["build", *_selection(manifest, ready)]
    if window:
        # Not as --vars: after a change of those dbt parses the whole project anew.
        environment |= dict(zip(WINDOW_VARIABLES, (str(window.start), str(window.end)), strict=True))
    errors: list[str] = []
    with TemporaryDirectory(dir=home / "dbt") as target:
        # Artefacts of its own, which nobody reads: two chunks may build the same layer at the same time.
        result = _invoke(home, arguments, environment, errors, target=Path(target), manifest=manifest)
    if result is None:
        raise _failed(f"dbt build of {', '.join(wanted)} could not begin", errors)
    finished = list(result.results)
    failed = [each for each in finished if str(each.status) in FAILED]
    return Built(
        models={
            each.node.unique_id: Model(
                each.execution_time,
                None if each.node.config.materialized == "view" else int(each.adapter_response.get("rows_affected", 0)),
                getattr(each.node, "compiled_code", None),
            )
            for each in finished
            if each.node.resource_type in BUILT and str(each.status) == "success"
        },
        tests={
            each.node.unique_id: Tested(
                str(each.status), each.message or "", each.failures, getattr(each.node, "compiled_code", None) or ""
            )
            for each in finished
            if each.node.resource_type == "test" and str(each.status) != "skipped"
        },
        failures=[f"{each.node.name}: {each.message or each.status}" for each in failed],
        unsound={name for each in failed for name in _about(each.node)},
        waiting=waiting,
    )


def _waiting_tests(manifest: Manifest, wanted: set[str], warehouse_url: str) -> dict[str, list[str]]:
    """The tests that read what is neither among the nodes wanted nor in the warehouse, and that.

    dbt's own ways to choose tests go by the graph alone: `cautious` leaves out what reads a model of last week's build,
    and `buildable` takes what reads a model upstream that was never built.
    """
    import psycopg

    tests = [manifest.nodes[name] for name in sorted(wanted) if name.startswith("test.")]
    others = sorted({name for test in tests for name in test.depends_on_nodes} - wanted)
    if not others:
        return {}
    with psycopg.connect(warehouse_url) as connection:
        there = set(
            connection.execute(
                "select nspname, relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
            ).fetchall()
        )
    missing = {}
    for name in others:
        node = manifest.nodes.get(name) or manifest.sources.get(name)
        # What has no relation, such as an ephemeral model, is part of the query that reads it.
        if node and node.relation_name and (node.schema, node.identifier) not in there:
            missing[name] = f"{node.schema}.{node.identifier}"
    found = {test.unique_id: [missing[name] for name in test.depends_on_nodes if name in missing] for test in tests}
    return {test: relations for test, relations in found.items() if relations}


def _selection(manifest: Manifest, wanted: set[str]) -> list[str]:
    """The arguments that make dbt build just these nodes.

    dbt takes the tests of the selected models along, also those that are about models built later: these are excluded.
    To name each test instead costs dbt a second for a hundred of them.
    """
    tests = {
        name: wanted.intersection(node.depends_on_nodes)
        for name, node in manifest.nodes.items()
        if name.startswith("test.")
    }
    selected = [node for node in wanted if not tests.get(node)]
    excluded = [test for test, models in tests.items() if models and test not in wanted]

    def named(nodes: list[str]) -> list[str]:
        return [f"fqn:{'.'.join(manifest.nodes[node].fqn)}" for node in sorted(nodes)]

    return [
        *("--select", *named(selected)),
        *(("--exclude", *named(excluded)) if excluded else ()),
        # Unit tests are for whoever changes a model; they say nothing about data.
        *("--exclude-resource-type", "unit_test"),
        *("--indirect-selection", "eager"),
        "--no-write-json",
    ]


def _about(node: Any) -> list[str]:
    """The models that a failure of a node is about: itself, the model that a test is attached to, or all that it reads."""
    if node.resource_type != "test":
        return [node.unique_id]
    return [node.attached_node] if getattr(node, "attached_node", None) else list(node.depends_on.nodes)


def generate_docs(home: Path, warehouse_url: str) -> None:
    """Writes the static docs site to `docs_page`.

    Raises:
        DbtError: with what dbt said.
    """
    target = home / "dbt" / "docs"
    errors: list[str] = []
    environment = connection_environment(warehouse_url)
    if _invoke(home, ["docs", "generate", "--static"], environment, errors, target=target) is None:
        raise _failed("dbt docs generate failed", errors)
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
    errors: list[str] = []
    manifest = _invoke(home, ["parse"], environment, errors, target=target)
    if manifest is None:
        raise _failed(f"the dbt project in {DBT_PROJECT} cannot be parsed", errors)
    return manifest  # type: ignore[no-any-return]


def _invoke(
    home: Path,
    arguments: list[str],
    environment: Mapping[str, str],
    errors: list[str],
    *,
    target: Path,
    manifest: Manifest | None = None,
) -> Any:
    """Runs one dbt command; what it said was wrong is appended to `errors`. None if it failed before it had a result."""
    from dbt.cli.main import dbtRunner

    def keep(event: Any) -> None:
        if event.info.level == "error":
            errors.append(event.info.msg)

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
        forget_repeated_flags()
    if outcome.exception is not None:
        errors.append(str(outcome.exception))
    return outcome.result


def forget_repeated_flags() -> None:
    """Each command's adapter adds its flags to a list that all share, and looks through the whole stack for each of them.

    Left alone, a command takes longer the more went before it in the process: three times as long after a hundred.
    """
    from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS

    DEFAULT_BASE_BEHAVIOR_FLAGS[:] = {flag["name"]: flag for flag in DEFAULT_BASE_BEHAVIOR_FLAGS}.values()


def _failed(what: str, errors: list[str]) -> DbtError:
    return DbtError("\n".join([f"{what}:", *errors]))


def _newest_change() -> float:
    return max(file.stat().st_mtime for file in DBT_PROJECT.rglob("*") if file.suffix in (".sql", ".yml", ".md"))
