"""`clientnest simulate`: writes the simulated ClientNest into the app's database, or lets time pass in it.

Its events come as from the app's clients: through the collector's spool and the consumer into the inbox.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console
from clientnest_assets.partitions import DAYS_PER_CHUNK, ONE_DAY, Calendar

if TYPE_CHECKING:
    from clientnest_assets.simulation.world import World

APP_EVENTS = "app_events"
SPOOLED_AT_ONCE = 5_000
EVENTS_AT_ONCE = 100_000
"""More than the consumer takes by itself: history goes into fewer files."""

UsersOption = Annotated[int, typer.Option(min=1, help="How many people sign up in the course of the story.")]
DaysOption = Annotated[int, typer.Option(min=1, help="How many days the story has; the last one was yesterday.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed and last day give the same rows.")]


def simulate(
    users: UsersOption = 2000,
    days: DaysOption = 120,
    seed: SeedOption = 1,
    last_day: Annotated[
        str | None, typer.Option("--last-day", help="Last simulated day, YYYY-MM-DD. Default: yesterday (UTC).")
    ] = None,
    advance_days: Annotated[
        int | None, typer.Option(min=1, help="Do not begin anew: let so many days pass in the world there is.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a simulated ClientNest into the embedded app database.

    A company with sign-ups, accounts, posts, metrics, AI use, tickets and plans. What is true of it (each
    post's expected engagement, each user's hazard, planted events) goes to the home's truth folder. What its
    people do in the app comes as events, through the collector's spool into the lake's inbox: some twice, some
    late, a few broken, as from real clients.

    [bold]Examples[/]

    clientnest simulate --users 500 --days 60 --seed 7

    clientnest simulate --advance-days 7
    """
    session = Session.open(home)
    with session.installation.services():
        if advance_days:
            rows = advance(session, advance_days)
        else:
            if lake_has_rows(session):
                raise CommandError(
                    f"the lake in {session.installation.home} holds rows of an earlier world or of imported files, and two "
                    "worlds in one lake make no sense. `clientnest demo` begins anew; or choose another --home."
                )
            rows = begin(session, users, days, seed, last_day)
    console.print(f"{sum(rows.values()):,} rows in {len(rows)} tables, {session.installation.calendar.span()}")


def begin(session: Session, users: int, days: int, seed: int, last_day: str | None = None) -> dict[str, int]:
    """Writes a world from its first day; returns rows per table. What the app's database held before is gone.

    The calendar comes last: killed before, there is no data yet as far as other commands can see.
    """
    from clientnest_assets.simulation.simulate import write_world
    from clientnest_assets.simulation.world import World

    require_embedded(session)
    end = date.fromisoformat(last_day) if last_day else datetime.now(UTC).date() - ONE_DAY
    world = World(users=users, days=days, seed=seed, last_day=end)
    with _progress() as progress:
        task = progress.add_task(f"simulating {users:,} users", total=days)
        rows = write_world(
            world,
            session.installation.app_database_url,
            session.installation.truth,
            lambda day, total: progress.update(task, completed=day, total=total),
        )
    sent = send_events(session, world, world.first_day)
    session.installation.keep_calendar(Calendar(world.first_day, world.last_day))
    return {**rows, APP_EVENTS: sent}


def advance(session: Session, days: int) -> dict[str, int]:
    """Lets days pass in the world there is; returns rows added or changed per table."""
    from clientnest_assets.simulation.simulate import advance_world
    from clientnest_assets.simulation.truth import read_world

    require_embedded(session)
    world = read_world(session.installation.truth)
    with _progress() as progress:
        task = progress.add_task(f"{days} days pass", total=world.days + days)
        rows = advance_world(
            world,
            days,
            session.installation.app_database_url,
            session.installation.truth,
            lambda day, total: progress.update(task, completed=day, total=total),
        )
    later = world.extended(days)
    # From the calendar's end and not the world's: a kill may have left a world without its newest events.
    sent = send_events(session, later, session.installation.calendar.today() + ONE_DAY)
    session.installation.keep_calendar(session.installation.calendar.extended(later.first_day, later.last_day))
    return {**rows, APP_EVENTS: sent}


def send_events(session: Session, world: World, first_day: date) -> int:
    """Sends the events of the days from `first_day` on by the collector's own way into the inbox; returns how many."""
    from clientnest_assets.contracts import CONTRACTS
    from clientnest_assets.partitions import midnight
    from clientnest_assets.simulation.app_events import told_events
    from clientnest_assets.simulation.world import DAY
    from clientnest_assets.sources.events.consuming import Consumer, Limits
    from clientnest_assets.sources.events.decoding import Days, Decoder
    from clientnest_assets.sources.events.spool_feed import SpoolFeed
    from clientnest_assets.sources.events.spool_writer import SpoolWriter

    installation = session.installation
    days = Days(world.first_day, max(datetime.now(UTC), midnight(world.last_day + ONE_DAY)))
    writer = SpoolWriter.open(installation.spool)
    feed = SpoolFeed(installation.spool, keep_seconds=0)
    consumer = Consumer(
        installation.lake, feed, Decoder(CONTRACTS[APP_EVENTS]), lambda: days, Limits(rows=EVENTS_AT_ONCE)
    )
    total = (world.last_day - first_day).days + 1
    with closing(writer), closing(consumer), _progress() as progress:
        task = progress.add_task("sending events", total=total)
        consumer.open()
        for sent in told_events(world, installation.app_database_url, world.end - total * DAY, world.end):
            payloads = [text.encode() for text in sent.get_column("payload")]
            for at in range(0, len(payloads), SPOOLED_AT_ONCE):
                writer.submit(payloads[at : at + SPOOLED_AT_ONCE]).result()
            consumer.drain()
            progress.advance(task, DAYS_PER_CHUNK)
        progress.update(task, completed=total)
    return consumer.progress.messages


def lake_has_rows(session: Session) -> bool:
    """True once something was landed, or events of a world were sent."""
    from clientnest_assets.sources.events.inbox import inbox_table

    return bool(_sources(session)) or inbox_table(session.installation.lake).exists()


def imported_files(session: Session) -> list[str]:
    """The sources of landed rows that are neither the app's database nor the platforms' stand-in."""
    from clientnest_assets.sources.app_database import SOURCE_NAME
    from clientnest_assets.sources.platforms.registry import PLATFORMS
    from clientnest_assets.sources.platforms.rows import source_name

    has_accounts = session.installation.settings.platform_connections is not None
    simulated = {SOURCE_NAME, *(set() if has_accounts else map(source_name, PLATFORMS))}
    return sorted(_sources(session) - simulated)


def _sources(session: Session) -> set[str]:
    from clientnest_assets.contracts import APP_TABLES, SOURCE
    from clientnest_assets.sources.landing import raw_table

    lake = session.installation.lake
    return {name for each in APP_TABLES for name in raw_table(lake, each).row_counts().get_column(SOURCE)}


def require_embedded(session: Session) -> None:
    """Raises a CommandError outside the embedded environment."""
    if not session.installation.settings.is_embedded:
        raise CommandError(
            "the simulated ClientNest never writes into a real app database. Use the embedded environment."
        )


def _progress() -> Progress:
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"),
        TimeElapsedColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console)
