"""From a feed into the inbox in micro-batches, until told to stop: what runs behind `clientnest consume`.

Memory is that of one batch. What goes wrong elsewhere is borne: partitions that move to another reader, a batch that
another reader delivered first, a lake that cannot be reached for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from clientnest_assets.lake import DeliveredElsewhereError, Lake
from clientnest_assets.sources.events.decoding import Days, Decoder
from clientnest_assets.sources.events.feed import Feed, Stretch
from clientnest_assets.sources.events.inbox import Delivered, deliver, positions

POLL_MESSAGES = 10_000
POLL_SECONDS = 0.2
OUTAGE_SECONDS = 300.0
"""For so long a lake that cannot be written to is tried again before the consumer gives up."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """A batch is delivered once it is this large or this old."""

    rows: int = 50_000
    seconds: float = 10.0
    payload_bytes: int = 64 << 20


@dataclass
class Progress:
    """What one consumer has done since it began."""

    messages: int = 0
    accepted: int = 0
    quarantined: int = 0
    batches: int = 0
    delivered_elsewhere: int = 0
    """Batches that another reader had delivered at least in part."""
    days: set[date] = field(default_factory=set)
    """The days of the events."""

    def add(self, delivered: Delivered) -> None:
        """Counts a batch."""
        self.messages += delivered.messages
        self.accepted += delivered.accepted
        self.quarantined += delivered.quarantined
        self.batches += 1
        self.days.update(delivered.days)


@dataclass
class Consumer:
    """Carries one feed into the inbox. Not shared between threads.

    `days` is asked for each batch: the days that events may be of, as they are then.
    """

    lake: Lake
    feed: Feed
    decoder: Decoder
    days: Callable[[], Days]
    limits: Limits = field(default_factory=Limits)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._buffer: dict[str, Stretch] = {}
        self._bytes = 0
        self._since = time.monotonic()

    def open(self) -> None:
        """Begins to read where the inbox ends."""
        self.feed.open(lambda partitions: positions(self.lake, self.feed, partitions))

    def drain(self, is_stopped: Callable[[], bool] = lambda: False) -> Progress:
        """Delivers all that the feed has by now, and returns."""
        until = self.feed.ends()
        is_drained = False
        while not is_stopped() and not is_drained:
            self.step(is_stopped)
            if self.feed.drained(until):
                self.flush(is_stopped)
                # Unless another reader was quicker, so that some partitions are now read from elsewhere.
                is_drained = self.feed.drained(until)
        self.flush(is_stopped)
        return self.progress

    def step(self, is_stopped: Callable[[], bool] = lambda: False, timeout_seconds: float = POLL_SECONDS) -> None:
        """Polls once, and delivers if a batch is due.

        Raises:
            FeedError: if what comes next cannot be read.
        """
        room = max(1, self.limits.rows - self._rows())
        self._take(self.feed.poll(min(room, POLL_MESSAGES), timeout_seconds))
        is_old = time.monotonic() - self._since >= self.limits.seconds
        if is_old or self._rows() >= self.limits.rows or self._bytes >= self.limits.payload_bytes:
            self.flush(is_stopped)

    def flush(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Delivers what was polled and not yet delivered."""
        while self._buffer:
            batch = {name: self._buffer[name] for name in sorted(self._buffer)}
            try:
                delivered = self._deliver(batch, is_stopped)
            except DeliveredElsewhereError:
                self.progress.delivered_elsewhere += 1
                self._drop_delivered()
                continue
            self.progress.add(delivered)
            self.feed.acknowledge({name: stretch.end for name, stretch in batch.items()})
            self._buffer = {}
        self._bytes = 0

    def close(self) -> None:
        """Ends reading. What was polled and not delivered is left for next time."""
        self._buffer = {}
        self.feed.close()

    def _rows(self) -> int:
        return sum(len(stretch.offsets) for stretch in self._buffer.values())

    def _take(self, polled: Mapping[str, Stretch]) -> None:
        if not self._buffer:
            self._since = time.monotonic()
        for name, stretch in polled.items():
            before = self._buffer.get(name)
            if before and before.end == stretch.start:
                before.extend(stretch)
            else:
                # Reading began anew: what was polled before was given away in between, or will come again.
                self._buffer[name] = stretch
        held = self.feed.partitions()
        self._buffer = {name: stretch for name, stretch in self._buffer.items() if name in held}
        self._bytes += sum(len(payload or b"") for stretch in polled.values() for payload in stretch.payloads)

    def _deliver(self, batch: Mapping[str, Stretch], is_stopped: Callable[[], bool]) -> Delivered:
        """Delivers, and tries again while the lake is out of reach: a commit whose answer was lost is not repeated."""
        from deltalake.exceptions import CommitFailedError, DeltaError

        began, wait = time.monotonic(), FIRST_WAIT_SECONDS
        while True:
            try:
                return deliver(self.lake, self.feed, batch, self.decoder, self.days())
            except (OSError, DeltaError) as error:
                is_over = time.monotonic() - began > OUTAGE_SECONDS
                if is_over or is_stopped() or isinstance(error, CommitFailedError):
                    raise
                log.warning("the lake cannot be written to, trying again in %.0f s: %s", wait, error)
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _drop_delivered(self) -> None:
        """Drops what another reader has delivered, and reads those partitions on from where the inbox now is."""
        reached = positions(self.lake, self.feed, self._buffer)
        for name, position in reached.items():
            if position != self._buffer[name].start:
                del self._buffer[name]
                if name in self.feed.partitions():
                    self.feed.resume(name, position)
