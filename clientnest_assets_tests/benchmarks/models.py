"""Training and scoring side by side with bare LightGBM and scikit-learn's random forest; a million rows; one draft.

    python -m clientnest_assets_tests.benchmarks.models
    python -m clientnest_assets_tests.benchmarks.models --rows 100000 --rounds 1

On made-up rows. Training starts from a Polars frame of 54 numbers and 6 categories and ends with a booster, beside
`lightgbm.train` with the same parameters, trees and threads on a matrix that is ready, in turns. The forest, with its
defaults, is so slow that it gets a share of the rows, as do we beside it, both with one thread. Scoring is that of the
assets, by models trained on other rows: all that answers hold, but for a million no reasons.

The best of each counts, and of drafts the median. Trainings and drafts are compared by CPU seconds, because a busy
machine spoils the others; what is promised of a million is by the clock, on a machine of two cores that does nothing
else. Ends with 1 if a limit is missed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.table import Table

from clientnest_assets.cli.session import console
from clientnest_assets.features.sets import feature_set
from clientnest_assets.models.boosting import REPRODUCIBLE, fit
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.scoring import Scorer as ChurnScorer
from clientnest_assets.models.encoding import Encoder, ModelColumns
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.engagement.scoring import Scorer
from clientnest_assets.models.model import Scoring, Training
from clientnest_assets.serving.app import settle_collector
from clientnest_assets_tests.benchmarks import made_up

MOST_TIMES_BARE = 1.3
MOST_TIMES_FOREST = 1 / 3
MOST_SECONDS_A_MILLION = 5.0
MOST_MILLISECONDS_A_DRAFT = 10.0
MILLION = 1_000_000
NUMBERS, CATEGORIES = 54, 6
TAUGHT = 30_000
"""So many rows teach the models that score."""
OURS, BARE, FOREST = "ours", "lightgbm.train", "RandomForestRegressor"


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and seconds of all cores."""

    seconds: float
    cpu: float


def main(
    rows: Annotated[
        int, typer.Option(help="To train on, and to score; limits of scoring are for a million.")
    ] = MILLION,
    forest_share: Annotated[float, typer.Option(help="Of the rows, for the random forest.")] = 0.01,
    explained_share: Annotated[float, typer.Option(help="Of the rows, to be scored with reasons.")] = 0.05,
    drafts: Annotated[int, typer.Option(help="Scored one by one.")] = 1000,
    rounds: Annotated[int, typer.Option(help="How often each is run, in turns; the best counts.")] = 3,
    threads: Annotated[int, typer.Option(help="For training.")] = 1,
) -> None:
    """Measure the training and scoring of models, and compare with bare LightGBM and a random forest."""
    random = np.random.default_rng(1)
    settle_collector()
    # Drafts first: what trained a forest keeps threads and memory that a service which scores does not have.
    kept = [
        scoring_engagement(rows, rounds, explained_share, drafts, random),
        scoring_churn(rows, rounds, explained_share, random),
        training_beside_bare(rows, rounds, threads, random),
        training_beside_forest(int(rows * forest_share), random),
    ]
    console.print(f"load {os.getloadavg()[0]:.1f}")
    if not all(kept):
        raise typer.Exit(1)


def training_beside_bare(rows: int, rounds: int, threads: int, random: np.random.Generator) -> bool:
    """Whether training on a Polars frame takes hardly longer than LightGBM on a matrix."""
    frame = made_up.table(rows, NUMBERS, CATEGORIES, random)
    matrix, target, categories = _ready(frame)
    contenders = {
        OURS: lambda: _train(frame, threads),
        BARE: lambda: _train_bare(matrix, target, categories, threads),
    }
    best = _in_turns(contenders, rounds)
    ratio = best[OURS].cpu / best[BARE].cpu
    _show(f"training on {rows:,} rows, {matrix.shape[1]} features, {spec.MAX_TREES} trees, {threads} threads", best)
    return _said(f"ours: {ratio:.2f} times bare LightGBM", ratio, MOST_TIMES_BARE)


def training_beside_forest(rows: int, random: np.random.Generator) -> bool:
    """Whether training takes a small part of what scikit-learn's forest takes; true without scikit-learn."""
    if find_spec("sklearn") is None:
        console.print(f"{FOREST}: not measured, scikit-learn is not installed (pip install scikit-learn)")
        return True
    from sklearn.ensemble import RandomForestRegressor

    frame = made_up.table(rows, NUMBERS, CATEGORIES, random)
    matrix, target, _ = _ready(frame)
    took = _in_turns(
        {
            OURS: lambda: _train(frame, threads=1),
            FOREST: lambda: RandomForestRegressor(random_state=1).fit(matrix, target),
        },
        rounds=1,
    )
    ratio = took[OURS].cpu / took[FOREST].cpu
    _show(f"training on {rows:,} rows, one thread", took)
    return _said(f"ours: {ratio:.4f} times the random forest", ratio, MOST_TIMES_FOREST)


def scoring_churn(rows: int, rounds: int, explained_share: float, random: np.random.Generator) -> bool:
    """Whether the chance and band of a million users take seconds."""
    features = feature_set("churn")
    taught = made_up.users(TAUGHT, features, random)
    scorer = ChurnScorer(CHURN.train(Training(taught, features, made_up.UNTIL)).artefact)
    asked = made_up.users(rows, features, random)
    best = _in_turns({"churn": lambda: scorer.score(Scoring(asked, asked.clear()), explain=False)}, rounds)["churn"]
    some = asked.head(int(rows * explained_share))
    explained = _took(lambda: scorer.score(Scoring(some, some.clear())))
    return _scored("churn", rows, best, some.height, explained)


