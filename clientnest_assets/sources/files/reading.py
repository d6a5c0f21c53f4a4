"""A file as a stream of UTF-8: unpacked, decoded, bounded, with what could not be decoded marked in its place.

What the text means is found in `records.py`.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.files.specs import FileForm

BLOCK_BYTES = 1 << 22
GIB = 1 << 30
LARGEST_GIB = 32
"""What a file may unpack to, if the mapping does not say otherwise: past any export."""
LARGEST_RATIO = 200
"""A packed file that unpacks to more than `FREE_GIB` may not unpack to more than so many times its own size."""
FREE_GIB = 1
UNPACKS_TO = "unpacks to more than"
UNDECODED = "\ufdd0"
"""A code point that is no character, before each byte that could not be decoded (as in <89>)."""
UNDECODED_HANDLER = "clientnest.mark"
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_START = 4
UNPACKING_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
FOREIGN_STARTS = {
    b"PK\x03\x04": "a zip archive (or an Excel workbook): unpack it, or export it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: export it as CSV",
    b"\xff\xfe": "UTF-16: say `encoding: utf-16` under `file` in the mapping",
    b"\xfe\xff": "UTF-16: say `encoding: utf-16` under `file` in the mapping",
    GZIP_MAGIC: "packed with gzip twice: unpack it once",
    b"BZh": "packed with bzip2: unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz: unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it, or pack it with gzip",
    b"PAR1": "a Parquet file: say `format: parquet` under `file` in the mapping (unpacked, if it is packed)",
}


class FileError(ClientNestError):
    """A file cannot be imported as it is. The message names the file, the place where possible, and the remedy."""


def import_name(path: Path) -> str:
    """The name by which an import is remembered: the file's, without the packing."""
    return path.name.removesuffix(".gz")


def open_text(path: Path, form: FileForm, advance: Callable[[int], None] = lambda _: None) -> Utf8Stream:
    """The file's text as a stream of UTF-8 bytes; `advance` is told of bytes as they are taken from the disk.

    Raises:
        FileError: if it is empty, cannot be opened, or is plainly no text of the mapping's encoding.
    """
    source, size = _open(path, advance)
    if isinstance(source, _Counted):
        return Utf8Stream(path, source, form.encoding, (form.largest_gib or LARGEST_GIB) * GIB, "is larger than")
    return Utf8Stream(path, source, form.encoding, most_unpacked(form, size), UNPACKS_TO)


def most_unpacked(form: FileForm, size: int) -> int:
    """How many bytes a packed file of so many may unpack to."""
    if form.largest_gib:
        return form.largest_gib * GIB
    return min(LARGEST_GIB * GIB, max(int(FREE_GIB * GIB), LARGEST_RATIO * size))


def too_large(path: Path, what: str, largest: int) -> FileError:
    """The error of a file that is, or unpacks to, more than it may."""
    return FileError(
        f"{path} {what} {largest / GIB:.3g} GiB: that is more than is read of one file, so that none fills the disk. "
        "Nothing was imported. Split it; or, if it is to be so large, say `largest_gib: 100` (or as many GiB as it "
        "needs) under `file` in the mapping."
    )


def first_bytes(path: Path, size: int) -> bytes:
    """So many of the file's bytes, unpacked and not decoded.

    Raises:
        FileError: as `open_text` does.
    """
    source, _ = _open(path, lambda _: None)
    with source:
        try:
            start = source.read(size) or b""
        except UNPACKING_ERRORS as error:
            raise FileError(f"{path} is cut off or damaged: it cannot be unpacked ({error}).") from None
    _require_text(path, start, is_wide=start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))
    return start


def _open(path: Path, advance: Callable[[int], None]) -> tuple[_Counted | gzip.GzipFile, int]:
    """The file's bytes, unpacked as they are read, and its size."""
    try:
        file = path.open("rb")
        start = file.read(LONGEST_START)
        file.seek(0)
        size = path.stat().st_size
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}.") from None
    if not start:
        raise FileError(f"{path} is empty: there is nothing to import.")
    counted = _Counted(file, advance)
    return (gzip.GzipFile(fileobj=counted, mode="rb") if start.startswith(GZIP_MAGIC) else counted), size


def _require_text(path: Path, start: bytes, *, is_wide: bool) -> None:
    for magic, meaning in FOREIGN_STARTS.items():
        if start.startswith(magic) and not is_wide:
            raise FileError(f"{path} is {meaning}.")


class Utf8Stream(io.RawIOBase):
    """A readable stream of UTF-8 bytes over bytes of another encoding."""

    def __init__(
        self, path: Path, source: io.RawIOBase | gzip.GzipFile, encoding: str, largest: int, too_large: str
    ) -> None:
        codecs.register_error(UNDECODED_HANDLER, _mark)
        # utf-8-sig takes away the mark that Windows puts before the first column's name.
        name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._path = path
        self._source = source
        self._largest = largest
        self._too_large = too_large
        self._is_wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(name)(UNDECODED_HANDLER)
        self._ready = b""
        self._ended = False
        self._bytes = 0

    def readable(self) -> bool:
        """True, as of any open stream of ours."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; all for -1.

        Raises:
            FileError: if the packing is broken, or the file is too large or plainly something else.
        """
        pieces, waiting = [self._ready], len(self._ready)
        while not self._ended and (size < 0 or waiting < size):
            block = self._take()
            self._ended = not block
            text = self._decoder.decode(block, final=self._ended).encode()
            pieces.append(text)
            waiting += len(text)
        together = b"".join(pieces)
        end = len(together) if size < 0 else size
        self._ready = together[end:]
        return together[:end]

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as there is text."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Closes the file too."""
        self._source.close()
        super().close()

    def _take(self) -> bytes:
        try:
            block = self._source.read(BLOCK_BYTES) or b""
        except UNPACKING_ERRORS as error:
            raise FileError(
                f"{self._path} is cut off or damaged: unpacking failed after {self._bytes:,} bytes ({error}). "
                "Nothing was imported; fetch it again."
            ) from None
        if self._bytes == 0:
            _require_text(self._path, block, is_wide=self._is_wide)
        self._bytes += len(block)
        if self._bytes > self._largest:
            raise too_large(self._path, self._too_large, self._largest)
        return block


class _Counted(io.RawIOBase):
    """The file's bytes, told as they are taken: packed ones, so that progress is known whatever they unpack to."""

    def __init__(self, file: IO[bytes], advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._advance(len(block))
        return block

    def close(self) -> None:
        self._file.close()
        super().close()


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(f"{UNDECODED}<{byte:02x}>" for byte in wrong), error.end
