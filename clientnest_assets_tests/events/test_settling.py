"""From the inbox to raw: each event once, every other delivery in quarantine, and no row without a place."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts.events import APP_EVENTS
from clientnest_assets.lake import Delivery, EmptyWindowError, Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events import settling
from clientnest_assets.sources.events.inbox import event_quarantine, inbox_table
from clientnest_assets.sources.events.settling import behind, settle_window
from clientnest_assets.sources.events.slices import packed, spans
from clientnest_assets.sources.landing import raw_table

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
FIRST = date(2026, 3, 30)
SPAN = Window.of_days(FIRST, date(2026, 4, 3))
TODAY = Window.of_days(NOON.date(), NOON.date())


@pytest.fixture
def folder(tmp_path):
    """A lake in a folder alone, for what does not hang on the store."""
    return Lake(str(tmp_path / "lake"))


def uuid(number):
    return f"a0000000-0000-4000-8000-{number:012d}"


def event(number, received=1, occurred=0, **changes):
    """An event's delivery; `received` and `occurred` in hours after noon."""
    return {
        "event_id": uuid(number),
        "user_id": 7,
        "session_id": "s",
        "event_type": "click",
        "name": "save",
        "properties": '{"a":1}',
        "occurred_at": NOON + timedelta(hours=occurred),
        "received_at": NOON + timedelta(hours=received),
        "source": "http",
        **changes,
    }


def deliver(lake, *events):
    """Appends deliveries to the inbox as a consumer does; they are called d1, d2 and so on."""
    table = inbox_table(lake)
    reached = table.delivered(["feed"])["feed"]
    begin = reached or 0
    rows = [
        {**each, "delivery": f"d{begin + number}", "day": each["occurred_at"].date()}
        for number, each in enumerate(events, 1)
    ]
    extra = {name: pl.String() for row in rows for name in row if name not in table.schema}
    frame = pl.DataFrame(rows, schema={**table.schema, **extra})
    if extra:
        table.open()
        table.widen(frame.schema)
    table.append_once(frame, {"feed": Delivery(reached, begin + len(rows))})


def raw(lake):
    return raw_table(lake, APP_EVENTS).scan().collect().sort("day", "event_id")


def rejected(lake):
    """The rule by delivery, of what settling quarantined."""
    rows = event_quarantine(lake).scan().filter(pl.col("source") == "inbox").collect()
    return dict(rows.select("delivery", pl.col("rules").list.first()).rows())


def test_of_deliveries_of_one_event_the_first_received_wins(lake):
    deliver(
        lake,
        event(1, received=2),
        event(1, received=1, source="kafka"),
        event(1, received=3, name="delete"),
        event(2, user_id=None),
    )
    deliver(lake, event(2, received=5, event_id=uuid(2).upper(), user_id=None), event(3, properties=None))

    done = settle_window(lake, TODAY)

    found = raw(lake)
    assert found.select("event_id", "received_at", "source", "name", "user_id").rows() == [
        (uuid(1), NOON + timedelta(hours=1), "kafka", "save", 7),
        (uuid(2), NOON + timedelta(hours=1), "http", "save", None),
        (uuid(3), NOON + timedelta(hours=1), "http", "save", 7),
    ]
    assert rejected(lake) == {"d1": "duplicate_event", "d3": "conflicting_event", "d5": "duplicate_event"}
    assert done.days.rows() == [(NOON.date(), 6, 3, 3)]
    assert behind(lake) == []


@pytest.mark.parametrize("held", [False, True])
def test_messages_read_again_by_a_group_of_another_name_count_once(folder, held):
    sent = [event(1), event(2, received=2), event(2, received=1), event(3)]
    deliver(folder, *sent)
    rows = inbox_table(folder).scan().collect()
    for group in ("second", "third"):
        inbox_table(folder).append_once(rows, {group: Delivery(None, 4)})
    if held:
        imported = pl.DataFrame([{**event(3), "day": NOON.date(), "source": "file"}], schema=APP_EVENTS.landed_schema)
        table = raw_table(folder, APP_EVENTS)
        table.replace_window(table.open(), imported, TODAY, source="file")

    done = settle_window(folder, TODAY)

    found = raw(folder).select("event_id", "received_at", "source").rows()
    third = (uuid(3), NOON + timedelta(hours=1), "file" if held else "http")
    assert found == [(uuid(number), NOON + timedelta(hours=1), "http") for number in (1, 2)] + [third]
    assert done.days.rows() == [(NOON.date(), 12, 2 if held else 3, 10 if held else 9)]
    quarantined = event_quarantine(folder).scan().group_by("delivery").len().collect()
    assert dict(quarantined.rows()) == {"d1": 2, "d2": 3, "d3": 2, "d4": 3 if held else 2}


