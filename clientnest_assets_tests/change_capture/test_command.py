"""`clientnest capture` as people give it, and the same as an asset: one installation, one app database."""

import subprocess
import sys

import dagster as dg
import pytest
from typer.testing import CliRunner

from clientnest_assets.cli.main import cli
from clientnest_assets.cli.session import Session, console
from clientnest_assets.defs import change_capture as defs
from clientnest_assets.partitions import Calendar
from clientnest_assets.sources.change_capture import connected, stop


@pytest.fixture
def small(company, monkeypatch):
    """The small company, as the settings that the command loads."""
    settings = company.installation.settings
    monkeypatch.setattr(Session, "open", classmethod(lambda cls, home=None: cls(company.installation)))
    yield company
    with connected(settings.app_database_url) as connection:
        stop(connection)


def run(*arguments):
    """The exit code of `clientnest capture`, and what it said."""
    with console.capture() as said:
        done = CliRunner().invoke(cli, ["capture", *arguments])
    return done.exit_code, said.get()


def test_a_capture_from_its_begin_to_its_end(small):
    assert run("--status")[0] == 1
    code, said = run("--once")
    assert code == 0
    assert "the snapshot is landed" in said
    assert "quarantine social_posts: 1 of platform|check__allowed_values" in said
    small.app("delete from social_posts where id = 1")
    small.app("update social_posts set content = 'mended', updated_at = updated_at + interval '1 hour' where id = 2")
    assert run("--once")[0] == 0
    code, said = run("--status")
    assert code == 0
    assert "reserved" in said

    rows = small.lake("raw", "social_posts")
    assert rows.filter(id=1).get_column("deleted_at").drop_nulls().len() == 1
    assert "mended" in rows.filter(id=2).get_column("content")
    assert run("--stop")[0] == 0
    assert "nothing was captured" in run("--stop")[1]
    assert run("--stop", "--status")[0] != 0


def test_as_an_asset_it_tells_which_days_changed(small):
    installation = type(small.installation)(small.installation.settings.model_copy(update={"change_capture": True}))
    (asset,), checks = defs.change_capture_assets(installation), defs.change_capture_checks(installation)
    jobs = defs.change_capture_jobs(installation)
    assert [schedule.name for schedule in defs.change_capture_schedules(jobs, running=False)] == [
        "capture_changes_every_minute",
        "watch_change_capture_every_quarter_of_an_hour",
    ]
    resources = {"installation": installation}
    definitions = dg.Definitions(assets=[asset], asset_checks=checks, jobs=jobs, resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        raw = dg.AssetKey(["raw", "social_posts"])
        instance.report_runless_asset_event(dg.AssetMaterialization(raw, partition="2026-04-19"))
        before = len(instance.fetch_materializations(raw, limit=100).records)
        for _ in range(2):
            assert (
                definitions.resolve_job_def(defs.CAPTURE)
                .execute_in_process(instance=instance, resources=resources)
                .success
            )
        after = instance.fetch_materializations(raw, limit=100).records
        assert [record.partition_key for record in after[: len(after) - before]] == ["2026-04-19"]

        done = definitions.resolve_job_def(defs.WATCH).execute_in_process(instance=instance, resources=resources)
        (checked,) = done.get_asset_check_evaluations()
        assert (checked.check_name, checked.passed) == (defs.CAPTURED_IN_TIME, True)


def test_without_the_setting_there_is_no_trace_of_it(company):
    assert defs.change_capture_assets(company.installation) == []
    assert defs.change_capture_checks(company.installation) == []
    assert defs.change_capture_schedules(defs.change_capture_jobs(company.installation), running=True) == []


def test_an_embedded_home_gets_the_days_of_new_changes(company):
    from datetime import UTC, date, datetime

    from clientnest_assets.sources.change_capture import Captured

    company.installation.keep_calendar(Calendar(date(2026, 4, 1), date(2026, 4, 19)))
    changed = Captured(days_changed={date(1999, 1, 1), date(2026, 4, 21)})
    defs.extend_calendar(company.installation, {"auth_user": changed})
    assert company.installation.calendar == Calendar(date(2026, 4, 1), date(2026, 4, 21))
    defs.extend_calendar(company.installation, {"auth_user": Captured(days_changed={date(2999, 1, 1)})})
    assert company.installation.calendar.last_day == max(datetime.now(UTC).date(), date(2026, 4, 21))


def test_a_running_capture_ends_by_a_signal_after_what_it_is_landing(captured, new_post, tmp_path):
    """As a service is stopped: with a word, and without an error."""
    program = """
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from pathlib import Path
from clientnest_assets.cli import capture as command
from clientnest_assets.cli.session import Session, console
from clientnest_assets.defs import change_capture as defs
from clientnest_assets.lake import Lake
from clientnest_assets.sources.change_capture import Capture

url, lake, folder = sys.argv[1:]
defs.capture_of = lambda _: Capture(url, Lake(lake), b"k" * 32, Path(folder), by_clock=True)
defs.report = lambda *_: print("reported", flush=True)
installation = SimpleNamespace(services=nullcontext)
Session.open = classmethod(lambda cls, home=None: SimpleNamespace(installation=installation, instance=None))
command.capture(once=False, snapshot=False, status=False, stop=False, poll_seconds=0.1, home=None)
print("ended", flush=True)
"""
    captured.app(new_post(1, "one", "2026-01-05 10:00+00"))
    capture = captured.capture
    arguments = [sys.executable, "-c", program, capture.url, capture.lake.root, str(capture.folder)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    lines = iter(child.stdout.readline, "")
    assert any("reported" in line for line in lines)
    captured.app(new_post(2, "two", "2026-01-05 11:00+00"))
    assert any("reported" in line for line in lines)
    child.terminate()
    assert "ended" in child.communicate()[0]
    assert child.returncode == 0
    assert captured.raw("social_posts", "id") == [(1,), (2,)]
