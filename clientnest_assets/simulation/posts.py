"""Posts: who writes what, for when, and what becomes of it. Its success is in `engagement.py`.

A post's whole way, from draft over scheduled to published or failed, is decided when it is written;
the app's table shows as much of it as has happened.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import PLATFORMS
from clientnest_assets.simulation import planted
from clientnest_assets.simulation.accounts import Accounts
from clientnest_assets.simulation.effects import CATEGORIES, MEDIA_TYPES, Effects
from clientnest_assets.simulation.hashtags import HASHTAGS, MAX_HASHTAGS, choose_hashtags
from clientnest_assets.simulation.text import MAX_FILLERS, write_posts
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import DAY, HOUR, MINUTE, SECOND, BoolArray, IntArray, World
from clientnest_assets.simulation.zones import LocalTime

_WEEKEND_FACTOR = 0.7
_MOST_POSTS_A_DAY = 8
_DRAFT_SHARE, _NOW_SHARE, _DRAFT_FIRST_SHARE = 0.07, 0.42, 0.12
_LONGEST_LEAD_DAYS = 10
_OWN_HOUR_SHARE, _OWN_HOUR_SD = 0.6, 3.0
_EMPTY_SHARE = 0.05
_MEAN_FILLERS = np.array([0.5, 1.2, 2.2, 4.2, 0.7])
_MEAN_HASHTAGS = np.array([1.6, 1.6, 5.0, 2.8, 3.6])
# Rows: platforms; columns: text, image, video, carousel.
_MEDIA_SHARES = np.array(
    [
        [0.5, 0.3, 0.15, 0.05],
        [0.25, 0.4, 0.25, 0.1],
        [0.02, 0.5, 0.25, 0.23],
        [0.4, 0.3, 0.12, 0.18],
        [0.02, 0.1, 0.8, 0.08],
    ]
)


def compose(
    world: World, day: int, users: Users, accounts: Accounts, visits: Visits, drawn: Effects, local_time: LocalTime
) -> pl.DataFrame:
    """The posts written on one day, in order of `created_at`, with their whole way and what engagement needs.

    Returns:
        One row a post: account and user (indices), category and media (positions), content, hashtags,
        hashtag_count, hashtag_lift, ai_generated, session_start, created_at, planned_at (when it left the
        draft state), scheduled_time, final_at and final_status. A lasting draft has scheduled_time null
        and final_at = created_at.
    """
    rng = world.rng("posts", day)
    writable = (accounts.connected_at < world.day_start(day)) & (visits.count_of[accounts.user] > 0)
    candidates = np.flatnonzero(writable)
    rate = accounts.posts_per_session[candidates] * visits.count_of[accounts.user[candidates]]
    rate *= _WEEKEND_FACTOR if world.weekday(day) >= 5 else 1.0
    account = np.repeat(candidates, np.minimum(rng.poisson(rate), _MOST_POSTS_A_DAY))
    user, platform, rows = accounts.user[account], accounts.platform[account], len(account)
    session_start, created_at = visits.moments(user, rng)

    media = (rng.random(rows)[:, None] >= np.cumsum(_MEDIA_SHARES, axis=1)[platform]).sum(axis=1)
    category = np.minimum((rng.random(rows)[:, None] >= users.category_taste[user]).sum(axis=1), len(CATEGORIES) - 2)
    category = np.where((rng.random(rows) < _EMPTY_SHARE) & (media > 0), len(CATEGORIES) - 1, category)
    fillers = np.minimum(rng.poisson(_MEAN_FILLERS[platform] * users.wordiness[user]), MAX_FILLERS)
    content = write_posts(category, fillers, rng)
    hashtag_count = np.minimum(rng.poisson(_MEAN_HASHTAGS[platform]), MAX_HASHTAGS)
    hashtags = choose_hashtags(hashtag_count, user, rng)
    lifts = np.append(drawn.hashtag, 0.0)[hashtags].sum(axis=1)

    frame = pl.DataFrame(
        {
            "account": account,
            "user": user,
            "platform_index": platform,
            "platform": pl.Series(PLATFORMS).gather(platform),
            "category": category,
            "media": media,
            "media_type": pl.Series(MEDIA_TYPES).gather(media),
            "content": content,
            "hashtags": _hashtag_lists(hashtags, hashtag_count),
            "hashtag_count": hashtag_count,
            "hashtag_lift": lifts,
            "ai_generated": rng.random(rows) < users.ai_share[user],
            "session_start": session_start,
            "created_at": created_at,
        }
    )
    return frame.hstack(_way(world, users, accounts, frame, local_time, rng)).sort("created_at", maintain_order=True)


def _hashtag_lists(hashtags: IntArray, counts: IntArray) -> pl.Series:
    """One list of names a post, without the filling at the end."""
    names = pl.Series((*HASHTAGS, None), dtype=pl.String).gather(hashtags.ravel() % (len(HASHTAGS) + 1))
    lists = pl.DataFrame({"names": names.reshape((len(counts), MAX_HASHTAGS)).arr.to_list(), "count": counts})
    return lists.select(pl.col("names").list.head("count")).to_series()


def _way(
    world: World, users: Users, accounts: Accounts, posts: pl.DataFrame, local_time: LocalTime, rng: np.random.Generator
) -> pl.DataFrame:
    """When each post is planned, scheduled and done with, and how it ends."""
    rows = len(posts)
    created_at, user = posts["created_at"].to_numpy(), posts["user"].to_numpy()
    zone = users.zone[user]
    draw = rng.random(rows)
    is_draft = draw < _DRAFT_SHARE
    is_now = ~is_draft & (draw < _DRAFT_SHARE + _NOW_SHARE)

    own_hour = np.round(rng.normal(users.preferred_hour[user], _OWN_HOUR_SD)) % 24
    hour = np.where(rng.random(rows) < _OWN_HOUR_SHARE, own_hour, rng.integers(6, 24, rows)).astype(np.int64)
    lead_days = np.minimum(rng.geometric(0.4, rows), _LONGEST_LEAD_DAYS)
    quarter = rng.choice(4, rows, p=[0.55, 0.1, 0.25, 0.1]) * 15 * MINUTE
    local_day = (created_at + local_time.offset(created_at, zone)) // DAY
    local = (local_day + lead_days) * DAY + hour * HOUR + quarter
    ahead_at = local - local_time.offset(local, zone)
    scheduled = np.where(is_now, created_at + rng.integers(20 * SECOND, 150 * SECOND, rows), ahead_at)

    drafted_first = ~is_draft & ~is_now & (rng.random(rows) < _DRAFT_FIRST_SHARE)
    planning = (rng.uniform(0.1, 0.7, rows) * (scheduled - created_at)).astype(np.int64)
    planned_at = np.where(drafted_first, created_at + planning, created_at)

    # Published seconds after it was due, and within the same hour.
    delay = np.minimum(rng.integers(SECOND, 30 * SECOND, rows), HOUR - 1 - scheduled % HOUR)
    failed = rng.random(rows) < accounts.failure_chance[posts["account"].to_numpy()]
    failed |= _falls_into_outage(world, scheduled)
    status = np.where(is_draft, 0, np.where(failed, 2, 1))
    return pl.DataFrame(
        {
            "planned_at": planned_at,
            "scheduled_time": pl.Series(scheduled).zip_with(pl.Series(~is_draft), pl.Series([None], dtype=pl.Int64)),
            "final_at": np.where(is_draft, created_at, scheduled + delay),
            "final_status": pl.Series(("draft", "published", "failed")).gather(status),
        }
    )


def _falls_into_outage(world: World, moments: IntArray) -> BoolArray:
    """Whether each moment lies within the outage of its day. Looks ahead of the world's end where it must."""
    days = (moments - world.day_start(0)) // DAY
    inside = np.zeros(len(moments), np.bool_)
    for day in np.unique(days).tolist():
        window = planted.outage_window(day, world.day_start(day))
        if window is not None:
            inside |= (moments >= window[0]) & (moments < window[1])
    return inside


def post_rows(posts: pl.DataFrame, end: int) -> pl.DataFrame:
    """The social_posts rows of these posts as they stand at a moment: later steps have not happened yet."""
    final, planned = pl.col("final_at") < end, pl.col("planned_at") < end
    is_draft = pl.col("scheduled_time").is_null() | ~(final | planned)
    return posts.select(
        "id",
        (pl.col("user") + 1).alias("user_id"),
        (pl.col("account") + 1).alias("account_id"),
        "platform",
        "content",
        "hashtags",
        "media_type",
        pl.when(is_draft)
        .then(pl.lit("draft"))
        .when(final)
        .then("final_status")
        .otherwise(pl.lit("scheduled"))
        .alias("status"),
        pl.when(~is_draft).then("scheduled_time").alias("scheduled_time"),
        pl.when(final & (pl.col("final_status") == "published")).then("final_at").alias("published_time"),
        "ai_generated",
        "created_at",
        pl.when(final).then("final_at").when(planned).then("planned_at").otherwise("created_at").alias("updated_at"),
    )
