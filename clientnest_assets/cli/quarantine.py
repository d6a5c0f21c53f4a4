"""`clientnest quarantine`: what is in quarantine and why, the rows themselves, and trying them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, alone, console, errors

if TYPE_CHECKING:
    import polars as pl

    from clientnest_assets.contracts import Contract
    from clientnest_assets.installation import Installation
    from clientnest_assets.partitions import Window
    from clientnest_assets.sources.quarantine import Retried

DAY_FORMATS = ["%Y-%m-%d"]
FILE = "file:"
"""How the sources of imported files begin. Only a mapping can read their rows."""
FEEDS = ("http", "kafka")
"""The sources of events that consumers put into quarantine; settling puts copies there, which follow from the inbox."""
TableArgument = Annotated[str, typer.Argument(help="The table, such as user_sessions.", show_default=False)]
SourceOption = Annotated[
    str | None,
    typer.Option(help="Only rows of this way in, such as app_database, platform:twitter or file:posts/may.csv."),
]
FromOption = Annotated[
    datetime | None, typer.Option("--from", formats=DAY_FORMATS, help="First day, YYYY-MM-DD. Default: any.")
]
ToOption = Annotated[datetime | None, typer.Option("--to", formats=DAY_FORMATS, help="Last day, inside. Default: any.")]

quarantine = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "Rows that break their table's contract: look at them, and try them again once the contract is mended.\n\n"
        "A bad row is never dropped: it waits in the lake's quarantine.TABLE with the rules it breaks and its values, "
        "personal ones as pseudonyms."
    ),
)


@quarantine.command("list")
def list_rows(
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    source: SourceOption = None,
    first: FromOption = None,
    last: ToOption = None,
    home: HomeOption = None,
) -> None:
    """Count the rows in quarantine by table, source and reason.

    [bold]Examples[/]

    clientnest quarantine list

    clientnest quarantine list --table social_posts --from 2026-11-01
    """
    from clientnest_assets.sources.quarantine import summary

    installation = Session.open(home).installation
    with installation.lake_service():
        found = _chosen(summary(installation.lake, _window(first, last)), table, source)
    if found.is_empty():
        console.print("nothing is in quarantine.")
        return
    shown = Table("table", "source", box=None)
    for name in ("rows", "first day", "last day", "since"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("reason", overflow="fold")
    for name, way_in, why, rows, first_day, last_day, since in found.iter_rows():
        shown.add_row(name, escape(way_in), f"{rows:,}", *map(str, (first_day, last_day, since.date())), escape(why))
    console.print(shown)
    console.print("the rows: clientnest quarantine show TABLE · once mended: clientnest quarantine retry --dry-run")


@quarantine.command()
def show(
    table: TableArgument,
    words: Annotated[
        str | None,
        typer.Option(
            "--rule", "--reason", help="Only rows with this in a rule or in the reason, such as 'min' or 'is missing'."
        ),
    ] = None,
    source: SourceOption = None,
    first: FromOption = None,
    last: ToOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown at most; said when there are more.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line; --limit counts here too.")] = False,
    home: HomeOption = None,
) -> None:
    """Show rows in quarantine with their values, the newest first.

    [bold]Examples[/]

    clientnest quarantine show social_posts

    clientnest quarantine show social_posts --reason "allowed values" --limit 5

    clientnest quarantine show user_sessions --json --limit 100000 > bad-sessions.jsonl
    """
    import polars as pl

    from clientnest_assets.sources.quarantine import rows

    installation = Session.open(home).installation
    with installation.lake_service():
        found = rows(installation.lake, _contract(table), window=_window(first, last), source=source, words=words)
        count, newest = pl.collect_all([found.select(pl.len()), found.head(limit)])
    more = int(count.item()) - newest.height
    for row in _rows(newest):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
            continue
        console.print(
            f"[bold]{row['day']}[/] {escape(row['source'])} [yellow]{escape(row['reason'])}[/] since {row['quarantined_at']}"
        )
        console.print(escape(json.dumps(row["row"], ensure_ascii=False)), highlight=False, soft_wrap=True)
    if more:
        errors.print(f"{more:,} more rows; --limit shows more.")
    elif newest.is_empty():
        errors.print("no such rows are in quarantine.")


@quarantine.command()
def retry(
    table: Annotated[
        str | None, typer.Argument(help="Only this table. Default: every one.", show_default=False)
    ] = None,
    source: SourceOption = None,
    first: FromOption = None,
    last: ToOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would land, and write nothing.")] = False,
    home: HomeOption = None,
) -> None:
    """Try rows in quarantine again, after their contract was mended.

    Rows that keep their contract now land in raw; the others stay, with their reasons as of now. Killed at any moment,
    the same command goes on, and each row is in one place at the end. Rows of files are not tried: import the file
    again, and quarantine holds what is bad of it then. What was mended in the app itself arrives with
    [bold]clientnest backfill --select group:raw --only all[/].

    [bold]Examples[/]

    clientnest quarantine retry --dry-run

    clientnest quarantine retry social_posts --from 2026-11-01

    [bold]Then[/]

    clientnest backfill
    """
    session = Session.open(home)
    installation = session.installation
    window = _window(first, last)
    busy = f"another retry in {installation.home} is running; wait for it."
    with installation.services(), alone(installation.home / "quarantine.lock", busy):
        parts = _parts(session, window, _contract(table).name if table else None, source)
        if not parts:
            console.print("nothing is in quarantine.")
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        done: list[Retried] = []
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=len(parts))
            for name, way_in in parts:
                progress.update(task, description=f"{name} of {way_in}")
                done.append(_retried(session, name, way_in, window, dry_run=dry_run))
                progress.advance(task)
    _report(session, done, dry_run=dry_run)


def _retried(session: Session, table: str, source: str, window: Window | None, *, dry_run: bool) -> Retried:
    from clientnest_assets.contracts import CONTRACTS
    from clientnest_assets.sources.quarantine import left_alone

    contract, lake = CONTRACTS[table], session.installation.lake
    if source.startswith(FILE) or (contract.origin == "events" and source not in FEEDS):
        return left_alone(lake, contract, source, window)
    if contract.origin == "events":
        return _events_retried(session.installation, source, window, dry_run=dry_run)
    return _rows_retried(session, contract, source, window, dry_run=dry_run)


def _events_retried(installation: Installation, source: str, window: Window | None, *, dry_run: bool) -> Retried:
    from clientnest_assets.cli.consume import event_days
    from clientnest_assets.contracts import CONTRACTS
    from clientnest_assets.sources.events.avro import avro_records
    from clientnest_assets.sources.events.decoding import Decoder
    from clientnest_assets.sources.events.retrying import retry_events

    settings, contract, is_http = installation.settings, CONTRACTS["app_events"], source == "http"
    schema = None if is_http else settings.event_schema
    return retry_events(
        installation.lake,
        source,
        Decoder(contract, avro_records(schema, contract) if schema else None),
        event_days(installation),
        feed="http" if is_http else f"kafka:{settings.kafka_group}",
        stamps_receipt=is_http,
        window=window,
        dry_run=dry_run,
    )


def _rows_retried(
    session: Session, contract: Contract, source: str, window: Window | None, *, dry_run: bool
) -> Retried:
    from clientnest_assets.defs.arrivals import Arrival, tell
    from clientnest_assets.sources.platforms.links import linked_posts, require_links
    from clientnest_assets.sources.quarantine import retry as try_again

    installation = session.installation

    def links(platform: str, posts: list[tuple[int, str]]) -> Mapping[tuple[int, str], int]:
        require_links(installation.app_database_url)
        return linked_posts(installation.app_database_url, platform, posts)

    def arrived(done: Retried) -> None:
        counts = {"rows_landed": done.rows_landed, "rows_left_in_quarantine": done.rows_left}
        arrival = Arrival(done.table, done.source, done.days_changed, counts)
        tell(session.instance, [arrival], "rows in quarantine were tried again")

    return try_again(
        installation.lake,
        contract,
        source,
        window=window,
        links=links,
        arrived=arrived,
        dry_run=dry_run,
    )


def _parts(session: Session, window: Window | None, table: str | None, source: str | None) -> list[tuple[str, str]]:
    """The tables and sources that have rows in quarantine."""
    from clientnest_assets.sources.quarantine import summary

    found = _chosen(summary(session.installation.lake, window), table, source)
    return list(found.select("table", "source").unique(maintain_order=True).iter_rows())


def _report(session: Session, done: list[Retried], *, dry_run: bool) -> None:
    shown = Table("table", "source", box=None)
    for name in ("tried", "would land" if dry_run else "landed", "in raw already", "left"):
        shown.add_column(name, justify="right")
    for each in done:
        counts = (each.rows, each.rows_landed, each.rows_held, each.rows_left)
        shown.add_row(each.table, escape(each.source), *(f"{count:,}" for count in counts))
    if dry_run:
        console.print("nothing was written; trying again would do this:")
    console.print(shown)
    for each in done:
        for why, count in each.left.items():
            console.print(f"[yellow]left[/] {each.table}: {count:,} of {escape(why)}")
    for each in done:
        if each.source.startswith(FILE):
            console.print(escape(_import_again(session, each)), soft_wrap=True, highlight=False)
    if not dry_run and any(each.days_changed for each in done):
        console.print("carry the rows through all layers with: clientnest backfill")


def _import_again(session: Session, of_file: Retried) -> str:
    """What to do about a file's rows, whose values only its mapping can read."""
    from clientnest_assets.defs.waiting_files import landing_folder
    from clientnest_assets.sources.files.landing_folder import MAPPING_FILE
    from clientnest_assets.sources.files.register import Register

    entry = Register.read(session.installation.lake).holding(of_file.source)
    file, mapping, name = (entry.name, entry.mapping, "") if entry else ("FILE", "MAPPING", "")
    if entry and entry.archive_path:
        folder, beside = landing_folder(session.installation), f"{entry.mapping}/{MAPPING_FILE}"
        file, name = folder.location(entry.archive_path), f" --as {quote(entry.name)}"
        mapping = folder.location(beside) if folder.holds(beside) else mapping
    return (
        f"{of_file.table}: only its mapping can read a file's rows. Once it is mended: "
        f"clientnest import {quote(file)} --mapping {quote(mapping)}{name}"
    )


