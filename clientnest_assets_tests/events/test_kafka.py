"""Kafka through the real client protocol: exactly once over restarts, rebalances and fenced readers, and clear errors."""

import threading
import time
from datetime import UTC, datetime

import polars as pl
import pytest
from confluent_kafka import Producer

from clientnest_assets.sources.events.feed import FeedError
from clientnest_assets.sources.events.inbox import event_quarantine, inbox_table, positions

COOPERATIVE = {"partition.assignment.strategy": "cooperative-sticky"}
EAGER = {"partition.assignment.strategy": "range"}


def until(reached, *consumers, seconds=30):
    """Lets the consumers work in turn until it is so."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        for consumer in consumers:
            consumer.step(timeout_seconds=0.05)


def rows(consumer):
    return inbox_table(consumer.lake).scan().collect()


def numbers(consumer):
    """The numbers of the delivered events, sorted."""
    return sorted(int(text.replace("-", ""), 16) for text in rows(consumer).get_column("event_id"))


def test_a_topic_comes_into_the_inbox_with_its_messages_named(kafka, consumer, make_message):
    kafka.send([make_message(number) for number in range(600)])
    reader = consumer(kafka)
    progress = reader.drain()

    assert (progress.messages, progress.accepted, progress.quarantined) == (600, 600, 0)
    found = rows(reader)
    assert numbers(reader) == list(range(600))
    one = found.row(by_predicate=pl.col("delivery") == "app-events/3@1", named=True)
    assert one["event_id"].endswith("-000000000009")
    assert one["source"] == "kafka"
    assert str(one["day"]) == "2026-04-10"
    assert positions(reader.lake, reader.feed, ["app-events/0", "app-events/5"]) == {
        "app-events/0": 100,
        "app-events/5": 100,
    }
    assert reader.feed.ends() == {f"app-events/{number}": 100 for number in range(6)}


def test_a_restart_goes_on_where_the_inbox_ends_whatever_the_group_says(kafka, consumer, make_message):
    kafka.send([make_message(number) for number in range(60)])
    first = consumer(kafka)
    first.drain()
    # The group would go on at the beginning, and the polled but undelivered are of no account.
    first.feed.acknowledge({"app-events/0": 0})
    kafka.send([make_message(number) for number in range(60, 120)])
    first.step(timeout_seconds=1)
    first.close()

    second = consumer(kafka)
    assert second.drain().messages == 60
    assert numbers(second) == list(range(120))


@pytest.mark.parametrize("strategy", [COOPERATIVE, EAGER], ids=["cooperative", "eager"])
def test_readers_that_come_and_go_deliver_each_message_once(kafka, consumer, make_message, strategy):
    total = 20_000
    kafka.send([make_message(number) for number in range(8_000)])
    first = consumer(kafka, options=strategy, rows=700, seconds=0.3)
    until(lambda: first.progress.accepted > 2_000, first)
    second = consumer(kafka, options=strategy, rows=500, seconds=0.2)
    until(second.feed.partitions, first, second)
    assert not set(first.feed.partitions()) & set(second.feed.partitions())
    kafka.send([make_message(number) for number in range(8_000, 16_000)])
    until(lambda: second.progress.accepted > 1_000, first, second)
    # Goes with a batch polled and not delivered.
    second.close()
    kafka.send([make_message(number) for number in range(16_000, total)])
    until(lambda: len(first.feed.partitions()) == 6, first)
    first.drain()

    assert numbers(first) == list(range(total))
    ends = first.feed.ends()
    assert positions(first.lake, first.feed, ends.keys()) == ends


def test_of_two_readers_of_the_same_messages_one_delivers_and_the_other_reads_on(kafka, consumer, make_message):
    kafka.send([make_message(number) for number in range(300)])
    # Groups of different names, kept under one: as a reader that was thought dead, and its successor.
    zombie, successor = consumer(kafka), consumer(kafka, group="successor")
    successor.feed.name = zombie.feed.name
    for reader in (zombie, successor):
        until(lambda reader=reader: len(reader.feed.partitions()) == 6, reader)
        until(lambda reader=reader: sum(len(each.offsets) for each in reader._buffer.values()) == 300, reader)
    successor.flush()
    zombie.flush()

    assert zombie.progress.delivered_elsewhere == 0  # word for word the same batch: nothing to do
    kafka.send([make_message(number) for number in range(300, 420)])
    until(lambda: sum(len(each.offsets) for each in zombie._buffer.values()) == 120, zombie)
    successor.limits = type(successor.limits)(rows=30)
    until(lambda: successor.progress.accepted > 330, successor)
    zombie.drain()
    assert zombie.progress.delivered_elsewhere == 1
    assert numbers(zombie) == list(range(420))


def test_both_readers_at_once_in_threads_deliver_each_message_once(kafka, consumer, make_message):
    kafka.send([make_message(number) for number in range(3_000)])
    readers = [consumer(kafka, group=f"group-{number}", rows=100 + 37 * number) for number in range(3)]
    for reader in readers:
        reader.feed.name = "kafka:one"
    threads = [threading.Thread(target=reader.drain) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(readers[0]) == list(range(3_000))


def test_poison_goes_to_quarantine_with_topic_partition_and_offset(kafka, consumer, make_message):
    kafka.send([make_message(1), b"{no json", None, b"\xff\xfe", make_message(2, user_id="7")], partition=4)
    reader = consumer(kafka)
    progress = reader.drain()

    assert (progress.accepted, progress.quarantined) == (1, 4)
    found = event_quarantine(reader.lake).scan().sort("delivery").collect()
    assert found.get_column("rules").to_list() == [
        ["message|not_json"],
        ["message|empty"],
        ["message|not_json"],
        ["user_id|cast"],
    ]
    kept = found.get_column("row").str.json_decode(
        pl.Struct({"topic": pl.String, "partition": pl.Int64, "offset": pl.Int64, "payload": pl.String})
    )
    assert kept.to_list()[0] == {"topic": "app-events", "partition": 4, "offset": 1, "payload": "{no json"}
    assert "//4=" in found.get_column("row")[2]
    assert found.get_column("delivery").to_list() == [f"app-events/4@{offset}" for offset in (1, 2, 3, 4)]


def test_a_timestamp_in_a_wrong_unit_is_no_time_of_receipt_and_stops_nothing(kafka, consumer, make_message):
    second = 1_776_000_000
    producer = Producer({"bootstrap.servers": kafka.brokers})
    for timestamp in (second, 1000 * second, second * 10**6, second * 10**9):
        for payload in (make_message(1), b"{"):
            producer.produce("app-events", payload, partition=0, timestamp=timestamp)
    assert producer.flush(60) == 0
    began = datetime.now(UTC)
    one = consumer(kafka)
    one.drain()

    times = inbox_table(one.lake).scan().sort("delivery").collect().get_column("received_at").to_list()
    assert times[1] == datetime.fromtimestamp(second, UTC)
    assert all(began <= times[number] <= datetime.now(UTC) for number in (0, 2, 3))
    assert event_quarantine(one.lake).scan().collect().height == 4


def test_a_topic_made_anew_is_an_error_with_a_way_out(kafka, kafka_class, consumer, make_message):
    kafka.send([make_message(number) for number in range(60)])
    consumer(kafka).drain()
    anew = kafka_class()
    try:
        anew.send([make_message(number) for number in range(100, 112)])
        with pytest.raises(FeedError, match=r"app-events/0: 10 in the inbox, 2 here.*CLIENTNEST_KAFKA_GROUP"):
            consumer(anew).drain()
        other = consumer(anew, group="analytics-2")
        assert other.drain().accepted == 12
        assert len(numbers(other)) == 72
        other.close()
    finally:
        anew.close()


def test_messages_lost_to_retention_are_an_error_and_skipped_only_when_told(kafka_class, consumer, make_message):
    kafka = kafka_class(partitions=1)
    try:
        kafka.send([make_message(number) for number in range(10)])
        before = consumer(kafka)
        before.drain()
        before.close()
        # 5 MB are kept.
        kafka.send([make_message(number, name="x" * 4_000) for number in range(10, 2_010)])
        refusing = consumer(kafka)
        with pytest.raises(FeedError, match=r"app-events/0: offsets 10 to \d+.*--skip-lost"):
            refusing.drain()
        refusing.close()
        reader = consumer(kafka, skip_lost=True)
        reader.drain()
        found = numbers(reader)
        assert found[:10] == list(range(10))
        assert found[10:] == list(range(found[10], 2_010))
        reader.close()
    finally:
        kafka.close()


def test_no_broker_no_topic_and_foreign_options_are_told(kafka, consumer, monkeypatch):
    monkeypatch.setattr("clientnest_assets.sources.events.kafka.ANSWER_SECONDS", 1.0)
    from clientnest_assets.sources.events.kafka import KafkaFeed

    with pytest.raises(FeedError, match=r"no Kafka broker answers at 127.0.0.1:9"):
        KafkaFeed("127.0.0.1:9", "app-events", "g", {}).ends()
    with pytest.raises(FeedError, match=r"may not set auto.offset.reset"):
        KafkaFeed(kafka.brokers, "app-events", "g", {"auto.offset.reset": "latest"})
