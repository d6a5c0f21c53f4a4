"""The files in which events that came over HTTP wait, safe on disk, until they are in the lake.

A spool is a folder with one folder a partition, and a partition is what one web process writes: segments, each named
by the offset of its first event, each a sequence of frames. A frame is one group commit (`spool_writer.py`), and is
safe on disk before the next one begins. So bytes that are no whole frame are the cut end of a write that nobody was
told had succeeded if no frame follows them, and damage if one does. `spool_feed.py` reads.

    frame       magic, checksum, bytes of the body, events, first offset, received at; then the body
    body        the length of each event, then the events. None: the offsets are void, a write failed that had them
    delivered   a file beside the segments: up to where the inbox has the partition. For people and for
                back-pressure; where to read on stands in the inbox alone

A partition's name is random and never used again, for the inbox keeps its position under that name for ever.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Self

MAGIC = b"CNE1"
_HEAD = struct.Struct("<4sIIIqq")
_CHECKED_FROM = 8
"""The checksum covers all that comes after it."""
LARGEST_BODY = (1 << 24) - 1
"""So a head has a byte of zero, which JSON text never has: nothing that a sender writes looks like a frame."""
SUFFIX = ".events"


@dataclass(frozen=True, slots=True)
class Frame:
    """One group commit as it lies in a segment."""

    start: int
    """The byte where it begins."""
    end: int
    """The byte after it."""
    first: int
    """The offset of its first event."""
    next: int
    """The offset after its last event."""
    received_at: int
    """Microseconds since 1970 UTC."""
    body: bytes

    @property
    def is_void(self) -> bool:
        """True if its offsets belong to no event."""
        return self.end - self.start == _HEAD.size

    def payloads(self) -> list[bytes]:
        """Its events, one an offset."""
        if self.is_void:
            return []
        events = self.next - self.first
        at, found = 4 * events, []
        for length in struct.unpack_from(f"<{events}I", self.body):
            found.append(self.body[at : at + length])
            at += length
        return found


def frame(first: int, received_at: int, payloads: Sequence[bytes]) -> bytes:
    """The bytes of a group commit."""
    lengths = struct.pack(f"<{len(payloads)}I", *map(len, payloads))
    return _sealed(first, len(payloads), received_at, lengths + b"".join(payloads))


def void(first: int, end: int) -> bytes:
    """The bytes that say: these offsets belong to no event and never will."""
    return _sealed(first, end - first, 0, b"")


def _sealed(first: int, events: int, received_at: int, body: bytes) -> bytes:
    head = _HEAD.pack(MAGIC, 0, len(body), events, first, received_at)
    checksum = zlib.crc32(body, zlib.crc32(head[_CHECKED_FROM:]))
    return _HEAD.pack(MAGIC, checksum, len(body), events, first, received_at) + body


class Segment:
    """One segment, open for reading while somebody may be writing it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def size(self) -> int:
        """Its bytes now."""
        return os.fstat(self._file).st_size

    def make_safe(self) -> None:
        """Makes what is in it now outlast a power cut, whoever wrote it."""
        os.fdatasync(self._file)

    def read(self, start: int, end: int) -> bytes:
        """Some of its bytes as they are."""
        return os.pread(self._file, end - start, start)

    def frame(self, at: int) -> Frame | None:
        """The frame that begins at this byte; None if there is no whole and sound one."""
        head = os.pread(self._file, _HEAD.size, at)
        if len(head) < _HEAD.size:
            return None
        magic, checksum, size, events, first, received_at = _HEAD.unpack(head)
        if magic != MAGIC or size > LARGEST_BODY:
            return None
        body = os.pread(self._file, size, at + _HEAD.size)
        if len(body) < size or checksum != zlib.crc32(body, zlib.crc32(head[_CHECKED_FROM:])):
            return None
        return Frame(at, at + _HEAD.size + size, first, first + events, received_at, body)

    def frame_after(self, at: int) -> Frame | None:
        """The first sound frame that begins after this byte: where reading goes on behind damage."""
        rest, found = self.read(at, self.size()), 0
        while (found := rest.find(MAGIC, found + 1)) >= 0:
            if frame := self.frame(at + found):
                return frame
        return None

    def frames(self) -> Iterator[Frame]:
        """All its sound frames. What lies between two of them is damaged."""
        at = 0
        while frame := self.frame(at) or self.frame_after(at):
            yield frame
            at = frame.end


