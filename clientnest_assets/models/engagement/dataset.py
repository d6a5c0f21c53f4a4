"""The rows of the engagement model: what was known of a post when it was written, and what became of it.

The only place that decides the moment to look from. Features are read, never computed, but for what the
request itself says: when and where the post is to appear, and how much the account posts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.features.local_time import with_local_time
from clientnest_assets.features.point_in_time import AS_OF, get_historical_features
from clientnest_assets.features.view import FeatureView
from clientnest_assets.models.engagement.spec import LABEL, LABEL_KNOWN_AT

REQUEST_COLUMNS: Final = (
    "post_id",
    "user_id",
    "account_id",
    "platform",
    AS_OF,
    "hour",
    "weekday",
    "days_ahead",
    "hours_since_previous_post",
    "posts_in_1_day",
    "posts_in_7_days",
)

FeatureFrames = Mapping[FeatureView, pl.LazyFrame | pl.DataFrame]


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


def labelled_requests(posts: pl.DataFrame, outcomes: pl.DataFrame, *, until: datetime) -> pl.DataFrame:
    """What the model may learn from at `until`, before any feature: posts whose engagement was mature by then.

    Grain: one row per mature post, ordered by `as_of` and post_id. LABEL is log1p of the mature
    engagement_score.

    Args:
        posts: all of dim_post, as in `request_rows`.
        outcomes: fact_posts: post_id, mature_at, mature_engagement_score (null while young).
        until: the end of the training partition, exclusive.
    """
    labels = outcomes.filter(pl.col("mature_engagement_score").is_not_null(), pl.col(LABEL_KNOWN_AT) < until).select(
        "post_id", LABEL_KNOWN_AT, pl.col("mature_engagement_score").cast(pl.Float64).log1p().alias(LABEL)
    )
    return request_rows(posts).join(labels, on="post_id", how="inner", maintain_order="left", validate="1:1")