def test_quarantine_holds_the_losing_delivery_whole_and_why(folder):
    deliver(folder, event(1), event(1, received=2, name="delete", source="kafka"))
    settle_window(folder, TODAY)

    (row,) = event_quarantine(folder).scan().collect().rows(named=True)
    assert json.loads(row["row"]) == {
        "event_id": uuid(1),
        "user_id": 7,
        "session_id": "s",
        "event_type": "click",
        "name": "delete",
        "properties": '{"a":1}',
        "occurred_at": "2026-04-01T12:00:00+00:00",
        "received_at": "2026-04-01T14:00:00+00:00",
        "delivery": "d2",
        "source": "kafka",
    }
    assert row["reason"] == "another event with the same event_id was received before"
    assert row["quarantined_at"] == NOON + timedelta(hours=2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_event_on_two_days_stands_on_the_day_received_first(folder, order):
    both = [event(1, received=1), event(1, received=2, occurred=-24)]
    deliver(folder, *(both[each] for each in order))

    settle_window(folder, SPAN)

    assert raw(folder).get_column("day").to_list() == [NOON.date()]
    assert list(rejected(folder).values()) == ["conflicting_event"]


def test_what_was_received_longer_apart_on_other_days_are_two_events(folder):
    deliver(folder, event(1, received=1), event(1, received=26, occurred=-24))

    settle_window(folder, SPAN)

    assert (raw(folder).height, rejected(folder)) == (2, {})


def test_a_day_is_told_of_that_lost_an_event_to_a_later_delivery(folder):
    deliver(folder, event(1, received=2))
    assert settle_window(folder, TODAY).outdated == []
    deliver(folder, event(1, received=1, occurred=-24))
    yesterday = Window.of_days(date(2026, 3, 31), date(2026, 3, 31))

    assert settle_window(folder, yesterday).outdated == [NOON.date()]
    assert raw(folder).height == 2
    assert settle_window(folder, TODAY).outdated == []
    assert raw(folder).get_column("day").to_list() == [date(2026, 3, 31)]
    # Once they agree, neither calls for the other again.
    assert settle_window(folder, yesterday).outdated == []


deliveries = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-30, 60), st.sampled_from([0, -1, -24, -30, 20]), st.sampled_from("ab")),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(deliveries, st.integers(1, 4))
def test_whatever_was_delivered_each_row_has_one_place_and_no_window_changes_it(told, slice_rows):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(spans, "__defaults__", (slice_rows,))
        whole, daily = Lake(f"{folder}/whole"), Lake(f"{folder}/daily")
        rows = [event(number, received, occurred, name=name) for number, received, occurred, name in told]
        deliver(whole, *rows)
        deliver(daily, *rows)

        settle_window(whole, SPAN)
        for day in reversed(SPAN.days()):
            settle_window(daily, Window.of_days(day, day))

        # Against the rule, one row at a time.
        ordered = sorted(
            ({**row, "delivery": f"d{number}"} for number, row in enumerate(rows, 1)),
            key=lambda row: (row["received_at"], row["delivery"]),
        )
        kept, lost = [], {}
        for position, row in enumerate(ordered):
            before = [other for other in ordered[:position] if other["event_id"] == row["event_id"]]
            same_day = [other for other in before if other["occurred_at"].date() == row["occurred_at"].date()]
            near = before and row["received_at"] - before[-1]["received_at"] <= timedelta(days=1)
            if not same_day and not near:
                kept.append((row["event_id"], row["occurred_at"], row["received_at"], row["name"]))
                continue
            said = ("name", "occurred_at")
            is_copy = same_day and all(same_day[0][name] == row[name] for name in said)
            lost[row["delivery"]] = "duplicate_event" if is_copy else "conflicting_event"
        for lake in (whole, daily):
            found = raw(lake).select("event_id", "occurred_at", "received_at", "name").rows()
            assert sorted(found) == sorted(kept)
            assert rejected(lake) == lost
        assert behind(whole) == behind(daily) == []


