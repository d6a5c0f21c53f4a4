"""`clientnest features`: the catalogue, what has drifted, and whether online equals offline.

What is known of one entity is told in `feature_values.py`. Publishing is no command: the assets `online/<view>` do it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from clientnest_assets.cli.feature_values import JsonOption, coloured_status, get, installed, view_named
from clientnest_assets.cli.session import HomeOption, console

if TYPE_CHECKING:
    from clientnest_assets.serving.catalogue_entries import FeatureEntry, ViewEntry

features = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "The feature store: what there is, how it is, and what it knows of one entity.\n\n"
        "A view holds features of one kind of entity, such as a user or an account. Offline, in the lake, it knows them "
        "as they were at any moment; online it holds the newest ones, for reading in milliseconds. Fill both with "
        "[bold]clientnest backfill --select 'group:features or group:online'[/]. The same as pages: /features on the "
        "port of [bold]clientnest up[/]."
    ),
)


@features.command("list")
def list_views(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List every view: its entity, the age of its newest row, entities online, features drifted, and bounds broken.

    Under drifted, - means that drift could not be judged yet: clientnest features show VIEW says why.

    [bold]Examples[/]

    clientnest features list

    clientnest features list --json
    """
    from clientnest_assets.serving.catalogue import Catalogue
    from clientnest_assets.serving.words import duration

    with installed(home) as installation:
        views = Catalogue(installation).views()
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in views], indent=2))
        return
    shown = Table(box=None)
    shown.add_column("view", no_wrap=True)
    shown.add_column("entity", overflow="fold")
    for name in ("age", "online", "drifted"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("status", no_wrap=True)
    for view in views:
        shown.add_row(
            view.name,
            ", ".join(key.name for key in view.entity_keys),
            "-" if view.age_seconds is None else duration(view.age_seconds),
            f"{view.online.rows:,}" if view.online else "-",
            f"[yellow]{len(view.drifted)}[/]" if view.drifted else "0" if view.is_drift_judged else "-",
            coloured_status(view.status),
        )
    console.print(shown)
    _tell_problems(views)
    console.print("one view: clientnest features show VIEW · one entity: clientnest features get --user-id 1")


@features.command()
def show(
    view: Annotated[str, typer.Argument(help="The view, such as content.", show_default=False)],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show one view: what it is made of, how fresh it is, and each feature's meaning, bounds, nulls and drift.

    [bold]Examples[/]

    clientnest features show user_engagement_history
    """
    declared = view_named(view)
    from clientnest_assets.serving.catalogue import Catalogue
    from clientnest_assets.serving.words import share

    with installed(home) as installation:
        found = Catalogue(installation).view(declared.name)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    console.print(f"[bold]{found.name}[/] v{found.version}, of {found.owner}")
    console.print(escape(found.description), highlight=False)
    facts = Table(box=None, show_header=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, value)
    console.print(facts)
    _tell_problems([found])
    for each in found.features:
        console.print(f"[bold]{each.name}[/]  {escape(', '.join(_declared(each)))}", highlight=False)
        console.print(Padding(escape(each.description), (0, 0, 0, 4)), highlight=False)
        if each.profile:
            now = [f"null {share(each.profile.null_share)}", _drift(each), *map(escape, each.problems)]
            console.print(Padding(" · ".join(filter(None, now)), (0, 0, 0, 4)), style="dim", highlight=False)


features.command()(get)


@features.command()
def drift(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the features whose last seven days differ from the reference window: by how much, and since when.

    [bold]Examples[/]

    clientnest features drift
    """
    from clientnest_assets.features.quality.store import current_drift, drift_judged
    from clientnest_assets.features.registry import VIEWS

    with installed(home) as installation:
        found = current_drift(installation.lake, VIEWS.values())
        judged, measured = drift_judged(installation.lake, VIEWS.values())
    if as_json:
        typer.echo(found.write_json())
        return
    if found.is_empty():
        console.print("nothing has drifted." if judged else "drift was not judged of any feature.")
        console.print(_judged(judged, measured))
        return
    shown = Table("view", "feature", "severity", box=None)
    for name in ("since", "day", "PSI", "p"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("against")
    for row in found.iter_rows(named=True):
        shown.add_row(
            row["view"],
            row["feature"],
            f"[{'red' if row['severity'] == 'major' else 'yellow'}]{row['severity']}[/]",
            str(row["since"]),
            str(row["day"]),
            f"{row['psi']:.3f}",
            f"{row['p_value']:.2g}",
            f"{row['reference_first_day']} to {row['reference_last_day']}",
        )
    console.print(shown)
    console.print(_judged(judged, measured))


@features.command()
def parity(
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be given again.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Entities of each view that are compared.")] = 1000,
    seed: Annotated[int, typer.Option(help="Chooses the entities: the same seed, the same ones.")] = 0,
    home: HomeOption = None,
) -> None:
    """Compare the online store with the lake as of now, entity by entity. Ends with 1 if they differ.

    [bold]Examples[/]

    clientnest features parity

    clientnest features parity --view content --sample 100000
    """
    from clientnest_assets.features.online.parity import compare
    from clientnest_assets.features.registry import VIEWS

    views = [view_named(name) for name in view] if view else list(VIEWS.values())
    shown = Table("view", box=None)
    for name in ("entities offline", "online", "compared", "differing"):
        shown.add_column(name, justify="right")
    different = Table("view", "entity", "feature", "online", "offline", box=None)
    holds, compared = True, 0
    with installed(home) as installation:
        now = installation.calendar.now()
        for each in views:
            found = compare(installation.lake, installation.online_store, each, now, seed=seed, sample=sample)
            holds, compared = holds and found.holds, compared + found.sampled
            counts = (found.entities_offline, found.entities_online, found.sampled, found.differing)
            shown.add_row(each.name, *(f"{count:,}" for count in counts), style="" if found.holds else "red")
            for row in found.differences.iter_rows():
                different.add_row(each.name, *(escape(str(value)) for value in row))
    console.print(shown)
    if holds and not compared:
        console.print("[yellow]nothing is stored to compare: clientnest backfill fills both.[/]")
        return
    if holds:
        console.print("[green]online equals offline.[/]")
        return
    if different.row_count:
        console.print(different)
    console.print("publish anew: clientnest backfill --select 'group:online' --only all")
    raise typer.Exit(1)


def _facts(view: ViewEntry) -> Iterator[tuple[str, str]]:
    yield "entity", ", ".join(key.name for key in view.entity_keys)
    yield "made of", ", ".join(view.upstream)
    yield "read by", ", ".join([*view.downstream, *view.sets]) or "-"
    yield "stale past", "never" if view.ttl_seconds is None else f"{view.ttl_seconds / 86_400:g} days"
    if stored := view.stored:
        yield "newest", f"{stored.newest_event_at:%Y-%m-%d %H:%M} UTC, {coloured_status(view.status)}"
        yield "stored", f"{stored.rows:,} rows on {stored.days} days up to {stored.newest_day}"
    else:
        yield "stored", f"[yellow]nothing: clientnest backfill --select 'key:\"{view.asset}\"'[/]"
    if online := view.online:
        yield "online", f"{online.rows:,} entities as of {online.as_of:%Y-%m-%d %H:%M} UTC"
    else:
        yield "online", f"[yellow]nothing: clientnest backfill --select 'key:\"online/{view.name}\"'[/]"


def _tell_problems(views: Iterable[ViewEntry]) -> None:
    for view in views:
        for problem in view.problems:
            console.print(f"[red]{view.name}:[/] {escape(problem)}", highlight=False)
        for each in view.broken:
            console.print(f"[red]{view.name}.{each.name}:[/] {escape('; '.join(each.problems))}", highlight=False)


def _declared(feature: FeatureEntry) -> Iterator[str]:
    yield feature.type
    if feature.unit:
        yield feature.unit
    if feature.default is not None:
        yield f"default {json.dumps(feature.default)}"
    if feature.values:
        yield f"one of {' | '.join(feature.values)}"
    low, high = feature.minimum, feature.maximum
    if low is not None or high is not None:
        yield " ".join(f"{word} {bound:g}" for word, bound in (("from", low), ("to", high)) if bound is not None)


def _judged(judged: int, measured: int) -> str:
    if not measured:
        return "no feature is measured yet: clientnest backfill --select 'group:features'"
    why = "" if judged == measured else " Why the others are not: clientnest features show VIEW"
    return f"{judged} of {measured} features are judged, on the newest day of their view.{why}"


def _drift(feature: FeatureEntry) -> str:
    if feature.drift is None:
        return ""
    if feature.drift.drifted:
        return f"[red]{feature.drift.severity} drift since {feature.drift.since}[/]"
    return f"drift: {feature.drift.verdict}"
