"""`clientnest backfill`: materialises a range of days, resumes what a kill left, and says what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, errors

if TYPE_CHECKING:
    import dagster as dg

    from clientnest_assets.cli.execute import Done
    from clientnest_assets.cli.plan import PlannedRun

SHOWN = 20


def backfill(
    first: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD. Default: the first there is.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inside. Default: the newest.")] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help=(
                "Which assets, in Dagster's selection syntax: 'group:facts', 'key:\"models/engagement\"', "
                "'+key:\"marts/daily_kpis\"' (with all upstream). Default: everything but models and predictions."
            )
        ),
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            help=(
                "missing: never materialised, or older than what they are made from. "
                "failed: whose latest attempt failed. all: every one."
            )
        ),
    ] = "missing",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Let raw windows become empty: the rows are gone at the source.")
    ] = False,
    allow_bad_rows: Annotated[
        bool,
        typer.Option(
            "--allow-bad-rows",
            help="Land days of which more rows go to quarantine than CLIENTNEST_MAX_BAD_SHARE allows.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Materialise a range of days, every layer in order.

    Works in chunks of 31 days; a chunk is one commit in each table. Killed at any moment, the same
    command goes on with what is left. Ends non-zero if a partition of the range is not materialised.

    [bold]Examples[/]

    clientnest backfill

    clientnest backfill --from 2026-08-01 --to 2026-08-31 --dry-run

    clientnest backfill --select 'group:models' --from 2026-10-01
    """
    session = Session.open(home)
    with session.installation.services():
        whole = run_backfill(
            session,
            first,
            last,
            select=select,
            only=only,
            dry_run=dry_run,
            allow_empty=allow_empty,
            allow_bad_rows=allow_bad_rows,
        )
    if not whole:
        raise typer.Exit(1)


def run_backfill(
    session: Session,
    first: str | None,
    last: str | None,
    *,
    select: str | None = None,
    only: str = "missing",
    dry_run: bool = False,
    allow_empty: bool = False,
    allow_bad_rows: bool = False,
) -> bool:
    """Plans, shows the plan, executes it and reports. True if every partition of the range is materialised after it."""
    from clientnest_assets.cli.execute import exclusively, execute
    from clientnest_assets.cli.plan import Only, Planner
    from clientnest_assets.defs.events import observe_inbox

    if only not in set(Only):
        raise CommandError(f"--only {only} is not known. Use one of: {', '.join(Only)}.")
    window = session.window(first, last)
    with console.status("loading definitions"):
        graph = session.definitions.resolve_asset_graph()
        planner = Planner(graph, session.instance, session.installation.calendar)
        selected = _selected(select, graph) if select else planner.default_selection()
    # Settled days that events came for since are behind from here on.
    observe_inbox(session.instance, session.installation)
    if dry_run:
        _show_plan(planner.plan(selected, window, Only(only)), str(window))
        return True
    with exclusively(session):
        runs = planner.plan(selected, window, Only(only))
        _show_plan(runs, str(window))
        config = _landing_config(runs, allow_empty=allow_empty, allow_bad_rows=allow_bad_rows)
        done = execute(session, runs, command="backfill", config=config)
    planner.forget()
    return _report(done, planner.missing(selected, window))


def _selected(select: str, graph: dg.AssetGraph) -> set[dg.AssetKey]:
    import dagster as dg

    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph) & set(graph.materializable_asset_keys)
    except dg.DagsterError as error:
        raise CommandError(f"--select {select} cannot be understood: {error}") from None
    if not keys:
        groups = ", ".join(sorted({graph.get(key).group_name for key in graph.materializable_asset_keys}))
        raise CommandError(f"--select {select} names no asset. Try 'group:NAME' with one of: {groups}.")
    return set(keys)


def _landing_config(runs: list[PlannedRun], **allowed: bool) -> dict[str, object]:
    given = {name: True for name, is_given in allowed.items() if is_given}
    raw = {key for run in runs for key in run.assets if key.path[0] == "raw"}
    return {"__".join(key.path): {"config": given} for key in raw} if given else {}


def _show_plan(runs: list[PlannedRun], window: str) -> None:
    if not runs:
        console.print(f"{window}: nothing to do, all is materialised.")
        return
    table = Table("run", "what", "assets", "partitions", title=f"Plan for {window}", title_justify="left", box=None)
    for number, run in enumerate(runs, 1):
        table.add_row(str(number), str(run), str(len(run.assets)), str(len(run.keys)) if run.keys else "-")
    console.print(table)
    console.print(f"{sum(run.materialisations for run in runs)} materialisations in {len(runs)} runs")


def _report(done: list[Done], missing: dict[dg.AssetKey, list[str]]) -> bool:
    for each in done:
        for failure in each.failures:
            errors.print(f"[bold red]failed[/] {each.run}: {escape(failure)}")
        for check in each.failed_checks:
            errors.print(f"[yellow]check not passed[/] {each.run}: {escape(check)}")
    for key, partitions in list(missing.items())[:SHOWN]:
        shown = (
            partitions[0] if len(partitions) == 1 else f"{partitions[0]} to {partitions[-1]}, {len(partitions)} in all"
        )
        errors.print(f"[bold red]not materialised[/] {key.to_user_string()}: {shown}")
    whole = not missing and all(each.succeeded for each in done)
    if done and whole:
        seconds = sum(each.seconds for each in done)
        console.print(f"all materialised: {sum(each.run.materialisations for each in done)} in {seconds:.0f} s")
    return whole
