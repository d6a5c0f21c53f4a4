"""`clientnest import`: lands a file from elsewhere in the raw tables, or proposes a mapping for one.

How a file is imported is in `defs/file_imports.py`, how that is told in `importing.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, MofNCompleteColumn

from clientnest_assets.cli.importing import (
    days_of,
    importing,
    note_longer_calendar,
    progress,
    show_checked,
    show_imported,
)
from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, errors

STANDARD_INPUT = "-"


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV, JSON lines or Parquet file; .gz too.", show_default=False)],
    mapping: Annotated[
        str | None,
        typer.Option(
            "--mapping",
            "-m",
            help=(
                "What the file's columns mean: the path of a mapping (YAML), the name of one that comes with the "
                "project, such as presidential_tweets, or - for one from standard input. How to write one: "
                "docs/importing.md."
            ),
            show_default=False,
        ),
    ] = None,
    suggest: Annotated[
        bool,
        typer.Option(
            "--suggest",
            help=(
                "Propose a mapping from the file's columns and values, on standard output, and show on standard error "
                "what importing with it would do. Nothing is written."
            ),
        ),
    ] = False,
    table: Annotated[
        str | None, typer.Option(help="Land this one of the mapping's tables. Default: all of them.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            help=(
                "Remember the file by this name instead of its own. A file imported again under the same name "
                "replaces what it landed before; two files of one name are told apart by this."
            ),
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, say it, write nothing.")
    ] = False,
    replace_versions: Annotated[
        bool,
        typer.Option(
            "--replace-versions",
            help=(
                "Also replace the versions of mutable tables (such as social_posts) that this file landed before: "
                "for a mended mapping. Without it a version once landed is never changed."
            ),
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Land a file from elsewhere in the raw tables.

    Each record becomes a row of each table of the mapping. Good rows land by day beside those of the app; a row
    that cannot be read or breaks its contract goes to quarantine with the reason and its original values. The same
    file twice changes nothing. Afterwards [bold]clientnest backfill[/] carries the rows through all layers.

    Ends non-zero if the file cannot be imported, or if not one of its rows is fit for a table.

    [bold]Examples[/]

    clientnest import posts.csv --suggest > my_export.yaml

    clientnest import posts.csv --mapping my_export.yaml --dry-run

    clientnest import posts.csv --mapping my_export.yaml

    clientnest import BarackObama.csv --mapping presidential_tweets

    [bold]Then[/]

    clientnest sql "select rules, count(*) from quarantine.social_posts group by all"

    clientnest backfill
    """
    if suggest:
        from clientnest_assets.cli.suggest import suggest_mapping

        suggest_mapping(file, Session.open(home))
        return
    if mapping is None:
        raise CommandError(
            f"say with --mapping what the columns of {file} mean. None is written yet? This proposes one: "
            f"clientnest import {file} --suggest > my_mapping.yaml"
        )
    from clientnest_assets.defs.file_imports import File
    from clientnest_assets.sources.files import import_name, load_mapping, parse_mapping
    from clientnest_assets.sources.files.register import content_hash

    chosen = parse_mapping(sys.stdin.read(), "standard input") if mapping == STANDARD_INPUT else load_mapping(mapping)
    session = Session.open(home)
    given = File(file, chosen.narrowed(table), mapping, name or import_name(file), content_hash(file))
    with importing(session) as imports:
        twin = imports.twin(given)
        if twin and not dry_run:
            console.print(
                f"nothing to do: all of {escape(file.name)} was landed on {twin.registered_at:%Y-%m-%d %H:%M} UTC as "
                f"{escape(twin.name)}. To import it again under that name, say --as {escape(twin.name)}."
            )
            return
        with progress(DownloadColumn()) as reading:
            task = reading.add_task(f"reading {file.name}", total=file.stat().st_size)
            with imports.checked(
                given, replace_versions=replace_versions, advance=lambda size: reading.advance(task, size)
            ) as checked:
                reading.stop()
                if dry_run:
                    show_checked(checked)
                else:
                    before = days_of(session.installation)
                    with progress(MofNCompleteColumn()) as landing:
                        step = landing.add_task("landing", total=sum(len(each.windows) for each in checked))
                        result = imports.land(
                            given,
                            checked,
                            replace_versions=replace_versions,
                            advance=lambda: landing.advance(step),
                        )
                    show_imported(result.imported)
                    note_longer_calendar(session.installation, before)
    unfit = [each.contract.name for each in checked if each.good == 0 and each.bad]
    if unfit:
        errors.print(f"[bold red]error:[/] not one record is fit for {', '.join(unfit)}. Is the mapping right?")
        raise typer.Exit(1)
