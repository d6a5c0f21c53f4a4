"""The hashtag suggestions' declaration: what the assets, the page, the command line and the catalogue are made from."""

from __future__ import annotations

from typing import Final

from clientnest_assets.features.sets import variants
from clientnest_assets.models.hashtags.evaluation import LOSS, METRICS, NAIVE_RULES, losses
from clientnest_assets.models.hashtags.examples import INPUTS, examples, requests
from clientnest_assets.models.hashtags.scoring import ANSWERS, score
from clientnest_assets.models.hashtags.training import TASK, train
from clientnest_assets.models.model import Gate, Model, Trained, Training
from clientnest_assets.models.told import told_of
from clientnest_assets.models.traits import HORIZON, LABEL_WORDS, NEEDED


def _train(training: Training) -> Trained:
    return train(training, told_of(HASHTAGS, training))


HASHTAGS: Final = Model(
    name=TASK,
    title="Hashtags",
    description=(
        "Which hashtags to add to a draft: those that lift its engagement, not those that are merely frequent or used by "
        "famous accounts, as far as they go with its text. From the user's own posts, those of the platform, and "
        "everybody's, each by how much it has seen."
    ),
    entity=("post_id",),
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
    feature_sets=tuple(variants(TASK)),
    metrics=METRICS,
    naive_rules=NAIVE_RULES,
    gate=Gate(beats=("rmse", "top_lift"), loss=LOSS),
    examples=examples,
    train=_train,
    requests=requests,
    score=score,
    answers=ANSWERS,
    losses=losses,
    example=("post_id",),
    needed=NEEDED,
)
