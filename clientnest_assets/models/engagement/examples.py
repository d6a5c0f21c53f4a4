"""The rows of the engagement model: what was known of a post when it was written, and what became of it.

The only place that decides the moment to look from. Features are read, never computed, but for what the
request itself says: when and where the post is to appear, how much the account posts, and what its platform's posts
got lately (`tiers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.features.local_time import with_local_time
from clientnest_assets.features.point_in_time import AS_OF, get_historical_features
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.models.engagement.drift import with_drift
from clientnest_assets.models.engagement.spec import LABEL
from clientnest_assets.models.engagement.tiers import with_boundaries
from clientnest_assets.models.engagement.young import OBSERVATIONS, early_observations, with_young_posts
from clientnest_assets.models.splits import LABEL_KNOWN_AT

REQUEST_COLUMNS: Final = (
    "post_id",
    "user_id",
    "account_id",
    "platform",
    AS_OF,
    "planned_at",
    "hour",
    "weekday",
    "days_ahead",
    "hours_since_previous_post",
    "posts_in_1_day",
    "posts_in_7_days",
)

POSTS: Final = Upstream(
    "dimensions",
    "dim_post",
    columns=(
        ("post_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("platform", pl.String()),
        ("created_at", MOMENT),
        ("scheduled_at", MOMENT),
        ("planned_at", MOMENT),
        ("author_timezone", pl.String()),
    ),
    moment="created_at",
    days_back=None,
    where="is_known",
)
OUTCOMES: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("post_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("platform", pl.String()),
        ("published_at", MOMENT),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="published_at",
    days_back=None,
)

FeatureFrames = Mapping[FeatureView, pl.LazyFrame | pl.DataFrame]


def examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """What the model may learn from at `until` (`labelled_requests`), from POSTS, OUTCOMES and OBSERVATIONS."""
    return labelled_requests(*_tables(inputs), until=until)


def requests(inputs: Inputs, end: datetime) -> pl.DataFrame:
    """The posts that wait at `end` to be published, as they were when they were written (`request_rows`)."""
    posts, outcomes, observations = _tables(inputs)
    written = posts.filter(pl.col("created_at") < end)
    waiting = written.filter(pl.col("scheduled_at") >= end).select("post_id")
    asked = request_rows(written).join(waiting, on="post_id", how="semi", maintain_order="left")
    return with_outcomes(asked, outcomes, observations)


def _tables(inputs: Inputs) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    posts, outcomes, observations = (inputs[each.table].collect() for each in (POSTS, OUTCOMES, OBSERVATIONS))
    return posts, outcomes, observations


def with_outcomes(requests: pl.DataFrame, outcomes: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """The requests, in their order, with what was known at `as_of` of other posts.

    These are the BOUNDARIES of the tiers of their platform (`tiers.py`), the young posts of their account (`young.py`), and
    how posts do lately at all (`drift.py`).

    Args:
        requests: of `request_rows`.
        outcomes: fact_posts: post_id, account_id, platform, published_at, mature_at, mature_engagement_score.
        observations: fact_content_daily: post_id, observed_at, engagement_score.
    """
    early = early_observations(outcomes, observations)
    return with_boundaries(with_drift(with_young_posts(requests, early), early), outcomes)


def request_rows(posts: pl.DataFrame) -> pl.DataFrame:
    """What a request to score a post says of it, as of the moment the post was written, with the keys of every view.

    Grain: one row per post, ordered by `as_of` and post_id. Hour (0 to 23) and weekday (1 Monday to
    7 Sunday) are those of the planned time on the author's clock. An account's earlier posts are those
    written strictly before.

    Args:
        posts: all of dim_post, because a post's account is known by its other posts: post_id, user_id, account_id,
            platform, created_at, planned_at, author_timezone.
    """
    earlier = pl.lit(1, pl.Int64)
    written = pl.col("created_at")
    return (
        with_local_time(posts, "planned_at", "author_timezone", hour="hour", weekday="weekday")
        .sort("created_at", "post_id")
        .with_columns(
            written.alias(AS_OF),
            ((pl.col("planned_at") - written).dt.total_seconds() / 86_400).alias("days_ahead"),
            ((written - written.shift(1)).over("account_id").dt.total_seconds() / 3_600).alias(
                "hours_since_previous_post"
            ),
            one=earlier,
        )
        .with_columns(
            pl.col("one")
            .rolling_sum_by("created_at", window_size=f"{days}d", closed="left")
            .over("account_id")
            .fill_null(0)
            .alias(name)
            for days, name in ((1, "posts_in_1_day"), (7, "posts_in_7_days"))
        )
        .select(REQUEST_COLUMNS)
    )


def with_features(requests: pl.DataFrame, features: FeatureFrames) -> pl.DataFrame:
    """The requests, in their order, each with every view's features as known at its `as_of`."""
    return get_historical_features(requests, features).collect()


def labelled_requests(
    posts: pl.DataFrame, outcomes: pl.DataFrame, observations: pl.DataFrame, *, until: datetime
) -> pl.DataFrame:
    """What the model may learn from at `until`, before any feature: posts whose engagement was mature by then.

    Grain: one row per mature post, ordered by `as_of` and post_id. LABEL is log1p of the mature engagement_score,
    LABEL_KNOWN_AT the observation that told it.

    Args:
        posts: all of dim_post, as in `request_rows`.
        outcomes: fact_posts, as in `with_outcomes`; mature_at and mature_engagement_score are null while young.
        observations: fact_content_daily, as in `with_outcomes`.
        until: the end of the training partition, exclusive.
    """
    labels = outcomes.filter(pl.col("mature_engagement_score").is_not_null(), pl.col("mature_at") < until).select(
        "post_id",
        pl.col("mature_at").alias(LABEL_KNOWN_AT),
        pl.col("mature_engagement_score").cast(pl.Float64).log1p().alias(LABEL),
    )
    rows = request_rows(posts).join(labels, on="post_id", how="inner", maintain_order="left", validate="1:1")
    return with_outcomes(rows, outcomes, observations)
