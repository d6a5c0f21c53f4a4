"""Published posts as models of advice learn from them: what a post has, in words, and what became of it.

What a post's text says beyond that is the content view's (`features/views/content.py`); what a trait adds to a post's
engagement, `effects.py`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from clientnest_assets.contracts.content_category import rules
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import RESTATEMENT_DAYS

LABEL: Final = "log_engagement"
NEEDED: Final = ("post_id", "user_id", "account_id", "platform", LABEL)
"""Without whose account and platform nothing can be said of a post: it is set against others of its account."""
LABEL_WORDS: Final = "log1p of the post's mature engagement_score, 7 days after publication"
HORIZON: Final = timedelta(days=7)

CATEGORY, MEDIA, LENGTH, AI = "content_category", "media_type", "length_band", "ai_generated"
HOUR, WEEKDAY, HASHTAG_COUNT = "hour", "weekday", "hashtag_band"
UNKNOWN_MEDIA: Final = "unknown"
LENGTH_EDGES: Final = (60, 120, 240, 480)
"""Characters, doubling: what is read at a glance, a short or a full post of the briefest platforms, and beyond."""
LENGTH_BANDS: Final = (
    "no text",
    f"up to {LENGTH_EDGES[0]} characters",
    *(f"{low + 1} to {high} characters" for low, high in pairwise(LENGTH_EDGES)),
    f"over {LENGTH_EDGES[-1]} characters",
)
MAX_HASHTAGS: Final = 10
AI_VALUES: Final = {True: "with AI", False: "without AI"}

POSTS: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("post_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("platform", pl.String()),
        ("subscription_tier", pl.String()),
        ("content_category", pl.String()),
        ("media_type", pl.String()),
        ("ai_generated", pl.Boolean()),
        ("content_length", pl.Int64()),
        ("hashtag_count", pl.Int64()),
        ("published_at", MOMENT),
        ("local_published_date", pl.Date()),
        ("local_published_hour", pl.Int64()),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="mature_at",
    days_back=None,
    partition_days=RESTATEMENT_DAYS,
)


def labelled_posts(posts: pl.LazyFrame, until: datetime) -> pl.DataFrame:
    """Posts whose engagement was mature before `until`, as of the moment of their publication.

    Grain: one row per post, ordered by `as_of` and post_id: keys, subscription_tier, LABEL, LABEL_KNOWN_AT, and the
    traits of `with_traits`, HOUR and WEEKDAY (from 1, Monday) on the author's clock among them.

    Args:
        posts: POSTS.
        until: exclusive.
    """
    mature = (
        posts.filter(pl.col("mature_engagement_score").is_not_null(), pl.col("mature_at") < until)
        .drop_nulls("published_at")
        .with_columns(
            pl.col("published_at").alias(AS_OF),
            pl.col("mature_at").alias(LABEL_KNOWN_AT),
            pl.col("mature_engagement_score").cast(pl.Float64).clip(0).log1p().alias(LABEL),
            pl.col("local_published_hour").cast(pl.String).alias(HOUR),
            pl.col("local_published_date").dt.weekday().cast(pl.String).alias(WEEKDAY),
        )
    )
    return (
        with_traits(mature)
        .select(
            "post_id",
            "user_id",
            "account_id",
            "platform",
            AS_OF,
            "subscription_tier",
            *(CATEGORY, MEDIA, LENGTH, AI, HASHTAG_COUNT, HOUR, WEEKDAY),
            LABEL,
            LABEL_KNOWN_AT,
        )
        .sort(AS_OF, "post_id")
        .collect()
    )


def with_traits(rows: pl.LazyFrame, prefix: str = "") -> pl.LazyFrame:
    """The rows with what a post has, as text: CATEGORY, MEDIA, LENGTH, AI and HASHTAG_COUNT.

    Args:
        rows: content_category, media_type, content_length, ai_generated and hashtag_count.
        prefix: of these columns' names, as joined features have it.
    """
    length = pl.col(f"{prefix}content_length").fill_null(0)
    band = pl.lit(0) + (length > 0).cast(pl.Int64)
    for edge in LENGTH_EDGES:
        band = band + (length > edge).cast(pl.Int64)
    return rows.with_columns(
        pl.col(f"{prefix}content_category").fill_null(rules().empty).alias(CATEGORY),
        pl.col(f"{prefix}media_type").fill_null(UNKNOWN_MEDIA).alias(MEDIA),
        band.replace_strict(dict(enumerate(LENGTH_BANDS)), return_dtype=pl.String).alias(LENGTH),
        pl.col(f"{prefix}ai_generated")
        .fill_null(value=False)
        .replace_strict(AI_VALUES, return_dtype=pl.String)
        .alias(AI),
        pl.col(f"{prefix}hashtag_count").fill_null(0).clip(0, MAX_HASHTAGS).cast(pl.String).alias(HASHTAG_COUNT),
    )
