"""The rows of the early signal: posts when they were first looked at a day after publication, and what became of them.

What the request says of a post, and what its label is, is the engagement model's (`engagement/examples.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.engagement.examples import OUTCOMES, POSTS, request_rows
from clientnest_assets.models.engagement.spec import LABEL
from clientnest_assets.models.engagement.young import OBSERVATIONS, early_observations
from clientnest_assets.models.splits import LABEL_KNOWN_AT

OBSERVED: Final = "observed_log_engagement"
AGE: Final = "age_hours"


def examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Posts with an early observation whose engagement was mature before `until`.

    Grain: one row per post, ordered by `as_of`, the moment of the observation, and post_id. LABEL is log1p of the
    mature engagement_score, known at LABEL_KNOWN_AT.

    Args:
        inputs: POSTS, OUTCOMES and OBSERVATIONS, whole.
        until: the end of the training partition, exclusive.
    """
    labels = (
        inputs[OUTCOMES.table]
        .filter(pl.col("mature_engagement_score").is_not_null(), pl.col("mature_at") < until)
        .select(
            "post_id",
            pl.col("mature_at").alias(LABEL_KNOWN_AT),
            pl.col("mature_engagement_score").cast(pl.Float64).log1p().alias(LABEL),
        )
        .collect()
    )
    return _observed(inputs).join(labels, on="post_id", how="inner", maintain_order="left", validate="1:1")


def requests(inputs: Inputs, end: datetime) -> pl.DataFrame:
    """The posts whose early observation was made in the 24 hours before `end`, as of it."""
    return _observed(inputs).filter(pl.col(AS_OF) < end, pl.col(AS_OF) >= end - timedelta(days=1))


def _observed(inputs: Inputs) -> pl.DataFrame:
    """The posts with an early observation, as of it: what the request says of them, OBSERVED and AGE."""
    age = pl.col("observed_at") - pl.col("published_at")
    early = early_observations(inputs[OUTCOMES.table].collect(), inputs[OBSERVATIONS.table].collect()).select(
        "post_id",
        pl.col("observed_at").alias(AS_OF),
        pl.col("engagement_score").cast(pl.Float64).log1p().alias(OBSERVED),
        (age.dt.total_seconds() / 3_600).alias(AGE),
    )
    return (
        request_rows(inputs[POSTS.table].collect())
        .drop(AS_OF)
        .join(early, on="post_id", how="inner", validate="1:1")
        .sort(AS_OF, "post_id")
    )