@dataclass(frozen=True)
class Waiting:
    """What lies in the spool and is not in the inbox yet."""

    events: int = 0
    oldest: int | None = None
    """When the one that waits longest was received, in microseconds since 1970 UTC."""
    damaged: int = 0
    """Stretches of bytes that could not be read and were set aside."""


@dataclass(frozen=True)
class Partition:
    """The folder of one partition."""

    folder: Path

    @classmethod
    def create(cls, spool: Path) -> Self:
        """A new and empty partition of the spool, readable by its owner only."""
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        partition = cls(spool / f"p{secrets.token_hex(6)}")
        partition.folder.mkdir(mode=0o700)
        sync_folder(spool)
        return partition

    @property
    def name(self) -> str:
        """As feeds call it."""
        return f"spool/{self.folder.name}"

    def segment(self, first: int) -> Path:
        """The file of the segment that begins with this offset."""
        return self.folder / f"{first:020d}{SUFFIX}"

    def segments(self) -> list[int]:
        """By what offset each segment begins, in order."""
        return sorted(int(file.stem) for file in self.folder.glob(f"*{SUFFIX}"))

    def end(self) -> int:
        """The offset after its newest event."""
        segments = self.segments()
        if not segments:
            return 0
        with Segment(self.segment(segments[-1])) as newest:
            return max((frame.next for frame in newest.frames()), default=segments[-1])

    def delivered(self) -> int:
        """Up to where the inbox had the partition when its reader last said so; 0 if it never did."""
        try:
            return int((self.folder / "delivered").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def note_delivered(self, position: int) -> None:
        """Says up to where the inbox has the partition."""
        fresh = self.folder / f"delivered.{os.getpid()}"
        fresh.write_text(str(position))
        fresh.replace(self.folder / "delivered")

    def undelivered_bytes(self) -> int:
        """The size of the segments that are not delivered, or only in part."""
        return sum(self.segment(first).stat().st_size for first in self._undelivered())

    def waiting(self) -> Waiting:
        """What the inbox does not have yet. Void offsets count as events."""
        delivered = self.delivered()
        oldest = None
        for first in self._undelivered():
            with Segment(self.segment(first)) as segment:
                oldest = next((f.received_at for f in segment.frames() if f.next > delivered and not f.is_void), None)
            if oldest is not None:
                break
        damaged = len(list((self.folder / "damaged").glob("*")))
        return Waiting(max(0, self.end() - delivered), oldest, damaged)

    def set_aside(self, first: int, at: int, damaged: bytes) -> Path:
        """Keeps bytes of a segment that nobody can read, for people to look at. The same ones again change nothing."""
        file = self.folder / "damaged" / f"{first:020d}-{at}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(damaged)
        return file

    def _undelivered(self) -> list[int]:
        """The segments that the inbox does not have to their end."""
        segments, delivered = self.segments(), self.delivered()
        return [first for first, end in zip_longest(segments, segments[1:]) if end is None or end > delivered]


def partitions(spool: Path) -> list[Partition]:
    """The partitions there are, by name; none if nothing was ever spooled."""
    return [Partition(folder) for folder in sorted(spool.iterdir()) if folder.is_dir()] if spool.exists() else []


def waiting(spool: Path) -> Waiting:
    """What waits in all partitions together."""
    found = [partition.waiting() for partition in partitions(spool)]
    return Waiting(
        sum(each.events for each in found),
        min((each.oldest for each in found if each.oldest is not None), default=None),
        sum(each.damaged for each in found),
    )


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
