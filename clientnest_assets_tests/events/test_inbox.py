"""The inbox holds every message once, whatever is cut off, repeated or delivered by two; on a folder and on S3."""

import random
import threading
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import DeliveredElsewhereError, Lake, LakeTable
from clientnest_assets.sources.events.decoding import Decoder, original_of
from clientnest_assets.sources.events.feed import Stretch
from clientnest_assets.sources.events.inbox import deliver, event_quarantine, inbox_table, positions

POISON = b"{"


@pytest.fixture
def decoder():
    return Decoder(CONTRACTS["app_events"])


def stretch(payloads, start=None, end=None):
    first = start or 0
    payloads = payloads[first:end]
    offsets = list(range(first, first + len(payloads)))
    return Stretch(start, offsets[-1] + 1, offsets, payloads, [1_776_000_000_000_000] * len(payloads))


def delivered(lake, table):
    return sorted(int(text.split("@")[1]) for text in table(lake).scan().collect().get_column("delivery"))


def mixed(make_message, total=40):
    return [POISON if number % 4 == 3 else make_message(number) for number in range(total)]


def test_a_batch_is_split_into_inbox_and_quarantine_and_moves_the_position(
    lake, list_feed, decoder, make_message, days
):
    messages = mixed(make_message)
    feed = list_feed({})
    done = deliver(lake, feed, {"t/0": stretch(messages, end=20), "t/1": stretch(messages, end=8)}, decoder, days)

    assert (done.messages, done.accepted, done.quarantined, done.already_quarantined) == (28, 21, 7, 0)
    assert positions(lake, feed, ["t/0", "t/1", "t/2"]) == {"t/0": 20, "t/1": 8, "t/2": None}
    rows = inbox_table(lake).scan().collect()
    assert rows.height == 21
    assert done.days == rows.get_column("day").unique().sort().to_list()
    assert rows.select((pl.col("occurred_at").dt.date() == pl.col("day")).all()).item()
    kept = event_quarantine(lake).scan().collect()
    assert {original_of(row).payload for row in kept.get_column("row")} == {POISON}
    assert kept.get_column("reason").unique().to_list() == ["message is no JSON object in UTF-8"]


def test_a_batch_given_again_changes_nothing(lake, list_feed, decoder, make_message, days):
    messages = mixed(make_message)
    for _ in range(2):
        deliver(lake, list_feed({}), {"t/0": stretch(messages)}, decoder, days)
    assert delivered(lake, inbox_table) == [number for number in range(40) if number % 4 != 3]
    assert delivered(lake, event_quarantine) == [number for number in range(40) if number % 4 == 3]


def test_a_batch_of_nothing_but_poison_moves_the_position_too(lake, list_feed, decoder, days):
    feed = list_feed({})
    deliver(lake, feed, {"t/0": stretch([POISON] * 5)}, decoder, days)
    assert positions(lake, feed, ["t/0"]) == {"t/0": 5}
    assert delivered(lake, inbox_table) == []


def test_a_batch_from_before_the_position_is_refused(lake, list_feed, decoder, make_message, days):
    messages = mixed(make_message)
    deliver(lake, list_feed({}), {"t/0": stretch(messages, end=20)}, decoder, days)
    with pytest.raises(DeliveredElsewhereError):
        deliver(lake, list_feed({}), {"t/0": stretch(messages, end=30)}, decoder, days)
    with pytest.raises(DeliveredElsewhereError):
        deliver(lake, list_feed({}), {"t/0": stretch(messages, start=25)}, decoder, days)
    deliver(lake, list_feed({}), {"t/0": stretch(messages, start=20)}, decoder, days)
    assert len(delivered(lake, inbox_table)) == 30
    assert len(delivered(lake, event_quarantine)) == 10


class KilledError(Exception):
    pass


@pytest.mark.parametrize("ends", [[40], [12, 40], [13, 14, 15, 16, 40], [20, 23, 24, 40]])
def test_cut_off_between_quarantine_and_inbox_and_cut_differently_afterwards(
    tmp_path, list_feed, decoder, make_message, days, monkeypatch, ends
):
    lake, messages, append_once = Lake(str(tmp_path)), mixed(make_message), LakeTable.append_once

    def killed_before_the_inbox(table, *arguments):
        if table.layer == "inbox":
            raise KilledError
        return append_once(table, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "append_once", killed_before_the_inbox)
        with pytest.raises(KilledError):
            deliver(lake, list_feed({}), {"t/0": stretch(messages, end=24)}, decoder, days)
    assert delivered(lake, event_quarantine) == [3, 7, 11, 15, 19, 23]
    start = None
    for end in ends:
        deliver(lake, list_feed({}), {"t/0": stretch(messages, start, end)}, decoder, days)
        start = end
    assert delivered(lake, inbox_table) == [number for number in range(40) if number % 4 != 3]
    assert delivered(lake, event_quarantine) == [number for number in range(40) if number % 4 == 3]


