"""Which drafts get suggestions, and which posts they are learned from.

How a post's traits are told is in `models/traits.py`, what its text has in the content view.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.traits import HOUR, LABEL, POSTS, WEEKDAY, labelled_posts

WAITING_DAYS: Final = 30
"""A draft that nobody has touched for longer is not waiting any more."""
DRAFTS: Final = Upstream(
    "dimensions",
    "dim_post",
    columns=(
        ("post_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("account_id", pl.Int64()),
        ("platform", pl.String()),
        ("created_at", MOMENT),
        ("published_at", MOMENT),
        ("planned_at", MOMENT),
        ("status", pl.String()),
    ),
    moment="created_at",
    days_back=None,
    where="is_known",
)
INPUTS: Final = (POSTS, DRAFTS)


def examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Posts whose engagement was mature before `until`, as of their publication, with the keys of the content view.

    Grain: one row per post, ordered by `as_of` and post_id.
    """
    return labelled_posts(inputs[POSTS.table], until).select(
        "post_id", "user_id", "account_id", "platform", AS_OF, HOUR, WEEKDAY, LABEL, LABEL_KNOWN_AT
    )


def requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Posts of the last WAITING_DAYS that were written and not yet published at `until`, as of then.

    A post that failed is waiting until its planned time. Grain: one row per post, ordered by post_id.
    """
    created, published = pl.col("created_at"), pl.col("published_at")
    has_failed = (pl.col("status") == "failed") & (pl.col("planned_at") < until)
    return (
        inputs[DRAFTS.table]
        .filter(created < until, created >= until - timedelta(days=WAITING_DAYS))
        .filter(published.is_null() | (published >= until), ~has_failed)
        .select("post_id", "user_id", "account_id", "platform", pl.lit(until).cast(MOMENT).alias(AS_OF))
        .sort("post_id")
        .collect()
    )
