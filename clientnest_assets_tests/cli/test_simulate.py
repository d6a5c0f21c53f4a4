"""The simulated company's events come in by the real way, and are all there however often they are sent."""

from datetime import timedelta

import polars as pl
import pytest

from clientnest_assets.cli.session import Session
from clientnest_assets.cli.simulate import lake_has_rows, send_events
from clientnest_assets.simulation import World
from clientnest_assets.simulation.app_events import told_events
from clientnest_assets.sources.events.settling import settle_window
from clientnest_assets.sources.events.spool import partitions


@pytest.fixture
def session(company):
    return Session(company.installation)


@pytest.fixture
def world(company):
    """The small company's: conftest.py wrote its rows."""
    calendar = company.installation.calendar
    return World(users=60, days=len(calendar.span().days()), seed=8, last_day=calendar.today())


def test_events_reach_the_inbox_through_the_spool_and_the_broken_ones_quarantine(company, session, world):
    sent = pl.concat(told_events(world, company.installation.app_database_url, world.day_start(0), world.end))
    assert not lake_has_rows(session)

    assert send_events(session, world, world.first_day) == sent.height

    assert lake_has_rows(session)
    broken = sent.filter(pl.col("flaw").str.starts_with("broken").fill_null(value=False)).height
    inbox = company.lake("inbox", "app_events")
    assert inbox.height == sent.height - broken
    assert inbox.get_column("source").unique().to_list() == ["http"]
    assert sum(partition.waiting().events for partition in partitions(company.installation.spool)) == 0


def test_sent_again_they_settle_to_the_same_events(company, session, world):
    span = company.installation.calendar.span()
    send_events(session, world, world.first_day)
    settle_window(company.installation.lake, span)
    once = company.lake("raw", "app_events").sort("event_id")

    half = world.last_day - timedelta(days=10)
    again = send_events(session, world, half)
    done = settle_window(company.installation.lake, span)

    assert 0 < again < once.height
    assert company.lake("raw", "app_events").sort("event_id").equals(once)
    assert done.days.get_column("in_raw").sum() == once.height
