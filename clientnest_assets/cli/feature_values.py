"""`clientnest features get`: what the views know of one entity, online or as it was known at a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clientnest_assets.cli.query import read_moment
from clientnest_assets.cli.session import CommandError, HomeOption, Session, console

if TYPE_CHECKING:
    from datetime import datetime

    from clientnest_assets.features.view import FeatureView
    from clientnest_assets.installation import Installation

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
COLOURS = {"PRESENT": "green", "STALE": "red", "MISSING": "yellow"}


def get(
    user_id: Annotated[int | None, typer.Option(help="The user.")] = None,
    account_id: Annotated[int | None, typer.Option(help="The social account.")] = None,
    post_id: Annotated[int | None, typer.Option(help="The post.")] = None,
    platform: Annotated[str | None, typer.Option(help="The platform, such as twitter.")] = None,
    weekday: Annotated[
        int | None, typer.Option(min=1, max=7, help="The weekday on the author's clock, 1 Monday to 7 Sunday.")
    ] = None,
    hour: Annotated[int | None, typer.Option(min=0, max=23, help="The hour on the author's clock, 0 to 23.")] = None,
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be given again.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="What was known then, such as '2026-11-20 14:00' (UTC). Read from the lake."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Read from the lake, as of now.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Tell what the views know of an entity: from the online store, or from the lake as it was known at a moment.

    Of all views those are asked whose keys are given. PRESENT; STALE, when the newest row is older than the view keeps;
    or MISSING.

    [bold]Examples[/]

    clientnest features get --user-id 1 --account-id 5

    clientnest features get --account-id 5 --view user_engagement_history --as-of "2026-11-20 14:00"
    """
    from clientnest_assets.serving.words import duration

    given: dict[str, Any] = {
        "user_id": user_id,
        "account_id": account_id,
        "post_id": post_id,
        "platform": platform,
        "weekday": weekday,
        "hour": hour,
    }
    keys = {name: value for name, value in given.items() if value is not None}
    views = _asked(view, keys)
    moment = None if as_of is None else read_moment(as_of)
    with installed(home) as installation:
        now = moment or installation.calendar.now()
        is_offline = offline or moment is not None
        found = (_offline if is_offline else _online)(installation, keys, views, now)
        silent = (
            [] if is_offline else [each.name for each in views if installation.online_store.generation(each) is None]
        )
    origin = "offline" if is_offline else "online"
    if as_json:
        answer = {"as_of": now.isoformat(), "from": origin, "entity": keys, "views": found}
        typer.echo(json.dumps(answer, indent=2))
        return
    console.print(f"{origin}, as of {now:%Y-%m-%d %H:%M:%S} UTC")
    shown = Table("view", "feature", box=None)
    shown.add_column("value", overflow="fold")
    for name, row in found.items():
        age = row["age_seconds"]
        shown.add_row(
            f"[bold]{name}[/]", "", coloured_status(row["status"]) + ("" if age is None else f", {duration(age)} old")
        )
        for feature, value in row["values"].items() if row["status"] == "PRESENT" else ():
            shown.add_row("", feature, "[dim]null[/]" if value is None else escape(str(value)))
    console.print(shown)
    if silent:
        console.print(
            f"[yellow]never published: {', '.join(silent)}.[/] Publish: clientnest backfill --select 'group:online'",
            highlight=False,
        )


@contextmanager
def installed(home: Path | None) -> Iterator[Installation]:
    """The installation, its services up; at the end the online store's connections are closed."""
    installation = Session.open(home).installation
    with installation.services():
        try:
            yield installation
        finally:
            installation.online_store.close()


def view_named(name: str) -> FeatureView:
    """The view.

    Raises:
        CommandError: there is none of that name.
    """
    from clientnest_assets.features.registry import VIEWS

    if name not in VIEWS:
        raise CommandError(f"there is no feature view {name}. There are: {', '.join(VIEWS)}.")
    return VIEWS[name]


def coloured_status(status: str) -> str:
    """PRESENT, STALE or MISSING for the terminal."""
    return f"[{COLOURS[status]}]{status}[/]"


def _asked(names: list[str] | None, keys: dict[str, Any]) -> list[FeatureView]:
    """The views named, or those whose keys are all given.

    Raises:
        CommandError: a view is unknown, or a key of it is missing.
    """
    from clientnest_assets.features.registry import VIEWS

    views = [view_named(name) for name in names or ()]
    for view in views:
        if missing := [_option(name) for name in view.entity_keys if name not in keys]:
            raise CommandError(
                f"{view.name} is asked by {' '.join(map(_option, view.entity_keys))}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
            )
    views = views or [view for view in VIEWS.values() if set(view.entity_keys) <= keys.keys()]
    if not views:
        options = sorted({" ".join(map(_option, view.entity_keys)) for view in VIEWS.values()})
        raise CommandError(f"say of which entity. Views are asked by: {', '.join(options)}.")
    return views


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _online(
    installation: Installation, keys: dict[str, Any], views: list[FeatureView], now: datetime
) -> dict[str, dict[str, Any]]:
    from clientnest_assets.features.online import read_entities

    found = read_entities(installation.online_store, [keys], views, now)[0]
    return {
        name: {"status": row.status, "age_seconds": row.age_seconds, "values": row.values}
        for name, row in found.items()
    }


def _offline(
    installation: Installation, keys: dict[str, Any], views: list[FeatureView], now: datetime
) -> dict[str, dict[str, Any]]:
    """What the point-in-time join gives for the one entity."""
    import polars as pl

    from clientnest_assets.features.point_in_time import (
        AS_OF,
        age_column,
        column,
        get_historical_features,
        status_column,
    )
    from clientnest_assets.features.store import stored_rows
    from clientnest_assets.features.view import KEYS, MOMENT

    schema = {**{name: KEYS[name].dtype for name in keys}, AS_OF: MOMENT}
    asked = pl.DataFrame([{**keys, AS_OF: now}], schema=schema)
    rows = {
        view: stored_rows(installation.lake, view).filter(*(pl.col(name) == keys[name] for name in view.entity_keys))
        for view in views
    }
    found = get_historical_features(asked, rows).collect().row(0, named=True)
    return {
        view.name: {
            "status": found[status_column(view)],
            "age_seconds": found[age_column(view)],
            "values": {name: found[column(view, name)] for name in view.feature_names},
        }
        for view in views
    }