@pytest.mark.parametrize("first_later", [40, 0], ids=["others break a rule now", "all are events now"])
def test_what_is_judged_otherwise_after_being_cut_off_is_in_one_place_still(
    tmp_path, list_feed, decoder, make_message, days, monkeypatch, first_later
):
    lake, append_once = Lake(str(tmp_path)), LakeTable.append_once
    early, late = "2026-04-02T00:00:00Z", "2026-04-20T13:00:00Z"
    messages = [make_message(number, occurred_at=late if number % 2 else early) for number in range(10)]

    def killed_before_the_inbox(table, *arguments):
        if table.layer == "inbox":
            raise KilledError
        return append_once(table, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "append_once", killed_before_the_inbox)
        with pytest.raises(KilledError):
            deliver(lake, list_feed({}), {"t/0": stretch(messages)}, decoder, days)
    # An hour later the late ones are no longer ahead of time; and the early ones may lie before the first day.
    later = replace(days, newest=days.newest + timedelta(hours=2), first=days.first + timedelta(days=first_later))
    deliver(lake, list_feed({}), {"t/0": stretch(messages, end=6)}, decoder, later)
    deliver(lake, list_feed({}), {"t/0": stretch(messages, start=6)}, decoder, later)
    together = delivered(lake, inbox_table) + delivered(lake, event_quarantine)
    assert sorted(together) == list(range(10))


def test_many_writers_of_their_own_partitions_lose_and_repeat_nothing(lake, list_feed, make_message, days):
    messages = mixed(make_message, 60)

    def write(number):
        feed, decoder, start = list_feed({}, name=f"kafka:{number}"), Decoder(CONTRACTS["app_events"]), None
        for end in (20, 40, 60):
            deliver(lake, feed, {f"w{number}/0": stretch(messages, start, end)}, decoder, days)
            start = end

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table, part in ((inbox_table, 45), (event_quarantine, 15)):
        found = table(lake).scan().collect().get_column("delivery")
        assert (found.len(), found.n_unique()) == (5 * part, 5 * part)


def test_two_readers_of_one_partition_at_random_deliver_each_message_once(
    tmp_path, list_feed, consumer, make_message, days
):
    messages, chance = mixed(make_message, 300), random.Random(4)
    readers = [consumer(list_feed({"t/0": messages}), rows=rows, seconds=60) for rows in (7, 11, 13)]
    while any(not reader.feed.drained({"t/0": 300}) for reader in readers):
        chance.choice(readers).step()
    for reader in readers:
        reader.flush()
    lake = readers[0].lake
    assert delivered(lake, inbox_table) == [number for number in range(300) if number % 4 != 3]
    assert delivered(lake, event_quarantine) == [number for number in range(300) if number % 4 == 3]
    assert sum(reader.progress.delivered_elsewhere for reader in readers) > 0


def test_a_lake_out_of_reach_is_tried_again_and_the_batch_delivered_once(
    list_feed, consumer, make_message, monkeypatch
):
    append_once, failures = LakeTable.append_once, iter([OSError("no route"), None, OSError("answer lost")])

    def shaky(table, *arguments):
        error = next(failures, None)
        if error is None:
            return append_once(table, *arguments)
        if "lost" in str(error):
            append_once(table, *arguments)
        raise error

    monkeypatch.setattr(LakeTable, "append_once", shaky)
    monkeypatch.setattr("clientnest_assets.sources.events.consuming.FIRST_WAIT_SECONDS", 0.01)
    reader = consumer(list_feed({"t/0": mixed(make_message)}))
    progress = reader.drain()
    assert delivered(reader.lake, inbox_table) == [number for number in range(40) if number % 4 != 3]
    assert delivered(reader.lake, event_quarantine) == [number for number in range(40) if number % 4 == 3]
    assert progress.messages == 40
