"""The spool as a feed of events: reads what web processes write beside it, and removes what is delivered.

Frames are read as `spool.py` describes them. Where reading begins is asked of the inbox each time; nothing here is
remembered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from clientnest_assets.sources.events.feed import FeedError, Positions, Stretch
from clientnest_assets.sources.events.spool import Frame, Partition, Segment, Waiting, partitions, waiting

LOOK_SECONDS = 0.2
REMOVE_SECONDS = 10.0
STRETCH_BYTES = 32 << 20
KEEP_SECONDS = 600
"""How long a delivered segment stays: a power cut may take from a lake on a local disk what it took last."""

log = logging.getLogger(__name__)


class SpoolFeed:
    """All partitions of one spool. Any number of readers do no harm: the inbox takes each stretch once."""

    source = "http"
    name = "http"
    stamps_receipt = True

    def __init__(self, spool: Path, *, keep_seconds: float = KEEP_SECONDS) -> None:
        self._spool = spool
        self._keep_seconds = keep_seconds
        self._positions: Positions | None = None
        self._readers: dict[str, _Reader] = {}
        self._removed = 0.0

    def open(self, positions: Positions) -> None:
        """Begins to read. `positions` is asked for every partition, also one that is made later."""
        self._positions = positions
        self._find_new()

    def partitions(self) -> Collection[str]:
        """All there are."""
        return self._readers.keys()

    def poll(self, most: int, timeout_seconds: float) -> dict[str, Stretch]:
        """The next events, by partition; a frame is given whole, so there may be some more than `most`.

        Raises:
            FeedError: if the spool lacks events that come before its next ones, or has fewer than were delivered.
        """
        until = time.monotonic() + timeout_seconds
        while True:
            self._find_new()
            self._remove_delivered()
            found: dict[str, Stretch] = {}
            for name, reader in self._readers.items():
                room = most - sum(len(stretch.offsets) for stretch in found.values())
                if room > 0 and (stretch := reader.read(room)):
                    found[name] = stretch
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            time.sleep(min(LOOK_SECONDS, left))

    def resume(self, partition: str, position: int | None) -> None:
        """Reads on from there.

        Raises:
            FeedError: if the spool ends before that.
        """
        self._readers[partition].resume(position)

    def acknowledge(self, positions: Mapping[str, int]) -> None:
        """Lets segments be removed that lie wholly before these positions, once they are old enough."""
        for name, position in positions.items():
            if name in self._readers:
                self._readers[name].acknowledge(position)

    def drained(self, until: Mapping[str, int]) -> bool:
        """True if all before these positions was polled."""
        return all(name in self._readers and self._readers[name].reached >= end for name, end in until.items())

    def ends(self) -> dict[str, int]:
        """Of every partition the offset after its newest event."""
        return {partition.name: partition.end() for partition in partitions(self._spool)}

    def waiting(self) -> Waiting:
        """What is not delivered yet."""
        return waiting(self._spool)

    def close(self) -> None:
        """Lets go of the files."""
        for reader in self._readers.values():
            reader.close()
        self._readers = {}

    def _find_new(self) -> None:
        new = [partition for partition in partitions(self._spool) if partition.name not in self._readers]
        if not new or self._positions is None:
            return
        held = self._positions([partition.name for partition in new])
        for partition in new:
            self._readers[partition.name] = _Reader(partition, held[partition.name])

    def _remove_delivered(self) -> None:
        if time.monotonic() - self._removed < REMOVE_SECONDS:
            return
        for reader in self._readers.values():
            reader.remove_delivered(self._keep_seconds)
        self._removed = time.monotonic()


class _Reader:
    """One partition, read frame by frame."""

    def __init__(self, partition: Partition, position: int | None) -> None:
        self._partition = partition
        self._segment: Segment | None = None
        self._delivered = position or 0
        if partition.delivered() != self._delivered:
            partition.note_delivered(self._delivered)
        self.resume(position)

    @property
    def reached(self) -> int:
        """Up to where it has read."""
        return self._expected or 0

    def resume(self, position: int | None) -> None:
        end = self._partition.end()
        if position is not None and position > end:
            folder = self._partition.folder
            raise FeedError(
                f"the inbox has the events of {folder} up to offset {position}, and the spool ends at {end}: an older "
                "state of it was restored. Give the folder another name, so that its events are read as new ones; "
                "those that the inbox has already are settled by their event_id."
            )
        self.close()
        self._given = position
        self._expected = position
        self._first = -1
        self._at = 0

    def read(self, most: int) -> Stretch | None:
        stretch: Stretch | None = None
        size = 0
        while (stretch is None or (len(stretch.offsets) < most and size < STRETCH_BYTES)) and (frame := self._next()):
            size += len(frame.body)
            expected = frame.first if self._expected is None else self._expected
            if frame.first > expected:
                self._at = frame.start
                if stretch:
                    break
                raise FeedError(
                    f"{self._partition.segment(self._first)}, byte {frame.start}: the events at offsets {expected} to "
                    f"{frame.first - 1} are not in the spool any more, and the inbox does not have them. If the lake was "
                    "brought back to an older state, bring it to a newer one. To go on without them, give the folder "
                    "of the spool another name."
                )
            self._expected = max(expected, frame.next)
            fresh = frame.payloads()[expected - frame.first :]
            if fresh:
                stretch = stretch or Stretch(self._given, expected)
                stretch.offsets += range(expected, frame.next)
                stretch.payloads += fresh
                stretch.received_at += [frame.received_at] * len(fresh)
                stretch.end = frame.next
        if stretch and self._segment:
            # What is not safe yet could vanish in a power cut, and its offsets be given to other events.
            self._segment.make_safe()
            self._given = stretch.end
        return stretch

    def acknowledge(self, position: int) -> None:
        if position > self._delivered:
            self._delivered = position
            self._partition.note_delivered(position)

    def remove_delivered(self, keep_seconds: float) -> None:
        for first, end in pairwise(self._partition.segments()):
            path = self._partition.segment(first)
            with suppress(FileNotFoundError):
                if end <= self._delivered and time.time() - path.stat().st_mtime >= keep_seconds:
                    path.unlink()

    def close(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None

    def _next(self) -> Frame | None:
        """The next sound frame; None if there is none yet."""
        while self._segment or self._enter(self._partition.segments()):
            assert self._segment
            if frame := self._segment.frame(self._at):
                self._at = frame.end
                return frame
            # In this order: once there is a newer segment, nobody writes this one any more.
            newer = [first for first in self._partition.segments() if first > self._first]
            if self._skip_damage(is_complete=bool(newer)):
                continue
            if not newer:
                return None
            self._segment.make_safe()
            self.close()
            self._enter(newer[:1])
        return None

    def _enter(self, segments: list[int]) -> bool:
        """Opens the last of the segments that begins at or before what is expected, else the first."""
        before = [first for first in segments if self._expected is not None and first <= self._expected]
        if not segments:
            return False
        self._first = before[-1] if before else segments[0]
        self._at = 0
        self._segment = Segment(self._partition.segment(self._first))
        if self._expected is None:
            self._expected = self._first
            if self._given is None and self._first > 0:
                log.warning(
                    "%s: read from offset %d; another lake has those before", self._partition.folder, self._first
                )
        return True

    def _skip_damage(self, *, is_complete: bool) -> bool:
        """True if there is something to read after all: a frame written just now, or one behind damaged bytes."""
        assert self._segment
        behind = self._segment.frame_after(self._at)
        end = behind.start if behind else self._segment.size()
        if self._segment.frame(self._at):
            return True
        if self._at >= end or not (behind or is_complete):
            return False
        aside = self._partition.set_aside(self._first, self._at, self._segment.read(self._at, end))
        log.error(
            "%s is damaged from byte %d to %d: what is there cannot be read and is kept in %s. Reading goes on behind it.",
            self._partition.segment(self._first), self._at, end, aside,
        )  # fmt: skip
        self._at = end
        # What the bytes held is not known, so neither is what should follow.
        self._expected = None
        return True
