"""`clientnest models`: which models there are, which is in use and why, and putting another one in use.

Training is no command: the assets `models/<task>` do it, and `backtest` has them do it for several weeks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from clientnest_assets.cli.feature_values import JsonOption
from clientnest_assets.cli.model_tables import (
    decisions_of,
    lines_of,
    metrics_of,
    newest_outcomes,
    problems_of,
    requests_of,
    table_of,
    told_of_all,
    weeks_of,
)
from clientnest_assets.cli.session import CommandError, HomeOption, Session, console

if TYPE_CHECKING:
    from clientnest_assets.installation import Installation
    from clientnest_assets.lake import Lake
    from clientnest_assets.models.model import Model

models = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "The models: how good each is, which one is in use, and why.\n\n"
        "Each is trained once a week. The model of a week, the challenger, takes the place of the one in use, the "
        "champion, if it beats every naive rule, passes its findings (skill beyond chance, intervals and chances that "
        "hold) and its way of learning is no worse than the champion's. Predictions say by which model they were made."
    ),
)

TaskArgument = Annotated[str, typer.Argument(help="The model, such as engagement.", show_default=False)]
WeekOption = Annotated[
    str | None, typer.Option(help="The Monday of the model's week, such as 2026-11-16.", show_default=False)
]
WhyOption = Annotated[str, typer.Option(help="Why, for whoever reads of it later.", show_default=False)]


@models.command("list")
def list_models(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List every model: the one in use, how good it is, and the newest one.

    [bold]Examples[/]

    clientnest models list
    """
    with _installation(home) as installation:
        told = told_of_all(installation.lake, installation.calendar.now().date())
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    console.print(table_of(told))
    for line in problems_of(told):
        console.print(line, highlight=False)
    console.print("one model: clientnest models show MODEL · train: clientnest backfill --select 'group:models'")


