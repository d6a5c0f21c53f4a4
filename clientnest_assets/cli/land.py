"""`clientnest land`: lands everything that waits in the landing folder, as the sensor does, without Dagster's daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn
from rich.table import Table

from clientnest_assets.cli.importing import days_of, importing, note_longer_calendar, progress
from clientnest_assets.cli.session import HomeOption, Session, console, errors

if TYPE_CHECKING:
    from clientnest_assets.defs.file_imports import Result
    from clientnest_assets.sources.files.landing_folder import Look

COLOURS = {"landed": "green", "replaced": "green", "unchanged": "dim", "rejected": "red"}


def land(
    settled: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Take files to which nobody has written for so many seconds; younger ones may still be growing. Default: 10.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what waits, and land nothing.")] = False,
    home: HomeOption = None,
) -> None:
    """Land everything that waits in the landing folder.

    The landing folder is CLIENTNEST_LANDING_URL (a folder or s3://bucket/prefix); by default the folder landing of the
    home. A file at [bold]LANDING/MAPPING/FILE[/] is read by the mapping of that name that comes with the project, or
    by the mapping.yaml beside it. Afterwards it is in .archive; or, if it cannot be landed, in .rejected, with a text
    file beside it that says why. The same content is landed once, under whatever name it comes.

    Ends non-zero if a file was rejected or has no mapping.

    [bold]Examples[/]

    mkdir -p .clientnest/landing/presidential_tweets

    cp BarackObama.csv .clientnest/landing/presidential_tweets/

    clientnest land

    [bold]Then[/]

    clientnest sql "select name, status, message from landing.files order by number desc limit 20"

    clientnest backfill
    """
    from clientnest_assets.defs.waiting_files import land_waiting, landing_folder
    from clientnest_assets.sources.files.landing_folder import SETTLED_AFTER, ChangedMeanwhileError

    session = Session.open(home)
    with importing(session) as imports:
        folder = landing_folder(session.installation)
        look = folder.look()
        now, after = datetime.now(UTC), SETTLED_AFTER if settled is None else timedelta(seconds=settled)
        ready = [each for each in look.waiting if each.is_settled(now, after)]
        _say_what_stays(folder.location(""), look, len(look.waiting) - len(ready), after)
        if dry_run:
            for each in ready:
                console.print(f"waits: {escape(each.path)} ({each.size_bytes:,} bytes)", highlight=False)
            return
        before = days_of(session.installation)
        results: list[Result] = []
        with progress(MofNCompleteColumn()) as bar:
            task = bar.add_task("landing files", total=len(ready))
            for each in ready:
                bar.update(task, description=f"landing {each.path}")
                try:
                    results.append(land_waiting(imports, folder, each, look.mappings[each.folder]))
                except ChangedMeanwhileError as error:
                    errors.print(f"[yellow]note:[/] {escape(str(error))}: it waits for the next time.")
                bar.advance(task)
        note_longer_calendar(session.installation, before)
    _show(results)
    if look.problems or any(each.entry.status == "rejected" for each in results):
        raise typer.Exit(1)


def _say_what_stays(where: str, look: Look, young: int, after: timedelta) -> None:
    if not look.waiting and not look.problems:
        console.print(f"nothing waits in {escape(where)}")
    for problem in look.problems:
        errors.print(f"[bold red]error:[/] {escape(problem)}")
    if young:
        console.print(
            f"{young:,} files were written to less than {after.total_seconds():g} seconds ago and may still be growing: "
            "they wait for the next time (or say --settled 0)"
        )


def _show(results: list[Result]) -> None:
    if not results:
        return
    table = Table(box=None)
    for heading in ("file", "became"):
        table.add_column(heading, overflow="fold")
    for heading in ("records", "rows landed", "quarantined"):
        table.add_column(heading, justify="right")
    for each in results:
        entry = each.entry
        counts = (entry.records, entry.rows_written, entry.rows_quarantined)
        status = f"[{COLOURS[entry.status]}]{entry.status}[/]"
        table.add_row(escape(f"{entry.mapping}/{entry.name}"), status, *(f"{count:,}" for count in counts))
    console.print(table)
    for each in results:
        if each.entry.message:
            console.print(f"{escape(each.entry.name)}: {escape(each.entry.message)}", highlight=False)
