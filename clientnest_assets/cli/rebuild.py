"""`clientnest rebuild`: drops the warehouse and builds it anew from the lake alone."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from clientnest_assets.cli.backfill import planner_of, report, run_planned
from clientnest_assets.cli.session import HomeOption, Session, console
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    from clientnest_assets.warehouse.drop import Relation

MARK = "rebuilding"
"""A file in the home from the moment that the tables are gone until all is there again. It holds their last day."""


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: HomeOption = None,
) -> None:
    """Drop the warehouse and build it anew from the lake alone.

    Raw, staging, reference, intermediate, dimensions, facts and marts, over all days. The app's database is
    not asked, and the lake, features and models stay as they are. While it works, the tables are gone or
    not whole.

    Drops only what the platform made, and nothing at all if somebody's own view or table depends on it.
    Killed at any moment, the same command or `clientnest backfill` goes on.

    [bold]Examples[/]

    clientnest rebuild

    clientnest rebuild --yes
    """
    session = Session.open(home)
    with session.installation.services():
        whole = run_rebuild(session, is_confirmed=yes)
    if not whole:
        raise typer.Exit(1)


def run_rebuild(session: Session, *, is_confirmed: bool) -> bool:
    """Drops and builds. True if every partition of the warehouse is materialised after it.

    Raises:
        DropError: if something that is not the platform's hangs on its tables; then nothing was dropped.
    """
    from clientnest_assets.cli.execute import exclusively
    from clientnest_assets.cli.plan import Only
    from clientnest_assets.warehouse import drop
    from clientnest_assets.warehouse.dbt import prepared_manifest

    span = session.window(None, None)
    with console.status("loading definitions"):
        planner = planner_of(session)
        selected = planner.warehouse()
        # A day that was not landed yet must not look loaded.
        landed = planner.newest_day_above(selected)
        window = Window.of_days(span.start, min(landed, span.last_day)) if landed else span
    made = drop.made_by_us(json.loads(prepared_manifest(session.installation.home).read_text()))
    url, mark = session.installation.warehouse_url, session.installation.home / MARK
    with exclusively(session):
        dropped_to = date.fromisoformat(mark.read_text()) if mark.exists() else None
        # A mark is left over where a backfill has since built what was missing.
        if dropped_to and planner.missing(selected, Window.of_days(min(span.start, dropped_to), dropped_to)):
            console.print("The tables were dropped before; building goes on where it was stopped.")
        else:
            drop.check_droppable(url, made)
            if not is_confirmed:
                _ask(*drop.present(url, made))
            # In this order: killed in between, Dagster knows too little and makes too much, and never the reverse.
            session.instance.wipe_assets(sorted(selected))
            console.print(f"{drop.drop(url, made)} tables and views dropped")
            mark.write_text(str(window.last_day))
            planner.forget()
        done = run_planned(session, planner, selected, window, Only.MISSING, command="rebuild")
        planner.forget()
        whole = report(done, planner.missing(selected, window))
        if whole:
            mark.unlink(missing_ok=True)
    return whole


def _ask(ours: list[Relation], others: list[Relation]) -> None:
    by_schema: dict[str, int] = {}
    for schema, _ in ours:
        by_schema[schema] = by_schema.get(schema, 0) + 1
    told = ", ".join(f"{schema} ({count})" for schema, count in sorted(by_schema.items()))
    console.print(f"This drops {len(ours)} tables and views: {told or 'none'}.")
    if others:
        console.print(f"Not the platform's, and kept: {', '.join(f'{schema}.{name}' for schema, name in others)}.")
    typer.confirm("Drop them and build them anew from the lake?", abort=True)
