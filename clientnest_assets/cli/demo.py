"""`clientnest demo`: a simulated company, every layer built, the models trained, a summary, and the pages to look at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from clientnest_assets.cli.backfill import run_backfill
from clientnest_assets.cli.collect import collect_from_stand_in, show
from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, materialising
from clientnest_assets.cli.simulate import (
    DaysOption,
    SeedOption,
    UsersOption,
    begin,
    imported_files,
    require_embedded,
)
from clientnest_assets.cli.up import (
    UI_PORT,
    WEB_PORT,
    UiPortOption,
    WebPortOption,
    is_serving,
    link_to_pages,
    require_free_ports,
    serve,
    stop_services,
)
from clientnest_assets.installation import LakeKind
from clientnest_assets.partitions import monday

if TYPE_CHECKING:
    from clientnest_assets.models.store import NewestCard

T = TypeVar("T")
LakeOption = Annotated[
    LakeKind,
    typer.Option("--lake", help="Where the lake is: a folder, or a bucket of the embedded S3 server (SeaweedFS)."),
]
MODELS_AND_PREDICTIONS = "group:models or group:predictions"


@dataclass
class Clock:
    """How long each part of the demo took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def measure(self, part: str, work: Callable[[], T]) -> T:
        """Does the work and remembers how long it took."""
        started = time.monotonic()
        result = work()
        self.seconds[part] = time.monotonic() - started
        return result


def demo(
    users: UsersOption = 2000,
    days: DaysOption = 120,
    seed: SeedOption = 1,
    lake: LakeOption = LakeKind.FOLDER,
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help="Stop after the summary; `clientnest up` serves later.")
    ] = False,
    ui_port: UiPortOption = UI_PORT,
    web_port: WebPortOption = WEB_PORT,
    home: HomeOption = None,
) -> None:
    """See it all work: simulate a company, build every layer, train the models, and serve the pages.

    Begins anew each time: what an earlier demo left in the same home is replaced. Refuses where files were imported.

    [bold]Examples[/]

    clientnest demo

    clientnest demo --users 300 --days 60 --no-serve

    clientnest demo --lake s3
    """
    link_to_pages(web_port)
    session = Session.open(home)
    require_embedded(session)
    if is_serving(session):
        raise CommandError(
            f"clientnest is serving {session.installation.home}. Stop that first, or choose another --home."
        )
    if not no_serve:
        require_free_ports(ui_port, web_port)
    clock = Clock()
    with session.installation.services():
        if imported := imported_files(session):
            raise CommandError(
                f"the lake in {session.installation.home} holds imported files ({', '.join(imported)}), which a demo would "
                "remove. Choose another --home, or remove the folder yourself."
            )
        if lake is LakeKind.S3:
            # Before anything is removed: it may not be installed.
            session.installation.object_store.ensure_running()
        with materialising(session):
            _end_capture(session)
            session.installation.begin_anew(lake)
    if lake is not LakeKind.S3:
        session.installation.object_store.stop()
    with session.installation.services():
        clock.measure("simulate", lambda: begin(session, users, days, seed))
        if not clock.measure("collect from the platforms", lambda: show(collect_from_stand_in(session))):
            raise CommandError("the demo stopped: an account of the platforms' stand-in failed, see above.")
        if not clock.measure("build all layers", lambda: run_backfill(session, None, None)):
            raise CommandError("the demo stopped: not every partition was built, see above.")
        trained = clock.measure("train and predict", lambda: _train(session))
        _summary(session, clock, trained=trained)
        if no_serve:
            console.print(
                "The embedded services keep running for the next command; `clientnest down` stops them, `clientnest up` serves."
            )
            return
        serve(session, ui_port=ui_port, web_port=web_port)
    stop_services(session)


def _end_capture(session: Session) -> None:
    """A lake that begins anew needs a new snapshot, so the slot of the old one goes."""
    from clientnest_assets.sources.change_capture import connected, stop

    with connected(session.installation.app_database_url) as connection:
        stop(connection)


def _mature_posts(session: Session, before: date) -> int:
    import psycopg

    with psycopg.connect(session.installation.warehouse_url) as connection:
        found = connection.execute("select count(*) from facts.fact_posts where mature_at < %s", (before,)).fetchone()
    return int(found[0]) if found else 0


