"""Days, weeks and windows of them, in UTC; and the calendar, the span of days that an installation has.

Dagster's partition definitions are made from the calendar in `defs/partitions.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

DAYS_PER_CHUNK = 31
"""Days that one query, one Delta commit, one COPY and one dbt run take at most."""
RESTATEMENT_DAYS = 28
"""For so many days after publication a platform may still change a post's numbers."""
MATURITY_DAYS = 7
"""At this age a post's engagement becomes the label that models learn."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Window:
    """A span of UTC days, from `start` up to but without `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"a window needs at least one day, not {self.start} up to {self.end}")

    @classmethod
    def of_days(cls, first: date, last: date) -> Window:
        """The window from `first` to `last`, both inside."""
        return cls(first, last + ONE_DAY)

    @property
    def last_day(self) -> date:
        """The last day inside."""
        return self.end - ONE_DAY

    @property
    def start_at(self) -> datetime:
        """The first moment inside."""
        return midnight(self.start)

    @property
    def end_at(self) -> datetime:
        """The first moment after."""
        return midnight(self.end)

    def days(self) -> list[date]:
        """Each day, in order."""
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]

    def chunks(self, days: int = DAYS_PER_CHUNK) -> Iterator[Window]:
        """The window in consecutive pieces of at most `days` days."""
        start = self.start
        while start < self.end:
            end = min(start + timedelta(days=days), self.end)
            yield Window(start, end)
            start = end

    def __str__(self) -> str:
        return f"{self.start} to {self.last_day}"


def spans(days: Iterable[date], most: int = DAYS_PER_CHUNK) -> list[Window]:
    """Days as windows without holes, in order, of at most `most` days each."""
    found: list[Window] = []
    for day in sorted(set(days)):
        if found and found[-1].end == day and (day - found[-1].start).days < most:
            found[-1] = Window(found[-1].start, day + ONE_DAY)
        else:
            found.append(Window.of_days(day, day))
    return found


def midnight(day: date) -> datetime:
    """The moment a UTC day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def monday(day: date) -> date:
    """The Monday of the day's week: weeks run from Monday to Sunday."""
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True)
class Calendar:
    """The days an installation has data for. `last_day` is None where time passes by the clock."""

    first_day: date
    last_day: date | None = None

    def today(self) -> date:
        """The newest day: the clock's, or the simulated or imported world's."""
        return self.last_day or datetime.now(UTC).date()

    def now(self) -> datetime:
        """The moment it is: the clock's, or the end of the simulated or imported world's newest day."""
        return datetime.now(UTC) if self.last_day is None else midnight(self.last_day + ONE_DAY)

    def span(self) -> Window:
        """All the days there are."""
        return Window.of_days(self.first_day, self.today())

    def extended(self, first: date, last: date) -> Calendar:
        """This calendar with the given days inside it too."""
        return Calendar(min(self.first_day, first), max(self.today(), last))


def read_calendar(file: Path) -> Calendar | None:
    """The calendar kept in an embedded home, or None before there is any data."""
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    return Calendar(date.fromisoformat(kept["first_day"]), date.fromisoformat(kept["last_day"]))


def write_calendar(file: Path, calendar: Calendar) -> None:
    """Keeps the calendar, in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({"first_day": str(calendar.first_day), "last_day": str(calendar.today())}) + "\n")
    fresh.replace(file)
