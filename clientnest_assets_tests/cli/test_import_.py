"""`clientnest import`: what it says, how it ends, and what it refuses. Reporting to Dagster is a double here."""

import io
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from clientnest_assets.cli.import_ import import_file
from clientnest_assets.cli.session import CommandError, Session
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar, read_calendar

MAPPING = """
source: numbers
tables:
  post_metrics:
    columns:
      id: id
      post_id: id
      collected_at: {column: at, zone: UTC}
      likes_count: likes
"""
LINES = "id,at,likes\n1,2025-01-01,5\n2,2025-01-03,6\n3,2025-01-03,many\n"
RAW = dg.AssetKey(["raw", "post_metrics"])


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """Dagster's instance in memory, and no services."""

    @contextmanager
    def services(_: Installation) -> Any:
        yield

    with dg.DagsterInstance.ephemeral() as made:
        monkeypatch.setattr(Session, "instance", made)
        monkeypatch.setattr(Installation, "services", services)
        yield made


class Command:
    """The command on one home, with a file and a mapping."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file, self.mapping = home / "numbers.csv", home / "numbers.yaml"
        self.file.write_text(LINES)
        self.mapping.write_text(MAPPING)
        self.said = io.StringIO()
        self.app = typer.Typer()
        self.app.command()(import_file)

    def run(self, *options: str) -> Any:
        arguments = [str(self.file), "--mapping", str(self.mapping), "--home", str(self.home), *options]
        return CliRunner().invoke(self.app, arguments)


@pytest.fixture
def command(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Command:
    assert instance.is_ephemeral
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path))
    made = Command(tmp_path)
    monkeypatch.setattr("clientnest_assets.cli.import_.console", Console(file=made.said, width=120))
    return made


def test_it_prints_the_counts_and_observes_the_table(command: Command, instance: dg.DagsterInstance) -> None:
    assert command.run().exit_code == 0
    assert "1 of likes_count|cast" in command.said.getvalue()
    (observed,) = instance.fetch_observations(RAW, limit=10).records
    metadata = observed.asset_observation.metadata
    told = {
        name: metadata[name].value for name in ("file", "source", "rows_in_file", "rows_written", "rows_quarantined")
    }
    assert told == {
        "file": "numbers.csv",
        "source": "file:numbers/numbers.csv",
        "rows_in_file": 3,
        "rows_written": 2,
        "rows_quarantined": 1,
    }


def test_the_calendar_grows_by_the_landed_days(command: Command) -> None:
    command.run()
    assert read_calendar(command.home / "calendar.json") == Calendar(date(2025, 1, 1), date(2025, 1, 3))

    command.file.write_text("id,at,likes\n9,2024-12-30,5\n")
    command.run("--as", "older.csv")
    assert read_calendar(command.home / "calendar.json") == Calendar(date(2024, 12, 30), date(2025, 1, 3))


def test_days_that_dagster_holds_for_materialised_are_told_anew_when_they_change(
    command: Command, instance: dg.DagsterInstance
) -> None:
    for day in ("2025-01-01", "2025-01-02", "2025-01-03"):
        instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=day))

    def told() -> list[str | None]:
        return [record.partition_key for record in instance.fetch_materializations(RAW, limit=50).records][:-3]

    command.run()
    assert sorted(told()) == ["2025-01-01", "2025-01-03"]
    command.run()
    assert len(told()) == 2
    command.file.write_text(LINES.replace("1,2025-01-01,5", "1,2025-01-01,50"))
    command.run()
    assert told()[0] == "2025-01-01"
    assert len(told()) == 3


def test_a_dry_run_writes_no_table(command: Command) -> None:
    assert command.run("--dry-run").exit_code == 0
    assert "nothing was written" in command.said.getvalue()
    assert not (command.home / "lake").exists()
    assert not (command.home / "calendar.json").exists()


def test_it_ends_non_zero_if_no_row_is_fit(command: Command) -> None:
    command.file.write_text("id,at,likes\n1,never,5\n")

    result = command.run()

    assert result.exit_code == 1
    assert (command.home / "lake" / "quarantine" / "post_metrics").exists()


def test_a_table_that_the_mapping_lacks_is_an_error(command: Command) -> None:
    assert "it fills post_metrics" in str(command.run("--table", "social_posts").exception)


def test_days_before_the_first_of_the_settings_are_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only production sets a first day; the lake is what this is about, so the rest of production is left out.
    load = Installation.load.__func__  # type: ignore[attr-defined]

    def with_first_day(cls: type[Installation]) -> Installation:
        installation = load(cls)
        installation.settings = installation.settings.model_copy(update={"first_day": date(2025, 1, 2)})
        return installation

    monkeypatch.setattr(Installation, "load", classmethod(with_first_day))
    result = command.run()

    assert isinstance(result.exception, CommandError)
    assert "CLIENTNEST_FIRST_DAY=2025-01-01" in str(result.exception)
    assert not (command.home / "lake").exists()


def test_the_help_shows_what_comes_next(command: Command) -> None:
    assert "clientnest backfill" in CliRunner().invoke(command.app, ["--help"]).output
