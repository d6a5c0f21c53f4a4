"""Rollups: what one user did in an hour and on a day, to the event, and equal sums on the way."""

from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts import ROLLUP_TABLES
from clientnest_assets.contracts.events import APP_EVENTS, APP_EVENTS_DAILY, APP_EVENTS_HOURLY, COUNTED_AS, EVENT_TYPES
from clientnest_assets.contracts.validation import validate
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events import rollups
from clientnest_assets.sources.events.rollups import daily, hourly, roll_up, rollup_table
from clientnest_assets.sources.landing import raw_table

MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = Window.of_days(MIDNIGHT.date(), MIDNIGHT.date() + timedelta(days=2))
NUMBERS = count(1)


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def events(*told):
    """Raw events of (user, hours after midnight, type, name, session)."""
    rows = [
        {
            "event_id": f"a0000000-0000-4000-8000-{next(NUMBERS):012d}",
            "user_id": user,
            "session_id": session,
            "event_type": event_type,
            "name": name,
            "occurred_at": MIDNIGHT + timedelta(hours=hours),
            "received_at": MIDNIGHT + timedelta(hours=hours),
            "day": (MIDNIGHT + timedelta(hours=hours)).date(),
            "source": "http",
        }
        for user, hours, event_type, name, session in told
    ]
    return pl.DataFrame(rows, schema=APP_EVENTS.landed_schema)


def land(lake, frame, source="http"):
    table = raw_table(lake, APP_EVENTS)
    rows = frame.with_columns(source=pl.lit(source))
    table.replace_window(table.open(), rows, DAYS, source=source, allow_empty=True)


STORY = (
    (1, 9.0, "login", "password", "s1"),
    (1, 9.5, "feature_used", "compose_post", "s1"),
    (1, 10.0, "feature_used", "analytics", "s1"),
    (1, 10.1, "feature_used", "compose_post", "s2"),
    (1, 23.99, "error", "timeout", "s2"),
    (None, 9.0, "click", "sign_in", "s9"),
    (None, 9.1, "click", "sign_in", None),
    (2, 24.0, "performance", "page_load", None),
)


def test_an_hour_counts_each_type_and_the_sessions_seen():
    found = hourly(events(*STORY).lazy()).collect().sort("id")

    columns = ["id", "user_id", "events", *COUNTED_AS.values(), "sessions"]
    assert found.select(columns).rows() == [
        ("2026-04-01T09/-", None, 2, 0, 0, 2, 0, 0, 1),
        ("2026-04-01T09/1", 1, 2, 1, 1, 0, 0, 0, 1),
        ("2026-04-01T10/1", 1, 2, 0, 2, 0, 0, 0, 2),
        ("2026-04-01T23/1", 1, 1, 0, 0, 0, 1, 0, 1),
        ("2026-04-02T00/2", 2, 1, 0, 0, 0, 0, 1, 0),
    ]


def test_a_day_names_the_features_used_and_its_first_and_last_moment():
    found = daily(events(*STORY).lazy()).collect().sort("id")

    assert found.select("id", "events", "sessions", "features", "first_at", "last_at").rows() == [
        ("2026-04-01/-", 2, 1, [], *(MIDNIGHT + timedelta(hours=hours) for hours in (9, 9.1))),
        ("2026-04-01/1", 5, 2, ["analytics", "compose_post"], *(MIDNIGHT + timedelta(hours=h) for h in (9, 23.99))),
        ("2026-04-02/2", 1, 0, [], MIDNIGHT + timedelta(hours=24), MIDNIGHT + timedelta(hours=24)),
    ]


@pytest.mark.parametrize("contract", ROLLUP_TABLES, ids=lambda contract: contract.name)
def test_a_rollup_keeps_its_contract_and_replaces_its_days(lake, contract):
    land(lake, events(*STORY[:4]))
    roll_up(lake, contract, DAYS)
    land(lake, events(*STORY))
    land(lake, events((3, 30, "login", "sso", "s5")), source="file:old.csv")

    days = roll_up(lake, contract, DAYS)
    again = roll_up(lake, contract, DAYS)

    assert days.select("events", "counted").rows() == [(7, 7), (2, 2), (0, 0)]
    assert again.equals(days)
    rows = rollup_table(lake, contract).scan().collect()
    assert rows.height == days.get_column("rows").sum()
    assert validate(contract, rows.select(contract.source_schema.names())).invalid.is_empty()
    assert rows.get_column("source").unique().to_list() == ["rollup"]


def test_days_without_events_any_more_become_empty(lake):
    land(lake, events(*STORY))
    roll_up(lake, APP_EVENTS_DAILY, DAYS)
    land(lake, events())

    assert roll_up(lake, APP_EVENTS_DAILY, DAYS).select("counted", "rows").rows() == [(0, 0)] * 3


told = st.tuples(
    st.sampled_from([None, 1, 2, 3]),
    st.floats(0, 71.99),
    st.sampled_from(EVENT_TYPES),
    st.sampled_from("abc"),
    st.sampled_from([None, "s1", "s2"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(told, max_size=40))
def test_hours_days_and_single_events_have_the_same_sums(happened):
    single = events(*happened)
    hours, days = (compute(single.lazy()).collect() for compute in (hourly, daily))

    counts = ["events", *COUNTED_AS.values()]
    assert hours.select(pl.col(counts).sum()).rows() == days.select(pl.col(counts).sum()).rows()
    by_type = dict(single.get_column("event_type").value_counts().iter_rows())
    assert days.select(pl.col(counts).sum()).row(0) == (single.height, *(by_type.get(kind, 0) for kind in COUNTED_AS))
    grain = single.select(pl.col("user_id"), pl.col("day")).n_unique()
    assert (days.height, days.get_column("id").n_unique()) == (grain, grain)
    for user, day, features, sessions in days.select("user_id", "day", "features", "sessions").iter_rows():
        of_day = single.filter(pl.col("user_id").eq_missing(user), pl.col("day") == day)
        used = of_day.filter(pl.col("event_type") == "feature_used").get_column("name")
        assert features == sorted(set(used))
        assert sessions == of_day.get_column("session_id").drop_nulls().n_unique()


def test_days_rolled_up_piece_by_piece_are_the_same(lake, monkeypatch):
    land(lake, events(*STORY))
    whole = roll_up(lake, APP_EVENTS_HOURLY, DAYS)
    rows = rollup_table(lake, APP_EVENTS_HOURLY).scan().collect()
    monkeypatch.setattr(rollups.packed, "__defaults__", (1,))

    assert roll_up(lake, APP_EVENTS_HOURLY, DAYS).equals(whole)
    assert rollup_table(lake, APP_EVENTS_HOURLY).scan().collect().sort("id").equals(rows.sort("id"))
