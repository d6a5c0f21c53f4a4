"""Writing the spool by group commit: whoever waits is written together, made safe by one call, and told together.

One thread does all the work on the disk, so that an event loop never waits for it. What the files look like is in
`spool.py`.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.events.spool import (
    LARGEST_BODY,
    Partition,
    Segment,
    frame,
    partitions,
    sync_folder,
    void,
)

GROUP_BYTES = LARGEST_BODY // 2
QUEUE_BYTES = 32 << 20
QUEUE_REQUESTS = 1000
SEGMENT_BYTES = 16 << 20
SEGMENT_SECONDS = 60
"""So that what is delivered can be removed soon, also when few events come."""
UNDELIVERED_BYTES = 2 << 30
HOUSEKEEPING_SECONDS = 1.0
BUSY_SECONDS, BEHIND_SECONDS = 1, 30
"""After how long to send again: what waits for the disk is soon written, what waits for the consumer takes longer."""

log = logging.getLogger(__name__)


class SpoolFullError(ClientNestError):
    """More waits than the spool takes: for the disk, or for the consumer. Nothing of this append was kept."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SpoolWriteError(ClientNestError):
    """The disk did not take the events: it is full or broken. They may or may not be in the spool; send them again."""


@dataclass(frozen=True)
class Limits:
    """What makes the writer refuse, and when it begins a new segment."""

    queue_bytes: int = QUEUE_BYTES
    queue_requests: int = QUEUE_REQUESTS
    undelivered_bytes: int = UNDELIVERED_BYTES
    segment_bytes: int = SEGMENT_BYTES
    segment_seconds: float = SEGMENT_SECONDS


@dataclass(slots=True)
class _Append:
    payloads: Sequence[bytes]
    bytes: int
    done: Future[None]


