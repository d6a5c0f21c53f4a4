"""Text in which any number of blanks parts the columns, as text with one tab between them."""

from __future__ import annotations

import io
import re
from typing import Any

BLANKS = re.compile(rb"[ \t]+")
EDGES = re.compile(rb"(?m)^\t|\t(?=\r?$)")
BLOCK_BYTES = 1 << 22


class Squeezed(io.RawIOBase):
    """A readable stream over another one, of which each run of blanks becomes one tab, and those at line ends nothing."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._rest = b""
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        """True, as of any open stream of ours."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; all for -1."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            block = self._stream.read(BLOCK_BYTES) or b""
            self._ended = not block
            whole, newline, rest = (self._rest + block).rpartition(b"\n") if block else (self._rest, b"", b"")
            self._rest = rest
            self._ready += EDGES.sub(b"", BLANKS.sub(b"\t", whole)) + newline
        end = len(self._ready) if size < 0 else size
        taken, self._ready = self._ready[:end], self._ready[end:]
        return taken

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as there is text."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Closes the other stream too."""
        self._stream.close()
        super().close()
