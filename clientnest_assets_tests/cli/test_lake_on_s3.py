"""The small company once more with its lake on the S3 server: the same rows everywhere, and the same commands."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import Storage

COMMAND = Path(sys.executable).parent / "clientnest"
REBUILT = " or ".join(f"group:{each}" for each in ("raw", "rollups", "warehouse", "features", "experiments"))


@pytest.fixture(scope="module")
def company(small_company, object_store, tmp_path_factory):
    """A copy of the company whose lake is empty and in the bucket, and then filled from the app as the other was."""
    copied = small_company.copy(tmp_path_factory.mktemp("s3-company") / "home")
    shutil.rmtree(copied.installation.home / "lake")
    settings = copied.installation.settings.model_copy(update={"lake_url": "s3://clientnest/company"})
    with patch.dict(os.environ, object_store.options):
        built = replace(copied, installation=Installation(settings))
        assert built.backfill(select=REBUILT, only="all")
        yield built


@pytest.fixture
def clientnest(company):
    settings = company.installation.settings
    environment = {
        **os.environ,
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_HOME": str(settings.home),
        "CLIENTNEST_APP_DATABASE_URL": settings.app_database_url,
        "CLIENTNEST_WAREHOUSE_URL": settings.warehouse_url,
        "CLIENTNEST_DAGSTER_DATABASE_URL": settings.dagster_database_url,
        "CLIENTNEST_LAKE_URL": settings.lake_url,
        "CLIENTNEST_PSEUDONYM_KEY": company.installation.pseudonym_key.decode(),
        "CLIENTNEST_FIRST_DAY": str(company.installation.calendar.first_day),
        "COLUMNS": "200",
    }

    def run(*arguments, **more):
        return subprocess.run(
            [COMMAND, *arguments], env={**environment, **more}, capture_output=True, text=True, timeout=120
        )

    return run


def test_every_table_has_the_rows_that_it_has_on_a_folder(company, small_company):
    assert company.installation.lake.root.startswith("s3://")
    assert not (company.installation.home / "lake").exists()
    assert company.state() == small_company.state()


def test_status_and_sql_answer_as_on_a_folder(clientnest, small_company):
    rows = small_company.lake("raw", "user_sessions").height
    told = clientnest("status", "--json")
    asked = clientnest("sql", "select count(*) as rows from raw.user_sessions", "--csv")

    assert (told.returncode, asked.returncode) == (0, 0), told.stderr + asked.stderr
    assert json.loads(told.stdout)["rows"]["lake"]["raw.user_sessions"] == rows
    assert asked.stdout.split() == ["rows", str(rows)]


def test_earlier_states_survive_upkeep_and_are_seen_at_their_moment(clientnest, company):
    before = datetime.now(UTC)
    digest = company.state()
    dry = clientnest("maintain", "--dry-run")
    done = clientnest("maintain", "--table", "raw.user_sessions", "--table", "features.content_v2")

    assert (dry.returncode, done.returncode) == (0, 0), dry.stderr + done.stderr
    assert re.search(r"^2 tables; 0 files were removed", done.stdout, re.MULTILINE)
    assert company.state() == digest
    asked = clientnest("sql", "select count(*) from raw.user_sessions", "--csv", "--as-of", str(before))
    assert asked.stdout.split()[1] == str(company.lake("raw", "user_sessions").height)
    early = clientnest("sql", "select count(*) from raw.user_sessions", "--as-of", "2020-01-01")
    assert early.returncode == 1
    assert "as it stood at 2020-01-01 00:00:00 UTC" in early.stderr


def test_a_store_that_cannot_be_written_to_stops_a_command_with_the_remedy(clientnest):
    done = clientnest("sql", "select 1", CLIENTNEST_LAKE_URL="s3://no-such-bucket/lake")

    assert done.returncode == 1
    assert "s3://no-such-bucket/lake at http://127.0.0.1" in done.stderr
    assert "CLIENTNEST_LAKE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_steps_print_is_kept_in_the_bucket(company):
    """Run as Dagster's services run a step: as a process that is given the instance."""
    url = "s3://clientnest/logs/steps"
    with patch.dict(os.environ, {"CLIENTNEST_COMPUTE_LOGS_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}):
        settings = company.installation.settings.model_copy(update={"compute_logs_url": url})
        logged = replace(company, installation=Installation(settings))
        assert logged.backfill("2026-04-19", "2026-04-19", select="key:raw/experiments", only="all")

    lake = company.installation.lake
    kept = {file.path: file.size_bytes for file in Storage("s3://clientnest/logs", lake.storage_options).files()}
    assert kept
    assert all(path.startswith("steps/storage/") and path.endswith((".out", ".err")) for path in kept)
