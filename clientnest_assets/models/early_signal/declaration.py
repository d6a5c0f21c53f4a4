"""The early signal as one value: what it predicts, from what, judged by what."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clientnest_assets.features.sets import variants
from clientnest_assets.models.early_signal import examples, scoring
from clientnest_assets.models.early_signal.training import NAIVE_RULES, train
from clientnest_assets.models.early_signal.tuning import TUNING
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.declaration import METRICS
from clientnest_assets.models.engagement.examples import OUTCOMES, POSTS
from clientnest_assets.models.engagement.young import OBSERVATIONS
from clientnest_assets.models.model import Gate, Model, Trained, Training
from clientnest_assets.models.told import told_of

TASK: Final = "early_signal"


def _train(training: Training) -> Trained:
    return train(training, told_of(EARLY_SIGNAL, training))


EARLY_SIGNAL: Final = Model(
    name=TASK,
    title="Early signal of a post",
    description=(
        "Predicts a post's mature engagement_score from what it had got when it was first looked at a day after publication, "
        "beside what the engagement model knows of it. With an interval that holds 80 % of such posts."
    ),
    entity=("post_id",),
    label="log_engagement: log1p of the engagement_score 7 days after publication",
    horizon=timedelta(days=6),
    objective=(
        "Mean absolute error of log growth beyond its platform's mean; quantile loss at 10 % and 90 % for the interval, "
        "conformalised on later posts"
    ),
    split=(
        "By the time of the early observation: measured on the later fifth, learned from those of the earlier posts whose "
        "engagement was known before it began"
    ),
    inputs=(POSTS, OUTCOMES, OBSERVATIONS),
    feature_sets=tuple(variants(TASK)),
    metrics=METRICS,
    naive_rules=NAIVE_RULES,
    gate=Gate(beats=("mae", "spearman")),
    examples=examples.examples,
    train=_train,
    requests=examples.requests,
    score=scoring.score,
    answers=scoring.ANSWERS,
    losses=scoring.losses,
    example=("post_id",),
    needed=("platform", spec.LABEL, examples.OBSERVED),
    has_trees=True,
    tuning=TUNING,
)
