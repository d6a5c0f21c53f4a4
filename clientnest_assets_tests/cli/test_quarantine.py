"""`clientnest quarantine list | show | retry`: what they say, and what Dagster is told. Its instance is one in memory."""

import io
import json
import shlex
from contextlib import contextmanager
from copy import copy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import dataframely as dy
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from clientnest_assets.cli.quarantine import quarantine
from clientnest_assets.cli.session import Session
from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import Environment, Settings
from clientnest_assets.sources.files.register import Entry, Register, Status
from clientnest_assets.sources.landing import land_window, prepare, quarantine_table, raw_table

MONDAY, TUESDAY = date(2025, 1, 6), date(2025, 1, 7)
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
SESSIONS = CONTRACTS["user_sessions"]
RAW = dg.AssetKey(["raw", "user_sessions"])


class Commands:
    """The commands on one home, which has rows of two sources in quarantine: of the app 1, 2 and 3, of a file 4."""

    def __init__(self, home):
        self.installation = Installation(Settings(environment=Environment.TEST, home=home))
        self.installation.keep_calendar(Calendar(MONDAY, TUESDAY))
        self.said, self.warned = io.StringIO(), io.StringIO()
        rows = [(number, 0 if number == 3 else 1, NOON + timedelta(days=number % 2), -number) for number in (1, 2, 3)]
        self.land("app_database", *rows, (9, 1, NOON, 60))
        self.land("file:visits/may.csv", (4, 1, NOON, -4))

    def land(self, source, *rows):
        frame = pl.DataFrame(
            [(number, user, at, duration, None, None) for number, user, at, duration in rows],
            schema=SESSIONS.source_schema,
            orient="row",
        )
        window = Window.of_days(MONDAY, TUESDAY)
        batch = prepare(SESSIONS, frame, source, b"k" * 32)
        land_window(self.installation.lake, SESSIONS, window, lambda: batch, source=source)

    def run(self, *arguments):
        done = CliRunner().invoke(quarantine, [*arguments, "--home", str(self.installation.home)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def raw(self):
        return sorted(raw_table(self.installation.lake, SESSIONS).scan().collect().get_column("id"))

    def kept(self):
        rows = quarantine_table(self.installation.lake, SESSIONS).scan().collect().get_column("row")
        return sorted(json.loads(row)["id"] for row in rows)


@pytest.fixture
def instance(monkeypatch):
    @contextmanager
    def services(_):
        yield

    with dg.DagsterInstance.ephemeral() as made:
        monkeypatch.setattr(Session, "instance", made)
        monkeypatch.setattr(Installation, "services", services)
        yield made


@pytest.fixture
def commands(tmp_path, instance, monkeypatch):
    assert instance.is_ephemeral
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path))
    made = Commands(tmp_path)
    monkeypatch.setattr("clientnest_assets.cli.quarantine.console", Console(file=made.said, width=160))
    monkeypatch.setattr("clientnest_assets.cli.quarantine.errors", Console(file=made.warned, width=160))
    return made


@pytest.fixture
def mended(monkeypatch):
    """The contract takes any duration now."""
    columns = {name: copy(column) for name, column in SESSIONS.columns.items()}
    columns["duration"] = dy.Int64()
    schema = type("Mended", (dy.Schema,), columns)
    monkeypatch.setitem(CONTRACTS, SESSIONS.name, Contract(SESSIONS.name, SESSIONS.kind, SESSIONS.cursor, schema))


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_list_counts_by_table_source_and_reason(commands):
    commands.run("list")

    since = quarantine_table(commands.installation.lake, SESSIONS).scan().collect().get_column("quarantined_at").min()
    told = f"user_sessions app_database 2 2025-01-06 2025-01-07 {since:%Y-%m-%d} duration is below its minimum"
    assert told in lines(commands.said.getvalue())
    assert len([line for line in lines(commands.said.getvalue()) if line.startswith("user_sessions ")]) == 3


