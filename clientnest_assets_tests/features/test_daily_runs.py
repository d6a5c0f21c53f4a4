"""Days lived one by one give, row for row, what one backfill over all of them gives afterwards."""

from datetime import date

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.store import stored_rows
from clientnest_assets.partitions import Calendar
from clientnest_assets.simulation import World, advance_world, write_world

WORLD = World(users=30, days=16, seed=8, last_day=date(2026, 4, 19))
LIVED = 2
ALL_THAT_FEATURES_NEED = '+group:"features" or +group:"facts" or +group:"dimensions"'


def nothing(_day, _days):
    """No progress is shown."""


def rows_of(company, view, day):
    rows = stored_rows(company.installation.lake, view).filter(pl.col("day") == day)
    return rows.collect().sort(view.row_key)


@pytest.fixture(scope="module")
def lived(databases, tmp_path_factory, company_class, parsed_project):
    """A company that lived its last days one by one, and what each view held of a day on its evening."""
    folder, url = tmp_path_factory.mktemp("lived"), databases.create()
    write_world(WORLD, url, folder / "truth", nothing)
    home = folder / "home"
    company = company_class.found(home, databases, Calendar(WORLD.first_day, WORLD.last_day), url)
    parsed_project(home)
    assert company.backfill(select=ALL_THAT_FEATURES_NEED)
    evenings = {}
    for passed in range(LIVED):
        advance_world(WORLD.extended(passed) if passed else WORLD, 1, url, folder / "truth", nothing)
        day = WORLD.extended(passed + 1).last_day
        company.installation.keep_calendar(Calendar(WORLD.first_day, day))
        assert company.backfill(str(day), str(day), select=ALL_THAT_FEATURES_NEED)
        evenings[day] = {name: rows_of(company, view, day) for name, view in VIEWS.items()}
    return company, evenings


def test_what_was_stored_on_the_evening_of_a_day_is_what_a_backfill_of_all_days_stores(lived):
    company, evenings = lived
    assert company.backfill(select='group:"features"', only="all")

    for day, stored in evenings.items():
        for name, view in VIEWS.items():
            again = rows_of(company, view, day)
            assert stored[name].equals(again), f"{name} of {day}"
    assert sum(rows.height for stored in evenings.values() for rows in stored.values()) > 0


def test_each_view_had_rows_on_each_evening(lived):
    _, evenings = lived
    # Posts are written, and mature, on most days and not on all.
    assert {name for stored in evenings.values() for name, rows in stored.items() if rows.height} == VIEWS.keys()
