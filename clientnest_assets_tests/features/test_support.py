"""The support view: which tickets were open when, as told by versions captured in time, late, or of a deleted ticket."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.views.support import SUPPORT as VIEW
from clientnest_assets.features.views.support import TICKETS, USERS
from clientnest_assets.partitions import Window

DAY = date(2025, 6, 30)
END = datetime(2025, 7, 1, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


def ago(days: float) -> datetime:
    """So many days before the end of DAY."""
    return END - timedelta(days=days)


def version(
    ticket, created, *, updated=None, resolved=None, priority="low", user=1, deleted=None, source="app_database"
):
    """A captured version; without `updated` the one of the ticket's creation, or of its resolution."""
    return (ticket, user, priority, created, resolved, updated or resolved or created, deleted, source)


def materialise(versions, window, users=(1,), tenure: int | None = 400) -> pl.DataFrame:
    tickets = pl.LazyFrame(list(versions), schema=dict(TICKETS.columns), orient="row")
    members = pl.LazyFrame(
        [(user, day, tenure) for user in users for day in window.days()], schema=dict(USERS.columns), orient="row"
    )
    return VIEW.materialise({"support_tickets": tickets, "fact_users_daily": members}, window)


def of_day(*versions, day: date = DAY, **about) -> dict:
    return materialise(versions, Window.of_days(day, day), **about).row(0, named=True)


def test_a_ticket_resolved_tomorrow_is_open_today_by_whichever_version_is_captured():
    seen_open = version(1, ago(2), priority="urgent")
    seen_resolved = version(1, ago(2), resolved=END + HOUR, priority="urgent")
    for captured in [(seen_open,), (seen_resolved,), (seen_open, seen_resolved)]:
        found = of_day(*captured)
        assert (found["open_tickets"], found["open_urgent_tickets"], found["open_high_tickets"]) == (1, 1, 0)
        assert found["oldest_open_age_days"] == 2.0
        assert (found["resolved_30d"], found["mean_resolution_hours_90d"]) == (0, None)


def test_tomorrow_the_same_ticket_is_resolved():
    found = of_day(version(1, ago(2), resolved=END + HOUR), day=DAY + timedelta(days=1))
    assert (found["open_tickets"], found["oldest_open_age_days"], found["resolved_30d"]) == (0, None, 1)
    assert found["mean_resolution_hours_90d"] == 49.0


@pytest.mark.parametrize(
    ("created", "resolved", "is_there", "is_open"),
    [
        pytest.param(END - TICK, None, 1, 1, id="opened before midnight"),
        pytest.param(END, None, 0, 0, id="opened at midnight"),
        pytest.param(ago(1), END - TICK, 1, 0, id="resolved before midnight"),
        pytest.param(ago(1), END, 1, 1, id="resolved at midnight"),
    ],
)
def test_midnight_belongs_to_the_next_day(created, resolved, is_there, is_open):
    found = of_day(version(1, created, resolved=resolved))
    assert (found["tickets_total"], found["open_tickets"]) == (is_there, is_open)


def test_a_version_is_in_force_once_it_was_written_and_not_before():
    raised = (version(1, ago(3), priority="low"), version(1, ago(3), updated=END, priority="urgent"))
    assert of_day(*raised)["open_urgent_tickets"] == 0
    assert of_day(*raised, day=DAY + timedelta(days=1))["open_urgent_tickets"] == 1


def test_a_reopened_ticket_was_resolved_in_between():
    history = (
        version(1, ago(9)),
        version(1, ago(9), resolved=ago(7.5)),
        version(1, ago(9), updated=ago(1.5)),
    )
    by_day = materialise(history, Window.of_days(DAY - timedelta(days=8), DAY))
    assert by_day["open_tickets"].to_list() == [1, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_deleted_ticket_is_gone_from_its_deletion_on():
    history = (version(1, ago(3)), version(1, ago(3), updated=ago(0.5), deleted=ago(0.5)))
    by_day = materialise(history, Window.of_days(DAY - timedelta(days=2), DAY))
    assert by_day["tickets_total"].to_list() == [1, 1, 0]


def test_a_version_that_came_in_two_ways_counts_once():
    twice = (version(1, ago(3)), version(1, ago(3), source="file"))
    assert of_day(*twice)["tickets_total"] == 1


def test_spans_counts_and_means():
    found = of_day(
        version(1, ago(7), resolved=ago(6)),
        version(2, ago(7) - TICK, resolved=ago(1), priority="urgent"),
        version(3, ago(28), priority="high"),
        version(4, ago(30), priority="high"),
        version(5, ago(91), resolved=ago(90)),
        version(6, ago(91), resolved=ago(90) - TICK),
        version(7, ago(1), user=2),
    )
    assert (found["opened_7d"], found["opened_30d"], found["tickets_total"]) == (1, 4, 6)
    assert (found["open_tickets"], found["open_high_tickets"], found["open_urgent_tickets"]) == (2, 2, 0)
    assert (found["oldest_open_age_days"], found["days_since_last_ticket"]) == (30.0, 7.0)
    assert found["resolved_30d"] == 2
    assert found["mean_resolution_hours_90d"] == pytest.approx((24 + 144 + 24) / 3)
    assert found["opened_trend"] == pytest.approx(math.log(2 / (1 + 2 / 3)))


def test_who_never_had_a_ticket_has_zeros():
    found = of_day(version(1, ago(1), user=2))
    assert {name: found[name] for name in VIEW.feature_names} == {
        "open_tickets": 0,
        "open_urgent_tickets": 0,
        "open_high_tickets": 0,
        "oldest_open_age_days": None,
        "opened_7d": 0,
        "opened_30d": 0,
        "opened_trend": 0.0,
        "resolved_30d": 0,
        "mean_resolution_hours_90d": None,
        "days_since_last_ticket": None,
        "tickets_total": 0,
    }


@pytest.mark.parametrize("tenure", [None, 27])
def test_there_is_no_trend_before_four_whole_weeks(tenure):
    assert of_day(version(1, ago(1)), tenure=tenure)["opened_trend"] is None


def random_history(rng, tickets: int):
    """Tickets of a few users with one to four versions each, none of which was surely captured."""
    for ticket in range(tickets):
        created = ago(float(rng.uniform(0, 60)))
        moments = created + np.sort(rng.uniform(0, 20, 4)) * timedelta(days=1)
        user, resolved = int(rng.integers(1, 6)), None
        for moment in [created, *moments]:
            resolved = moment if rng.random() < 0.4 else resolved
            if rng.random() < 0.6:
                yield version(
                    ticket,
                    created,
                    updated=moment,
                    resolved=resolved,
                    priority=str(rng.choice(["high", "low"])),
                    user=user,
                )


def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input():
    rng = np.random.default_rng(4)
    versions = list(random_history(rng, 80))
    window = Window.of_days(DAY - timedelta(days=20), DAY)
    together = materialise(versions, window, users=range(1, 6))
    shuffled = [versions[n] for n in rng.permutation(len(versions))]
    one_by_one = pl.concat(materialise(shuffled, day, users=range(1, 6)) for day in window.chunks(1))
    assert together["open_tickets"].sum() > 100
    assert one_by_one.sort(VIEW.row_key).equals(together)
