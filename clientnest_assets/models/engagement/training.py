"""Training the engagement model: fit on the past, measure on what came later, ship a refit on everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.engagement.evaluation import evaluate
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.engagement.reasons import Usual
from clientnest_assets.models.engagement.sections import sections
from clientnest_assets.models.engagement.spread import BAND
from clientnest_assets.models.engagement.trees import PARAMETERS
from clientnest_assets.models.errors import ModelError, NotEnoughDataError
from clientnest_assets.models.foreknowledge import refuse_foreknowledge
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged


def train(training: Training, told: Mapping[str, Any]) -> Trained:
    """Trains on the earlier rows, evaluates on the later fifth, and refits on all. Nothing is tuned on the way.

    What was measured is a model of the earlier rows, what is shipped the same recipe on all rows: the newest fifth is
    what the next week resembles most, and is not thrown away. The same rows give the same files at any number of
    threads.

    Args:
        training: labelled requests with the features of the set.
        told: what every card tells.

    Raises:
        NotEnoughDataError: says how many mature posts there are and how many are needed.
        LeakingFeatureError: names a feature that knows the outcome.
        ModelError: there is no feature set, or it lacks what the model starts from.
    """
    rows, features = training.rows, training.features
    if features is None:
        raise ModelError("the engagement model reads features: train it with one of its feature sets")
    if rows.height < spec.MIN_MATURE_POSTS:
        raise NotEnoughDataError(
            f"{rows.height} posts have mature engagement before {training.until:%Y-%m-%d}, {spec.MIN_MATURE_POSTS} are "
            "needed: train a later week, or import more history"
        )
    refuse_foreknowledge(rows, features, spec.LABEL, "account_id")
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    columns = columns_of(features)
    twin = Predictor.fit(split.earlier, columns, threads=training.threads)
    # Outcomes of later posts are history for still later ones, as they would have been on the day.
    predicted = twin.predict(split.later, rows)
    evaluation = evaluate(predicted, twin.groups(predicted)[BAND])
    shipped = Predictor.fit(rows, columns, threads=training.threads)
    findings = evaluation.findings()
    artefact = Artefact.of(
        features.task,
        {**shipped.to_json(), "usual": Usual.of(shipped, rows).to_json()},
        shipped.trees.boosters,
        {
            **told,
            "parameters": PARAMETERS,
            "trees": {name: booster.num_trees() for name, booster in shipped.trees.boosters.items()},
            **judged(evaluation.metrics, findings),
            "evaluated": {
                "cutoff": split.cutoff.isoformat(),
                "last_learned_as_of": _last(split.earlier),
                "rows_earlier": split.earlier.height,
                "rows_later": split.later.height,
            },
        },
    )
    return Trained(artefact, evaluation.rows, evaluation.metrics, findings, sections(evaluation.rows, shipped))


def _last(rows: pl.DataFrame) -> str:
    return str(rows.select(pl.col(AS_OF).max().dt.to_string("iso:strict")).item())
