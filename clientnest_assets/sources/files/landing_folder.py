"""The landing folder: which files wait in it, by which mapping each is read, and where it goes afterwards.

`<landing>/<mapping>/<file>` waits. The folder's name is that of a packaged mapping, or it holds a `mapping.yaml`. A
folder or a bucket prefix, the same. How a file is landed is not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping as Values
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path, PurePosixPath

from clientnest_assets.lake.files import Storage, StoredFile
from clientnest_assets.sources.files.loading import load_mapping, packaged_mappings, parse_mapping
from clientnest_assets.sources.files.mapping import Mapping, MappingError

MAPPING_FILE = "mapping.yaml"
ARCHIVE, REJECTED = ".archive", ".rejected"
ERROR_SUFFIX = ".error.txt"
UNFINISHED = (".part", ".tmp")
SETTLED_AFTER = timedelta(seconds=10)
"""A file that was written to less than so long ago may still be growing."""
HASH_DIGITS = 12


class ChangedMeanwhileError(Exception):
    """A file is not the one any more that was seen waiting: somebody put another in its place, or took it away."""


@dataclass(frozen=True)
class Waiting:
    """A file that waits to be landed."""

    folder: str
    """That chooses the mapping."""
    name: str
    """Within the folder."""
    size_bytes: int
    modified_at: datetime
    etag: str

    @property
    def path(self) -> str:
        """Within the landing folder."""
        return f"{self.folder}/{self.name}"

    def is_settled(self, now: datetime, after: timedelta = SETTLED_AFTER) -> bool:
        """Whether nobody has written to it for a while."""
        return now - self.modified_at >= after


@dataclass(frozen=True)
class Look:
    """What is in the landing folder at a moment."""

    waiting: list[Waiting]
    """Oldest first: where files overlap, the first to come keeps the row."""
    mappings: Values[str, Mapping]
    """By folder; of those that have files."""
    problems: list[str]
    """Why other files cannot be landed, and what to do."""


@dataclass(frozen=True)
class LandingFolder:
    """One landing folder or bucket prefix."""

    storage: Storage

    def look(self) -> Look:
        """Finds what waits. Files that begin with a dot or end in .part or .tmp are nobody's business yet."""
        strays, folders = self.storage.children()
        problems = [
            f"{self.location(name)} is in no folder: move it to a folder named like a mapping that comes with the "
            f"project ({', '.join(packaged_mappings())}), or one that holds a {MAPPING_FILE}."
            for name in strays
            if not _is_ignored(name)
        ]
        waiting: list[Waiting] = []
        mappings: dict[str, Mapping] = {}
        for folder in folders:
            files = [] if _is_ignored(folder) else self._files(folder)
            if not files:
                continue
            try:
                mappings[folder] = self.mapping(folder)
            except MappingError as error:
                problems.append(f"{len(files)} files wait in {self.location(folder)}: {error}")
                continue
            waiting += files
        shared = _shared_sources(mappings)
        for source, ambiguous in shared.items():
            problems.append(
                f"the mappings of {' and '.join(map(self.location, ambiguous))} have one `source`, {source!r}: a file "
                "of one would replace a file of the other. Give one of them another `source`."
            )
        unclear = {folder for ambiguous in shared.values() for folder in ambiguous}
        return Look(
            sorted(
                (each for each in waiting if each.folder not in unclear), key=lambda each: (each.modified_at, each.path)
            ),
            mappings,
            problems,
        )

    def mapping(self, folder: str) -> Mapping:
        """The mapping by which the files of a folder are read.

        Raises:
            MappingError: if it has none, or one that cannot be used.
        """
        path = f"{folder}/{MAPPING_FILE}"
        try:
            return parse_mapping(self.storage.read(path).decode(), self.location(path))
        except FileNotFoundError:
            pass
        except UnicodeDecodeError as error:
            raise MappingError(
                f"{self.location(path)} is not UTF-8 text ({error.reason} at byte {error.start})."
            ) from None
        if folder in packaged_mappings():
            return load_mapping(folder)
        raise MappingError(
            f"no mapping is named {folder!r}. Put a {MAPPING_FILE} beside the files, or name the folder like one that "
            f"comes with the project ({', '.join(packaged_mappings())})."
        )

    def fetch(self, file: Waiting, to: Path) -> None:
        """Copies the file to a local one, which is then what is landed, whatever becomes of it in the folder.

        Raises:
            ChangedMeanwhileError: if it is not the file that was seen, or did not stay it.
        """
        try:
            self.storage.download(file.path, to)
        except FileNotFoundError:
            raise ChangedMeanwhileError(f"{self.location(file.path)} is gone") from None
        if not self._is_there(file):
            raise ChangedMeanwhileError(f"{self.location(file.path)} was changed while it was read")

    def archive_path(self, file: Waiting, content_hash: str, day: date, *, kind: str = ARCHIVE) -> str:
        """Where the file goes."""
        name = f"{content_hash[:HASH_DIGITS]}-{PurePosixPath(file.name).name}"
        return f"{kind}/{file.folder}/{day}/{name}"

    def put_away(self, file: Waiting, copy: Path, to: str) -> None:
        """Moves the file out of the way. One that has come in its place meanwhile stays and waits."""
        if self.storage.is_local and self._is_there(file):
            self.storage.move(file.path, to)
            moved = self._stored(to)
            # A rename keeps number, size and time, so that even what came at the last moment is told apart.
            if moved is not None and moved.etag != file.etag:
                self.storage.move(to, file.path)
                self.storage.upload(copy, to)
            return
        self.storage.upload(copy, to)
        # A bucket cannot move a file on a condition, so it is looked for at the last moment, after the long part.
        if not self.storage.is_local and self._is_there(file):
            self.storage.delete(file.path)

    def reject(self, file: Waiting, copy: Path, to: str, error: str) -> None:
        """Moves the file out of the way, with the reason beside it."""
        self.storage.write(f"{to}{ERROR_SUFFIX}", f"{error}\n".encode())
        self.put_away(file, copy, to)

    def holds(self, path: str) -> bool:
        """Whether there is a file at the path."""
        return self._stored(path) is not None

    def location(self, path: str) -> str:
        """Where a path is, in words for people."""
        return self.storage.location(path)

    def _files(self, folder: str) -> list[Waiting]:
        found = []
        for file in self.storage.files(folder):
            name = file.path.removeprefix(f"{folder}/")
            if name != MAPPING_FILE and not any(_is_ignored(part) for part in name.split("/")):
                found.append(Waiting(folder, name, file.size_bytes, file.modified_at, file.etag or ""))
        return found

    def _is_there(self, file: Waiting) -> bool:
        stored = self._stored(file.path)
        return stored is not None and (stored.etag or "") == file.etag

    def _stored(self, path: str) -> StoredFile | None:
        folder, _, _ = path.rpartition("/")
        return next((each for each in self.storage.files(folder) if each.path == path), None)


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(UNFINISHED)


def _shared_sources(mappings: Values[str, Mapping]) -> dict[str, list[str]]:
    folders = defaultdict(list)
    for folder, mapping in mappings.items():
        folders[mapping.source].append(folder)
    return {source: names for source, names in folders.items() if len(names) > 1}
