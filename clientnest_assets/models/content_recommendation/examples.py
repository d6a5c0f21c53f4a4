"""Whom recommendations are for, and what they are learned from.

How a post's traits are told is in `models/traits.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.traits import POSTS, labelled_posts

ACCOUNTS: Final = Upstream(
    "dimensions",
    "dim_social_account",
    columns=(
        ("account_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("platform", pl.String()),
        ("valid_from", MOMENT),
        ("valid_to", MOMENT),
    ),
    moment="valid_from",
    days_back=None,
    where="is_known",
)
USERS: Final = Upstream(
    "dimensions",
    "dim_user",
    columns=(
        ("user_id", pl.Int64()),
        ("subscription_tier", pl.String()),
        ("valid_from", MOMENT),
        ("valid_to", MOMENT),
    ),
    moment="valid_from",
    days_back=None,
    where="is_known",
)
INPUTS: Final = (POSTS, ACCOUNTS, USERS)


def examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Posts whose engagement was mature before `until`: see `labelled_posts`."""
    return labelled_posts(inputs[POSTS.table], until)


def requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """One row per user and platform of which an account was connected at `until`, with the plan of then.

    Ordered by user_id and platform.
    """
    held = (pl.col("valid_from") < until) & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= until))
    tiers = (
        inputs[USERS.table].filter(held).sort("valid_from").unique("user_id", keep="last", maintain_order=True)
    ).select("user_id", "subscription_tier")
    return (
        inputs[ACCOUNTS.table]
        .filter(held)
        .select("user_id", "platform")
        .unique()
        .join(tiers, on="user_id", how="left")
        .with_columns(pl.lit(until).cast(MOMENT).alias(AS_OF))
        .sort("user_id", "platform")
        .collect()
    )
