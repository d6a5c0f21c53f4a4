"""How each model's answers are compared with what happened: which column with which, by which loss, promised by what.

What happened is the label of the model's own examples, at the end of the day of the prediction: there is no second
definition of truth here. A model that is not here gives suggestions, and says so in LEFT_OUT.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.churn import examples as churn_examples
from clientnest_assets.models.churn import spec as churn
from clientnest_assets.models.churn.chances import LEAST
from clientnest_assets.models.churn.scoring import CHANCE
from clientnest_assets.models.engagement import spec as engagement
from clientnest_assets.models.growth import observations
from clientnest_assets.models.growth.forecasting import FORECAST, HIGH, LOW
from clientnest_assets.models.growth.moving import MEAN_MOVE
from clientnest_assets.models.growth.quantity import FOLLOWERS, GROUP, HORIZON, HORIZONS, LABEL, MRR
from clientnest_assets.models.growth.states import labelled_by_day
from clientnest_assets.models.performance import Outcome
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import Window

_SHARE_OF_PLAN: Final = "share_of_plan"


def _absolute_error(said: pl.Expr, happened: pl.Expr) -> pl.Expr:
    return (said - happened).abs()


def _in_usual_moves(said: pl.Expr, happened: pl.Expr) -> pl.Expr:
    """Null of a series that never moved: there is no unit."""
    return (said - happened).abs() / pl.when(pl.col(MEAN_MOVE) > 0).then(MEAN_MOVE)


def _log_loss(said: pl.Expr, happened: pl.Expr) -> pl.Expr:
    chance = said.clip(LEAST, 1 - LEAST)
    return -pl.when(happened > 0).then(chance.log()).otherwise((1 - chance).log())


def _users_of_days(inputs: Inputs, known: Window) -> pl.DataFrame:
    """What became of the users of each day, with the share that left among the examples of their plan known by then."""
    left = (
        churn_examples.examples(inputs, known.end_at)
        .group_by(churn.TIER, LABEL_KNOWN_AT)
        .agg(pl.col(churn.LABEL).sum().alias("left"), pl.len().alias("all"))
        .sort(churn.TIER, LABEL_KNOWN_AT)
        .select(
            churn.TIER,
            pl.col(LABEL_KNOWN_AT).alias(AS_OF),
            (pl.col("left").cum_sum() / pl.col("all").cum_sum()).over(churn.TIER).alias(_SHARE_OF_PLAN),
        )
        .sort(AS_OF)
    )
    return churn_examples.examples_of_days(inputs, known).join_asof(
        left, on=AS_OF, by=churn.TIER, check_sortedness=False
    )


def _accounts_of_days(inputs: Inputs, known: Window) -> pl.DataFrame:
    return labelled_by_day(observations.followers(inputs, known.end_at), FOLLOWERS, known)


def _plans_of_days(inputs: Inputs, known: Window) -> pl.DataFrame:
    return labelled_by_day(observations.mrr(inputs, known.end_at), MRR, known)


_ENGAGEMENT: Final = Outcome(
    predicted=pl.col(engagement.PREDICTED),
    actual=pl.col(engagement.LABEL),
    naive=pl.col("naive_engagement_score").log1p(),
    naive_rule=engagement.NAIVE_RULES[engagement.TRAILING_MEAN],
    loss=_absolute_error,
    interval=(pl.col("low_engagement_score").log1p(), pl.col("high_engagement_score").log1p()),
    group="platform",
    alike=("platform",),
    # Seven days to maturity, and up to four weeks that a post waits to be published.
    within=timedelta(days=36),
)
_EARLY_SIGNAL: Final = Outcome(
    predicted=pl.col(engagement.PREDICTED),
    actual=pl.col(engagement.LABEL),
    naive=pl.col("naive_engagement_score").log1p(),
    naive_rule="the observed engagement, grown by its platform's mean factor from a day to a week",
    loss=_absolute_error,
    interval=(pl.col("low_engagement_score").log1p(), pl.col("high_engagement_score").log1p()),
    group="platform",
    alike=("platform",),
    within=timedelta(days=14),
)
_CHURN: Final = Outcome(
    predicted=pl.col(CHANCE),
    actual=pl.col(churn.LABEL).cast(pl.Float64),
    naive=pl.col(_SHARE_OF_PLAN),
    naive_rule="the share that left among the examples of the plan that were known then",
    loss=_log_loss,
    group=churn.TIER,
    alike=(churn.TIER,),
    within=timedelta(days=32),
    examples=_users_of_days,
)
_FOLLOWER_GROWTH: Final = Outcome(
    predicted=FOLLOWERS.scaled(pl.col(FORECAST)),
    actual=pl.col(LABEL),
    naive=FOLLOWERS.scaled(pl.col(FOLLOWERS.name)),
    naive_rule="it stays as it is",
    loss=_absolute_error,
    examples=_accounts_of_days,
    interval=(FOLLOWERS.scaled(pl.col(LOW)), FOLLOWERS.scaled(pl.col(HIGH))),
    group=GROUP,
    alike=(HORIZON,),
    within=timedelta(days=HORIZONS[-1]),
)
_MRR_GROWTH: Final = Outcome(
    predicted=MRR.scaled(pl.col(FORECAST)),
    actual=pl.col(LABEL),
    naive=MRR.scaled(pl.col(MRR.name)),
    naive_rule="it stays as it is",
    loss=_in_usual_moves,
    examples=_plans_of_days,
    interval=(MRR.scaled(pl.col(LOW)), MRR.scaled(pl.col(HIGH))),
    group=GROUP,
    alike=(HORIZON,),
    within=timedelta(days=HORIZONS[-1]),
)

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "engagement": _ENGAGEMENT,
    "early_signal": _EARLY_SIGNAL,
    "churn": _CHURN,
    "follower_growth": _FOLLOWER_GROWTH,
    "mrr_growth": _MRR_GROWTH,
}
"""By task."""
LEFT_OUT: Final[Mapping[str, str]] = {
    task: f"It suggests {what}: what came of one can be known only where it was followed, and that is not recorded."
    for task, what in {
        "posting_times": "hours",
        "content_recommendation": "kinds of posts",
        "hashtags": "hashtags",
        "budget": "how to spend",
    }.items()
}
"""Why a model has no outcome, by task. How good it is, is told by its weekly evaluation alone."""
