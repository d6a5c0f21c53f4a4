"""Landing the files that wait in the landing folder, as `clientnest land` and the sensor's runs both do it.

Each is imported as `file_imports.py` has it, from a copy of its own, and put away: archived, or rejected with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from clientnest_assets.defs.file_imports import EarlierDaysError, File, FileImports, Result
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import Storage
from clientnest_assets.settings import PREFIX, SettingsError, store_options
from clientnest_assets.sources.files.importing import NothingGoodError
from clientnest_assets.sources.files.landing_folder import REJECTED, LandingFolder, Waiting
from clientnest_assets.sources.files.mapping import Mapping, MappingError
from clientnest_assets.sources.files.reading import FileError, import_name
from clientnest_assets.sources.files.register import Register, Status, content_hash
from clientnest_assets.sources.landing import TooManyBadRowsError

REJECTIONS = (FileError, MappingError, NothingGoodError, TooManyBadRowsError, EarlierDaysError)
"""What is wrong with a file, its mapping or the two together. Any other error is no fault of the file."""


def landing_folder(installation: Installation) -> LandingFolder:
    """The installation's landing folder.

    Raises:
        SettingsError: if it lies within the lake, of which each folder is a layer of tables.
    """
    url = installation.landing_url
    root = url.rstrip("/") if "://" in url else str(Path(url).expanduser().absolute())
    if f"{root}/".startswith(f"{installation.lake.root.rstrip('/')}/"):
        raise SettingsError(f"{PREFIX}LANDING_URL ({url}) lies within the lake. Choose a place beside it.")
    return LandingFolder(Storage(root, store_options() if "://" in root else {}))


def land_waiting(
    imports: FileImports,
    folder: LandingFolder,
    waiting: Waiting,
    mapping: Mapping,
    *,
    advance_reading: Callable[[int], None] = lambda _: None,
    advance_landing: Callable[[int], None] = lambda _: None,
) -> Result:
    """Lands a file of the landing folder and puts it away: archived, or rejected with the reason beside it.

    Args:
        imports: into the installation.
        folder: the landing folder.
        waiting: the file, as it was seen.
        mapping: that of its folder.
        advance_reading: told of the bytes read.
        advance_landing: told of how many windows there are to land, as each is.

    Raises:
        ChangedMeanwhileError: if the file is not the one any more that was seen. Nothing was done.
    """
    with TemporaryDirectory(prefix="clientnest-landing-") as temporary:
        copy = Path(temporary) / Path(waiting.name).name
        folder.fetch(waiting, copy)
        name = import_name(Path(waiting.name))
        if "/" in waiting.name:
            name = f"{Path(waiting.name).parent.as_posix()}/{name}"
        file = File(copy, mapping, waiting.folder, name, content_hash(copy))
        today = datetime.now(UTC).date()
        archive_path = folder.archive_path(waiting, file.content_hash, today)
        known = _known(imports, folder, file, archive_path)
        if known is not None:
            folder.put_away(waiting, copy, known.entry.archive_path or archive_path)
            return known
        try:
            with imports.checked(file, advance=advance_reading) as checked:
                windows = sum(len(each.windows) for each in checked)
                result = imports.land(
                    file, checked, archive_path=archive_path, advance=lambda: advance_landing(windows)
                )
        except REJECTIONS as error:
            to = folder.archive_path(waiting, file.content_hash, today, kind=REJECTED)
            reason = str(error).replace(str(copy), folder.location(waiting.path))
            rejected = replace(file.entry(Status.REJECTED), archive_path=to, message=reason)
            entry = Register.read(imports.installation.lake).write(rejected)
            folder.reject(waiting, copy, to, reason)
            return Result(entry)
        folder.put_away(waiting, copy, archive_path)
        return result


def _known(imports: FileImports, folder: LandingFolder, file: File, archive_path: str) -> Result | None:
    """What to say of a content that is in the lake already, read by the same mapping; None if it is not."""
    register = Register.read(imports.installation.lake)
    entry = file.entry(Status.UNCHANGED)
    same = [
        held
        for held in register.held_content(file.content_hash, file.mapping.source)
        if set(entry.tables) <= set(held.tables) and (held.name != file.name or held.mapping_hash == entry.mapping_hash)
    ]
    if not same:
        return None
    held = next((each for each in same if each.name == file.name), same[0])
    if held.name == file.name and held.archive_path and not folder.holds(held.archive_path):
        # Landed, and then cut off before it was put away.
        return Result(held)
    return Result(
        register.write(
            replace(
                entry,
                archive_path=archive_path,
                message=f"already landed on {held.registered_at:%Y-%m-%d %H:%M} UTC as {held.name}",
            )
        )
    )
