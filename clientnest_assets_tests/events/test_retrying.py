"""Messages in quarantine that are tried again reach the inbox exactly once, also when the retry is cut off."""

import json
from collections import Counter
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import dataframely as dy
import pytest

from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.sources.events.decoding import Days, Decoder
from clientnest_assets.sources.events.feed import Stretch
from clientnest_assets.sources.events.inbox import deliver, event_quarantine, inbox_table
from clientnest_assets.sources.events.retrying import retry_events

EVENTS = CONTRACTS["app_events"]
DAY = date(2025, 1, 6)
DAYS = Days(date(2025, 1, 1), datetime(2025, 1, 31, tzinfo=UTC))
ARRIVED = 1_736_164_800_000_000


@dataclass
class Topic:
    """As much of a feed as delivering asks of it."""

    source = "kafka"
    name = "kafka:group"
    stamps_receipt = False


def mended():
    """The contract, knowing one more type of event."""
    columns = {name: copy(column) for name, column in EVENTS.columns.items()}
    columns["event_type"] = dy.String()
    return Contract(EVENTS.name, EVENTS.kind, EVENTS.cursor, type("Mended", (dy.Schema,), columns), EVENTS.origin)


def event(number, kind="click"):
    return json.dumps(
        {
            "event_id": str(UUID(int=number)),
            "event_type": kind,
            "name": "save",
            "occurred_at": "2025-01-06T10:00:00Z",
            "properties": {"n": number},
        }
    ).encode()


def arrive(lake, payloads, contract=EVENTS, *, start=None):
    first = start or 0
    stretch = Stretch(start, first + len(payloads))
    for offset, payload in enumerate(payloads, first):
        stretch.offsets.append(offset)
        stretch.payloads.append(payload)
        stretch.received_at.append(ARRIVED)
    return deliver(lake, Topic(), {"app-events/0": stretch}, Decoder(contract), DAYS)


def retry(lake, contract, **options):
    return retry_events(lake, "kafka", Decoder(contract), DAYS, feed=Topic.name, stamps_receipt=False, **options)


def inbox(lake):
    return Counter(inbox_table(lake).scan().collect().get_column("delivery"))


def kept(lake):
    return sorted(event_quarantine(lake).scan().collect().select("delivery", "reason").rows())


@pytest.fixture
def lake(tmp_path):
    made = Lake(str(tmp_path / "lake"))
    arrive(made, [event(0), event(1, "swipe"), b"\xff no json", event(3, "swipe")])
    return made


def test_messages_that_are_events_now_are_delivered_once_and_the_others_stay(lake):
    retried = retry(lake, mended())

    assert (retried.rows, retried.rows_landed, retried.rows_held, retried.rows_left) == (3, 2, 0, 1)
    assert retried.days_changed == [DAY]
    assert inbox(lake) == {"app-events/0@0": 1, "app-events/0@1": 1, "app-events/0@3": 1}
    assert [delivery for delivery, _ in kept(lake)] == ["app-events/0@2"]
    landed = inbox_table(lake).scan().collect().sort("delivery")
    assert landed.get_column("event_type").to_list() == ["click", "swipe", "swipe"]
    assert landed.get_column("properties").to_list() == ['{"n": 0}', '{"n": 1}', '{"n": 3}']
    assert landed.get_column("source").unique().to_list() == ["kafka"]

    again = retry(lake, mended())
    assert (again.rows, again.rows_landed, again.rows_left) == (1, 0, 1)


def test_the_feed_goes_on_where_it_was(lake):
    retry(lake, mended())
    arrive(lake, [event(4)], start=4)

    assert inbox(lake)["app-events/0@4"] == 1
    assert inbox_table(lake).delivered(["kafka:group:app-events/0"]) == {"kafka:group:app-events/0": 5}


def test_a_dry_run_tells_the_same_and_writes_nothing(lake):
    before = inbox(lake), kept(lake)
    dry = retry(lake, mended(), dry_run=True)

    assert (inbox(lake), kept(lake)) == before
    assert dry == retry(lake, mended())


class Cut(BaseException):
    """A kill, for a test."""


def test_a_retry_that_was_cut_off_after_the_inbox_delivers_nothing_twice(lake, monkeypatch):
    def cut(*_arguments, **_options):
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "replace_window", cut)
        with pytest.raises(Cut):
            retry(lake, mended())
    assert (sum(inbox(lake).values()), len(kept(lake))) == (3, 3)

    retried = retry(lake, mended())

    assert (retried.rows_landed, retried.rows_held, retried.rows_left) == (0, 2, 1)
    assert set(inbox(lake).values()) == {1}
    assert len(kept(lake)) == 1


def test_a_message_whose_batch_is_still_to_be_delivered_is_left_to_the_consumer(lake, monkeypatch):
    original = LakeTable.append_once

    def cut(self, *arguments):
        if self.layer == "inbox":
            raise Cut
        return original(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "append_once", cut)
        with pytest.raises(Cut):
            arrive(lake, [event(4, "swipe"), event(5)], start=4)
    assert retry(lake, mended()).rows_left == 2

    # The consumer comes back, with the mended contract too: quarantine has the message, so the inbox does not get it.
    arrive(lake, [event(4, "swipe"), event(5)], mended(), start=4)
    retry(lake, mended())

    assert inbox(lake) == {f"app-events/0@{offset}": 1 for offset in (0, 1, 3, 4, 5)}
    assert [delivery for delivery, _ in kept(lake)] == ["app-events/0@2"]
