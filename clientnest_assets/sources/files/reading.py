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
from typing import IO

from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.files.mapping import FileForm, Format

BLOCK_BYTES = 1 << 22
LARGEST_BYTES = 1 << 35
"""32 GiB unpacked: past any export, and soon enough to stop a file made to fill the disk."""
UNDECODED = "\ufdd0"
"""A code point that is no character, before each byte that could not be decoded (as in <89>)."""
UNDECODED_HANDLER = "clientnest.mark"
GZIP_MAGIC = b"\x1f\x8b"
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
FOREIGN_STARTS = {
    b"PK\x03\x04": "a zip archive (or an Excel workbook): unpack it, or export it as CSV",
    b"\xff\xfe": "UTF-16: say `encoding: utf-16` under `file` in the mapping",
    b"\xfe\xff": "UTF-16: say `encoding: utf-16` under `file` in the mapping",
}


class FileError(ClientNestError):
    """A file cannot be imported as it is. The message names the file, the place where possible, and the remedy."""


def import_name(path: Path) -> str:
    """The name by which an import is remembered: the file's, without the packing."""
    return path.name.removesuffix(".gz")


def file_format(path: Path, form: FileForm) -> Format:
    """How the file is written: as the mapping says, else by the end of its name.

    Raises:
        FileError: if neither tells.
    """
    suffix = Path(import_name(path)).suffix.lower()
    found = form.format or FORMATS.get(suffix)
    if found is None:
        raise FileError(
            f"{path}: nothing tells how it is written. Say `format: csv`, jsonl or parquet under `file` in the mapping."
        )
    return found


def open_text(path: Path, form: FileForm, advance: Callable[[int], None] = lambda _: None) -> Utf8Stream:
    """The file's text as a stream of UTF-8 bytes; `advance` is told of bytes as they are taken from the disk.

    Raises:
        FileError: if it is empty, cannot be opened, or is plainly no text of the mapping's encoding.
    """
    try:
        file = path.open("rb")
        start = file.read(4)
        file.seek(0)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}.") from None
    if not start:
        raise FileError(f"{path} is empty: there is nothing to import.")
    is_wide = codecs.lookup(form.encoding).name.startswith(("utf-16", "utf-32"))
    for magic, meaning in FOREIGN_STARTS.items():
        if start.startswith(magic) and not is_wide:
            raise FileError(f"{path} is {meaning}.")
    counted = _Counted(file, advance)
    unpacked = gzip.GzipFile(fileobj=counted, mode="rb") if start.startswith(GZIP_MAGIC) else counted
    return Utf8Stream(path, unpacked, form.encoding)


class Utf8Stream(io.RawIOBase):
    """A readable stream of UTF-8 bytes over bytes of another encoding."""

    def __init__(self, path: Path, source: io.RawIOBase | gzip.GzipFile, encoding: str) -> None:
        codecs.register_error(UNDECODED_HANDLER, _mark)
        # utf-8-sig takes away the mark that Windows puts before the first column's name.
        name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._path = path
        self._source = source
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
            FileError: if the packing is broken or the file is larger than `LARGEST_BYTES`.
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

    def close(self) -> None:
        """Closes the file too."""
        self._source.close()
        super().close()

    def _take(self) -> bytes:
        try:
            block = self._source.read(BLOCK_BYTES) or b""
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(
                f"{self._path} is cut off or damaged: unpacking failed after {self._bytes:,} bytes ({error}). "
                "Nothing was imported; fetch it again."
            ) from None
        self._bytes += len(block)
        if self._bytes > LARGEST_BYTES:
            raise FileError(
                f"{self._path} unpacks to more than {LARGEST_BYTES >> 30} GiB. Nothing was imported; split it."
            )
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
