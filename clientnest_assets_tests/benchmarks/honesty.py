"""Whether the models find what is true in a simulated world, as the product trains them, with limits.

    python -m clientnest_assets_tests.benchmarks.honesty
    python -m clientnest_assets_tests.benchmarks.honesty --home ../.clientnest

Makes a world of 2,000 users and 120 days in a home of its own with what `clientnest demo` runs, trains the last two
weeks, and compares the newest models and what they say with the world's truth; `--home` does that with a home in which
this has been done. The world ends on a fixed day, so that it is the same each time. Ends with 1 if a limit is missed.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.table import Table

from clientnest_assets.cli.backfill import run_backfill
from clientnest_assets.cli.collect import collect_from_stand_in, show
from clientnest_assets.cli.demo import MODELS_AND_PREDICTIONS
from clientnest_assets.cli.session import CommandError, Session, console
from clientnest_assets.cli.simulate import begin
from clientnest_assets.cli.up import stop_services
from clientnest_assets.contracts import DAY
from clientnest_assets.defs.experiments import MART, MARTS
from clientnest_assets.defs.predictions import PREDICTIONS, predictions_schema
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.insights.experiments.effects import RESULTS, effects
from clientnest_assets.insights.experiments.verdicts import BROKEN_SPLIT, HARMS, WORKS
from clientnest_assets.installation import Installation
from clientnest_assets.models.churn import spec as churn_spec
from clientnest_assets.models.churn.chances import auc
from clientnest_assets.models.engagement import spec as engagement_spec
from clientnest_assets.models.engagement.evaluation import OVERALL, coverage, explained_share
from clientnest_assets.models.hashtags.declaration import HASHTAGS
from clientnest_assets.models.hashtags.use import TAG
from clientnest_assets.models.model import MODEL, Model
from clientnest_assets.models.posting_times.declaration import POSTING_TIMES
from clientnest_assets.models.store import evaluation_rows, read_card, trained_weeks
from clientnest_assets.partitions import monday
from clientnest_assets.simulation.truth import read_posts
from clientnest_assets.warehouse.read import read_table

LAST_DAY = date(2026, 4, 19)
LEAST_EXPLAINED = 0.95
COVERED = (0.78, 0.82)
COVERED_BY_PLATFORM = (0.75, 0.85)
LEAST_OF_THE_HAZARDS_AUC = 0.97
SLOPES = (0.9, 1.1)
FIRST_RANKS = 3
LEAST_LIFTING = 0.99
"""Of the first suggested hashtags: one in a hundred may be a true effect of another kind, or luck."""
BEST_SLOTS = 10
"""So many of the week's 168 hours are the best of a platform."""
LEAST_AMONG_BEST = 4
"""Of the five that are suggested."""


@dataclass(frozen=True)
class Judged:
    """One comparison with the truth, in words."""

    what: str
    found: str
    wanted: str
    is_kept: bool


def main(
    users: Annotated[int, typer.Option(help="Users of the simulated company.")] = 2000,
    days: Annotated[int, typer.Option(help="Its days.")] = 120,
    seed: Annotated[int, typer.Option(help="Another world with each.")] = 1,
    home: Annotated[Path | None, typer.Option(help="Judge the models in this home instead.")] = None,
) -> None:
    """Compare what the models learned with the truth of a simulated world."""
    began = time.monotonic()
    if home is not None:
        found = judge(Session.open(home).installation)
    else:
        with tempfile.TemporaryDirectory(prefix="clientnest-honesty-") as folder:
            own = Path(folder) / "home"
            own.mkdir()
            session = Session.open(own)
            try:
                make_world(session, users, days, seed)
                found = judge(session.installation)
            finally:
                stop_services(session)
    told = Table("what", "found", "wanted", box=None)
    for each in found:
        told.add_row(each.what, each.found, each.wanted, style=None if each.is_kept else "red")
    console.print(told)
    console.print(f"{time.monotonic() - began:.0f} s")
    if not all(each.is_kept for each in found):
        raise typer.Exit(1)


def make_world(session: Session, users: int, days: int, seed: int) -> None:
    """The simulated company with every layer built, its last two weeks' models, and what they say of the days since.

    Raises:
        CommandError: a layer was not built.
    """
    with session.installation.services():
        begin(session, users, days, seed, str(LAST_DAY))
        if not (show(collect_from_stand_in(session)) and run_backfill(session, None, None)):
            raise CommandError("not every layer was built, see above")
        week_end = monday(LAST_DAY + timedelta(days=1))
        # A model that is not fit to be used ends nothing: it is judged too.
        run_backfill(session, str(week_end - timedelta(days=8)), str(LAST_DAY), select=MODELS_AND_PREDICTIONS)


def judge(installation: Installation) -> list[Judged]:
    """All comparisons with the truth that lies beside the world."""
    truth = json.loads((installation.truth / "effects.json").read_text())
    with installation.services():
        return [
            *engagement(installation),
            *churn(installation),
            *experiments(installation, truth["experiments"]),
            *hashtags(installation, truth["engagement"]["hashtags"]),
            *posting_times(installation, truth["engagement"]),
        ]


def engagement(installation: Installation) -> list[Judged]:
    """The part of the explainable variance, and how often the interval held the outcome, on later posts."""
    task = engagement_spec.TASK
    rows = evaluation_rows(installation.lake, task, _newest_week(installation, task))
    share = explained_share(rows, read_posts(installation.truth))["share"]
    covered = coverage(rows).filter(pl.col("of").is_in([OVERALL, "platform"]))
    return [
        _at_least("engagement: part of the explainable variance", share, LEAST_EXPLAINED),
        *(
            _between(f"engagement: interval of {group}", held, COVERED if of == OVERALL else COVERED_BY_PLATFORM)
            for of, group, held in covered.select("of", "group", "covered").iter_rows()
        ),
    ]


