"""`clientnest capture`: the changes of the app's mutable tables, by logical replication, into the raw tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, stopping

if TYPE_CHECKING:
    from threading import Event

    from clientnest_assets.sources.change_capture import Captured, CaptureStatus

MEGABYTE = 1024 * 1024


def capture(
    once: Annotated[bool, typer.Option("--once", help="Capture what is there by now, and stop.")] = False,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot",
            help=(
                "Begin anew: read all tables again, and capture from there. After a slot was lost, or tables were added. "
                "Rows that were deleted meanwhile get their tombstones."
            ),
        ),
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Tell how far capturing is behind; capture nothing.")
    ] = False,
    stop: Annotated[
        bool,
        typer.Option(
            "--stop",
            help="End capturing for good: drop slot and publication, so that the server keeps no WAL for them.",
        ),
    ] = False,
    poll_seconds: Annotated[float, typer.Option(min=0.05, help="How long to wait when nothing is left.")] = 1.0,
    home: HomeOption = None,
) -> None:
    """Capture every change of the app's mutable tables: all versions, and deletes as tombstones.

    The first time it reads the tables whole; from then on the server keeps its log for us until we have it, so
    nothing is missed while this is not running, and [bold]--status[/] tells how much is waiting. Runs until Ctrl-C (or
    SIGTERM), and may be killed at any moment. The rows land in the same raw tables as those that
    [bold]clientnest backfill[/] reads from the app, each version once.

    [bold]Examples[/]

    clientnest capture

    clientnest capture --once

    clientnest capture --status

    clientnest capture --snapshot --once

    clientnest capture --stop

    [bold]Then[/]

    clientnest sql "select count(*), count(deleted_at) as tombstones from raw.social_posts"

    clientnest backfill
    """
    if sum((status, stop, once or snapshot)) > 1:
        raise CommandError("--status, --stop and capturing exclude each other: give one of them.")
    session = Session.open(home)
    with session.installation.services():
        if status:
            _show_status(session)
        elif stop:
            _stop(session)
        else:
            _capture(session, snapshot=snapshot, once=once, poll_seconds=poll_seconds)


def _capture(session: Session, *, snapshot: bool, once: bool, poll_seconds: float) -> None:
    from clientnest_assets.defs.change_capture import capture_of, report
    from clientnest_assets.sources.change_capture import capture_once, connected, has_slot, take_snapshot

    capturing = capture_of(session.installation)

    def landed(done: Mapping[str, Captured]) -> None:
        if any(each.changes for each in done.values()):
            report(session.installation, session.instance, done)

    with stopping() as stopped, connected(capturing.url) as connection:
        if snapshot or not has_slot(connection):
            with _Reading(stopped) as reading:
                done = take_snapshot(capturing, connection, landed, reading.advance_to)
            _show("the snapshot is landed:", done)
        while True:
            found = capture_once(capturing, connection, landed)
            if found.tables:
                _show(f"captured until {found.captured_until:%Y-%m-%d %H:%M:%S} UTC:", found.tables)
            if stopped.is_set() or (once and found.is_drained):
                break
            if found.is_drained:
                stopped.wait(poll_seconds)


def _stop(session: Session) -> None:
    from clientnest_assets.sources.change_capture import connected, stop

    with connected(session.installation.app_database_url) as connection:
        found = stop(connection)
    console.print(
        "the replication slot is dropped; `clientnest capture` begins anew with a snapshot."
        if found
        else "nothing was captured from this database: there is no replication slot."
    )


def _show_status(session: Session) -> None:
    from clientnest_assets.sources.change_capture import status

    found = status(session.installation.app_database_url, session.installation.home)
    for name, value in described(found).items():
        console.print(f"{name:<16}{value}")
    if found.problem:
        console.print(f"[yellow]{found.problem}[/]")
        raise typer.Exit(1)


def described(found: CaptureStatus) -> dict[str, str]:
    """The status in words, line by line; nothing without a slot."""
    slot, seconds = found.slot, found.seconds_behind
    if slot is None:
        return {}
    left = "" if slot.bytes_left is None else f", lost after {slot.bytes_left / MEGABYTE:,.0f} MB more"
    return {
        "slot": slot.name,
        "WAL": f"{slot.wal_status}, {slot.bytes_kept / MEGABYTE:,.1f} MB kept{left}",
        "behind": f"{slot.bytes_behind / MEGABYTE:,.1f} MB" + ("" if seconds is None else f", {seconds:,.0f} seconds"),
        "captured until": f"{found.captured_until:%Y-%m-%d %H:%M:%S} UTC" if found.captured_until else "not known here",
    }


def _show(title: str, done: Mapping[str, Captured]) -> None:
    console.print(title)
    table = Table(box=None)
    table.add_column("rows of", no_wrap=True)
    for name in ("changes", "versions", "deletes", "held", "quarantined"):
        table.add_column(name, justify="right")
    for name, each in sorted(done.items()):
        versions = max(0, each.rows_written - each.tombstones)
        counts = (each.changes, versions, each.tombstones, each.rows_already_held, each.rows_quarantined)
        table.add_row(name, *(f"{count:,}" for count in counts))
    console.print(table)
    for name, each in sorted(done.items()):
        if each.new_columns:
            console.print(f"{name}: columns that the contract does not know: {', '.join(sorted(each.new_columns))}")
        for rule, count in each.rules.most_common():
            console.print(f"[yellow]quarantine[/] {name}: {count:,} of {rule}")


class _Reading(Progress):
    """A bar for each table of the snapshot. A snapshot that is cut off begins anew, so it is not waited for."""

    def __init__(self, stopped: Event) -> None:
        columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        super().__init__(*columns, console=console)
        self._stopped = stopped
        self._tasks_of: dict[str, TaskID] = {}

    def advance_to(self, table: str, read: int, rows: int) -> None:
        """Moves a table's bar."""
        if self._stopped.is_set():
            raise KeyboardInterrupt
        if table not in self._tasks_of:
            self._tasks_of[table] = self.add_task(table, total=rows)
        self.update(self._tasks_of[table], completed=read)
