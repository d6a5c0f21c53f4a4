"""What the commands that import files have in common: the lock, the way to Dagster, and the words for what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import Session, alone, console, errors

if TYPE_CHECKING:
    from clientnest_assets.defs.arrivals import Arrival
    from clientnest_assets.defs.file_imports import FileImports
    from clientnest_assets.installation import Installation
    from clientnest_assets.sources.files import Checked, Imported

DAYS_WORTH_A_WORD = 366


@contextmanager
def importing(session: Session) -> Iterator[FileImports]:
    """The one that may import into this home now; Dagster's services run only while it is told of something.

    Raises:
        BusyError: if another import is running.
    """
    from clientnest_assets.defs.arrivals import tell
    from clientnest_assets.defs.file_imports import LOCK_FILE, FileImports

    installation = session.installation

    def report(arrivals: list[Arrival], description: str) -> None:
        with installation.services():
            tell(session.instance, arrivals, description)

    busy = f"another import into {installation.home} is running; wait for it."
    with alone(installation.home / LOCK_FILE, busy), installation.lake_service():
        yield FileImports(installation, report)


def progress(count: ProgressColumn) -> Progress:
    """A bar with the given count beside it."""
    return Progress(TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn(), console=console)


def show_checked(checked: Sequence[Checked], on: Console | None = None) -> None:
    """What importing would do."""
    where = on or console
    table = _table("in file", "good", "for quarantine", *_left_out(checked))
    for each in checked:
        table.add_row(each.contract.name, *_numbers(each.records, each.good, each.bad, *_left_out_of(each, checked)))
    where.print("nothing was written; importing would do this:")
    _show(table, checked, where)


def show_imported(imported: Sequence[Imported]) -> None:
    """What importing did."""
    table = _table("in file", "landed", "already held", "quarantined", *_left_out(imported), "removed")
    for each in imported:
        counts = (each.records, each.rows_written, each.rows_already_held, each.rows_quarantined)
        table.add_row(each.contract.name, *_numbers(*counts, *_left_out_of(each, imported), each.rows_removed))
    _show(table, imported, console)


def days_of(installation: Installation) -> int | None:
    """How many days the installation has; None before there is any data."""
    return len(installation.calendar.span().days()) if installation.has_data else None


def note_longer_calendar(installation: Installation, before: int | None) -> None:
    """Says it when a file has stretched the days of an installation by more than a year."""
    after = days_of(installation)
    if before is not None and after is not None and after - before > DAYS_WORTH_A_WORD:
        errors.print(
            f"[yellow]note:[/] the days of {installation.home} are now {installation.calendar.span()}, "
            f"{after - before:,} more than before. A backfill makes each of them in each asset: another time is better "
            "off in a home of its own (--home)."
        )


def _left_out(results: Sequence[Checked | Imported]) -> list[str]:
    """The heading of the records that a table's `when` leaves out, if there are any."""
    return ["left out"] if any(each.rows_left_out for each in results) else []


def _left_out_of(result: Checked | Imported, results: Sequence[Checked | Imported]) -> list[int]:
    return [result.rows_left_out] if _left_out(results) else []


def _table(*counts: str) -> Table:
    table = Table(box=None)
    table.add_column("rows of", no_wrap=True)
    for name in counts:
        table.add_column(name, justify="right")
    return table


def _numbers(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]


def _show(table: Table, results: Sequence[Checked | Imported], where: Console) -> None:
    """The counts, the days, and why rows go to quarantine."""
    where.print(table)
    unread = results[0].unread
    if unread:
        where.print(f"columns of the file that the mapping does not read: {escape(', '.join(unread))}")
    for each in results:
        if each.days:
            where.print(f"{each.contract.name}: days {each.days[0]} to {each.days[1]}")
        for rule, count in sorted(each.rules.items(), key=lambda item: (-item[1], item[0])):
            where.print(f"[yellow]quarantine[/] {each.contract.name}: {count:,} of {escape(rule)}")
    if any(each.rules for each in results):
        where.print('look at them with: clientnest sql "select reason, row from quarantine.TABLE limit 20"')
