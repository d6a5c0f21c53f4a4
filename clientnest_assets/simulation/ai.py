"""AI use: requests with their processing, what they consumed, and the texts they wrote."""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import AI_REQUEST_TYPES, PLATFORMS
from clientnest_assets.simulation import planted
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import SECOND, World

_REQUESTS_PER_SESSION = np.array([0.06, 0.1, 0.16, 0.22, 0.3])
"""By tier, beside those behind AI-written posts."""
_TYPE_SHARES = np.array([0.26, 0.2, 0.2, 0.2, 0.14])
_MEDIAN_TOKENS = np.array([900, 350, 700, 250, 500])
_MEDIAN_SECONDS = np.array([9.0, 3.0, 6.0, 2.0, 5.0])
_MICRODOLLARS_PER_TOKEN = np.array([20, 6, 16, 8, 14])
_FAILED_SHARE = 0.04
_MICRO = 1e6


def request(world: World, day: int, users: Users, visits: Visits, posts: pl.DataFrame) -> pl.DataFrame:
    """The AI requests made on one day, in order of `created_at`, with all that becomes of them.

    Args:
        world: the world.
        day: index of the day.
        users: all users.
        visits: the day's sessions, in which requests are made.
        posts: the posts written today, with ids; each AI-written one has a request behind it, earlier in
            its session.

    Returns:
        One row a request: user and type (positions), platform, created_at, started_at, final_at,
        is_failed, tokens, cost (US dollars), quality, post_id and written_at (when its text became a post
        or was shown; both null where it wrote none).
    """
    rng = world.rng("ai", day)
    visitors = np.flatnonzero(visits.count_of > 0)
    counts = rng.poisson(_REQUESTS_PER_SESSION[users.tier[visitors]] * visits.count_of[visitors])
    free_user = np.repeat(visitors, counts)
    _, free_at = visits.moments(free_user, rng)
    written = posts.filter("ai_generated")
    free, linked = len(free_user), len(written)
    rows = free + linked

    user = np.concatenate([free_user, written["user"].to_numpy()])
    kind = np.concatenate([rng.choice(len(AI_REQUEST_TYPES), free, p=_TYPE_SHARES), np.zeros(linked, np.int64)])
    post_at, session_start = written["created_at"].to_numpy(), written["session_start"].to_numpy()
    share = rng.uniform(0.1, 0.6, linked)
    linked_at = session_start + (share * (post_at - session_start)).astype(np.int64)
    created_at = np.concatenate([free_at, linked_at])
    waiting = rng.integers(SECOND // 10, SECOND, rows)
    seconds = rng.lognormal(np.log(_MEDIAN_SECONDS[kind]), 0.5)
    working = (seconds * SECOND).astype(np.int64)
    # The answer to a request behind a post is there before the post.
    room = np.concatenate([np.full(free, np.iinfo(np.int64).max), post_at - linked_at - SECOND])
    working = np.clip(working, SECOND // 2, np.maximum(room - waiting, SECOND // 2))
    is_failed = (rng.random(rows) < _FAILED_SHARE) & (np.arange(rows) < free)

    tokens = np.maximum(rng.lognormal(np.log(_MEDIAN_TOKENS[kind]), 0.6).astype(np.int64), 10)
    if planted.is_runaway_cost(day):
        tokens *= planted.RUNAWAY_TOKENS_FACTOR
    final_at = created_at + waiting + working
    nothing = pl.Series([None], dtype=pl.Int64)
    free_writing = (kind[:free] == 0) & ~is_failed[:free]
    written_at = np.concatenate([final_at[:free], post_at])
    wrote = pl.Series(np.concatenate([free_writing, np.ones(linked, np.bool_)]))
    return pl.DataFrame(
        {
            "user": user,
            "kind": kind,
            "platform": pl.concat([_some_platform(free, rng), written["platform"]]),
            "created_at": created_at,
            "started_at": created_at + waiting,
            "final_at": final_at,
            "is_failed": is_failed,
            "tokens": tokens,
            "cost": tokens * _MICRODOLLARS_PER_TOKEN[kind] / _MICRO,
            "quality": rng.beta(7.0, 2.6, rows).round(3),
            "post_id": pl.concat([nothing.new_from_index(0, free), written["id"]]),
            "written_at": pl.Series(written_at).zip_with(wrote, nothing),
        }
    ).sort("created_at", maintain_order=True)


def _some_platform(rows: int, rng: np.random.Generator) -> pl.Series:
    """A platform for most requests, null for those that are for none."""
    return pl.Series((*PLATFORMS, None), dtype=pl.String).gather(rng.integers(0, len(PLATFORMS) + 1, rows))


def request_rows(requests: pl.DataFrame, end: int) -> pl.DataFrame:
    """The ai_requests rows as they stand at a moment: later steps have not happened yet."""
    started, final = pl.col("started_at") < end, pl.col("final_at") < end
    return requests.select(
        "id",
        (pl.col("user") + 1).alias("user_id"),
        pl.lit(pl.Series(AI_REQUEST_TYPES)).gather(pl.col("kind")).alias("request_type"),
        "platform",
        pl.when(~started)
        .then(pl.lit("pending"))
        .when(~final)
        .then(pl.lit("processing"))
        .when("is_failed")
        .then(pl.lit("failed"))
        .otherwise(pl.lit("completed"))
        .alias("status"),
        "created_at",
        pl.when(started).then("started_at").alias("started_at"),
        pl.when(final & ~pl.col("is_failed")).then("final_at").alias("completed_at"),
        pl.when(final).then("final_at").when(started).then("started_at").otherwise("created_at").alias("updated_at"),
    )


def usage_rows(requests: pl.DataFrame) -> pl.DataFrame:
    """Rows of ai_usage_logs, without ids: one for each request that completes."""
    return requests.filter(~pl.col("is_failed")).select(
        pl.col("id").alias("request_id"),
        (pl.col("user") + 1).alias("user_id"),
        pl.col("tokens").alias("tokens_used"),
        "cost",
        pl.col("final_at").alias("timestamp"),
    )


def generation_rows(requests: pl.DataFrame) -> pl.DataFrame:
    """Rows of content_generations, without ids: one for each text that a request wrote."""
    return requests.filter(pl.col("written_at").is_not_null()).select(
        pl.col("id").alias("ai_request_id"),
        "post_id",
        pl.col("quality").alias("quality_score"),
        pl.col("written_at").alias("created_at"),
    )