@models.command()
def show(task: TaskArgument, week: WeekOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show one model: its metrics beside those of the naive rules, what was looked at, and every week's decision.

    And how the predictions turned out whose outcomes came to be known last, and what asks for another model.

    [bold]Examples[/]

    clientnest models show engagement

    clientnest models show engagement --week 2026-11-09
    """
    from clientnest_assets.models import promotion, store
    from clientnest_assets.models.errors import ModelError
    from clientnest_assets.models.retraining import kept_review

    model = _declared(task)
    with _installation(home) as installation:
        lake, today = installation.lake, installation.calendar.now().date()
        weeks = store.trained_weeks(lake, task)
        if not weeks:
            raise _untrained(task)
        chosen = _monday(week) if week else weeks[-1]
        if chosen not in weeks:
            raise CommandError(f"{task} has no model of the week from {chosen}. It has: {', '.join(map(str, weeks))}")
        card = store.read_card(lake, task, chosen)
        review = kept_review(lake, task)
        outcomes = [asdict(each) for each in newest_outcomes(lake, model)]
        if as_json:
            told = {"week": str(chosen), "card": card, "outcomes": outcomes, "review": review and asdict(review)}
            typer.echo(json.dumps(told, indent=2, default=str))
            return
        try:
            champion = promotion.champion_week(lake, task, today)
            in_use = f"the model of the week from {champion}" if champion else "none"
        except ModelError:
            champion, in_use = None, "[red]not known[/], see above"
        decisions = decisions_of(lake, task, weeks, champion)
    console.print(f"[bold]{escape(model.title)}[/], the model of the week from {chosen}")
    console.print(escape(model.description), highlight=False)
    console.print(metrics_of(model, card))
    for line in lines_of(card["findings"]):
        console.print(line, highlight=False)
    console.print(decisions)
    console.print(f"in use: {in_use}")
    for line in (*lines_of(outcomes), *(requests_of(review) if review else ())):
        console.print(line, highlight=False)


@models.command()
def promote(task: TaskArgument, why: WhyOption, week: WeekOption = None, home: HomeOption = None) -> None:
    """Promote the model of a week by hand, the newest by default, whatever was found of it.

    Of promoted weeks the newest is in use: to go back to an older one, take the newer ones back (models rollback).

    [bold]Examples[/]

    clientnest models promote engagement --week 2026-11-09 --why "the drop in accuracy was the outage"
    """
    from clientnest_assets.models import promotion, store

    _declared(task)
    with _installation(home) as installation:
        weeks = store.trained_weeks(installation.lake, task)
        chosen = _monday(week) if week else weeks[-1] if weeks else None
        if chosen is None:
            raise _untrained(task)
        promotion.promote(installation.lake, task, chosen, _said(why))
        in_use = _tell_champion(installation.lake, task, installation.calendar.now().date())
        if in_use and in_use > chosen:
            console.print(f"a newer week is promoted and stays in use: clientnest models rollback {task} --why …")


@models.command()
def rollback(task: TaskArgument, why: WhyOption, home: HomeOption = None) -> None:
    """Take the model in use back: the one before it is in use again.

    Predictions already made stay until their days are made again:
    clientnest backfill --select 'group:predictions' --only all --from DAY

    [bold]Examples[/]

    clientnest models rollback engagement --why "predictions of video posts are far off"
    """
    from clientnest_assets.models import promotion

    _declared(task)
    with _installation(home) as installation:
        today = installation.calendar.now().date()
        week = promotion.champion_week(installation.lake, task, today)
        if week is None:
            raise CommandError(f"no model {task} is in use: there is nothing to take back")
        promotion.withdraw(installation.lake, task, week, _said(why))
        console.print(f"taken back: the model of the week from {week}")
        _tell_champion(installation.lake, task, today)


@models.command()
def backtest(
    task: TaskArgument,
    first: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD. Default: the first there is.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inside. Default: the newest.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train weeks that have a model already once more.")] = False,
    home: HomeOption = None,
) -> None:
    """Train and judge a model week after week, as if each week had been lived, and show how it would have done.

    The same as a backfill of its weekly partitions: each week knows what was known at its end, and no more. Weeks that end
    in the range are trained; those that have a model already are left as they are.

    It is no trial: the models are kept and decided about, and those promoted are in use on the days after their weeks.
    With --again a model is replaced, and a decision made by hand stays only where the new one is the same.

    [bold]Examples[/]

    clientnest models backtest engagement

    clientnest models backtest churn --from 2026-09-01 --to 2026-10-31 --again
    """
    from clientnest_assets.cli.backfill import run_backfill
    from clientnest_assets.models import store

    model = _declared(task)
    session = Session.open(home)
    with session.installation.services():
        whole = run_backfill(
            session,
            first,
            last,
            select=f'key:"models/{task}" or key:"models/{task}_promotion"',
            only="all" if again else "missing",
        )
        window, lake = session.window(first, last), session.installation.lake
        weeks = [week for week in store.trained_weeks(lake, task) if window.start < week + store.WEEK <= window.end]
        if weeks:
            console.print(weeks_of(lake, model, weeks))
        else:
            console.print(f"no week of the range has a model {task}: there is too little to learn from")
    if not whole:
        raise typer.Exit(1)


@contextmanager
def _installation(home: Path | None) -> Iterator[Installation]:
    """The installation and what its lake needs: models are in the lake alone, and no database is started for them."""
    installation = Session.open(home).installation
    with installation.lake_service():
        yield installation


def _said(why: str) -> str:
    if not why.strip():
        raise CommandError("--why is empty: say why, for whoever reads of it later")
    return why


def _tell_champion(lake: Lake, task: str, day: date) -> date | None:
    from clientnest_assets.models import promotion

    week = promotion.champion_week(lake, task, day)
    console.print(f"in use: {'none' if week is None else f'the model of the week from {week}'}")
    return week


def _untrained(task: str) -> CommandError:
    return CommandError(
        f"{task} has no model of any week: clientnest backfill --select 'key:\"models/{task}\"' trains it. Weeks made without "
        "one had too little to learn from: `why` in their metadata in Dagster tells what was missing"
    )


def _declared(task: str) -> Model:
    from clientnest_assets.models.registry import MODELS

    if task not in MODELS:
        raise CommandError(f"there is no model {task}. There are: {', '.join(MODELS)}")
    return MODELS[task]


def _monday(text: str) -> date:
    from clientnest_assets.partitions import monday

    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--week {text}: not a date such as 2026-11-16") from None
    if monday(day) != day:
        raise CommandError(f"--week {text} is no Monday; its week begins on {monday(day)}")
    return day
