"""`clientnest simulate`: writes the simulated ClientNest into the app's database, or lets time pass in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console
from clientnest_assets.partitions import ONE_DAY, Calendar

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
    post's expected engagement, each user's hazard, planted events) goes to the home's truth folder.

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
    """Writes a world from its first day; returns rows per table. What the app's database held before is gone."""
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
    session.installation.keep_calendar(Calendar(world.first_day, world.last_day))
    return rows


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
    session.installation.keep_calendar(session.installation.calendar.extended(later.first_day, later.last_day))
    return rows


def lake_has_rows(session: Session) -> bool:
    """True once something was landed."""
    return bool(_sources(session))


def imported_files(session: Session) -> list[str]:
    """The sources of landed rows that are not the app's database."""
    from clientnest_assets.sources.app_database import SOURCE_NAME

    return sorted(_sources(session) - {SOURCE_NAME})


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
