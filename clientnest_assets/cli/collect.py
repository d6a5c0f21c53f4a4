"""`clientnest collect`: asks the platforms for post and account metrics, lands them, and tells Dagster of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, errors
from clientnest_assets.cli.simulate import require_embedded
from clientnest_assets.settings import PREFIX

if TYPE_CHECKING:
    from clientnest_assets.sources.platforms.collecting import Collector
    from clientnest_assets.sources.platforms.connections import Connections
    from clientnest_assets.sources.platforms.outcomes import Collected, Outcome

SHOWN = 20
ACCOUNTS_OF_STAND_IN = 10


def collect(
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", "-p", help="Only this platform; may be given several times.", show_default=False),
    ] = None,
    account: Annotated[
        int | None,
        typer.Option(help="Only the account with this id, as in social_media_accounts.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and check everything, say it, land nothing.")] = False,
    stand_in: Annotated[
        bool,
        typer.Option(
            "--stand-in",
            help=(
                "Ask a stand-in that speaks as the platforms do and shows the simulated company's posts. Embedded only; "
                "no connections file is needed."
            ),
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Collect post and account metrics from the connected accounts' platforms.

    Each account's own numbers, and those of its posts of the last 28 days, because platforms restate them for so
    long. Which accounts: the connections file that CLIENTNEST_PLATFORM_CONNECTIONS names (docs/platforms.md). An
    account that fails does not hold up the others; one whose limits ask for a long pause is postponed. Killed, the
    same command goes on where it stopped, for 45 minutes.

    Ends non-zero if an account failed.

    [bold]Examples[/]

    clientnest collect --stand-in

    clientnest collect --platform linkedin --platform tiktok

    clientnest collect --platform twitter --account 12 --dry-run

    [bold]Then[/]

    clientnest sql "select source, count(*) from raw.post_metrics group by all"

    clientnest backfill
    """
    session = Session.open(home)
    with session.installation.services():
        if stand_in:
            found = collect_from_stand_in(session, platform, account=account, dry_run=dry_run)
        else:
            found = _collect(session, _collector(session), platform, account=account, dry_run=dry_run, at=None)
    if not show(found):
        raise typer.Exit(1)


def collect_from_stand_in(
    session: Session,
    platforms: list[str] | None = None,
    *,
    account: int | None = None,
    dry_run: bool = False,
    accounts_per_platform: int = ACCOUNTS_OF_STAND_IN,
) -> list[Collected]:
    """Starts the stand-in on the simulated company, connects some of its accounts, and collects from them once.

    The rows are of the world's last moment: collected again, they are held already.

    Raises:
        CommandError: outside the embedded environment, or if there is no company yet.
    """
    from clientnest_assets.simulation.platforms import StandIn, connect, read_shown
    from clientnest_assets.sources.platforms.clock import Clock
    from clientnest_assets.sources.platforms.connections import load_connections

    require_embedded(session)
    installation = session.installation
    if not installation.has_data:
        raise CommandError("there is no simulated company yet. Begin with `clientnest simulate` or `clientnest demo`.")
    folder = installation.home / "platforms" / "stand-in"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "connections.json"
    world = installation.calendar.span().end_at - timedelta(seconds=1)
    ahead = world - datetime.now(UTC)
    clock = Clock(now=lambda: datetime.now(UTC) + ahead)
    shown = read_shown(installation.app_database_url, world, accounts_per_platform)
    with StandIn(shown, clock.now) as server:
        connect(installation.app_database_url, server, file, world)
        collector = replace(_collector_of(session, folder, load_connections(file)), clock=clock)
        return _collect(session, collector, platforms, account=account, dry_run=dry_run, at=world)


def show(found: list[Collected]) -> bool:
    """Prints what became of accounts and rows (received = landed + held + quarantined); True if no account failed."""
    table = Table(box=None)
    table.add_column("platform", no_wrap=True)
    for name in ("done", "postponed", "failed", "received", "landed", "held", "quarantined"):
        table.add_column(name, justify="right")
    for each in found:
        landed = each.tables.values()
        counts = (
            *(len(each.with_status(status)) for status in ("done", "postponed", "failed")),
            each.total("rows"),
            sum(rows.rows_written for rows in landed),
            sum(rows.rows_already_held for rows in landed),
            each.total("rows_quarantined"),
        )
        table.add_row(each.platform, *(f"{count:,}" for count in counts))
    console.print(table)
    for status, colour in (("postponed", "yellow"), ("failed", "bold red")):
        those = [outcome for each in found for outcome in each.with_status(status)]
        for outcome in those[:SHOWN]:
            name = f"{outcome.platform}/{outcome.account_id}"
            errors.print(f"[{colour}]{status}[/] {name}: {escape(outcome.reason)}", soft_wrap=True)
        if len(those) > SHOWN:
            errors.print(f"[{colour}]{status}[/] and {len(those) - SHOWN} more")
    if any(each.total("rows_quarantined") for each in found):
        console.print("look at what is quarantined: clientnest quarantine list", soft_wrap=True)
    return not any(each.with_status("failed") for each in found)


def _collector(session: Session) -> Collector:
    from clientnest_assets.sources.platforms.connections import load_connections

    file = session.installation.settings.platform_connections
    if file is None:
        raise CommandError(
            f"no accounts are connected: set {PREFIX}PLATFORM_CONNECTIONS to a connections file (docs/platforms.md), or "
            "see it work with: clientnest collect --stand-in"
        )
    return _collector_of(session, session.installation.home / "platforms", load_connections(file))


def _collector_of(session: Session, folder: Path, connections: Connections) -> Collector:
    from clientnest_assets.sources.platforms.collecting import Collector

    installation = session.installation
    return Collector(connections, installation.lake, installation.app_database_url, folder)


def _collect(
    session: Session,
    collector: Collector,
    platforms: list[str] | None,
    *,
    account: int | None,
    dry_run: bool,
    at: datetime | None,
) -> list[Collected]:
    from clientnest_assets.defs.platforms import extend_calendar
    from clientnest_assets.sources.platforms.registry import PLATFORMS

    if unknown := sorted(set(platforms or []) - set(PLATFORMS)):
        raise CommandError(f"--platform {', '.join(unknown)} is not known. Use: {', '.join(PLATFORMS)}.")
    chosen = [PLATFORMS[name] for name in dict.fromkeys(platforms or PLATFORMS)]
    accounts = {each.name: collector.connections.of(each, account) for each in chosen}
    if not any(accounts.values()):
        raise CommandError("the connections file has no such account.")
    if not dry_run:
        extend_calendar(session.installation, (at or datetime.now(UTC)).date())
    found = []
    with _progress() as progress:
        for each in chosen:
            if not accounts[each.name]:
                continue
            task = progress.add_task(each.name, total=len(accounts[each.name]))
            step = partial(_step, progress, task)
            collected = collector.collect(each, account_id=account, at=at, dry_run=dry_run, advance=step)
            progress.update(task, completed=len(accounts[each.name]))
            found.append(collected)
            if not dry_run:
                _tell(session, collected)
                collector.told(each)
    return found


def _tell(session: Session, collected: Collected) -> None:
    from clientnest_assets.defs.arrivals import tell
    from clientnest_assets.defs.platforms import arrivals

    tell(session.instance, arrivals(collected), f"collected from {collected.platform}")


def _step(progress: Progress, task: TaskID, _outcome: Outcome) -> None:
    progress.advance(task)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TextColumn("accounts"))
    return Progress(*columns, TimeElapsedColumn(), console=console)