def test_settling_again_and_after_late_events_replaces_the_day(folder):
    deliver(folder, event(1), event(1), event(2, occurred=-24))
    settle_window(folder, SPAN)
    before = raw(folder)
    settle_window(folder, SPAN)
    assert raw(folder).equals(before)

    deliver(folder, event(3, received=500), event(1, received=600))
    assert behind(folder) == [NOON.date()]
    settle_window(folder, TODAY)

    assert raw(folder).get_column("event_id").sort().to_list() == [uuid(1), uuid(2), uuid(3)]
    assert rejected(folder) == {"d2": "duplicate_event", "d5": "duplicate_event"}
    assert behind(folder) == []


def test_a_kill_between_quarantine_and_raw_is_mended_by_the_next_run(lake, monkeypatch):
    deliver(lake, event(1), event(1), event(2))

    class KilledError(Exception):
        pass

    def kill(*_):
        raise KilledError
        yield

    with monkeypatch.context() as patched:
        patched.setattr(settling, "_winners", kill)
        with pytest.raises(KilledError):
            settle_window(lake, TODAY)
    assert (raw(lake).height, len(rejected(lake))) == (0, 1)
    assert behind(lake) == [NOON.date()]

    settle_window(lake, TODAY)

    assert (raw(lake).height, len(rejected(lake)), behind(lake)) == (2, 1, [])


def test_what_consumers_quarantined_and_files_brought_stays(lake):
    deliver(lake, event(1), event(2), event(2))
    poison = pl.DataFrame(
        [(NOON.date(), "http", ["user_id|min"], "why", "{}", NOON, "d99")],
        schema=event_quarantine(lake).schema,
        orient="row",
    )
    event_quarantine(lake).append_once(poison, {"feed": Delivery(None, 1)})
    of_file = pl.DataFrame(
        [{**event(1, name="imported", source="file:old.csv"), "day": NOON.date()}], schema=APP_EVENTS.landed_schema
    )
    table = raw_table(lake, APP_EVENTS)
    table.replace_window(table.open(), of_file, TODAY, source="file:old.csv")

    done = settle_window(lake, TODAY)

    assert sorted(raw(lake).select("event_id", "name", "source").rows()) == [
        (uuid(1), "imported", "file:old.csv"),
        (uuid(2), "save", "http"),
    ]
    assert rejected(lake) == {"d1": "held_elsewhere", "d3": "duplicate_event"}
    assert event_quarantine(lake).scan().filter(pl.col("source") == "http").collect().equals(poison)
    assert (done.days.rows(), behind(lake)) == ([(NOON.date(), 3, 1, 2)], [])


def test_a_day_never_loses_its_events_because_the_inbox_has_none(folder):
    deliver(folder, event(1), event(2, occurred=-24))
    settle_window(folder, SPAN)
    inbox = inbox_table(folder)
    inbox.replace_window(inbox.open(), pl.DataFrame(schema=inbox.schema), TODAY, allow_empty=True)

    with pytest.raises(EmptyWindowError, match=r"raw.app_events holds 1 events .*2026-04-01"):
        settle_window(folder, SPAN)
    assert raw(folder).height == 2

    settle_window(folder, SPAN, allow_empty=True)
    assert raw(folder).get_column("event_id").to_list() == [uuid(2)]


def test_a_column_that_only_the_inbox_knows_comes_along(folder):
    deliver(folder, event(1))
    settle_window(folder, TODAY)
    deliver(folder, event(2, app_version="4.2"))
    settle_window(folder, TODAY)

    assert raw(folder).select("event_id", "app_version").rows() == [(uuid(1), None), (uuid(2), "4.2")]


def test_an_empty_inbox_settles_to_nothing(folder):
    assert settle_window(folder, TODAY).days.rows() == [(NOON.date(), 0, 0, 0)]
    assert behind(folder) == []


def test_days_are_packed_and_a_heavy_day_is_cut():
    days = SPAN.days()
    rows = dict(zip(days, (3, 3, 25, 0, 4), strict=True))

    assert list(packed(rows, 10)) == [
        Window.of_days(days[0], days[1]),
        Window.of_days(days[2], days[2]),
        Window.of_days(days[3], days[4]),
    ]
    cut = list(spans(rows, 10))
    assert cut[0] == (SPAN.start_at, SPAN.start_at + timedelta(days=2))
    assert len(cut) == 5
    assert all(end == start for (_, end), (start, _) in pairwise(cut))
    assert cut[-1][1] == SPAN.end_at
