"""Importing a file into an installation, as `clientnest import`, `clientnest land` and the landing folder's runs all do it.

Checked, entered in the register as begun, landed, told to the calendar and to Dagster, entered as landed, put away:
after a kill anywhere the same again ends in the same state. How a file becomes rows is in `sources/files/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from clientnest_assets.defs.arrivals import Arrival
from clientnest_assets.errors import ClientNestError
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import PREFIX
from clientnest_assets.sources.files.checking import Checked
from clientnest_assets.sources.files.importing import (
    Imported,
    check_file,
    land_file,
    require_fit,
    source_name,
)
from clientnest_assets.sources.files.mapping import Mapping
from clientnest_assets.sources.files.register import Entry, Register, Status
from clientnest_assets.sources.landing import Limit

LOCK_FILE = "import.lock"
"""Of the home: imports go one at a time, since each looks at what the others have landed."""


class EarlierDaysError(ClientNestError):
    """A file has rows of days for which the installation has no partitions."""


@dataclass(frozen=True)
class File:
    """A file at hand, and what it is to be imported as."""

    path: Path
    mapping: Mapping
    mapping_name: str
    """What people call the mapping."""
    name: str
    """What the import is remembered by."""
    content_hash: str

    @property
    def source(self) -> str:
        """The source of its rows."""
        return source_name(self.mapping, self.name)

    def entry(self, status: Status) -> Entry:
        """A row for the register."""
        return Entry(
            content_hash=self.content_hash,
            name=self.name,
            mapping=self.mapping_name,
            mapping_hash=self.mapping.fingerprint,
            source=self.source,
            tables=list(self.mapping.tables),
            size_bytes=self.path.stat().st_size,
            status=status,
        )


@dataclass(frozen=True)
class Result:
    """What became of a file: its row in the register, and what was done to each table."""

    entry: Entry
    imported: list[Imported] = field(default_factory=list)


@dataclass(frozen=True)
class FileImports:
    """Imports into one installation."""

    installation: Installation
    tell: Callable[[list[Arrival], str], None]
    """Reports arrivals to Dagster, see `arrivals.tell`."""

    @contextmanager
    def checked(
        self, file: File, *, replace_versions: bool = False, advance: Callable[[int], None] = lambda _: None
    ) -> Iterator[list[Checked]]:
        """What importing the file would do; nothing is written to the lake.

        Args:
            file: the file.
            replace_versions: see `landing.land_window`.
            advance: told of the bytes read.

        Raises:
            FileError, MappingError: naming what is wrong with the file or the mapping.
            EarlierDaysError: if it has rows from before the installation's first day.
        """
        with TemporaryDirectory(prefix="clientnest-import-") as folder:
            found = check_file(
                file.path,
                file.mapping,
                self.installation.lake,
                self.installation.pseudonym_key,
                Path(folder),
                name=file.name,
                now=_newest_moment(self.installation),
                replace_versions=replace_versions,
                advance=advance,
            )
            _require_days(self.installation, found)
            yield found

    def land(
        self,
        file: File,
        checked: list[Checked],
        *,
        archive_path: str | None = None,
        replace_versions: bool = False,
        advance: Callable[[], None] = lambda: None,
    ) -> Result:
        """Lands a checked file, and tells everyone.

        Raises:
            NothingGoodError, TooManyBadRowsError: before anything is written.
        """
        limit = Limit(share=self.installation.settings.max_bad_share)
        require_fit(checked, limit=limit, replace_versions=replace_versions)
        lake = self.installation.lake
        register = Register.read(lake)
        before, held = register.newest(file.source), register.holding(file.source)
        # Begun and not ended before: which days that one changed is not known any more, only where they lie.
        cut_off = before if before and before.status is Status.BEGUN else None
        span = _span(checked, cut_off)
        begun = register.write(
            replace(
                file.entry(Status.BEGUN),
                first_day=span.start if span else None,
                last_day=span.last_day if span else None,
            )
        )
        imported = land_file(lake, checked, replace_versions=replace_versions, advance=lambda _: advance())
        self._extend_calendar(checked)
        self.tell(_arrivals(file.name, imported, span.days() if cut_off and span else []), f"{file.name} was imported")
        replaces = held is not None and held.content_hash != file.content_hash
        landed = replace(
            begun,
            status=Status.REPLACED if replaces else Status.LANDED,
            records=max(each.records for each in imported),
            rows_written=sum(each.rows_written for each in imported),
            rows_quarantined=sum(each.rows_quarantined for each in imported),
            archive_path=archive_path,
            message=f"replaces what was landed on {held.registered_at:%Y-%m-%d %H:%M}" if replaces and held else "",
        )
        return Result(register.write(landed), imported)

    def twin(self, file: File) -> Entry | None:
        """The import under another name, if there is one, that holds all of this content already."""
        return next(
            (
                entry
                for entry in Register.read(self.installation.lake).held_content(file.content_hash, file.mapping.source)
                if entry.name != file.name and set(file.mapping.tables) <= set(entry.tables)
            ),
            None,
        )

    def _extend_calendar(self, checked: list[Checked]) -> None:
        """Lets the days of an embedded installation hold those of the file."""
        days = [day for each in checked if each.days for day in each.days]
        installation = self.installation
        if not days or installation.settings.first_day:
            return
        before = installation.calendar if installation.has_data else None
        installation.keep_calendar(before.extended(min(days), max(days)) if before else Calendar(min(days), max(days)))


def _newest_moment(installation: Installation) -> datetime:
    """Now, or the end of a simulated world that is ahead of the clock."""
    now = datetime.now(UTC)
    return max(now, installation.calendar.span().end_at) if installation.has_data else now


def _require_days(installation: Installation, checked: list[Checked]) -> None:
    """Refuses days that the installation has no partitions for, where its first day is a setting."""
    first_day = installation.settings.first_day
    earliest = min((each.days[0] for each in checked if each.days), default=None)
    if first_day and earliest and earliest < first_day:
        raise EarlierDaysError(
            f"the file has rows of {earliest}, before the first day of this installation, {first_day}. Nothing was "
            f"imported. Set {PREFIX}FIRST_DAY={earliest}, or import a file without the earlier days."
        )


def _span(checked: list[Checked], cut_off: Entry | None) -> Window | None:
    days = [day for each in checked if each.span for day in each.span]
    if cut_off and cut_off.first_day and cut_off.last_day:
        days += [cut_off.first_day, cut_off.last_day]
    return Window.of_days(min(days), max(days)) if days else None


def _arrivals(name: str, imported: list[Imported], perhaps: list[date]) -> list[Arrival]:
    """`perhaps`: days that an import that was cut off may have changed."""
    return [
        Arrival(
            each.contract.name,
            each.source,
            perhaps or each.days_changed,
            {
                "file": name,
                "rows_in_file": each.records,
                "rows_written": each.rows_written,
                "rows_already_held": each.rows_already_held,
                "rows_quarantined": each.rows_quarantined,
                "rows_left_out": each.rows_left_out,
                "rows_removed": each.rows_removed,
                "rules_broken": each.rules,
                "columns_not_in_mapping": each.unread,
                "days": f"{each.days[0]} to {each.days[1]}" if each.days else "none",
            },
        )
        for each in imported
    ]
