"""`clientnest import`: lands a file from elsewhere in the raw tables, and tells Dagster of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, alone, console, errors
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import PREFIX

if TYPE_CHECKING:
    from clientnest_assets.installation import Installation
    from clientnest_assets.sources.files import Checked, Imported

DAYS_WORTH_A_WORD = 366


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV, JSON lines or Parquet file; .gz too.", show_default=False)],
    mapping: Annotated[
        str,
        typer.Option(
            "--mapping",
            "-m",
            help=(
                "What the file's columns mean: the path of a mapping (YAML), or the name of one that comes with the "
                "project, such as presidential_tweets. How to write one: docs/importing.md."
            ),
            show_default=False,
        ),
    ],
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

    clientnest import BarackObama.csv --mapping presidential_tweets --dry-run

    clientnest import BarackObama.csv --mapping presidential_tweets

    clientnest import posts.jsonl.gz --mapping my_export.yaml --table social_posts

    [bold]Then[/]

    clientnest sql "select rules, count(*) from quarantine.social_posts group by all"

    clientnest backfill
    """
    from clientnest_assets.sources.files import check_file, import_name, land_file, load_mapping

    chosen = load_mapping(mapping).narrowed(table)
    session = Session.open(home)
    installation = session.installation
    # One at a time: each looks at what others have landed.
    lock = alone(installation.home / "import.lock", f"another import into {installation.home} is running; wait for it.")
    with lock, TemporaryDirectory(prefix="clientnest-import-") as folder:
        with _progress(DownloadColumn()) as progress:
            task = progress.add_task(f"reading {file.name}", total=file.stat().st_size if file.exists() else None)
            checked = check_file(
                file,
                chosen,
                installation.lake,
                installation.pseudonym_key,
                Path(folder),
                name=name,
                now=_newest_moment(installation),
                replace_versions=replace_versions,
                advance=lambda size: progress.advance(task, size),
            )
        _require_days(installation, checked)
        if dry_run:
            _show_checked(checked)
        else:
            # Until Dagster has been told: a kill in between must not leave days that nobody makes anew.
            untold = installation.home / "untold-imports" / hashlib.sha256(checked[0].source.encode()).hexdigest()[:16]
            was_cut_off = untold.exists()
            untold.parent.mkdir(exist_ok=True)
            untold.touch()
            with _progress(MofNCompleteColumn()) as progress:
                task = progress.add_task("landing", total=sum(len(each.windows) for each in checked))
                imported = land_file(
                    installation.lake,
                    checked,
                    replace_versions=replace_versions,
                    advance=lambda _: progress.advance(task),
                )
            _extend_calendar(installation, checked)
            with installation.services():
                _tell_dagster(session, name or import_name(file), imported, all_days=was_cut_off)
            untold.unlink()
            _show_imported(imported)
    unfit = [each.contract.name for each in checked if each.good == 0]
    if unfit:
        errors.print(f"[bold red]error:[/] not one record is fit for {', '.join(unfit)}. Is the mapping right?")
        raise typer.Exit(1)


def _newest_moment(installation: Installation) -> datetime:
    """Now, or the end of a simulated world that is ahead of the clock."""
    now = datetime.now(UTC)
    return max(now, installation.calendar.span().end_at) if installation.has_data else now


def _require_days(installation: Installation, checked: list[Checked]) -> None:
    """Refuses days that the installation has no partitions for, where its first day is a setting."""
    first_day = installation.settings.first_day
    earliest = min((each.days[0] for each in checked if each.days), default=None)
    if first_day and earliest and earliest < first_day:
        raise CommandError(
            f"the file has rows of {earliest}, before the first day of this installation, {first_day}. Nothing was "
            f"imported. Set {PREFIX}FIRST_DAY={earliest}, or import a file without the earlier days."
        )


def _extend_calendar(installation: Installation, checked: list[Checked]) -> None:
    days = [day for each in checked if each.days for day in each.days]
    if not days or installation.settings.first_day:
        return
    before = installation.calendar if installation.has_data else None
    after = before.extended(min(days), max(days)) if before else Calendar(min(days), max(days))
    installation.keep_calendar(after)
    added = len(after.span().days()) - (len(before.span().days()) if before else 0)
    if before and added > DAYS_WORTH_A_WORD:
        errors.print(
            f"[yellow]note:[/] the days of {installation.home} are now {after.span()}, {added:,} more than before. "
            "A backfill makes each of them in each asset: another time is better off in a home of its own (--home)."
        )


def _tell_dagster(session: Session, name: str, imported: list[Imported], *, all_days: bool) -> None:
    """One observation a table; and for days that Dagster holds for materialised and that changed, that they are new.

    The second makes `backfill` carry those days on. Days not yet materialised it makes anyway. `all_days`: an import
    of the file was cut off before, so which days changed is not known any more.
    """
    import dagster as dg

    for each in imported:
        key = dg.AssetKey(["raw", each.contract.name])
        metadata: dict[str, dg.RawMetadataValue] = {
            "file": name,
            "source": each.source,
            "rows_in_file": each.records,
            "rows_written": each.rows_written,
            "rows_already_held": each.rows_already_held,
            "rows_quarantined": each.rows_quarantined,
            "rows_removed": each.rows_removed,
            "rules_broken": each.rules,
            "columns_not_in_mapping": each.unread,
            "days": f"{each.days[0]} to {each.days[1]}" if each.days else "none",
        }
        session.instance.report_runless_asset_event(
            dg.AssetObservation(key, description=f"{name} was imported", metadata=metadata)
        )
        materialised = session.instance.get_materialized_partitions(key)
        changed = Window.of_days(*each.days).days() if all_days and each.days else each.days_changed
        for day in changed:
            if str(day) in materialised:
                session.instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key, partition=str(day), description=f"{name} was imported", metadata={"source": each.source}
                    )
                )


def _show_checked(checked: list[Checked]) -> None:
    table = _table("in file", "good", "for quarantine")
    for each in checked:
        table.add_row(each.contract.name, *_numbers(each.records, each.good, each.bad))
    console.print("nothing was written; importing would do this:")
    _show(table, {each.contract.name: each for each in checked})


def _show_imported(imported: list[Imported]) -> None:
    table = _table("in file", "landed", "already held", "quarantined", "removed")
    for each in imported:
        counts = (each.records, each.rows_written, each.rows_already_held, each.rows_quarantined, each.rows_removed)
        table.add_row(each.contract.name, *_numbers(*counts))
    _show(table, {each.contract.name: each for each in imported})


def _table(*counts: str) -> Table:
    table = Table(box=None)
    table.add_column("rows of", no_wrap=True)
    for name in counts:
        table.add_column(name, justify="right")
    return table


def _numbers(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]


def _show(table: Table, results: Mapping[str, Checked | Imported]) -> None:
    """The counts, the days, and why rows go to quarantine."""
    console.print(table)
    unread = next(iter(results.values())).unread
    if unread:
        console.print(f"columns of the file that the mapping does not read: {escape(', '.join(unread))}")
    for name, each in results.items():
        if each.days:
            console.print(f"{name}: days {each.days[0]} to {each.days[1]}")
        for rule, count in sorted(each.rules.items(), key=lambda item: (-item[1], item[0])):
            console.print(f"[yellow]quarantine[/] {name}: {count:,} of {escape(rule)}")
    if any(each.rules for each in results.values()):
        console.print('look at them with: clientnest sql "select reason, row from quarantine.TABLE limit 20"')


def _progress(count: DownloadColumn | MofNCompleteColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn())
    return Progress(*columns, console=console)
