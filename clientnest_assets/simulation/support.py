"""Support tickets, and what is said in comments: what the people around ClientNest's users write back."""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import SENTIMENTS
from clientnest_assets.simulation.text import write_comments
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import HOUR, MINUTE, World

_TICKETS_PER_SESSION, _TICKETS_PER_FAILED_POST = 0.006, 0.02
_CATEGORIES = ("billing", "publishing", "account connection", "analytics", "other")
_PRIORITIES, _PRIORITY_SHARES = ("low", "medium", "high", "urgent"), np.array([0.35, 0.42, 0.18, 0.05])
_MEDIAN_HOURS = np.array([30.0, 20.0, 10.0, 4.0])
_JUDGED_SHARE = 0.75
_LATEST_JUDGEMENT = 20 * MINUTE


def open_tickets(world: World, day: int, users: Users, visits: Visits) -> pl.DataFrame:
    """The tickets opened on one day, in order of time, each with the moment at which it will be solved."""
    rng = world.rng("tickets", day)
    visitors = np.flatnonzero(visits.count_of > 0)
    troubled = _TICKETS_PER_FAILED_POST * users.failed_posts[visitors]
    user = visitors[rng.random(len(visitors)) < _TICKETS_PER_SESSION * visits.count_of[visitors] + troubled]
    rows = len(user)
    _, created_at = visits.moments(user, rng)
    priority = rng.choice(len(_PRIORITIES), rows, p=_PRIORITY_SHARES)
    hours = np.clip(rng.lognormal(np.log(_MEDIAN_HOURS[priority]), 1.1), 0.2, 24 * 45)
    users.open_tickets[:] += np.bincount(user, minlength=len(users))
    return pl.DataFrame(
        {
            "user": user,
            "category": pl.Series(_CATEGORIES).gather(rng.integers(0, len(_CATEGORIES), rows)),
            "priority": pl.Series(_PRIORITIES).gather(priority),
            "created_at": created_at,
            "final_at": created_at + (hours * HOUR).astype(np.int64),
        }
    ).sort("created_at", maintain_order=True)


def ticket_rows(tickets: pl.DataFrame, end: int) -> pl.DataFrame:
    """The support_tickets rows as they stand at a moment."""
    solved = pl.col("final_at") < end
    return tickets.select(
        "id",
        (pl.col("user") + 1).alias("user_id"),
        "category",
        "priority",
        pl.when(solved).then(pl.lit("resolved")).otherwise(pl.lit("open")).alias("status"),
        "created_at",
        pl.when(solved).then("final_at").alias("resolved_at"),
        pl.when(solved).then("final_at").otherwise("created_at").alias("updated_at"),
    )


def write_day_of_comments(world: World, day: int, comments: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gives the day's comments their words and judges most of them.

    Args:
        world: the world.
        day: index of the day.
        comments: account_id, post_id, sentiment (position), created_at and id.

    Returns:
        Rows of social_comments, and rows of sentiment_analysis without ids, of which some fall into the
        next day.
    """
    rng = world.rng("comments", day)
    sentiment = comments["sentiment"].to_numpy()
    written = comments.with_columns(content=write_comments(sentiment, rng))
    strength = rng.uniform(0.3, 1.0, len(comments)).round(3)
    score = np.where(sentiment == 0, strength, np.where(sentiment == 2, -strength, (strength - 0.65).round(3)))
    judged = rng.random(len(comments)) < _JUDGED_SHARE
    after = rng.integers(MINUTE, _LATEST_JUDGEMENT, len(comments))
    judgements = pl.DataFrame(
        {
            "comment_id": comments["id"],
            "sentiment": pl.Series(SENTIMENTS).gather(sentiment),
            "score": score,
            "created_at": comments["created_at"].to_numpy() + after,
        }
    ).filter(pl.Series(judged))
    return written, judgements


def close_tickets(users: Users, solved: pl.DataFrame) -> None:
    """Takes solved tickets off their users."""
    users.open_tickets[:] -= np.bincount(solved["user"].to_numpy(), minlength=len(users))
