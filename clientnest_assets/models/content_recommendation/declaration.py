"""The content recommendation's declaration: what assets, page, command line and catalogue are made from."""

from __future__ import annotations

from typing import Final

from clientnest_assets.models.content_recommendation.evaluation import LOSS, METRICS, NAIVE_RULES, losses
from clientnest_assets.models.content_recommendation.examples import INPUTS, examples, requests
from clientnest_assets.models.content_recommendation.scoring import ANSWERS, score
from clientnest_assets.models.content_recommendation.training import TASK, train
from clientnest_assets.models.model import Gate, Model, Trained, Training
from clientnest_assets.models.told import told_of
from clientnest_assets.models.traits import HORIZON, LABEL_WORDS, NEEDED


def _train(training: Training) -> Trained:
    return train(training, told_of(CONTENT_RECOMMENDATION, training))


CONTENT_RECOMMENDATION: Final = Model(
    name=TASK,
    title="Content recommendation",
    description=(
        "Which category, media type and length a user should post next on a platform, and whether with AI: what each "
        "option adds to engagement, whoever posts, from everybody's posts, those of the user's plan and the user's own, "
        "each by how much it has seen."
    ),
    entity=("user_id", "platform"),
    label=LABEL_WORDS,
    horizon=HORIZON,
    objective=(
        "squared error within blocks of an account's posts, with normal priors whose spreads are learned from the posts"
    ),
    split=(
        "The newest fifth of the posts judges. What is judged learned from those posts alone whose engagement was mature "
        "before the first of them."
    ),
    inputs=INPUTS,
    feature_sets=(),
    metrics=METRICS,
    naive_rules=NAIVE_RULES,
    gate=Gate(beats=("rmse",), loss=LOSS),
    examples=examples,
    train=_train,
    requests=requests,
    score=score,
    answers=ANSWERS,
    losses=losses,
    example=("post_id",),
    needed=NEEDED,
)
