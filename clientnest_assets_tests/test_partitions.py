from datetime import UTC, date, datetime, timedelta

import pytest

from clientnest_assets.partitions import Calendar, Window, monday, read_calendar, write_calendar

FIRST, LAST = date(2024, 2, 27), date(2024, 3, 2)


def test_a_window_of_days_holds_both_ends_and_the_leap_day():
    window = Window.of_days(FIRST, LAST)

    assert window.end == date(2024, 3, 3)
    assert [day.day for day in window.days()] == [27, 28, 29, 1, 2]
    assert (window.start_at, window.end_at) == (
        datetime(2024, 2, 27, tzinfo=UTC),
        datetime(2024, 3, 3, tzinfo=UTC),
    )
    assert str(window) == "2024-02-27 to 2024-03-02"


@pytest.mark.parametrize("end", [FIRST, FIRST - timedelta(days=1)])
def test_a_window_without_a_day_is_refused(end):
    with pytest.raises(ValueError, match="at least one day"):
        Window(FIRST, end)


@pytest.mark.parametrize(("days", "sizes"), [(70, [31, 31, 8]), (31, [31]), (32, [31, 1]), (1, [1])])
def test_chunks_follow_each_other_and_cover_the_window(days, sizes):
    window = Window(FIRST, FIRST + timedelta(days=days))
    chunks = list(window.chunks())

    assert [len(chunk.days()) for chunk in chunks] == sizes
    assert [day for chunk in chunks for day in chunk.days()] == window.days()


def test_a_week_begins_on_monday():
    assert {monday(date(2024, 3, day)) for day in range(4, 11)} == {date(2024, 3, 4)}


def test_a_calendar_without_a_last_day_goes_on_to_today():
    assert Calendar(FIRST).today() == datetime.now(UTC).date()
    assert Calendar(FIRST, LAST).span() == Window.of_days(FIRST, LAST)


def test_extending_never_takes_days_away():
    calendar = Calendar(FIRST, LAST)

    assert calendar.extended(date(2024, 2, 28), date(2024, 2, 29)) == calendar
    assert calendar.extended(date(2017, 1, 1), date(2024, 4, 1)) == Calendar(date(2017, 1, 1), date(2024, 4, 1))


def test_a_kept_calendar_is_read_again(tmp_path):
    file = tmp_path / "calendar.json"
    assert read_calendar(file) is None

    write_calendar(file, Calendar(FIRST, LAST))

    assert read_calendar(file) == Calendar(FIRST, LAST)
    assert [path.name for path in tmp_path.iterdir()] == ["calendar.json"]