def _train(session: Session) -> bool:
    """Trains at the ends of the last two whole weeks and scores the days since; False where the story is too short for that.

    Raises:
        CommandError: if a partition is not materialised.
    """
    from clientnest_assets.models.engagement.spec import MIN_MATURE_POSTS, TASK
    from clientnest_assets.models.promotion import champion_week

    span = session.installation.calendar.span()
    week_end = monday(span.end)
    if week_end <= span.start:
        return False
    if _mature_posts(session, week_end) < MIN_MATURE_POSTS:
        console.print(
            f"no model: fewer than {MIN_MATURE_POSTS} posts were a week old by {week_end}. Try more users or days."
        )
        return False
    # From the last day of the week before the last one: a model is in use from the day after its week on.
    first = max(span.start, week_end - timedelta(days=8))
    whole = run_backfill(session, str(first), str(span.last_day), select=MODELS_AND_PREDICTIONS)
    if champion_week(session.installation.lake, TASK, span.end) is None:
        raise CommandError("the demo stopped: no engagement model is in use, see above.")
    if not whole:
        console.print("Not every model was made, or is fit to be used, see above: without one nothing is predicted.")
    return True


def _summary(session: Session, clock: Clock, *, trained: bool) -> None:
    from clientnest_assets.cli.status import collect, without_password

    found = collect(session)
    parts = Table("part", "seconds", title="Time", title_justify="left", box=None)
    for part, seconds in clock.seconds.items():
        parts.add_row(part, f"{seconds:.0f}")
    parts.add_row("[bold]all[/]", f"[bold]{sum(clock.seconds.values()):.0f}[/]")
    console.print(parts)
    rows: dict[str, int] = {}
    for place, tables in found["rows"].items():
        for name, count in tables.items():
            layer = f"{place}: {name.split('.')[0]}"
            rows[layer] = rows.get(layer, 0) + count
    counts = Table("layer", "rows", title="Rows", title_justify="left", box=None)
    for layer, count in rows.items():
        counts.add_row(layer, f"{count:,}")
    console.print(counts)
    if trained:
        _model_scores(session)
    console.print("[bold]Look at[/]")
    names = {"Dagster UI": "ui", "models": "models", "warehouse docs": "docs", "warehouse": "warehouse", "lake": "lake"}
    for what, name in names.items():
        console.print(f"  {what:15} {without_password(found['urls'][name])}", soft_wrap=True)
    console.print("  (`clientnest status --json` tells the addresses with passwords, for programs)")


def _model_scores(session: Session) -> None:
    from clientnest_assets.cli.model_tables import problems_of, table_of, told_of_all
    from clientnest_assets.models.engagement.spec import TASK
    from clientnest_assets.models.store import newest_cards

    lake = session.installation.lake
    cards = newest_cards(lake)
    if TASK in cards and not cards[TASK].problem:
        _engagement_scores(session, cards)
    told = told_of_all(lake, session.installation.calendar.now().date())
    every = table_of(told)
    every.title, every.title_justify = "Every model, judged on later examples", "left"
    console.print(every)
    for line in problems_of(told):
        console.print(line, highlight=False)


def _engagement_scores(session: Session, cards: Mapping[str, NewestCard]) -> None:
    from clientnest_assets.features.sets import variants
    from clientnest_assets.models.engagement.evaluation import explained_share
    from clientnest_assets.models.engagement.spec import NAIVE_RULES, TASK
    from clientnest_assets.models.store import evaluation_rows
    from clientnest_assets.simulation.truth import read_posts

    week = cards[TASK].week
    scores = Table(
        "on later posts",
        "mean error of log",
        "rank correlation",
        title=f"Engagement model, week of {week}",
        title_justify="left",
        box=None,
    )
    measured = dict(cards[TASK].metrics)
    for features in variants(TASK)[1:]:
        beside = cards.get(features.task)
        if beside and beside.week == week and not beside.problem:
            measured[f"model, feature set {features.variant}"] = beside.metrics["model"]
    for name, metrics in measured.items():
        scores.add_row(NAIVE_RULES.get(name, name), *(_figure(metrics[each]) for each in ("mae", "spearman")))
    console.print(scores)
    share = explained_share(
        evaluation_rows(session.installation.lake, TASK, week), read_posts(session.installation.truth)
    )
    console.print(f"share of the explainable variance, against the world's truth: [bold]{share['share']:.0%}[/]")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
