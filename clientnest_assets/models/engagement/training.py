"""Training the engagement model: fit on the past, measure on what came later, ship a refit on everything.

Three steps, each on later rows than the one before: the number of trees is chosen on the end of the
training part, the evaluation is on rows that chose nothing, and the shipped model learns from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import FORM, Artefact, fingerprint
from clientnest_assets.models.boosting import Vector, fit
from clientnest_assets.models.encoding import Encoder
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.baselines import NaiveRules
from clientnest_assets.models.engagement.evaluation import PREDICTED, Evaluation, evaluate
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.splits import split_by_time

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class Training:
    """The shipped model, and how its twin, trained up to the cutoff, did on later rows."""

    artefact: Artefact
    evaluation: Evaluation


def train(rows: pl.DataFrame, *, until: datetime, threads: int = 1) -> Training:
    """Trains, evaluates and refits. The same rows give the same files, whatever the threads.

    The card says what was evaluated (a model of the earlier rows) and what is shipped (the same recipe on
    all rows): the newest fifth is what the next week resembles most, and is not thrown away.

    Args:
        rows: `labelled_rows`.
        until: the end of the partition, for the card.
        threads: how many LightGBM may use.

    Raises:
        NotEnoughDataError: says how many mature posts there are and how many are needed.
    """
    if rows.height < spec.MIN_MATURE_POSTS:
        raise NotEnoughDataError(
            f"{rows.height} posts have mature engagement before {until:%Y-%m-%d}, {spec.MIN_MATURE_POSTS} are "
            "needed: train a later week, or import more history"
        )
    split = split_by_time(rows, AS_OF, spec.LABEL_KNOWN_AT)
    if not split.earlier.height:
        raise NotEnoughDataError(
            f"all {rows.height} mature posts were written at one moment: nothing is earlier to learn from"
        )
    trees = _choose_rounds(split.earlier, threads)
    evaluated = _fit(split.earlier, trees, threads)
    predicted = evaluated.naive.predict(split.later).with_columns(
        pl.Series(PREDICTED, evaluated.booster.predict(evaluated.encoder.encode(split.later)))
    )
    evaluation = evaluate(predicted)
    shipped = _fit(rows, trees, threads)
    text = shipped.booster.model_to_string()
    card = {
        "form": FORM,
        "task": spec.TASK,
        "fingerprint": fingerprint(text),
        "label": f"{spec.LABEL}: log1p of the engagement_score 7 days after publication",
        "until": until.isoformat(),
        "encoder": shipped.encoder.to_json(),
        "naive": {"platform_means": dict(shipped.naive.platform_means), "overall_mean": shipped.naive.overall_mean},
        "parameters": dict(spec.PARAMETERS),
        "trees": trees,
        "shipped": {"trained_on": "all mature posts", **_extent(rows)},
        "evaluated": {
            "trained_on": "the earlier mature posts, with the same number of trees",
            **_extent(split.earlier),
            "fingerprint": fingerprint(evaluated.booster.model_to_string()),
            "cutoff": split.cutoff.isoformat(),
            "is_purged": split.is_purged,
            "rows_later": split.later.height,
            "metrics": evaluation.metrics,
            "beats_naive_rules": evaluation.beats_naive_rules,
        },
        "views": {
            view.name: {"version": view.version, "definition": view.definition_hash}
            for view in (spec.CONTENT, spec.HISTORY)
        },
    }
    return Training(Artefact(text, card), evaluation)


@dataclass(frozen=True)
class _Fitted:
    encoder: Encoder
    naive: NaiveRules
    booster: lightgbm.Booster


def _fit(rows: pl.DataFrame, trees: int, threads: int) -> _Fitted:
    encoder = _encoder(rows)
    booster = fit(encoder, encoder.encode(rows), _label(rows), spec.PARAMETERS, rounds=trees, threads=threads)
    return _Fitted(encoder, NaiveRules.fit(rows), booster)


def _choose_rounds(rows: pl.DataFrame, threads: int) -> int:
    """The number of trees at which the newest part of the training rows is predicted best by the rest."""
    split = split_by_time(rows, AS_OF, spec.LABEL_KNOWN_AT)
    if not split.earlier.height:
        return 1
    encoder = _encoder(split.earlier)
    booster = fit(
        encoder,
        encoder.encode(split.earlier),
        _label(split.earlier),
        spec.PARAMETERS,
        rounds=spec.MAX_ROUNDS,
        threads=threads,
        held_out=(encoder.encode(split.later), _label(split.later)),
    )
    return max(booster.best_iteration, 1)


def _encoder(rows: pl.DataFrame) -> Encoder:
    return Encoder.fit(rows, spec.FEATURES, min_count=spec.MIN_COUNT, max_members=spec.MAX_HASHTAGS)


def _label(rows: pl.DataFrame) -> Vector:
    return rows[spec.LABEL].to_numpy().astype(np.float64)


def _extent(rows: pl.DataFrame) -> dict[str, Any]:
    return {
        "rows": rows.height,
        "first_as_of": rows[AS_OF].min().isoformat(),  # type: ignore[union-attr]
        "last_as_of": rows[AS_OF].max().isoformat(),  # type: ignore[union-attr]
    }
