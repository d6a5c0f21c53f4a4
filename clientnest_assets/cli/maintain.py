"""`clientnest maintain`: puts small files of the lake together, and removes what is no longer kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console

if TYPE_CHECKING:
    from clientnest_assets.lake.maintenance import Failed, Upkeep

TableOption = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="LAYER.NAME", help="Only this table; can be given several times. Default: all."),
]
RetentionOption = Annotated[
    int,
    typer.Option(
        "--retention-hours", min=3, help="How far back `clientnest sql --as-of` can look afterwards, in hours."
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


def maintain(
    table: TableOption = None,
    retention_hours: RetentionOption = 168,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
) -> None:
    """Keep the lake's tables quick and small: compaction, checkpoints, and the end of old versions.

    No row changes, and writers and readers may be at work meanwhile. The default keeps 7 days for time travel. In
    production the schedule maintain_lake_nightly does this every night.

    [bold]Examples[/]

    clientnest maintain --dry-run

    clientnest maintain --table inbox.app_events --retention-hours 24
    """
    from clientnest_assets.lake import maintenance
    from clientnest_assets.lake.sql import tables

    session = Session.open(home)
    with session.installation.lake_service():
        lake = session.installation.lake
        chosen = _chosen(tables(lake), table)
        done: list[Upkeep] = []
        failed: list[Failed] = []
        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("tables"),
            TimeElapsedColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("upkeep", total=len(chosen))
            for each in maintenance.maintain(lake, chosen, retention=timedelta(hours=retention_hours), dry_run=dry_run):
                if isinstance(each, maintenance.Failed):
                    failed.append(each)
                else:
                    done.append(each)
                progress.update(task, advance=1, description=f"{each.layer}.{each.name}")
    _show(done, dry_run=dry_run)
    if failed:
        told = "\n".join(f"  - {each.layer}.{each.name}: {each.reason}" for each in failed)
        raise CommandError(
            f"the upkeep of {len(failed)} of {len(chosen)} tables failed; their rows are as before:\n{told}"
        )


def _chosen(found: list[tuple[str, str]], names: list[str] | None) -> list[tuple[str, str]]:
    by_name = {f"{layer}.{name}": (layer, name) for layer, name in found}
    if unknown := [name for name in names or [] if name not in by_name]:
        raise CommandError(f"the lake has no table {', '.join(unknown)}. It has: {', '.join(by_name) or 'none yet'}.")
    return [by_name[name] for name in names] if names else found


def _show(done: list[Upkeep], *, dry_run: bool) -> None:
    report = Table("table", "files", "then", "removed", "freed", "busy", "kept since (UTC)", box=None)
    for each in done:
        if each.files_before != each.files_after or each.files_removed or each.partitions_busy:
            report.add_row(
                escape(f"{each.layer}.{each.name}"),
                f"{each.files_before:,}",
                f"{each.files_after:,}",
                f"{each.files_removed:,}",
                decimal(each.bytes_freed),
                f"{each.partitions_busy:,}",
                f"{each.kept_since:%Y-%m-%d %H:%M}",
            )
    if report.row_count:
        console.print(report)
    verb = "would be" if dry_run else "were"
    removed, freed = sum(each.files_removed for each in done), sum(each.bytes_freed for each in done)
    console.print(f"{len(done)} tables; {removed:,} files {verb} removed, {decimal(freed)} {verb} freed.")
