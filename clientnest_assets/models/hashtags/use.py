"""How much hashtags are used: which are used enough to learn from, and which are out of use."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF

HASHTAGS: Final = "hashtags"
TAG: Final = "hashtag"

MIN_POSTS: Final = 20
MIN_ACCOUNTS: Final = 5
"""A hashtag of fewer accounts is their own: what it adds is theirs, and it is nobody else's business."""
MAX_TAGS: Final = 1000

DEAD_DAYS: Final = 30
"""A hashtag that was in no post of so many days is dead."""
COLLAPSE: Final = 0.2
"""So is one that is used, a post, less than this part as often in DEAD_DAYS as in the three times as many before."""
MIN_EXPECTED: Final = 10.0
"""Unless so few uses were to be expected that chance could have kept them away."""


def used_enough(rows: pl.DataFrame) -> pl.DataFrame:
    """The MAX_TAGS hashtags most used, of those with enough posts and accounts: one row each, by name, with both numbers."""
    return (
        rows.select(pl.col(HASHTAGS).alias(TAG), "account_id")
        .explode(TAG, empty_as_null=True)
        .drop_nulls()
        .group_by(TAG)
        .agg(pl.len().alias("posts"), pl.col("account_id").n_unique().alias("accounts"))
        .filter(pl.col("posts") >= MIN_POSTS, pl.col("accounts") >= MIN_ACCOUNTS)
        .sort("posts", TAG, descending=[True, False])
        .head(MAX_TAGS)
        .sort(TAG)
    )


def dead(rows: pl.DataFrame, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Hashtags that are out of use on the day of the newest post."""
    newest = pl.lit(rows[AS_OF].max())
    recent = pl.col(AS_OF) > newest - timedelta(days=DEAD_DAYS)
    before = ~recent & (pl.col(AS_OF) > newest - timedelta(days=4 * DEAD_DAYS))
    posts = rows.select(recent.sum().alias("recent"), before.sum().alias("before")).row(0, named=True)
    expected = pl.col("before") * (posts["recent"] / max(posts["before"], 1))
    used = (
        rows.select(pl.col(HASHTAGS).alias(TAG), recent.alias("recent"), before.alias("before"))
        .explode(TAG, empty_as_null=True)
        .group_by(TAG)
        .agg(pl.col("recent", "before").sum())
    )
    collapsed = (expected >= MIN_EXPECTED) & (pl.col("recent") < COLLAPSE * expected)
    gone = used.filter(pl.col(TAG).is_in(tags), (pl.col("recent") == 0) | collapsed)
    return tuple(gone[TAG].sort())
