"""Training the engagement model: fit on the past, measure on what came later, ship a refit on everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.models.artefact import FORM, Artefact, fingerprint
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.engagement.evaluation import Evaluation, evaluate
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.splits import TimeSplit, split_by_time


@dataclass(frozen=True)
class Training:
    """The shipped model, and how its twin, trained up to the cutoff, did on later rows."""

    artefact: Artefact
    evaluation: Evaluation


def train(
    rows: pl.DataFrame,
    features: FeatureSet,
    *,
    until: datetime,
    data: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> Training:
    """Trains on the earlier rows, evaluates on the later fifth, and refits on all. Nothing is tuned on the way.

    The card says what was evaluated (a model of the earlier rows) and what is shipped (the same recipe on
    all rows): the newest fifth is what the next week resembles most, and is not thrown away. The same
    rows give the same files at any number of threads.

    Args:
        rows: labelled requests with the features of the set's views.
        features: the set to read; the same rows and another set make a model to compare with.
        until: the end of the partition, for the card.
        data: the record from which the rows can be rebuilt, for the card.
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
    if split.earlier.is_empty():
        raise NotEnoughDataError(
            f"all {rows.height} mature posts were written at one moment: nothing is earlier to learn from"
        )
    columns = columns_of(features)
    evaluated = Predictor.fit(split.earlier, columns, threads=threads)
    # Outcomes of later posts are history for still later ones, as they would have been on the day.
    evaluation = evaluate(evaluated.predict(split.later, rows))
    shipped = Predictor.fit(rows, columns, threads=threads)
    # The number of threads is no part of the model, and would make equal files differ.
    text = _without_threads(shipped.booster.model_to_string())
    card = {
        "form": FORM,
        "task": features.task,
        "fingerprint": fingerprint(text),
        "label": f"{spec.LABEL}: log1p of the engagement_score 7 days after publication",
        "until": until.isoformat(),
        "feature_set": {
            "name": features.name,
            "variant": features.variant,
            "description": features.description,
            "features": {view: list(names) for view, names in features.features.items()},
        },
        "views": {view.name: {"version": view.version, "definition": view.definition_hash} for view in features.views},
        "data": data,
        "parameters": dict(spec.PARAMETERS),
        "trees": shipped.booster.num_trees(),
        "encoder": shipped.encoder.to_json(),
        "level": shipped.level.to_json(),
        "shipped": {"trained_on": "all mature posts", **_extent(rows)},
        "evaluated": _evaluated(split, evaluated, evaluation),
    }
    return Training(Artefact(text, card), evaluation)


def _evaluated(split: TimeSplit, evaluated: Predictor, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "trained_on": "the earlier mature posts, by the same recipe",
        **_extent(split.earlier),
        "fingerprint": fingerprint(evaluated.booster.model_to_string()),
        "cutoff": split.cutoff.isoformat(),
        "is_purged": split.is_purged,
        "rows_later": split.later.height,
        "metrics": evaluation.metrics,
        "beats_naive_rules": evaluation.beats_naive_rules,
    }


def _extent(rows: pl.DataFrame) -> dict[str, Any]:
    first, last = rows.select(pl.col(AS_OF).min().alias("first"), pl.col(AS_OF).max().alias("last")).row(0)
    return {"rows": rows.height, "first_as_of": first.isoformat(), "last_as_of": last.isoformat()}


def _without_threads(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith("[num_threads:"))
