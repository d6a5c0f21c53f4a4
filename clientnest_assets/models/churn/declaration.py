"""The churn model's declaration: what the assets, the page, the command line and the catalogue are made from."""

from __future__ import annotations

from typing import Final

from clientnest_assets.features.sets import variants
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.chances import AUC, LOG_LOSS, METRICS
from clientnest_assets.models.churn.examples import DEFINITION, POSTS, USER_DAYS, examples, requests
from clientnest_assets.models.churn.scoring import ANSWERS, LOSS, losses, score
from clientnest_assets.models.churn.training import train
from clientnest_assets.models.churn.tuning import TUNING
from clientnest_assets.models.model import Gate, Model, Trained, Training
from clientnest_assets.models.told import told_of


def _train(training: Training) -> Trained:
    return train(training, told_of(CHURN, training))


CHURN: Final = Model(
    name=spec.TASK,
    title="Churn",
    description=(
        "The chance that a user who was seen in the last 30 days is gone at the end of the next 30, from their visits, "
        "posts, AI use, tickets and plan, with the reasons for it."
    ),
    entity=(spec.ENTITY,),
    label="is_gone: true if the user has no session in the last 21 of the 30 days after the moment",
    horizon=DEFINITION.horizon,
    objective="log-loss, every example weighed alike; calibrated on later weeks of users not learned from",
    split=(
        "The newest fifth of the examples judges. The model that is judged learned from those examples alone whose 30 days "
        "were over before the first of them."
    ),
    inputs=(USER_DAYS, POSTS),
    feature_sets=tuple(variants(spec.TASK)),
    metrics=METRICS,
    naive_rules=spec.NAIVE_RULES,
    gate=Gate(beats=(LOG_LOSS, AUC), loss=LOSS, cluster=spec.ENTITY),
    examples=examples,
    train=_train,
    requests=requests,
    score=score,
    answers=ANSWERS,
    has_trees=True,
    tuning=TUNING,
    losses=losses,
    needed=(spec.ENTITY, spec.LABEL),
)
