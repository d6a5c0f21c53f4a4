"""When something happened: one column, a date and a clock time, or the parts of a date put together."""

from __future__ import annotations

from dataclasses import dataclass

from clientnest_assets.sources.files.suggesting.columns import Column
from clientnest_assets.sources.files.suggesting.draft import Cell, Draft
from clientnest_assets.sources.files.suggesting.times import CLOCKS, matches

NO_YEAR = 2000


@dataclass(frozen=True)
class When:
    """The cell of a time, and the column of it that tells records apart best."""

    cell: Cell
    column: Column | None


def moment(draft: Draft, *roles: str) -> When:
    """When a record happened.

    Args:
        draft: the mapping so far; what is used of the file is taken.
        roles: what the column may be, the likeliest first. By default, when something was published.
    """
    for role in roles or ("published_at",):
        column = draft.take(role, is_time=True)
        if column is not None:
            return _with_clock(draft, column)
    parts = _from_parts(draft)
    if parts is not None:
        return parts
    column = next((each for each in draft.columns.all if each.time and each.name not in draft.used), None)
    if column is not None:
        draft.use(column)
        draft.edit(f"{column.name} is the only time there is; is it when it happened?")
        return _with_clock(draft, column)
    remark = draft.edit("no column holds a time: give one, or the day that all of the file is about")
    return When(Cell({"constant": f"{NO_YEAR}-01-01"}, remark), None)


def _with_clock(draft: Draft, column: Column) -> When:
    """A date with the time of day that stands in a column of its own."""
    assert column.time is not None
    cell = draft.time(column)
    has_clock = ":" in str(column.texts[0]) or column.time.has_zone
    clock = None if has_clock else draft.take("clock_time", is_clock=True)
    if clock is None:
        return When(cell, column)
    date = "%Y-%m-%d" if column.time.format == "iso" else column.time.format
    form = next((each for each in CLOCKS if matches(clock.texts, each)), CLOCKS[0])
    spec = {"template": f"{{{column.name}}} {{{clock.name}}}", "format": f"{date} {form}", "zone": "UTC"}
    return When(Cell(spec, cell.remark), column)


def _from_parts(draft: Draft) -> When | None:
    """Year, month, day and hour from columns of their own; what is missing is to be said by somebody who knows."""
    year, month = (draft.take(role, is_integer=True) for role in ("year", "month"))
    day, hour = (draft.take(role, is_integer=True) for role in ("day_of_month", "hour"))
    if month is None:
        return None
    absent = [name for name, column in (("year", year), ("day of the month", day)) if column is None]
    pieces = [
        f"{{{column.name}}}" if column else text for column, text in ((year, str(NO_YEAR)), (month, ""), (day, "1"))
    ]
    clock = f"{{{hour.name}}}:00" if hour else "0:00"
    spec = {"template": f"{'-'.join(pieces)} {clock}", "format": "%Y-%m-%d %H:%M", "zone": "UTC"}
    remark = (
        draft.edit(f"the file does not tell the {' and the '.join(absent)}: write them in the template")
        if absent
        else ""
    )
    return When(Cell(spec, remark), month)
