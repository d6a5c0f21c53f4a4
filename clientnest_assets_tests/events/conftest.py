"""A Kafka cluster that speaks the real protocol, events to send, and a consumer of one test's own."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.sources.events.consuming import Consumer, Limits
from clientnest_assets.sources.events.decoding import Days, Decoder
from clientnest_assets.sources.events.feed import Stretch
from clientnest_assets.sources.events.kafka import KafkaFeed

TOPIC = "app-events"
NOW = datetime(2026, 4, 19, 12, tzinfo=UTC)
DAYS = Days(date(2026, 3, 1), NOW)
QUICK = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "200", "max.poll.interval.ms": "10000"}
"""Groups share out anew in tenths of seconds."""


class KafkaCluster:
    """librdkafka's mock cluster in a process of its own: brokers on loopback, with consumer groups and offsets.

    Its partitions keep 5 MB each and then lose the oldest messages, as by retention.
    """

    def __init__(self, partitions: int = 6) -> None:
        command = [sys.executable, Path(__file__).with_name("kafka_cluster.py"), TOPIC, str(partitions)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout
        self.brokers = self._process.stdout.readline().strip()
        assert self.brokers, "the cluster did not start"
        self.partitions = partitions

    def send(self, payloads: list[bytes | None], partition: int | None = None, **options: Any) -> None:
        """Produces the messages, in turn to each partition or all to one."""
        queued = {"queue.buffering.max.messages": 0, "queue.buffering.max.kbytes": 1 << 20}
        producer = confluent_kafka.Producer({"bootstrap.servers": self.brokers, "linger.ms": 20, **queued, **options})
        for number, payload in enumerate(payloads):
            producer.produce(TOPIC, payload, partition=number % self.partitions if partition is None else partition)
        assert producer.flush(60) == 0

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def kafka() -> Iterator[KafkaCluster]:
    cluster = KafkaCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def quick_group() -> dict[str, str]:
    return QUICK


@pytest.fixture
def kafka_class() -> type[KafkaCluster]:
    return KafkaCluster


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One event as a client sends it. A change to None leaves the field away."""
    sent = {
        "event_id": str(uuid.UUID(int=number)),
        "user_id": 1 + number % 50,
        "session_id": f"s-{number % 7}",
        "event_type": "click",
        "name": "publish",
        "properties": {"path": "/posts", "ms": number},
        "occurred_at": f"2026-04-{1 + number % 18:02}T10:00:00.{number % 1_000_000:06}Z",
        **changes,
    }
    return {name: value for name, value in sent.items() if value is not None}


def message(number: int = 1, **changes: Any) -> bytes:
    return json.dumps(event(number, **changes)).encode()


@pytest.fixture
def make_message() -> Callable[..., bytes]:
    return message


@pytest.fixture
def make_event() -> Callable[..., dict[str, Any]]:
    return event


@pytest.fixture
def days() -> Days:
    return DAYS


@dataclass
class ListFeed:
    """A feed out of lists, for what needs no broker. `delivered` is what was acknowledged."""

    messages: dict[str, list[bytes | None]]
    source: str = "kafka"
    name: str = "kafka:list"
    stamps_receipt: bool = False
    next: dict[str, int | None] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)

    def open(self, positions):
        self.next = dict(positions(list(self.messages)))

    def partitions(self):
        return self.next.keys()

    def poll(self, most, timeout_seconds):
        found = {}
        for name, payloads in self.messages.items():
            start = self.next[name]
            first = start or 0
            taken = payloads[first : first + most]
            if taken:
                end = first + len(taken)
                received = [int(NOW.timestamp() * 1_000_000)] * len(taken)
                found[name] = Stretch(start, end, list(range(first, end)), taken, received)
                self.next[name] = end
        return found

    def resume(self, partition, position):
        self.next[partition] = position

    def acknowledge(self, positions):
        self.delivered |= positions

    def drained(self, until):
        return all((self.next[name] or 0) >= end for name, end in until.items())

    def ends(self):
        return {name: len(payloads) for name, payloads in self.messages.items()}

    def close(self):
        self.next = {}


@pytest.fixture
def list_feed() -> type[ListFeed]:
    return ListFeed


@pytest.fixture
def consumer(tmp_path: Path) -> Iterator[Callable[..., Consumer]]:
    """Makes opened consumers of one lake: of a given feed, or of a cluster's topic. Closes them all at the end."""
    lake = Lake(str(tmp_path / "lake"))
    made = []

    def make(feed: Any, *, options: dict[str, str] | None = None, group: str = "analytics", **limits: Any) -> Consumer:
        if isinstance(feed, KafkaCluster):
            skip_lost = limits.pop("skip_lost", False)
            feed = KafkaFeed(feed.brokers, TOPIC, group, {**QUICK, **(options or {})}, skip_lost=skip_lost)
        decoder = limits.pop("decoder", None) or Decoder(CONTRACTS["app_events"])
        days = limits.pop("days", DAYS)
        each = Consumer(limits.pop("lake", lake), feed, decoder, lambda: days, Limits(**limits))
        made.append(each)
        each.open()
        return each

    yield make
    for each in made:
        each.close()