class SpoolWriter:
    """The one writer of a partition. Open it with `SpoolWriter.open`, and close it."""

    def __init__(self, partition: Partition, lock: int, limits: Limits) -> None:
        self.partition = partition
        self._lock = lock
        self._limits = limits
        self._changed = threading.Condition()
        self._queue: deque[_Append] = deque()
        self._queued_bytes = 0
        self._is_closing = False
        self._undelivered_bytes = 0
        self._void_from, self._next = _recover(partition)
        self._file: int | None = None
        self._safe_bytes = 0
        self._began = 0.0
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, spool: Path, limits: Limits | None = None) -> Self:
        """Takes the first partition that nobody writes, or makes one: every process writes a partition of its own."""
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partition in partitions(spool):
            if (lock := _locked(partition)) is not None:
                return cls(partition, lock, limits or Limits())
        Partition.create(spool)
        return cls.open(spool, limits)

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Returns once the events are safe on disk. They are JSON text, 8 MiB together at most.

        Raises:
            SpoolFullError: if too much waits already.
            SpoolWriteError: if the disk is full or broken.
        """
        await asyncio.wrap_future(self.submit(payloads))

    def submit(self, payloads: Sequence[bytes]) -> Future[None]:
        """Like `append`, for a caller without an event loop."""
        entry = _Append(payloads, sum(map(len, payloads)) + 4 * len(payloads), Future())
        if entry.bytes > GROUP_BYTES:
            raise ValueError(f"{entry.bytes} bytes of events at once; the spool takes {GROUP_BYTES}")
        with self._changed:
            self._require_room(entry)
            self._queue.append(entry)
            self._queued_bytes += entry.bytes
            self._changed.notify()
        return entry.done

    def close(self) -> None:
        """Writes what waits, and lets go of the partition."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        os.close(self._lock)

    def _require_room(self, entry: _Append) -> None:
        limits = self._limits
        if self._is_closing:
            raise SpoolFullError("the collector is stopping. Send the events again.", BUSY_SECONDS)
        if self._undelivered_bytes > limits.undelivered_bytes:
            raise SpoolFullError(
                f"{self._undelivered_bytes >> 20} MiB of events wait to be delivered, and the spool takes no more. Send "
                "the events again later; whoever runs the collector: is `clientnest consume` running?",
                BEHIND_SECONDS,
            )
        if len(self._queue) >= limits.queue_requests or self._queued_bytes + entry.bytes > limits.queue_bytes:
            raise SpoolFullError("too many requests wait for the disk. Send the events again.", BUSY_SECONDS)

    def _work(self) -> None:
        tidied = -HOUSEKEEPING_SECONDS
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._queue or self._is_closing, timeout=HOUSEKEEPING_SECONDS)
                    group = self._take()
                    if self._is_closing and not group:
                        return
                if group:
                    self._commit(group)
                if time.monotonic() - tidied >= HOUSEKEEPING_SECONDS:
                    self._tidy()
                    tidied = time.monotonic()
        finally:
            self._end()

    def _take(self) -> list[_Append]:
        """The appends that are written next, as many as fit one frame."""
        group: list[_Append] = []
        size = 0
        while self._queue and size + self._queue[0].bytes <= GROUP_BYTES:
            entry = self._queue.popleft()
            self._queued_bytes -= entry.bytes
            if entry.done.set_running_or_notify_cancel():
                group.append(entry)
                size += entry.bytes
        return group

    def _commit(self, group: list[_Append]) -> None:
        payloads = [payload for entry in group for payload in entry.payloads]
        try:
            file = self._segment()
            data = frame(self._next, time.time_ns() // 1000, payloads)
        except OSError as error:
            _refuse(group, error)
            return
        first, self._next = self._next, self._next + len(payloads)
        try:
            _write(file, data)
        except OSError as error:
            self._abandon(first)
            _refuse(group, error)
            return
        self._safe_bytes += len(data)
        for entry in group:
            entry.done.set_result(None)

    def _segment(self) -> int:
        """The file to append to: the present segment's, or a new one's if that is full, old or spoilt."""
        is_old = time.monotonic() - self._began > self._limits.segment_seconds
        is_done = self._safe_bytes >= self._limits.segment_bytes or (is_old and self._safe_bytes > 0)
        if self._file is not None and is_done:
            os.close(self._file)
            self._file = None
        if self._file is None:
            self._file = self._begin()
        return self._file

    def _begin(self) -> int:
        file = os.open(
            self.partition.segment(self._next), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode=0o600
        )
        try:
            if self._void_from is not None:
                os.ftruncate(file, 0)
                _write(file, void(self._void_from, self._next))
            sync_folder(self.partition.folder)
        except OSError:
            os.close(file)
            raise
        self._void_from = None
        self._safe_bytes = os.fstat(file).st_size
        self._began = time.monotonic()
        return file

    def _abandon(self, first: int) -> None:
        """Leaves a segment to which a write failed.

        A reader may have seen some of it, so the offsets from `first` on are never given to other events.
        """
        assert self._file is not None
        self._void_from = first
        with suppress(OSError):
            os.ftruncate(self._file, self._safe_bytes)
        os.close(self._file)
        self._file = None

    def _tidy(self) -> None:
        """Leaves an old segment though nothing comes, so that its reader may remove it; sees how much waits."""
        try:
            self._segment()
            self._undelivered_bytes = self.partition.undelivered_bytes()
        except OSError as error:
            log.warning("the spool %s cannot be written: %s", self.partition.folder, error.strerror)

    def _end(self) -> None:
        with self._changed:
            self._is_closing = True
            left, self._queue = list(self._queue), deque()
        for entry in left:
            entry.done.set_exception(SpoolFullError("the collector is stopping. Send the events again.", BUSY_SECONDS))
        if self._file is not None:
            os.close(self._file)


def _recover(partition: Partition) -> tuple[int | None, int]:
    """Cuts what a kill left behind the last whole frame. The first void offset if there are any, and the next free one."""
    segments = partition.segments()
    end, whole = (segments[-1], 0) if segments else (0, 0)
    if segments:
        path = partition.segment(segments[-1])
        with Segment(path) as newest:
            for found in newest.frames():
                end, whole = found.next, found.end
            cut = newest.size() - whole
        if cut:
            log.warning("%s: cut %d bytes after byte %d: a write that a kill interrupted", path, cut, whole)
            os.truncate(path, whole)
    delivered = partition.delivered()
    return (end, delivered) if delivered > end else (None, end)


def _locked(partition: Partition) -> int | None:
    """The partition's lock, held until the process ends or closes it; None if another process holds it."""
    file = os.open(partition.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _write(file: int, data: bytes) -> None:
    """Appends all of it, and returns once it outlasts a power cut."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
    os.fdatasync(file)


def _refuse(group: list[_Append], error: OSError) -> None:
    log.error("events could not be written to the spool: %s", error.strerror)
    for entry in group:
        entry.done.set_exception(SpoolWriteError(f"the events could not be written to disk: {error.strerror}"))
