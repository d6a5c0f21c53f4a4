"""The dbt project as a program: where it is, how it connects, and its manifest, parsed when it has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from filelock import FileLock

from clientnest_assets.errors import ClientNestError
from clientnest_assets.settings import DBT_PROJECT

EXECUTABLE = Path(sys.executable).parent / "dbt"


class DbtError(ClientNestError):
    """A dbt command failed. The message holds what it printed."""


def connection_environment(warehouse_url: str) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads, out of the warehouse's address."""
    parts = urlsplit(warehouse_url)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return {
        "CLIENTNEST_DBT_HOST": host,
        "CLIENTNEST_DBT_PORT": str(parts.port or 5432),
        "CLIENTNEST_DBT_USER": unquote(parts.username or ""),
        "CLIENTNEST_DBT_PASSWORD": unquote(parts.password or ""),
        "CLIENTNEST_DBT_DATABASE": unquote(parts.path.lstrip("/")),
    }


def target_folder(home: Path) -> Path:
    """Where dbt keeps what it parsed."""
    return home / "dbt" / "target"


def docs_page(home: Path) -> Path:
    """The docs site: one self-contained page, written by the asset docs/dbt_docs, served on port 8000."""
    return home / "site" / "dbt" / "index.html"


def prepared_manifest(home: Path) -> Path:
    """The project's manifest, parsed anew if a file of the project is newer. Needs no database."""
    manifest = target_folder(home) / "manifest.json"
    target_folder(home).mkdir(parents=True, exist_ok=True)
    with FileLock(home / "dbt" / "parse.lock"):
        if not manifest.exists() or manifest.stat().st_mtime < _newest_change():
            run_dbt(["parse"], home, {})
            # Partial parsing may leave an unchanged manifest untouched; its time says when it was last checked.
            manifest.touch()
    return manifest


def run_dbt(arguments: list[str], home: Path, environment: Mapping[str, str], *, target: Path | None = None) -> str:
    """Runs one dbt command and returns its output. Artefacts go to `target`, by default the shared target folder.

    Raises:
        DbtError: with the end of its output.
    """
    done = subprocess.run(
        [EXECUTABLE, *arguments],
        cwd=DBT_PROJECT,
        env={
            **os.environ,
            **environment,
            "DBT_PROFILES_DIR": str(DBT_PROJECT),
            "DBT_TARGET_PATH": str(target or target_folder(home)),
            "DBT_LOG_PATH": str(home / "dbt" / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtError(f"dbt {' '.join(arguments)} failed ({done.returncode}):\n{done.stdout[-4000:]}")
    return done.stdout


def _newest_change() -> float:
    return max(file.stat().st_mtime for file in DBT_PROJECT.rglob("*") if "target" not in file.parts)
