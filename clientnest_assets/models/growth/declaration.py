"""The two growth models as declared: followers by account, and monthly recurring revenue by plan.

One recipe, two quantities (`quantity.py`); two models, so that one is promoted without the other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.growth import observations, states
from clientnest_assets.models.growth.evaluation import losses
from clientnest_assets.models.growth.forecasting import DRIFT_28, LAST_VALUE, NEEDED
from clientnest_assets.models.growth.quantity import FOLLOWERS, HORIZON, HORIZONS, LABEL, MRR, VALUE
from clientnest_assets.models.growth.scoring import answers_of, score, with_coherent_total
from clientnest_assets.models.growth.training import train
from clientnest_assets.models.model import Gate, Metric, Model, Scoring, Trained, Training
from clientnest_assets.models.told import told_of

_SPLIT: Final = (
    "The last Mondays, with a fifth of the rows, judge; of those before, the rows whose truth was known by then are learned "
    "from."
)
_OBJECTIVE: Final = "Mean absolute error over all horizons, by choosing the half-life and the damping of the drift."
_NAIVE: Final = {
    LAST_VALUE: "It stays as it is.",
    DRIFT_28: "It goes on by the mean daily change of the last 28 days.",
}
_NEEDED: Final = (*NEEDED, VALUE, LABEL)
_MASE: Final = Metric("mase", "Mean absolute error in usual daily moves of the series (Hyndman and Koehler 2006).")


def _follower_examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return states.labelled(observations.followers(inputs, until), FOLLOWERS, until)


def _follower_requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return states.current(observations.followers(inputs, until), FOLLOWERS, until)


def _train_followers(training: Training) -> Trained:
    return train(training, FOLLOWER_GROWTH.name, FOLLOWERS, told_of(FOLLOWER_GROWTH, training))


def _followers_losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    return losses(artefact, scoring.rows, FOLLOWERS)


def _score_followers(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    return score(artefact, scoring.rows, FOLLOWERS)


def _mrr_examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return states.labelled(observations.mrr(inputs, until), MRR, until)


def _mrr_requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return states.current(observations.mrr(inputs, until), MRR, until)


def _train_mrr(training: Training) -> Trained:
    return train(training, MRR_GROWTH.name, MRR, told_of(MRR_GROWTH, training))


def _mrr_losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    return losses(artefact, scoring.rows, MRR)


def _score_mrr(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    return with_coherent_total(score(artefact, scoring.rows, MRR), MRR)


FOLLOWER_GROWTH: Final = Model(
    name="follower_growth",
    title="Followers in the next four weeks",
    description=(
        "How many followers each account will have in one, two, three and four weeks, with an 80 % interval, from how its "
        "followers have been moving and how those of its platform do."
    ),
    entity=(FOLLOWERS.series, HORIZON),
    label="log1p of the followers at the end of the target day",
    horizon=timedelta(days=HORIZONS[-1]),
    objective=_OBJECTIVE,
    split=_SPLIT,
    inputs=(observations.FOLLOWERS_BY_DAY,),
    feature_sets=(),
    metrics=(
        Metric("error", "Mean absolute error of log followers over all horizons; 0.01 is one part in a hundred."),
        Metric("error_28_days", "The same, 28 days ahead."),
        _MASE,
    ),
    naive_rules=_NAIVE,
    gate=Gate(beats=("error",), cluster=FOLLOWERS.series),
    examples=_follower_examples,
    train=_train_followers,
    requests=_follower_requests,
    score=_score_followers,
    answers=answers_of(FOLLOWERS),
    losses=_followers_losses,
    needed=(FOLLOWERS.series, *_NEEDED),
)
MRR_GROWTH: Final = Model(
    name="mrr_growth",
    title="Monthly recurring revenue in the next four weeks",
    description=(
        "Monthly recurring revenue by plan and in total in one, two, three and four weeks, with an 80 % interval, from how "
        "it has been moving. The total is the sum of the plans."
    ),
    entity=(MRR.series, HORIZON),
    label="monthly recurring revenue at the end of the target day, US dollars",
    horizon=timedelta(days=HORIZONS[-1]),
    objective=_OBJECTIVE,
    split=_SPLIT,
    inputs=(observations.SUBSCRIPTIONS, observations.MRR_BY_DAY),
    feature_sets=(),
    metrics=(
        Metric("error", "Mean absolute error over all horizons, in usual daily moves of the series."),
        Metric("error_28_days", "The same, 28 days ahead."),
        _MASE,
    ),
    naive_rules=_NAIVE,
    gate=Gate(beats=("error",), margin=0.05, cluster=MRR.series),
    examples=_mrr_examples,
    train=_train_mrr,
    requests=_mrr_requests,
    score=_score_mrr,
    answers=answers_of(MRR),
    losses=_mrr_losses,
    needed=(MRR.series, *_NEEDED),
)