def _chosen(found: pl.DataFrame, table: str | None, source: str | None) -> pl.DataFrame:
    import polars as pl

    if table is not None:
        found = found.filter(pl.col("table") == _contract(table).name)
    return found if source is None else found.filter(pl.col("source") == source)


def _rows(found: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Plain values, the kept row as an object."""
    for row in found.iter_rows(named=True):
        yield {
            **row,
            "day": str(row["day"]),
            "quarantined_at": row["quarantined_at"].isoformat(timespec="seconds"),
            "row": json.loads(row["row"]),
        }


def _contract(table: str) -> Contract:
    from clientnest_assets.contracts import CONTRACTS

    if table not in CONTRACTS:
        raise CommandError(f"there is no table {table}. Tables that have a quarantine: {', '.join(CONTRACTS)}.")
    return CONTRACTS[table]


def _window(first: datetime | None, last: datetime | None) -> Window | None:
    """The days given; not bound to the calendar, because a bad row's day may be nonsense."""
    from clientnest_assets.partitions import Window

    if first is None and last is None:
        return None
    start, end = first.date() if first else date(1, 1, 1), last.date() if last else date(9999, 12, 30)
    if end < start:
        raise CommandError(f"--from {start} is after --to {end}.")
    return Window.of_days(start, end)
