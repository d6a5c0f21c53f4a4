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
from clientnest_assets.cli.land import land
from clientnest_assets.cli.session import Session
from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.defs.file_imports import EarlierDaysError
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Calendar, read_calendar
from clientnest_assets.sources.files.register import Register
from clientnest_assets.sources.landing import raw_table

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
        self.app, self.landing = typer.Typer(), typer.Typer()
        self.app.command()(import_file)
        self.landing.command()(land)

    def run(self, *options: str) -> Any:
        return self.run_with("--mapping", str(self.mapping), *options)

    def run_with(self, *options: str, stdin: str | None = None) -> Any:
        return CliRunner().invoke(self.app, [str(self.file), "--home", str(self.home), *options], input=stdin)

    def land(self, *options: str) -> Any:
        return CliRunner().invoke(self.landing, ["--home", str(self.home), *options])


@pytest.fixture
def command(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Command:
    assert instance.is_ephemeral
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path))
    made = Command(tmp_path)
    for module in ("import_", "importing", "suggest", "land"):
        monkeypatch.setattr(f"clientnest_assets.cli.{module}.console", Console(file=made.said, width=120))
        if module != "importing":
            monkeypatch.setattr(f"clientnest_assets.cli.{module}.errors", Console(width=120))
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

    assert isinstance(result.exception, EarlierDaysError)
    assert "CLIENTNEST_FIRST_DAY=2025-01-01" in str(result.exception)
    assert not (command.home / "lake").exists()


def test_the_same_content_under_another_name_is_noticed_and_not_landed_twice(command: Command) -> None:
    command.run()

    assert command.run("--as", "copy.csv").exit_code == 0

    assert "nothing to do: all of numbers.csv was landed on" in command.said.getvalue()
    lake = Lake(str(command.home / "lake"))
    assert Register.read(lake).rows.select("name", "status").rows() == [
        ("numbers.csv", "begun"),
        ("numbers.csv", "landed"),
    ]
    assert raw_table(lake, CONTRACTS["post_metrics"]).scan().collect().height == 2


def test_an_import_that_was_cut_off_tells_every_day_it_may_have_changed(
    command: Command, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("2025-01-01", "2025-01-02", "2025-01-03"):
        instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=day))
    with monkeypatch.context() as patch:
        patch.setattr("clientnest_assets.defs.arrivals.tell", _interrupted)
        assert command.run().exit_code != 0

    assert command.run().exit_code == 0

    told = [record.partition_key for record in instance.fetch_materializations(RAW, limit=50).records][:-3]
    assert sorted(filter(None, told)) == ["2025-01-01", "2025-01-02", "2025-01-03"]


def test_too_many_bad_rows_are_refused_before_anything_is_replaced(command: Command) -> None:
    command.run()
    command.file.write_text("id,at,likes\n1,2025-01-01,50\n" + "".join(f"{n},2025-01-01,x\n" for n in range(2, 150)))

    assert "148 of 149 rows for post_metrics are bad" in str(command.run().exception)
    lake = Lake(str(command.home / "lake"))
    assert raw_table(lake, CONTRACTS["post_metrics"]).scan().collect().get_column("likes_count").sort().to_list() == [
        5,
        6,
    ]


def test_a_mapping_is_proposed_and_taken_from_standard_input(command: Command) -> None:
    command.file.write_text(
        "id,text,created_at,likes\n" + "".join(f"{n},hi {n},2025-01-0{n},{n}\n" for n in range(1, 9))
    )
    proposal = command.run_with("--suggest").output
    said = command.said.getvalue()

    assert "content: text" in said
    assert "nothing was written; importing would do this" in proposal
    assert not (command.home / "lake").exists()
    result = command.run_with("--mapping", "-", stdin=said)
    assert result.exit_code == 0, result.output
    lake = Lake(str(command.home / "lake"))
    assert raw_table(lake, CONTRACTS["post_metrics"]).scan().collect().get_column("likes_count").sum() == 36


def test_without_a_mapping_the_way_to_one_is_told(command: Command) -> None:
    assert "--suggest > my_mapping.yaml" in str(command.run_with().exception)


def test_land_takes_what_waits_and_says_what_became_of_it(command: Command, instance: dg.DagsterInstance) -> None:
    assert instance.is_ephemeral
    folder = command.home / "landing" / "numbers"
    folder.mkdir(parents=True)
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "a.csv").write_text(LINES)
    (folder / "b.csv").write_text("id,when\n1,2\n")

    assert command.land().exit_code == 0
    assert "2 files were written to less than 10 seconds ago" in command.said.getvalue()
    result = command.land("--settled", "0")

    assert result.exit_code == 1
    said = " ".join(command.said.getvalue().split())
    assert "numbers/a.csv landed" in said
    assert "has no column 'at', 'likes', which the mapping reads" in said
    assert sorted(path.name.split("-", 1)[-1] for path in (command.home / "landing").rglob("*.csv*")) == [
        "a.csv",
        "b.csv",
        "b.csv.error.txt",
    ]
    assert command.land().exit_code == 0
    assert "nothing waits in" in command.said.getvalue()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_help_shows_what_comes_next(command: Command) -> None:
    assert "clientnest backfill" in CliRunner().invoke(command.app, ["--help"]).output
