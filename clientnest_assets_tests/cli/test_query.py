"""`clientnest sql`, `warehouse`, `status` and `backfill --dry-run` on the small company, as processes of their own."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clientnest_assets.cli.query import read_moment
from clientnest_assets.cli.session import CommandError

COMMAND = Path(sys.executable).parent / "clientnest"


@pytest.fixture
def clientnest(small_company):
    """Runs one command on the small company, in production: every address is given."""
    settings = small_company.installation.settings
    environment = {
        **os.environ,
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_HOME": str(settings.home),
        "CLIENTNEST_APP_DATABASE_URL": settings.app_database_url,
        "CLIENTNEST_WAREHOUSE_URL": settings.warehouse_url,
        "CLIENTNEST_DAGSTER_DATABASE_URL": settings.dagster_database_url,
        "CLIENTNEST_LAKE_URL": small_company.installation.lake.root,
        "CLIENTNEST_PSEUDONYM_KEY": "k" * 32,
        "CLIENTNEST_FIRST_DAY": str(small_company.installation.calendar.first_day),
        "COLUMNS": "200",
    }

    def run(*arguments):
        return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_the_lake_answers_in_full_as_csv_and_ends_well(clientnest, small_company):
    done = clientnest("sql", "select id, day from raw.user_sessions order by id", "--csv")

    expected = small_company.lake("raw", "user_sessions").sort("id").select("id", "day").rows()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["id,day", *(f"{number},{day}" for number, day in expected)]


def test_a_table_that_is_cut_says_how_many_rows_it_left_out(clientnest, small_company):
    done = clientnest("sql", "select id from raw.user_sessions", "--limit", "3")

    assert done.returncode == 0
    assert f"{small_company.lake('raw', 'user_sessions').height - 3:,} more rows" in done.stdout


def test_the_warehouse_answers_and_cannot_be_changed(clientnest, small_company):
    asked = clientnest("warehouse", "select count(*) as days from marts.daily_kpis", "--csv")
    changed = clientnest("warehouse", "delete from marts.daily_kpis")

    assert (asked.returncode, asked.stdout) == (0, "days\n35\n")
    assert changed.returncode == 1
    assert "read-only transaction" in changed.stderr
    assert small_company.warehouse("select count(*) from marts.daily_kpis") == [(35,)]


@pytest.mark.parametrize(
    ("query", "told"),
    [("commit; drop table marts.daily_kpis", "cannot answer this"), ("set search_path to marts", "answers nothing")],
)
def test_the_warehouse_takes_one_question_and_no_more(clientnest, small_company, query, told):
    done = clientnest("warehouse", query)

    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert small_company.warehouse("select count(*) from marts.daily_kpis") == [(35,)]


@pytest.mark.parametrize("command", ["sql", "warehouse"])
def test_a_question_that_cannot_be_answered_is_told_without_a_traceback(clientnest, command):
    done = clientnest(command, "select [nonsense from nowhere")

    assert done.returncode == 1
    assert "cannot answer this" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_tells_rows_and_places_as_json(clientnest, small_company):
    done = clientnest("status", "--json")
    found = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert set(found["urls"]) == {
        "app_database",
        "warehouse",
        "dagster",
        "lake",
        "ui",
        "api",
        "docs",
        "features",
        "models",
        "events",
    }
    assert found["days"]["first"] == str(small_company.installation.calendar.first_day)
    assert found["rows"]["lake"]["raw.user_sessions"] == small_company.lake("raw", "user_sessions").height
    assert found["rows"]["warehouse"]["marts.daily_kpis"] == 35
    assert found["assets"]["facts/fact_posts"]["materialised"] == 35


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "yesterday"), "--from yesterday is not a day"),
        (("--from", "2026-04-02", "--to", "2026-04-01"), "--from 2026-04-02 is after --to 2026-04-01"),
        (("--from", "2020-01-01"), "is not one of the days there is data for"),
        (("--select", "group:nothing"), "names no asset"),
        (("--only", "some"), "--only some is not known"),
    ],
)
def test_a_backfill_that_makes_no_sense_is_refused_in_words(small_company, arguments, message):
    names = {"--from": "first", "--to": "last", "--select": "select", "--only": "only"}
    options = {names[option]: value for option, value in zip(arguments[::2], arguments[1::2], strict=True)}
    with pytest.raises(CommandError, match=message):
        small_company.backfill(**options)


def test_a_dry_run_prints_the_plan_and_makes_nothing(small_company, capfd):
    before = small_company.state()

    assert small_company.backfill("2026-04-18", "2026-04-19", select="group:raw", only="all", dry_run=True)

    assert small_company.state() == before
    assert small_company.plan() == []


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-03-29 14:00", 14), ("2026-03-29", 0), ("2026-03-29T14:00+02:00", 12), ("2026-03-29 14:00:00Z", 14)],
)
def test_a_moment_is_in_utc_unless_it_names_a_zone(text, hour):
    assert read_moment(text) == datetime(2026, 3, 29, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [("yesterday", "--as-of yesterday is not a moment"), ("2999-01-01", "--as-of 2999-01-01 has not come yet")],
)
def test_a_moment_that_makes_no_sense_is_refused_in_words(text, message):
    with pytest.raises(CommandError, match=message):
        read_moment(text)


def test_an_answer_too_wide_for_the_terminal_is_shown_whole(clientnest):
    names = [f"a_column_with_a_long_name_{number}" for number in range(10)]
    done = clientnest("sql", "select " + ", ".join(f"'{name}'[3:] as {name}" for name in names))

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n\n")[0].splitlines() == [f"{name}  {name[2:]}" for name in names]


def test_help_breaks_lines_by_the_terminal_and_not_by_the_source(clientnest):
    done = clientnest("import", "--help")

    assert "beside those of the app; a row that cannot be read or breaks its contract goes to quarantine" in done.stdout
