"""Channel weeks: what each user posted on each platform in a week, what became of it, and what was known before.

A channel is a user's presence on a platform, with all of their accounts there. Weeks run from Monday to Sunday, UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.features.log_engagement import MILLION, millionths
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.partitions import ONE_DAY

PAST_DAYS: Final = 91
"""So far back goes what is known of a channel: a quarter."""
USUAL_DAYS: Final = 28
"""What a channel usually does is what it did in so many days."""
WEEKS: Final = 52
"""So many weeks are learned from."""
LABEL: Final = "log_total"
CHANNEL: Final = ("user_id", "platform")
PAST: Final = ("past_posts", "past_mean_log", "past_mean_log_posts", "past_ai_share", "past_week_total")
"""Of the channel's posts that became mature in the PAST_DAYS before: how many, their mean log engagement, the mean log
of how many there were in each one's week, the part that AI wrote, and the mean engagement of a week with posts."""

POSTS: Final = Upstream(
    "facts",
    "fact_posts",
    columns=(
        ("post_id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("platform", pl.String()),
        ("published_at", MOMENT),
        ("ai_generated", pl.Boolean()),
        ("mature_at", MOMENT),
        ("mature_engagement_score", pl.Int64()),
    ),
    moment="published_at",
    days_back=None,
)
AI_REQUESTS: Final = Upstream(
    "facts",
    "fact_ai_requests",
    columns=(
        ("user_id", pl.Int64()),
        ("platform", pl.String()),
        ("request_type", pl.String()),
        ("created_at", MOMENT),
        ("cost", pl.Float64()),
    ),
    moment="created_at",
    days_back=None,
)
ACCOUNTS: Final = Upstream(
    "dimensions",
    "dim_social_account",
    columns=(("user_id", pl.Int64()), ("platform", pl.String()), ("valid_from", MOMENT), ("valid_to", MOMENT)),
    moment="valid_from",
    days_back=None,
)
WRITING: Final = "content_generation"
"""The kind of AI request that writes posts."""


def labelled(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """Channel weeks whose posts were all mature before `until`: one row a user, platform and Monday with posts.

    Ordered by Monday and channel. `posts` were published, `ai_share` of them written by AI; `mean_log` is the mean log
    engagement of a post, LABEL the log1p of their engagement scores' sum; `cost_per_ai_post` is what writing by AI cost
    on the platform in that week, for each such post of all users, US dollars.
    """
    posts = _posts(inputs, until)
    score = pl.col("mature_engagement_score")
    weeks = (
        posts.group_by(*CHANNEL, AS_OF)
        .agg(
            pl.len().cast(pl.Int64).alias("posts"),
            pl.col("ai_generated").mean().alias("ai_share"),
            (pl.col("log").sum() / (pl.len() * MILLION)).alias("mean_log"),
            score.sum().cast(pl.Float64).log1p().alias(LABEL),
            pl.col("mature_at").max().alias(LABEL_KNOWN_AT),
            pl.col("is_mature").all(),
        )
        .filter("is_mature", pl.col(AS_OF) >= until - timedelta(weeks=WEEKS))
        .drop("is_mature")
    )
    return (
        _with_past(weeks, posts)
        .join(_cost_per_ai_post(inputs, posts, until), on=["platform", AS_OF], how="left", validate="m:1")
        .sort(AS_OF, *CHANNEL)
    )


def current(inputs: Inputs, as_of: datetime) -> pl.DataFrame:
    """What can be planned at a moment: one row per platform of each user who posted lately, ordered by channel.

    Platforms are those the user has an account on or posted on. `usual_posts` and `usual_ai_cost` (US dollars) are
    those of a week, over the last USUAL_DAYS; `most_posts` is the most that was posted in a week in the PAST_DAYS.
    """
    posts = _posts(inputs, as_of)
    lately = posts.filter(pl.col("published_at") >= as_of - timedelta(days=USUAL_DAYS))
    weeks = USUAL_DAYS / 7
    usual = lately.group_by(*CHANNEL).agg((pl.len() / weeks).alias("usual_posts"))
    most = (
        posts.filter(pl.col("published_at") >= as_of - timedelta(days=PAST_DAYS))
        .group_by(*CHANNEL, AS_OF)
        .agg(pl.len().cast(pl.Int64).alias("most_posts"))
        .group_by(*CHANNEL)
        .agg(pl.col("most_posts").max())
    )
    spent = (
        inputs["fact_ai_requests"]
        .filter(
            pl.col("created_at") < as_of,
            pl.col("created_at") >= as_of - timedelta(days=USUAL_DAYS),
            pl.col("request_type") == WRITING,
        )
        .group_by(*CHANNEL)
        .agg((pl.col("cost").sum() / weeks).round(4).alias("usual_ai_cost"))
        .collect()
    )
    held = (
        inputs["dim_social_account"]
        .filter(pl.col("valid_from") < as_of, pl.col("valid_to").is_null() | (pl.col("valid_to") >= as_of))
        .select(CHANNEL)
        .collect()
    )
    channels = (
        pl.concat([held, posts.select(CHANNEL)])
        .unique()
        .join(lately.select("user_id").unique(), on="user_id", how="semi")
        .with_columns(pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias(AS_OF))
    )
    return (
        _with_past(channels, posts)
        .join(usual, on=CHANNEL, how="left", validate="1:1")
        .join(most, on=CHANNEL, how="left", validate="1:1")
        .join(spent, on=CHANNEL, how="left", validate="1:1")
        .with_columns(pl.col("usual_posts", "most_posts", "usual_ai_cost").fill_null(0))
        .sort(*CHANNEL)
    )


def _posts(inputs: Inputs, until: datetime) -> pl.DataFrame:
    """The posts published before `until`, with their week's Monday as AS_OF; what became known later is null."""
    is_mature = pl.col("mature_engagement_score").is_not_null() & (pl.col("mature_at") < until)
    known = ("mature_at", "mature_engagement_score")
    return (
        inputs["fact_posts"]
        .filter(pl.col("published_at") < until, pl.col("user_id").is_not_null(), pl.col("platform").is_not_null())
        .with_columns(
            pl.col("published_at").dt.truncate("1w").alias(AS_OF),
            pl.col("ai_generated").fill_null(value=False),
            is_mature.fill_null(value=False).alias("is_mature"),
        )
        .with_columns(pl.when("is_mature").then(pl.col(name)).alias(name) for name in known)
        .with_columns(millionths().alias("log"))
        .sort("published_at", "post_id")
        .with_columns(
            (pl.len().over(*CHANNEL, AS_OF).cast(pl.Float64).log() * MILLION).round().cast(pl.Int64).alias("log_posts"),
            (pl.int_range(pl.len()).over(*CHANNEL, AS_OF) == 0).alias("opens_week"),
        )
        .collect()
    )


def _with_past(rows: pl.DataFrame, posts: pl.DataFrame) -> pl.DataFrame:
    """The rows with PAST: sums over whole numbers of the posts that became mature before each row's moment.

    By the day: a post counts from the midnight after it became mature.
    """
    sums = ("n", "log", "log_posts", "ai", "score", "weeks")
    by_day = (
        posts.filter("is_mature")
        .with_columns(
            (pl.col("mature_at").dt.truncate("1d") + ONE_DAY).alias(AS_OF),
            n=pl.lit(1, pl.Int64),
            ai=pl.col("ai_generated").cast(pl.Int64),
            score=pl.col("mature_engagement_score"),
            weeks=pl.col("opens_week").cast(pl.Int64),
        )
        .group_by(*CHANNEL, AS_OF)
        .agg(pl.col(sums).sum())
        .with_columns(is_row=pl.lit(value=False))
    )
    asked = rows.select(
        *CHANNEL, AS_OF, *(pl.lit(0, pl.Int64).alias(name) for name in sums), pl.lit(value=True).alias("is_row")
    )
    past = (
        pl.concat([by_day, asked])
        .sort(*CHANNEL, AS_OF)
        .with_columns(
            pl.col(name).rolling_sum_by(AS_OF, window_size=f"{PAST_DAYS}d", closed="right").over(*CHANNEL)
            for name in sums
        )
        .filter("is_row")
        .unique([*CHANNEL, AS_OF])
    )
    n = pl.when(pl.col("n") > 0).then(pl.col("n"))
    weeks = pl.when(pl.col("weeks") > 0).then(pl.col("weeks"))
    return rows.join(
        past.select(
            *CHANNEL,
            AS_OF,
            pl.col("n").alias("past_posts"),
            (pl.col("log") / (n * MILLION)).alias("past_mean_log"),
            (pl.col("log_posts") / (n * MILLION)).alias("past_mean_log_posts"),
            (pl.col("ai") / n).alias("past_ai_share"),
            (pl.col("score") / weeks).alias("past_week_total"),
        ),
        on=[*CHANNEL, AS_OF],
        how="left",
        validate="1:1",
    )


def _cost_per_ai_post(inputs: Inputs, posts: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """One row per platform and week with posts that AI wrote: what writing by AI cost, for each of them."""
    cost = (
        inputs["fact_ai_requests"]
        .filter(pl.col("created_at") < until, pl.col("request_type") == WRITING, pl.col("platform").is_not_null())
        .group_by("platform", pl.col("created_at").dt.truncate("1w").alias(AS_OF))
        .agg(pl.col("cost").sum())
        .collect()
    )
    written = posts.filter("ai_generated").group_by("platform", AS_OF).agg(pl.len().alias("ai_posts"))
    return written.join(cost, on=["platform", AS_OF], validate="1:1").select(
        "platform", AS_OF, (pl.col("cost") / pl.col("ai_posts")).round(6).alias("cost_per_ai_post")
    )
