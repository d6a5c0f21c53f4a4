"""The engagement model as one value: what it predicts, from what, judged by what. Its parts have files of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clientnest_assets.features.sets import variants
from clientnest_assets.models.engagement import examples, scoring, spec
from clientnest_assets.models.engagement.evaluation import losses
from clientnest_assets.models.engagement.training import train
from clientnest_assets.models.engagement.tuning import TUNING
from clientnest_assets.models.engagement.young import OBSERVATIONS, YOUNG_POSTS
from clientnest_assets.models.model import Gate, Metric, Model, Trained, Training
from clientnest_assets.models.told import told_of


def _train(training: Training) -> Trained:
    return train(training, told_of(ENGAGEMENT, training))


METRICS: Final = (
    Metric("mae", "Mean absolute error of log engagement; 0.7 is a factor of two."),
    Metric("spearman", "Rank correlation of predicted and actual engagement.", higher_is_better=True),
    Metric("rmse", "Root mean square error of log engagement."),
    Metric("bias", "Mean of predicted less actual log engagement.", is_best_at_zero=True),
    Metric("r2", "Share of the variance of log engagement that is explained.", higher_is_better=True),
)

ENGAGEMENT: Final = Model(
    name=spec.TASK,
    title="Engagement of a post",
    description=(
        "Predicts a post's mature engagement_score from what is known when it is written: its form, how its account's posts "
        "have done, and how many follow the account. With an interval that holds 80 % of such posts, the chance of each "
        "performance tier, and the five strongest reasons."
    ),
    entity=("post_id",),
    label=f"{spec.LABEL}: log1p of the engagement_score 7 days after publication",
    horizon=timedelta(days=7),
    objective=(
        "Mean absolute error of log engagement beyond what the account's level and the post's form let expect (additive "
        "model by ridge regression); quantile loss at 10 % and 90 % for the interval, conformalised on later posts"
    ),
    split=(
        "By the time of writing: measured on the later fifth, learned from those of the earlier posts whose engagement was "
        "known before it began"
    ),
    inputs=(examples.POSTS, examples.OUTCOMES, OBSERVATIONS),
    feature_sets=tuple(variants(spec.TASK)),
    metrics=METRICS,
    naive_rules=spec.NAIVE_RULES,
    gate=Gate(beats=("mae", "spearman")),
    examples=examples.examples,
    train=_train,
    requests=examples.requests,
    score=scoring.score,
    answers=scoring.ANSWERS,
    losses=losses,
    example=("post_id",),
    needed=("platform", spec.LABEL, YOUNG_POSTS),
    has_trees=True,
    tuning=TUNING,
)