def churn(installation: Installation) -> list[Judged]:
    """How the model ranks later users, beside the true hazard, and whether its chances mean what they say.

    Ranked are those still there at the moment, by whether they really left within the horizon.
    """
    lake, task = installation.lake, churn_spec.TASK
    week = _newest_week(installation, task)
    there = pl.read_parquet(installation.truth / "user_days.parquet")
    rows = (
        evaluation_rows(lake, task, week)
        .with_columns(pl.col(AS_OF).dt.date().alias("day"))
        .join(there.select("user_id", "day", "churn_hazard"), on=["user_id", "day"], maintain_order="left")
        .join(
            there.filter("churned").select("user_id", left_on="day"),
            on="user_id",
            how="left",
            validate="m:1",
            maintain_order="left",
        )
    )
    horizon = churn_spec.Definition().horizon
    left = rows.select((pl.col("left_on") < pl.col("day") + horizon).fill_null(value=False).cast(pl.Float64))
    ours, best = (auc(left.to_series().to_numpy(), rows[name].to_numpy()) for name in (MODEL, "churn_hazard"))
    (calibrated,) = [each for each in read_card(lake, task, week)["findings"] if each["name"] == "is_calibrated"]
    return [
        _at_least("churn: AUC, as part of the true hazard's", (ours or 0.0) / (best or 1.0), LEAST_OF_THE_HAZARDS_AUC),
        _between("churn: calibration slope", calibrated["figures"]["slope"], SLOPES),
    ]


def experiments(installation: Installation, planted: list[dict[str, Any]]) -> list[Judged]:
    """Whether each experiment got the verdict that it deserves."""
    results = read_table(installation.warehouse_url, MARTS, MART, RESULTS)
    told = {row["experiment_id"]: row for row in effects(results, installation.calendar.now()).iter_rows(named=True)}
    return [_experiment(each, told.get(each["id"])) for each in planted]


def _experiment(planted: dict[str, Any], told: dict[str, Any] | None) -> Judged:
    what = f"experiment: {planted['key']}"
    if told is None:
        return Judged(what, "nothing", "a verdict", is_kept=False)
    verdict, effect = told["verdict"], planted["log_engagement_effect"]
    if planted["treatment_share"] != planted["intended_treatment_share"]:
        return Judged(what, verdict, BROKEN_SPLIT, verdict == BROKEN_SPLIT)
    if not effect:
        return Judged(what, verdict, "no effect", verdict not in (WORKS, HARMS, BROKEN_SPLIT))
    low, high = told["lift_low"], told["lift_high"]
    lift = float(np.expm1(effect))
    held = low is not None and low <= lift <= high
    return Judged(
        what,
        f"{verdict}, lift {low:.3f} to {high:.3f}" if low is not None else verdict,
        f"{WORKS}, lift {lift:.3f}",
        verdict == WORKS and held,
    )


def hashtags(installation: Installation, lifts: dict[str, float]) -> list[Judged]:
    """Whether those that lift are suggested first, and those that do harm are not, to the posts that wait."""
    told = _newest_answers(installation, HASHTAGS).with_columns(
        pl.col(TAG).replace_strict(lifts, default=0.0, return_dtype=pl.Float64).alias("true")
    )
    first = told.filter(pl.col("rank") <= FIRST_RANKS)
    lifting = 0.0 if first.is_empty() else float((first["true"] > 0).mean() or 0.0)
    harmful = int((told["true"] < 0).sum())
    return [
        _at_least(
            f"hashtags: of the first {FIRST_RANKS} suggestions, those with a planted lift", lifting, LEAST_LIFTING
        ),
        Judged("hashtags: suggestions that do harm", f"{harmful} of {told.height}", "0", harmful == 0),
    ]


def posting_times(installation: Installation, truth: dict[str, Any]) -> list[Judged]:
    """How many of the times that a newcomer is told are among the week's best, on each platform."""
    told = _newest_answers(installation, POSTING_TIMES).filter(pl.col("account_id").is_null())
    found = []
    for platform, by_hour in truth["local_hour"].items():
        slots = np.add.outer(truth["weekday_from_monday"][platform], by_hour).ravel()
        best = set(np.argsort(-slots, kind="stable")[:BEST_SLOTS].tolist())
        own = told.filter(platform=platform)
        among = sum(slot in best for slot in (own["weekday"] - 1) * 24 + own["hour"])
        wanted = f"at least {LEAST_AMONG_BEST} of 5"
        what = f"posting times: on {platform}, among the best {BEST_SLOTS} hours of the week"
        found.append(Judged(what, f"{among} of {own.height}", wanted, among >= LEAST_AMONG_BEST))
    return found


def _newest_week(installation: Installation, task: str) -> date:
    weeks = trained_weeks(installation.lake, task)
    if not weeks:
        raise CommandError(f"no model {task} in {installation.home}: `clientnest demo` trains them all")
    return weeks[-1]


def _newest_answers(installation: Installation, model: Model) -> pl.DataFrame:
    table = installation.lake.table(PREDICTIONS, model.name, predictions_schema(model), partition_by=(DAY,))
    told = table.scan().collect()
    return told.filter(pl.col(DAY) == told[DAY].max())


def _at_least(what: str, found: float, least: float) -> Judged:
    return Judged(what, f"{found:.3f}", f"at least {least}", found >= least)


def _between(what: str, found: float, limits: tuple[float, float]) -> Judged:
    least, most = limits
    return Judged(what, f"{found:.3f}", f"{least} to {most}", least <= found <= most)


if __name__ == "__main__":
    typer.run(main)
