"""Suggested times on the caller's clock: the next moment at which the author's hour begins."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.posting_times.clock import on_the_clock_of

WINTER = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
"""A Wednesday."""


def told(weekday: int, hour: int, author: str | None, caller: str, now: datetime) -> dict[str, object]:
    slots = pl.DataFrame(
        {"weekday": [weekday], "hour": [hour], "author_timezone": [author]},
        schema_overrides={"author_timezone": pl.String},
    )
    return on_the_clock_of(caller, slots, now).row(0, named=True)


def test_ones_own_zone_keeps_day_and_hour():
    found = told(3, 18, "Europe/Berlin", "Europe/Berlin", WINTER)
    assert (found["weekday_there"], found["time_there"]) == (3, "18:00")
    assert found["next_at"] == datetime(2025, 1, 15, 17, tzinfo=UTC)


def test_a_zone_half_an_hour_off_is_told_to_the_minute():
    found = told(3, 18, "Asia/Kolkata", "UTC", WINTER)
    assert found["time_there"] == "12:30"
    assert told(3, 9, "UTC", "Asia/Kathmandu", WINTER)["time_there"] == "14:45"


def test_summer_time_moves_the_callers_clock():
    summer = datetime(2025, 7, 16, 5, 0, tzinfo=UTC)
    assert told(3, 18, "Asia/Kolkata", "Europe/Berlin", WINTER)["time_there"] == "13:30"
    assert told(3, 18, "Asia/Kolkata", "Europe/Berlin", summer)["time_there"] == "14:30"


def test_a_week_in_which_the_clock_changes_uses_the_rules_of_the_day_it_falls_on():
    before_change = datetime(2025, 3, 28, 12, 0, tzinfo=UTC)
    assert told(6, 18, "Europe/Berlin", "UTC", before_change)["time_there"] == "17:00"
    assert told(7, 18, "Europe/Berlin", "UTC", before_change)["time_there"] == "16:00"


def test_an_hour_that_is_leapt_over_comes_a_week_later():
    before_change = datetime(2025, 3, 28, 12, 0, tzinfo=UTC)
    found = told(7, 2, "Europe/Berlin", "Europe/Berlin", before_change)
    assert found["next_at"] == datetime(2025, 4, 6, 0, tzinfo=UTC)
    assert found["time_there"] == "02:00"


def test_of_an_hour_that_comes_twice_the_first_is_told():
    found = told(7, 2, "Europe/Berlin", "UTC", datetime(2025, 10, 24, tzinfo=UTC))
    assert found["next_at"] == datetime(2025, 10, 26, 0, tzinfo=UTC)


def test_the_weekday_is_the_callers():
    found = told(3, 23, "America/New_York", "Asia/Tokyo", WINTER)
    assert (found["weekday_there"], found["time_there"]) == (4, "13:00")


def test_an_hour_that_has_begun_comes_again_next_week():
    found = told(3, 12, "UTC", "UTC", WINTER)
    assert found["next_at"] == datetime(2025, 1, 22, 12, tzinfo=UTC)


def test_without_an_authors_zone_the_hour_is_the_callers():
    assert told(1, 9, None, "Australia/Adelaide", WINTER)["time_there"] == "09:00"


def test_an_authors_zone_that_nobody_knows_is_utc():
    assert told(3, 18, "Moon/Tranquility", "UTC", WINTER)["time_there"] == "18:00"


def test_a_callers_zone_that_nobody_knows_is_refused():
    with pytest.raises(ModelError, match=r"Moon/Tranquility.*IANA"):
        told(3, 18, "UTC", "Moon/Tranquility", WINTER)


def test_nothing_suggested_stays_nothing():
    none = pl.DataFrame(schema={"weekday": pl.Int64, "hour": pl.Int64, "author_timezone": pl.String})
    found = on_the_clock_of("Europe/Berlin", none, WINTER)
    assert found.is_empty()
    assert {"next_at", "weekday_there", "time_there"} <= set(found.columns)