def test_list_can_be_narrowed(commands):
    commands.run("list", "--source", "file:visits/may.csv", "--from", "2025-01-06", "--to", "2025-01-06")
    commands.run("list", "--table", "social_posts")

    rows = [line for line in lines(commands.said.getvalue()) if line.startswith("user_sessions ")]
    assert [row.split()[1] for row in rows] == ["file:visits/may.csv"]
    assert "nothing is in quarantine." in commands.said.getvalue()


def test_show_gives_the_rows_as_json_and_says_how_many_it_left_out(commands):
    done = commands.run("show", "user_sessions", "--rule", "user_id|min", "--json")
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]

    assert (row["day"], row["source"], row["row"]["id"]) == ("2025-01-07", "app_database", 3)
    assert row["rules"] == ["user_id|min", "duration|min"]
    assert commands.warned.getvalue() == ""

    commands.run("show", "user_sessions", "--limit", "1")
    assert "3 more rows; --limit shows more." in commands.warned.getvalue()


def test_retry_lands_what_keeps_the_mended_contract_and_tells_dagster(commands, mended, instance):
    for day in ("2025-01-06", "2025-01-07"):
        instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=day))
    commands.run("retry", "user_sessions", "--to", "2025-01-06")

    assert (commands.raw(), commands.kept()) == ([2, 9], [1, 3, 4])
    told = instance.fetch_materializations(RAW, limit=10).records
    assert [record.partition_key for record in told] == ["2025-01-06", "2025-01-07", "2025-01-06"]
    (observed,) = instance.fetch_observations(RAW, limit=10).records
    assert observed.asset_observation.metadata["rows_landed"].value == 1

    commands.run("retry")
    assert (commands.raw(), commands.kept()) == ([1, 2, 9], [3, 4])
    said = lines(commands.said.getvalue())
    assert "user_sessions app_database 2 1 0 1" in said
    assert "left user_sessions: 1 of user_id is below its minimum" in said
    assert "carry the rows through all layers with: clientnest backfill" in said


def test_rows_of_a_file_stay_and_the_command_says_what_to_do(commands, mended):
    commands.run("retry", "--source", "file:visits/may.csv")

    assert commands.kept() == [1, 2, 3, 4]
    assert "clientnest import FILE --mapping MAPPING" in commands.said.getvalue()


def test_rows_of_a_file_that_was_landed_come_with_the_command_that_imports_it_again(commands, mended):
    entry = Entry(
        "hash", "may 1.csv", "visits", "hash", "file:visits/may.csv", ["user_sessions"], 1, Status.LANDED,
        archive_path=".archive/visits/2025-01-07/abc-may 1.csv",
    )  # fmt: skip
    Register.read(commands.installation.lake).write(entry)
    landing = Path(commands.installation.landing_url)
    (landing / "visits").mkdir(parents=True)
    (landing / "visits" / "mapping.yaml").write_text("source: visits")

    commands.run("retry", "--source", "file:visits/may.csv")

    command = shlex.split(commands.said.getvalue().partition("mended: ")[2].splitlines()[0])
    archived, mapping = landing / entry.archive_path, landing / "visits/mapping.yaml"
    assert command == ["clientnest", "import", str(archived), "--mapping", str(mapping), "--as", "may 1.csv"]


def test_a_dry_run_writes_nothing(commands, mended, instance):
    commands.run("retry", "--dry-run")

    assert (commands.raw(), commands.kept()) == ([9], [1, 2, 3, 4])
    assert "user_sessions app_database 3 2 0 1" in lines(commands.said.getvalue())
    assert instance.fetch_observations(RAW, limit=10).records == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "users"), "there is no table users. Tables that have a quarantine: auth_user"),
        (("list", "--from", "2025-02-01", "--to", "2025-01-01"), "--from 2025-02-01 is after --to 2025-01-01"),
    ],
)
def test_what_makes_no_sense_is_told(commands, arguments, message):
    with pytest.raises(Exception, match=message):
        commands.run(*arguments)
