"""The days and weeks that Dagster shows, for a world in the past, one ahead of the clock, and one that has no end."""

from datetime import UTC, date, datetime, timedelta

import pytest

from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.partitions import Calendar, monday

TODAY = datetime.now(UTC).date()


@pytest.mark.parametrize("last", [date(2025, 2, 9), TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=40)])
def test_days_of_a_calendar_are_its_days(last):
    first = last - timedelta(days=33)
    days = Partitions.of(Calendar(first, last)).daily.get_partition_keys()

    assert (days[0], days[-1], len(days)) == (str(first), str(last), 34)


@pytest.mark.parametrize("last", [date(2025, 2, 9), date(2025, 2, 10), TODAY, TODAY + timedelta(days=40)])
def test_a_week_is_there_once_its_sunday_is_over(last):
    first = last - timedelta(days=33)
    weeks = Partitions.of(Calendar(first, last)).weekly.get_partition_keys()

    expected = [monday(first) + timedelta(weeks=n) for n in range(6)]
    assert weeks == [str(week) for week in expected if week + timedelta(days=6) <= last]


def test_where_the_clock_rules_today_is_the_last_day():
    partitions = Partitions.of(Calendar(TODAY - timedelta(days=10)))

    days = partitions.daily.get_partition_keys()
    assert (days[0], days[-1], len(days)) == (str(TODAY - timedelta(days=10)), str(TODAY), 11)
    assert all(date.fromisoformat(week) + timedelta(days=7) <= TODAY for week in partitions.weekly.get_partition_keys())