def scoring_engagement(
    rows: int, rounds: int, explained_share: float, drafts: int, random: np.random.Generator
) -> bool:
    """Whether a million posts take seconds, and one draft milliseconds with the same answer."""
    features = feature_set("engagement")
    taught = made_up.posts(TAUGHT, features, random)
    scorer = Scorer(ENGAGEMENT.train(Training(taught, features, made_up.UNTIL)).artefact)
    asked = made_up.posts(rows, features, random)
    # A fifth of what is asked is their past.
    past = asked.sample(rows // 5, seed=1).sort("as_of", "post_id")
    all_at_once = Scoring(asked, past)
    best = _in_turns({"engagement": lambda: scorer.score(all_at_once, explain=False)}, rounds)["engagement"]
    some = asked.head(int(rows * explained_share))
    explained = _took(lambda: scorer.score(Scoring(some, past)))
    kept = _scored("engagement", rows, best, some.height, explained)
    return drafts_one_by_one(scorer, asked.sample(drafts, seed=2), past) and kept


def drafts_one_by_one(scorer: Scorer, asked: pl.DataFrame, past: pl.DataFrame) -> bool:
    """Whether a draft with its author's past takes milliseconds, reasons and all, and is answered as among all."""
    requests = [Scoring(one, past.filter(pl.col("user_id") == one["user_id"].item())) for one in asked.iter_slices(1)]
    for each in requests[:50]:
        scorer.score(each)
    answers: list[pl.DataFrame] = []
    took = [_took(lambda each=each: answers.append(scorer.score(each))) for each in requests]  # type: ignore[misc]
    (half, most), (half_cpu, most_cpu) = (
        1_000 * np.quantile([getattr(each, clock) for each in took], [0.5, 0.99]) for clock in ("seconds", "cpu")
    )
    if not pl.concat(answers).equals(scorer.score(Scoring(asked, past))):
        console.print("[red]drafts are answered otherwise than among all[/]")
        return False
    console.print(
        f"engagement: {asked.height:,} drafts with reasons: by the clock p50 {half:.1f} ms, p99 {most:.1f} ms; "
        f"p50 {half_cpu:.1f} ms, p99 {most_cpu:.1f} ms of CPU"
    )
    return _said(f"a draft: {half_cpu:.1f} ms of CPU", half_cpu, MOST_MILLISECONDS_A_DRAFT)


def _train(frame: pl.DataFrame, threads: int) -> object:
    encoder = Encoder.fit(frame, _columns(frame), min_count=spec.MIN_COUNT)
    target = frame["target"].to_numpy()
    return fit(encoder, encoder.encode(frame), target, spec.PARAMETERS, trees=spec.MAX_TREES, threads=threads)


def _train_bare(matrix: Any, target: Any, categories: list[int], threads: int) -> object:
    import lightgbm

    data = lightgbm.Dataset(matrix, target, categorical_feature=categories)
    parameters = {**REPRODUCIBLE, **spec.PARAMETERS, "num_threads": threads}
    return lightgbm.train(parameters, data, num_boost_round=spec.MAX_TREES)


def _ready(frame: pl.DataFrame) -> tuple[Any, Any, list[int]]:
    """The matrix as NumPy mostly has it, row by row; the target; and where the categories are."""
    encoder = Encoder.fit(frame, _columns(frame), min_count=spec.MIN_COUNT)
    return np.ascontiguousarray(encoder.encode(frame)), frame["target"].to_numpy(), encoder.categorical_positions


def _columns(frame: pl.DataFrame) -> ModelColumns:
    texts = tuple(name for name, dtype in frame.schema.items() if dtype == pl.String)
    return ModelColumns(tuple(name for name in frame.columns if name not in (*texts, "target")), texts)


def _took(run: Callable[[], object]) -> Took:
    started, cpu = time.perf_counter(), time.process_time()
    run()
    return Took(time.perf_counter() - started, time.process_time() - cpu)


def _in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Took]:
    """The best of each."""
    runs = [{name: _took(run) for name, run in contenders.items()} for _ in range(rounds)]
    return {
        name: Took(min(each[name].seconds for each in runs), min(each[name].cpu for each in runs))
        for name in contenders
    }


def _scored(name: str, rows: int, best: Took, some: int, explained: Took) -> bool:
    console.print(
        f"{name}: {rows:,} rows without reasons {best.seconds:.2f} s ({best.cpu:.2f} CPU seconds); with reasons "
        f"{some:,} rows {explained.seconds:.2f} s, which is {explained.seconds / some * MILLION:.0f} s a million"
    )
    seconds = best.seconds / rows * MILLION
    return _said(f"{name}: {seconds:.2f} s a million", seconds, MOST_SECONDS_A_MILLION)


def _said(words: str, measured: float, most: float) -> bool:
    style = "" if measured <= most else "[red]"
    console.print(f"{style}{words} (at most {most:.2f})")
    return measured <= most


def _show(title: str, best: Mapping[str, Took]) -> None:
    told = Table(title, "seconds", "CPU seconds", box=None)
    for name, each in best.items():
        told.add_row(name, f"{each.seconds:.2f}", f"{each.cpu:.2f}")
    console.print(told)


if __name__ == "__main__":
    typer.run(main)
