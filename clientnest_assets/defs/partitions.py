"""Dagster's days and weeks, made from the installation's calendar; one object of each, shared by all assets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from clientnest_assets.partitions import DAYS_PER_CHUNK, ONE_DAY, Calendar, Window, monday

CHUNKED = dg.BackfillPolicy.multi_run(max_partitions_per_run=DAYS_PER_CHUNK)
ONE_BY_ONE = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@dataclass(frozen=True)
class Partitions:
    """`daily`: UTC days, today among them. `weekly`: whole weeks from Monday, keyed by it, once they are over."""

    daily: dg.DailyPartitionsDefinition
    weekly: dg.WeeklyPartitionsDefinition

    @classmethod
    def of(cls, calendar: Calendar) -> Partitions:
        """The partitions of a calendar. Where the clock rules, a new day appears by itself."""
        first = midnight(calendar.first_day)
        first_week = midnight(monday(calendar.first_day))
        if calendar.last_day is None:
            return cls(
                dg.DailyPartitionsDefinition(first, end_offset=1),
                dg.WeeklyPartitionsDefinition(first_week, day_offset=1),
            )
        # A simulated world may be ahead of the clock; the end date then bounds, and the offset must not.
        ahead = max(0, (calendar.last_day - datetime.now(UTC).date()).days + 1)
        end = midnight(calendar.last_day + ONE_DAY)
        return cls(
            dg.DailyPartitionsDefinition(first, end_date=end, end_offset=ahead),
            dg.WeeklyPartitionsDefinition(first_week, end_date=end, day_offset=1, end_offset=ahead),
        )


def midnight(day: date) -> datetime:
    """The day's start without a zone, as partition definitions want it (they are UTC)."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The span of days that this run materialises: one partition, or a range in one run."""
    span = context.partition_time_window
    return Window(span.start.date(), span.end.date())


def by_day(context: dg.AssetExecutionContext, days: Mapping[date, Mapping[str, object]], key: dg.AssetKey) -> None:
    """Attaches each day's own figures to the materialisation of its partition, beside those of the whole window."""
    for day, figures in days.items():
        context.add_asset_metadata(figures, asset_key=key, partition_key=day.isoformat())


WINDOWED = "clientnest/windowed"
"""Tag: a model of dbt that is built by window."""
LOOKS_AHEAD = "clientnest/looks_ahead_days"
"""Tag: a partition is made of so many days after its own too, and is made again while they pass."""
LOOKS_BACK = "clientnest/looks_back"
"""Tag: a partition is made of so many days before its own too (all of them, if it says none), and is behind once one of
them is made again."""

VERSIONED = "clientnest/versioned"
"""Tag: a partition that another code version made does not count. Its data versions are those of `data_version`."""


def data_version(code_version: str, delta_version: int) -> dg.DataVersion:
    """What a partition holds: by which code it was made, and in which version of its Delta table.

    Dagster can be asked for the data versions of all partitions at once, and not for their code versions.
    """
    return dg.DataVersion(f"{code_version}@{delta_version}")


def is_of_version(data_version: str, code_version: str) -> bool:
    """Whether that code made the data."""
    return data_version.split("@", maxsplit=1)[0] == code_version


def looking_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day that is made of its own day and so many before it."""
    return _mapping(-days, 0)


def earlier_by(partitions: int) -> dg.TimeWindowPartitionMapping:
    """A partition that is made of the one so many partitions before it, or of the week in which that day is."""
    return _mapping(-partitions, -partitions)


def _mapping(start: int, end: int) -> dg.TimeWindowPartitionMapping:
    with warnings.catch_warnings():
        # The parameter is marked beta; the versions are pinned.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(start, end, allow_nonexistent_upstream_partitions=True)
