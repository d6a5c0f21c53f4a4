"""The budget model as declared: what posts bring on each platform, and the split of a week that brings most."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.budget import weeks
from clientnest_assets.models.budget.evaluation import PLATFORM_RATE, USUAL_WEEK, losses
from clientnest_assets.models.budget.scoring import ANSWERS, score
from clientnest_assets.models.budget.training import train
from clientnest_assets.models.model import Gate, Metric, Model, Scoring, Trained, Training
from clientnest_assets.models.told import told_of
from clientnest_assets.partitions import MATURITY_DAYS


def _examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return weeks.labelled(inputs, until)


def _requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    return weeks.current(inputs, until)


def _train(training: Training) -> Trained:
    return train(training, BUDGET.name, told_of(BUDGET, training))


def _losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    return losses(artefact, scoring.rows)


def _score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    return score(artefact, scoring.rows)


BUDGET: Final = Model(
    name="budget",
    title="Posts and AI spend over platforms",
    description=(
        "How to split next week's posts, or what is spent on writing by AI, over a user's platforms for the most expected "
        "engagement, under limits: an exact optimum over responses with diminishing returns, learned within channels."
    ),
    entity=("user_id", "platform"),
    label="log1p of the mature engagement_score of a week's posts on a platform, all accounts of the user together",
    # A post of Sunday night is mature a week after, and asked for within the day.
    horizon=timedelta(days=7 + MATURITY_DAYS + 1),
    objective=(
        "Least squares of log engagement within channels, on the log of the week's posts and the part AI wrote, by post; "
        "exponents held between 0 and 1."
    ),
    split=(
        "The last Mondays, with a fifth of the channel weeks, judge; of those before, the weeks whose truth was known by then "
        "are learned from."
    ),
    inputs=(weeks.POSTS, weeks.AI_REQUESTS, weeks.ACCOUNTS),
    feature_sets=(),
    metrics=(
        Metric("mae", "Mean absolute error of log1p of a week's engagement; 0.7 is a factor of two."),
        Metric("rmse", "Root mean square error on the same scale."),
        Metric("spearman", "Rank correlation of forecast and truth.", higher_is_better=True),
        Metric("r2", "Share of the variance explained.", higher_is_better=True),
    ),
    naive_rules={
        USUAL_WEEK: "As much as the channel's mean week with posts in the last 13 weeks, whatever is posted.",
        PLATFORM_RATE: "The platform's mean engagement of a post, for each post.",
    },
    gate=Gate(beats=("mae",)),
    examples=_examples,
    train=_train,
    requests=_requests,
    score=_score,
    answers=ANSWERS,
    losses=_losses,
    needed=(*weeks.CHANNEL, weeks.LABEL, "posts", "ai_share", "mean_log"),
)
