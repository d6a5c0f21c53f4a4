"""What the embedded servers have in common: whoever comes first starts one, leases hold it, and `stop` respects them.

How a server is started and ended is in `postgres.py` and `object_store.py`.
"""

from __future__ import annotations

import fcntl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock

Server = TypeVar("Server")


class EmbeddedService(ABC, Generic[Server]):
    """The server of one home folder, in a folder of its own there."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home.expanduser().absolute()
        self.folder = self.home / name
        self._users = self.folder / "users.lock"

    @abstractmethod
    def running(self) -> Server | None:
        """The server if it is up and ready, by a file of its own; never starts it."""

    def ensure_running(self) -> Server:
        """The server, made and started if need be. Safe to call from many processes at once.

        Raises:
            ClientNestError: the service's own, with the end of its log, if it does not start.
        """
        server = self.running()
        if server:
            return server
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "start.lock"):
            return self.running() or self._make_and_start()

    def stop(self) -> bool:
        """Stops the server if nobody holds a lease on it. True if it is down afterwards.

        Raises:
            ClientNestError: the service's own, if it does not stop.
        """
        server = self.running()
        if not server:
            return True
        with self._users.open("a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._end(server)
        return True

    @contextmanager
    def lease(self) -> Iterator[Server]:
        """The running server, held: while any lease lives, `stop` declines. The kernel ends a killed process' lease."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._users.open("a") as users:
            # Held before the server is looked for: nobody stops it in between.
            fcntl.flock(users, fcntl.LOCK_SH)
            yield self.ensure_running()

    @abstractmethod
    def _make_and_start(self) -> Server:
        """Called by one process at a time, when no server is ready."""

    @abstractmethod
    def _end(self, server: Server) -> None:
        """Called when nobody holds a lease."""
