"""What a feed of events is: partitions of messages at rising offsets, read from a position and again from it.

A feed remembers nothing that matters: how far it is delivered stands in the inbox (`inbox.py`), in the same commits as
the events. Kafka's topic (`kafka.py`) and the HTTP collector's spool (`spool.py`) are the two feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from clientnest_assets.errors import ClientNestError

Positions = Callable[[Collection[str]], Mapping[str, int | None]]
"""Tells by partition up to where the inbox has it: the offset to read next, or None if it has nothing of it."""


class FeedError(ClientNestError):
    """A feed cannot be read on: messages are gone or damaged, or its servers refuse. Nothing of it was skipped."""


@dataclass(slots=True)
class Stretch:
    """Consecutive messages of one partition, column by column. The lists are equally long; offsets rise, with gaps."""

    start: int | None
    """The position that was read from: what the inbox had, or the `end` of the stretch before. None: the beginning."""
    end: int
    """The position after the last message, where reading goes on."""
    offsets: list[int] = field(default_factory=list)
    payloads: list[bytes | None] = field(default_factory=list)
    """None for a message without a value, as Kafka's tombstones are."""
    received_at: list[int] = field(default_factory=list)
    """When each message arrived, in microseconds since 1970 UTC."""

    def extend(self, other: Stretch) -> None:
        """Takes on the stretch that follows this one."""
        self.end = other.end
        self.offsets += other.offsets
        self.payloads += other.payloads
        self.received_at += other.received_at


class Feed(Protocol):
    """One way in. All calls come from one thread.

    A partition's name, such as "app-events/3" or "spool/0", holds no "@" and tells it from every other feed's.
    """

    @property
    def source(self) -> str:
        """What the rows' `source` column says: "kafka" or "http"."""
        ...

    @property
    def name(self) -> str:
        """What positions are kept under, with the partition: "<name>:<partition>". Never changes for the same messages."""
        ...

    @property
    def stamps_receipt(self) -> bool:
        """True if the feed's `received_at` counts even where the event itself brings one: the sender is not trusted."""
        ...

    def open(self, positions: Positions) -> None:
        """Begins to read. `positions` is asked whenever a partition comes to this reader."""
        ...

    def partitions(self) -> Collection[str]:
        """The partitions that this reader has now. What was polled of others is another reader's to deliver."""
        ...

    def poll(self, most: int, timeout_seconds: float) -> dict[str, Stretch]:
        """About `most` next messages at most, by partition; waits for the first so long. Empty if there are none.

        Raises:
            FeedError: if what comes next cannot be read: it is gone, damaged, or the servers refuse.
        """
        ...

    def resume(self, partition: str, position: int | None) -> None:
        """Reads this partition on from there (None: from its beginning), whatever was polled since."""
        ...

    def acknowledge(self, positions: Mapping[str, int]) -> None:
        """Takes note that all before these positions, by partition, is in the lake. Repeated and stale calls do no harm."""
        ...

    def drained(self, until: Mapping[str, int]) -> bool:
        """True if of the partitions that this reader has, all before these positions was polled.

        False while it is not yet known which partitions this reader gets.
        """
        ...

    def ends(self) -> dict[str, int]:
        """Of every partition there is, also other readers', the position after its newest message."""
        ...

    def close(self) -> None:
        """Ends reading and lets go of the partitions. Further calls do nothing."""
        ...
