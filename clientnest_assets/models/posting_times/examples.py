"""The rows of the model of posting times: mature posts and when they appeared, and the accounts that are advised.

The store's `platform_timing` and `account_audience` tell when posts did well, from each post's distance to its
account's mean. What an hour adds is not read from there: an account that keeps to its hours has a mean made of them, so
that such a distance shows only part of the hour's effect, and the posts' form, which those sums no longer know, goes
along with the hour. The posts are the same, and so are day and hour, which the warehouse decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.week import slot_of
from clientnest_assets.models.traits import HOUR, POSTS, WEEKDAY, labelled_posts

TIMED_POSTS: Final[Upstream] = replace(POSTS, columns=(*POSTS.columns, ("author_timezone", pl.String())))
ZONE: Final = "author_timezone"


def examples(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Posts whose engagement was mature before `until`, of each account the first of an hour.

    What an account posts within one hour, such as a thread, shares its topic and its luck: it is one observation of the
    hour, and counted as many it would make chance look like the account's own best time.

    Grain: one row per account and hour in which it posted, as of the post's publication, ordered by `as_of` and
    post_id: what `labelled_posts` gives, with the slot and the UTC day, both as text. Hour and weekday are those of the
    author's clock, in the zone that the author has now. Posts of any age: who learns or advises takes those of the last
    HISTORY from its own moment.
    """
    return (
        labelled_posts(inputs[TIMED_POSTS.table], until)
        .with_columns(
            slot_of(WEEKDAY, HOUR).cast(pl.String).alias(spec.SLOT),
            pl.col(AS_OF).dt.date().cast(pl.String).alias(spec.DAY_OF_POST),
        )
        .unique(["account_id", spec.DAY_OF_POST, spec.SLOT], keep="first", maintain_order=True)
    )


def requests(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Whom the model advises at `until`: each account with mature posts, and on each platform whoever is new to it.

    Grain: one row per account, ordered by platform and account_id, and one per platform, first, without an account.
    """
    mature = (
        inputs[TIMED_POSTS.table]
        .filter(pl.col("mature_at") < until, pl.col("published_at") >= until - spec.HISTORY)
        .drop_nulls(["account_id", "platform"])
    )
    accounts = (
        mature.sort("published_at", "post_id")
        .unique(["platform", "account_id"], keep="last", maintain_order=True)
        .select("platform", "account_id", ZONE)
    )
    newcomers = mature.select(
        "platform", pl.lit(None, pl.Int64).alias("account_id"), pl.lit(None, pl.String).alias(ZONE)
    ).unique("platform")
    return (
        pl.concat([newcomers, accounts])
        .with_columns(pl.lit(until, pl.Datetime("us", "UTC")).alias(AS_OF))
        .sort("platform", "account_id", nulls_last=False)
        .collect()
    )
