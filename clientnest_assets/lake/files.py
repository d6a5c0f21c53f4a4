"""Files that are no tables: models and their cards, files dropped for landing. A folder or a bucket, the same calls.

A file is written whole or not at all on both. Not here: Delta tables, which are in `table.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clientnest_assets.lake.s3 import open_bucket
from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    from obstore.store import ObjectStore

DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class StoredFile:
    """One file as a listing tells it."""

    path: str
    """Relative to the storage's root, with `/` between folders."""
    size_bytes: int
    modified_at: datetime
    etag: str | None
    """Changes whenever the content does; on a folder, made of the file's number, size and time."""


@dataclass(frozen=True)
class Storage:
    """All files under a folder or under `s3://bucket/prefix`. Paths are relative to that root.

    Raises `FileNotFoundError` where a file is asked for that is not there.
    """

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, lake: Lake) -> Storage:
        """The files beside a lake's tables."""
        return cls(lake.root, lake.storage_options)

    @property
    def is_local(self) -> bool:
        """True for a folder, False for a bucket."""
        return "://" not in self.root

    def location(self, path: str) -> str:
        """Where a file lies, as DuckDB and Polars take it."""
        return f"{self.root}/{path}"

    def files(self, folder: str = "") -> Iterator[StoredFile]:
        """All files in the folder and in those below it, in no order."""
        import obstore

        if self._is_missing:
            return
        for batch in obstore.list(self._store, folder or None):
            for each in batch:
                if each["size"] or self.is_local or self._exists(each["path"]):
                    yield StoredFile(each["path"], each["size"], each["last_modified"], each["e_tag"])

    def children(self, folder: str = "") -> tuple[list[str], list[str]]:
        """The names of the files and of the folders directly in the folder, each sorted."""
        import obstore

        if self._is_missing:
            return [], []
        found = obstore.list_with_delimiter(self._store, folder or None)
        # A bucket may hold an empty object that stands for the folder itself.
        files = sorted(
            each["path"].rsplit("/", 1)[-1] for each in found["objects"] if each["path"] != folder.strip("/")
        )
        return files, sorted(each.rsplit("/", 1)[-1] for each in found["common_prefixes"])

    def read(self, path: str) -> bytes:
        """The whole file."""
        import obstore

        return bytes(obstore.get(self._store, path).bytes())

    def write(self, path: str, content: bytes) -> None:
        """Writes the file, in place of the one that may be there."""
        import obstore

        obstore.put(self._store, path, content)

    def download(self, path: str, to: Path) -> None:
        """Copies the file into a local one, piece by piece."""
        import obstore

        with to.open("wb") as file:
            for piece in obstore.get(self._store, path):
                file.write(piece)

    def upload(self, source: Path, path: str) -> None:
        """Copies a local file to here, piece by piece."""
        import obstore

        obstore.put(self._store, path, source)

    def move(self, path: str, to: str) -> None:
        """Gives the file another path, in place of what may be there. In a bucket a kill may leave it at both."""
        import obstore

        obstore.rename(self._store, path, to)

    def delete(self, path: str) -> None:
        """Removes the file."""
        import obstore

        obstore.delete(self._store, path)

    def clear(self) -> None:
        """Removes every file."""
        import obstore

        paths = [file.path for file in self.files()]
        for start in range(0, len(paths), DELETED_AT_ONCE):
            obstore.delete(self._store, paths[start : start + DELETED_AT_ONCE])

    def _exists(self, path: str) -> bool:
        """False for the empty object that some tools make in a bucket to show a folder: its name ends with a slash."""
        import obstore

        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return False
        return True

    @property
    def _is_missing(self) -> bool:
        return self.is_local and not Path(self.root).is_dir()

    @cached_property
    def _store(self) -> ObjectStore:
        if self.is_local:
            from obstore.store import LocalStore

            return LocalStore(self.root, mkdir=True)
        return open_bucket(self.root, self.options)


def write_files(lake: Lake, folder: str, contents: Mapping[str, bytes]) -> str:
    """Writes the files in the order given, each whole or not at all; returns the folder's location."""
    storage = Storage.of(lake)
    for name, content in contents.items():
        storage.write(f"{folder}/{name}", content)
    return storage.location(folder)


def read_files(lake: Lake, folder: str, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """The files directly in the folder, by name; if names are given those alone, as far as they are there."""
    storage, found = Storage.of(lake), {}
    for name in file_names(lake, folder) if names is None else names:
        with suppress(FileNotFoundError):
            found[name] = storage.read(f"{folder}/{name}")
    return found


def file_names(lake: Lake, folder: str) -> list[str]:
    """The names of the files directly in the folder, sorted."""
    return Storage.of(lake).children(folder)[0]


def remove_file(lake: Lake, path: str) -> None:
    """Removes one file."""
    Storage.of(lake).delete(path)


def folders(lake: Lake, folder: str) -> list[str]:
    """The names of the folders directly in the folder, sorted."""
    return Storage.of(lake).children(folder)[1]
