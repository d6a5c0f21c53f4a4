"""A Kafka topic as a feed of events: a member of a consumer group that begins where the inbox ends.

The group only shares the partitions out. Its committed offsets are written for the tools that show lag, and never read:
what is delivered stands in the lake. A partition that moves takes nothing with it; who gets it asks the inbox.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from clientnest_assets.sources.events.feed import FeedError, Positions, Stretch

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition
    from confluent_kafka.admin import AdminClient

ANSWER_SECONDS = 15.0
OURS: dict[str, str | int | float] = {
    "enable.auto.commit": False,
    # An offset that is not there any more is an error of ours to explain, never a jump.
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
}
DEFAULTS: dict[str, str | int | float] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.max.messages.kbytes": 32_768,
    "fetch.queue.backoff.ms": 50,
}

CONSUMER_ONLY = ("group.", "session.", "heartbeat.", "max.poll.", "partition.assignment.", "fetch.", "queued.")
"""Beginnings of options that a client which only asks questions does not take."""

EARLIEST, AHEAD = 946_684_800_000_000, 86_400_000_000
"""From the year 2000 to a day from now, in microseconds: timestamps outside, as in a wrong unit, say no time of receipt."""

log = logging.getLogger(__name__)


class KafkaFeed:
    """One topic, read as a member of a group.

    Args:
        brokers: some of them, such as "broker-1:9092,broker-2:9092".
        topic: its name.
        group: the consumer group; positions are kept by it, so another group reads the topic from its beginning.
        options: further options of librdkafka, such as those of security.
        skip_lost: read on behind messages that the topic's retention removed before they were delivered.
    """

    source = "kafka"
    stamps_receipt = False

    def __init__(
        self, brokers: str, topic: str, group: str, options: Mapping[str, str], *, skip_lost: bool = False
    ) -> None:
        if taken := sorted({*OURS, "bootstrap.servers", "group.id"} & set(options)):
            raise FeedError(f"CLIENTNEST_KAFKA_OPTIONS may not set {', '.join(taken)}: exactly once rests on them.")
        self.name = f"kafka:{group}"
        self._brokers = brokers
        self._topic = topic
        self._skip_lost = skip_lost
        self._options: dict[str, str | int | float] = {
            **DEFAULTS,
            **options,
            **OURS,
            "bootstrap.servers": brokers,
            "group.id": group,
        }
        self._is_incremental = (
            "cooperative" in str(self._options["partition.assignment.strategy"])
            or self._options.get("group.protocol") == "consumer"
        )
        if self._options.get("group.protocol") == "consumer":
            del self._options["partition.assignment.strategy"]
        self._consumer_if_any: Consumer | None = None
        self._positions: Positions | None = None
        self._next: dict[int, int | None] = {}
        self._read_to_end: dict[int, int] = {}
        self._has_joined = False

    def open(self, positions: Positions) -> None:
        """Joins the group.

        Raises:
            FeedError: if no broker answers, or the topic is not there.
        """
        self._positions = positions
        self._partition_numbers()
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def partitions(self) -> Collection[str]:
        """Those that the group has given to this member."""
        return {self._full_name(number) for number in self._next}

    def poll(self, most: int, timeout_seconds: float) -> dict[str, Stretch]:
        """The next messages, by partition.

        Raises:
            FeedError: if messages that come next are gone, or the brokers refuse.
        """
        found: dict[int, Stretch] = {}
        for message in self._consumer.consume(most, timeout_seconds):
            if message.error():
                self._bear(message)
                continue
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            if number not in self._next or offset < (self._next[number] or 0):
                continue
            if number not in found:
                found[number] = Stretch(self._next[number], offset)
            stretch = found[number]
            stretch.offsets.append(offset)
            stretch.payloads.append(message.value())
            stretch.received_at.append(1000 * message.timestamp()[1])
        for number, stretch in found.items():
            stretch.end = self._next[number] = stretch.offsets[-1] + 1
            now = time.time_ns() // 1000
            if not EARLIEST <= min(stretch.received_at) <= max(stretch.received_at) < now + AHEAD:
                stretch.received_at = [at if EARLIEST <= at < now + AHEAD else now for at in stretch.received_at]
        return {self._full_name(number): stretch for number, stretch in found.items()}

    def resume(self, partition: str, position: int | None) -> None:
        """Reads this partition on from there."""
        number = int(partition.rpartition("/")[2])
        self._next[number] = position
        self._seek(number, position)

    def acknowledge(self, positions: Mapping[str, int]) -> None:
        """Commits the positions to the group, for the tools that show its lag."""
        from confluent_kafka import TopicPartition

        held = self.partitions()
        offsets = [
            TopicPartition(self._topic, int(name.rpartition("/")[2]), position)
            for name, position in positions.items()
            if name in held
        ]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def drained(self, until: Mapping[str, int]) -> bool:
        """True once this member has partitions, and each was polled up to there or to the topic's end."""
        return self._has_joined and all(
            max(position or 0, self._read_to_end.get(number, 0)) >= until.get(self._full_name(number), 0)
            for number, position in self._next.items()
        )

    def ends(self) -> dict[str, int]:
        """The offset after the newest committed message of each partition.

        Raises:
            FeedError: if no broker answers, or the topic is not there.
        """
        found = self._offsets(self._partition_numbers(), is_end=True)
        return {self._full_name(number): offset for number, offset in sorted(found.items())}

    def close(self) -> None:
        """Leaves the group."""
        if self._consumer_if_any:
            self._consumer_if_any.close()
            self._consumer_if_any = None
        self._next, self._has_joined = {}, False

    @property
    def _consumer(self) -> Consumer:
        from confluent_kafka import Consumer

        if not self._consumer_if_any:
            self._consumer_if_any = Consumer(self._options, logger=log)
        return self._consumer_if_any

    @cached_property
    def _admin(self) -> AdminClient:
        from confluent_kafka.admin import AdminClient

        options = {name: value for name, value in self._options.items() if not name.startswith(CONSUMER_ONLY)}
        return AdminClient({name: value for name, value in options.items() if name not in OURS}, logger=log)

    def _full_name(self, number: int) -> str:
        return f"{self._topic}/{number}"

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Begins each partition where the inbox ends: called within `poll`, when the group has shared out anew."""
        assert self._positions
        from confluent_kafka import OFFSET_BEGINNING

        self._has_joined = True
        if not given and self._is_incremental:
            return
        reached = self._positions([self._full_name(each.partition) for each in given])
        positions = {each.partition: reached[self._full_name(each.partition)] for each in given}
        readable = self._readable(positions)
        self._next |= positions
        for each in given:
            position = readable[each.partition]
            each.offset = OFFSET_BEGINNING if position is None else position
            self._read_to_end.pop(each.partition, None)
        if self._is_incremental:
            consumer.incremental_assign(given)
        else:
            consumer.assign(given)

    def _revoked(self, _consumer: Consumer, taken: list[TopicPartition]) -> None:
        for each in taken:
            self._next.pop(each.partition, None)

    def _seek(self, number: int, position: int | None) -> None:
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        offset = OFFSET_BEGINNING if position is None else position
        self._consumer.seek(TopicPartition(self._topic, number, offset))

    def _readable(self, positions: Mapping[int, int | None]) -> dict[int, int | None]:
        """Where to read from: the positions, as far as the topic has what comes after them.

        Raises:
            FeedError: if it has not, and is not to be read behind what is lost.
        """
        begun = {number: position for number, position in positions.items() if position is not None}
        if not begun:
            return dict(positions)
        first, end = (self._offsets(begun, is_end=is_end) for is_end in (False, True))
        lost = {number: first[number] for number, position in begun.items() if position < first[number]}
        if ahead := {number: position for number, position in begun.items() if position > end[number]}:
            told = "; ".join(f"{self._full_name(n)}: {at} in the inbox, {end[n]} here" for n, at in ahead.items())
            raise FeedError(
                f"the inbox has more of topic {self._topic} than the topic itself ({told}). It was made anew, or its "
                "brokers lost messages. Nothing was read. To read it as a new topic, from its beginning, set "
                "CLIENTNEST_KAFKA_GROUP to another name; events that the inbox has already are settled by their event_id."
            )
        told = "; ".join(f"{self._full_name(n)}: offsets {begun[n]} to {at - 1}" for n, at in lost.items())
        if lost and not self._skip_lost:
            raise FeedError(
                f"messages of topic {self._topic} are gone before they were delivered ({told}): its retention is shorter "
                "than the time that nobody consumed it, or it was made anew. Nothing was read. To go on with what there "
                "is, run clientnest consume --skip-lost once."
            )
        if lost:
            log.warning("reading on behind lost messages: %s", told)
        return {number: lost.get(number, position) for number, position in positions.items()}

    def _bear(self, message: Message) -> None:
        """Takes note of what is no message. The client goes on by itself after most errors; the others are raised."""
        from confluent_kafka import KafkaError

        error, number, offset = message.error(), message.partition(), message.offset()
        assert error
        code = error.code()
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
            assert number is not None
            self._read_to_end[number] = offset or 0
        elif code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            if number is not None and number in self._next:
                self._seek(number, self._readable({number: self._next[number]})[number])
        elif error.fatal() or code in _refusals():
            raise FeedError(
                f"Kafka refuses to let topic {self._topic} be read: {error.str()}. Mend CLIENTNEST_KAFKA_TOPIC, "
                "CLIENTNEST_KAFKA_GROUP or CLIENTNEST_KAFKA_OPTIONS, or the rights on the brokers."
            )
        else:
            log.warning("%s", error.str())

    def _partition_numbers(self) -> list[int]:
        from confluent_kafka import KafkaException

        try:
            found = self._consumer.list_topics(self._topic, timeout=ANSWER_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise FeedError(
                f"no Kafka broker answers at {self._brokers}: {error.args[0].str()}. Are CLIENTNEST_KAFKA_BROKERS and "
                "CLIENTNEST_KAFKA_OPTIONS right?"
            ) from error
        if found.error:
            raise FeedError(
                f"topic {self._topic} cannot be read at {self._brokers}: {found.error.str()}. Make it, or name another "
                "in CLIENTNEST_KAFKA_TOPIC."
            )
        return sorted(found.partitions)

    def _offsets(self, numbers: Collection[int], *, is_end: bool) -> dict[int, int]:
        """Of each partition the offset after its newest committed message, or of its oldest message."""
        from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

        spec = OffsetSpec.latest() if is_end else OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(self._topic, number): spec for number in numbers}
        answers = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS
        )
        try:
            return {each.partition: answer.result().offset for each, answer in answers.items()}
        except KafkaException as error:
            raise FeedError(f"the brokers do not tell the offsets of {self._topic}: {error.args[0].str()}") from error


def _refusals() -> set[int]:
    """Errors that do not pass by themselves."""
    from confluent_kafka import KafkaError

    return {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the library's public names
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    }
