"""`clientnest collect`, as a person gives it, and what Dagster knows afterwards."""

import os
import re
import subprocess
import sys
from datetime import date

import dagster as dg
import pytest

from clientnest_assets.cli.collect import collect, collect_from_stand_in, show
from clientnest_assets.cli.session import CommandError, Session
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings
from clientnest_assets.simulation import World, write_world

WORLD = World(users=40, days=30, seed=3, last_day=date(2026, 4, 19))


@pytest.fixture
def session(embedded_home):
    """A home with a simulated company in its app's database, and nothing landed yet."""
    installation = Installation(Settings(environment=Environment.TEST, home=embedded_home))
    write_world(WORLD, installation.app_database_url, installation.truth, lambda _day, _days: None)
    installation.keep_calendar(Calendar(WORLD.first_day, WORLD.last_day))
    opened = Session(installation)
    yield opened
    opened.instance.dispose()


def totals(printed):
    """The numbers of each platform's line of the summary."""
    lines = re.findall(r"^ ?(twitter|facebook|instagram|linkedin|tiktok) +((?:[\d,]+ *)+)$", printed, re.MULTILINE)
    return {name: [int(number.replace(",", "")) for number in numbers.split()] for name, numbers in lines}


def test_a_newcomer_sees_it_work_on_the_simulated_company(session):
    first = collect_from_stand_in(session, accounts_per_platform=2)

    assert show(first)
    assert [each.platform for each in first] == ["twitter", "facebook", "instagram", "linkedin", "tiktok"]
    for each in first:
        assert [outcome.status for outcome in each.outcomes] == ["done"] * 2
        landed = sum(rows.rows_written for rows in each.tables.values())
        assert each.total("rows") == each.total("rows_good") == landed > 2
        assert each.collected_at.date() == WORLD.last_day
    observed = session.instance.fetch_observations(dg.AssetKey(["raw", "post_metrics"]), limit=10).records
    assert {each.asset_observation.metadata["source"].value for each in observed} == {each.source for each in first}

    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLIENTNEST_", "DAGSTER_"))
    }
    command = [sys.executable, "-m", "clientnest_assets.cli.main", "collect", "--stand-in", "--platform", "instagram"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env={**environment, "CLIENTNEST_HOME": str(session.installation.home), "COLUMNS": "160"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    accounts, postponed, failed, received, landed, held, quarantined = totals(done.stdout)["instagram"]
    assert (postponed, failed, quarantined) == (0, 0, 0)
    # The two accounts of before are held already, and more accounts are connected now.
    assert accounts > 2
    assert held == first[2].total("rows")
    assert received == landed + held

    with pytest.raises(CommandError, match="--platform myspace is not known"):
        collect_from_stand_in(session, ["myspace"])


def test_without_connections_or_a_company_the_command_says_what_to_do(embedded_home, monkeypatch):
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(embedded_home))

    with pytest.raises(CommandError, match="set CLIENTNEST_PLATFORM_CONNECTIONS"):
        collect()
    with pytest.raises(CommandError, match="there is no simulated company yet"):
        collect(stand_in=True)
