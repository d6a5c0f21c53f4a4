"""`clientnest backfill`: materialises a range of days, resumes what a kill left, and says what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from clientnest_assets.cli.execute import Done
    from clientnest_assets.cli.plan import Only, PlannedRun, Planner
    from clientnest_assets.partitions import Window

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
                "'+key:\"marts/daily_kpis\"' (with all upstream). Default: everything but models and what hangs on them."
            )
        ),
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            help=(
                "missing: never materialised, older than what they are made from, or behind rows that came late. "
                "failed: whose latest attempt failed, and what hangs on them. all: every one."
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
    from clientnest_assets.cli.execute import exclusively
    from clientnest_assets.cli.plan import Only
    from clientnest_assets.defs.events import observe_inbox

    if only not in set(Only):
        raise CommandError(f"--only {only} is not known. Use one of: {', '.join(Only)}.")
    window = session.window(first, last)
    with console.status("loading definitions"):
        graph = session.definitions.resolve_asset_graph()
        planner = planner_of(session)
        selected = _selected(select, graph) if select else planner.default_selection()
    # Settled days that events came for since are behind from here on.
    observe_inbox(session.instance, session.installation)
    if dry_run:
        runs = planner.plan(selected, window, Only(only))
        _show_plan(runs, str(window))
        if 0 < len(planner.loading(runs)) < len(runs):
            console.print("Loads may touch days that are not in this plan; those are planned once the loads are done.")
        return True
    allowed = {"allow_empty": allow_empty, "allow_bad_rows": allow_bad_rows}
    with exclusively(session):
        done = run_planned(session, planner, selected, window, Only(only), command="backfill", allowed=allowed)
    planner.forget()
    return report(done, planner.missing(selected, window))


def planner_of(session: Session) -> Planner:
    """The planner over a session's assets."""
    from clientnest_assets.cli.plan import Planner
    from clientnest_assets.defs.behind import models_behind

    return Planner(
        session.definitions.resolve_asset_graph(),
        session.instance,
        session.installation.calendar,
        lambda: models_behind(session.installation),
    )


def run_planned(
    session: Session,
    planner: Planner,
    selected: set[dg.AssetKey],
    window: Window,
    only: Only,
    *,
    command: str,
    allowed: Mapping[str, bool] | None = None,
) -> list[Done]:
    """Plans and executes: first what loads, then, planned anew, what is made of the days that the loads touched.

    Args:
        session: holds the home's lock.
        planner: over the session's assets.
        selected: the assets.
        window: the days.
        only: which of the partitions.
        command: the name that the runs carry.
        allowed: what raw assets may do for once, by the name in their configuration.
    """
    from clientnest_assets.cli.execute import execute

    runs = planner.plan(selected, window, only)
    _show_plan(runs, str(window))
    loading = planner.loading(runs)
    done = execute(session, loading, command=command, config=_landing_config(loading, allowed or {}))
    if not all(each.succeeded for each in done):
        return done
    rest = runs[len(loading) :]
    if loading:
        planner.forget()
        planned, rest = rest, planner.plan(selected, window, only, after=loading)
        if rest != planned:
            _show_plan(rest, f"{window}, and the days that the loads touched")
    return [*done, *execute(session, rest, command=command, config=_landing_config(rest, allowed or {}))]


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


def _landing_config(runs: list[PlannedRun], allowed: Mapping[str, bool]) -> dict[str, object]:
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


def report(done: list[Done], missing: dict[dg.AssetKey, list[str]]) -> bool:
    """Says what became of the runs and what is still missing. True if all succeeded and nothing is."""
    for each in done:
        for failure in each.failures:
            errors.print(f"[bold red]failed[/] {each.run}: {escape(failure)}")
    checks: dict[str, list[str]] = {}
    for each in done:
        for check in each.failed_checks:
            checks.setdefault(check, []).extend(each.run.keys)
    for check, partitions in checks.items():
        errors.print(f"[yellow]check not passed[/] {escape(check)}{_span(partitions)}")
    for key, partitions in list(missing.items())[:SHOWN]:
        errors.print(f"[bold red]not materialised[/] {key.to_user_string()}{_span(partitions)}")
    whole = not missing and all(each.succeeded for each in done)
    if done and whole:
        seconds = sum(each.seconds for each in done)
        console.print(f"all materialised: {sum(each.run.materialisations for each in done)} in {seconds:.0f} s")
    return whole


def _span(partitions: list[str]) -> str:
    """Which partitions something is about, if any."""
    if len(partitions) < 2:
        return "".join(f": {name}" for name in partitions)
    return f": {partitions[0]} to {partitions[-1]}, {len(partitions)} in all"
