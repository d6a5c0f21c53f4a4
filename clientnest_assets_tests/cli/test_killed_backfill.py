"""A backfill killed again and again, over ranges out of order, ends in the state of one that makes everything anew."""

import os
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from clientnest_assets.cli.execute import COMMAND_TAG
from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.defs.dbt import LAYERS
from clientnest_assets.partitions import Calendar
from clientnest_assets.simulation import World, write_world
from clientnest_assets.sources.landing import raw_table

WORLD = World(users=40, days=33, seed=5, last_day=date(2026, 4, 19))
COMMAND = Path(sys.executable).parent / "clientnest"
WITHOUT_DOCS = " or ".join(f"group:{group}" for group in ("raw", "warehouse", *LAYERS, "features"))


@pytest.fixture
def home(embedded_home, parsed_project, monkeypatch):
    parsed_project(embedded_home)
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(embedded_home))
    return embedded_home


def start(*arguments):
    return subprocess.Popen(
        [COMMAND, "backfill", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    )


def kill(process, reached, seconds):
    """Kills the command so long after it has reached a point, and before it ends by itself."""
    while not reached():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.communicate()


def test_a_killed_backfill_given_again_ends_as_if_nothing_had_happened(company_class, home):
    chance = random.Random(20)
    company = company_class.embedded(home)
    write_world(WORLD, company.installation.app_database_url, company.installation.truth, lambda _day, _days: None)
    company.installation.keep_calendar(Calendar(WORLD.first_day, WORLD.last_day))

    lake = company.installation.lake

    def raw_has_begun():
        return raw_table(lake, CONTRACTS["user_sessions"]).row_counts().height > 6

    def facts_have_begun():
        return company.warehouse("select count(*) > 6 from (select distinct day from facts.fact_users_daily) as days")[
            0
        ][0]

    def marts_are_built():
        return company.warehouse("select to_regclass('marts.daily_kpis') is not null")[0][0]

    # Days from the middle first: what they are made of is not whole yet, before them and after them.
    kill(start("--from", "2026-03-28", "--to", "2026-04-02"), marts_are_built, chance.uniform(0, 0.5))
    kill(start(), raw_has_begun, chance.uniform(0, 3))
    kill(start(), facts_have_begun, chance.uniform(0, 2))
    last = start()
    output, _ = last.communicate()

    assert last.returncode == 0, output
    resumed = company.state()
    assert company.plan() == []
    assert company.unfinished_runs(COMMAND_TAG) == []
    assert company.backfill(select=WITHOUT_DOCS, only="all")
    assert company.state() == resumed
