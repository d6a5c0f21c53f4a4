"""The user_activity view: what its days count, what a trend says, and that a window changes nothing."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.views.user_activity import USER_ACTIVITY as VIEW
from clientnest_assets.partitions import Window

DAY = date(2025, 3, 31)
QUIET = {
    "user_tenure_days": 100,
    "days_since_last_login": 3,
    "user_segment": "Active",
    "subscription_tier": "starter",
    "connected_accounts": 2,
    "mrr": 19.0,
    "sessions": 0,
    "sessions_7d": 0,
    "session_seconds": 0,
    "posts_created": 0,
    "posts_created_7d": 0,
    "posts_published": 0,
}


def on(days_ago: int, user: int = 1, **values) -> dict:
    """A user's day, so many days before DAY, on which nothing happened but what is given."""
    return {"user_id": user, "day": DAY - timedelta(days=days_ago), **QUIET, **values}


def facts(*rows: dict) -> dict[str, pl.LazyFrame]:
    return {"fact_users_daily": pl.LazyFrame(rows, schema=dict(VIEW.upstream[0].columns))}


def of_day(*rows: dict) -> dict:
    return VIEW.materialise(facts(*rows), Window.of_days(DAY, DAY)).row(0, named=True)


def test_each_span_ends_with_the_day_and_has_as_many_days_as_its_name_says():
    found = of_day(
        on(0, sessions=1, session_seconds=10, posts_published=1, sessions_7d=5),
        on(6, sessions=4, session_seconds=100, posts_published=2, posts_created=1),
        on(7, sessions=8, session_seconds=1_000, posts_published=4),
        on(29, sessions=16, session_seconds=10_000, posts_published=8),
        on(30, sessions=32, session_seconds=100_000, posts_published=16),
    )
    assert [found[f"sessions_{days}d"] for days in (1, 7, 30)] == [1, 5, 29]
    assert [found[f"session_seconds_{days}d"] for days in (1, 7, 30)] == [10, 110, 11_110]
    assert [found[f"posts_published_{days}d"] for days in (1, 7, 30)] == [1, 3, 15]
    assert [found[f"active_days_{days}d"] for days in (7, 30)] == [2, 4]
    assert found["mean_session_seconds_30d"] == 11_110 / 29
    assert (found["posts_created_30d"], found["days_since_last_post"]) == (1, 6)


def test_a_row_is_true_and_known_at_midnight_after_its_day():
    found = of_day(on(0))
    assert found["event_at"] == found["known_at"] == datetime(2025, 4, 1, tzinfo=UTC)
    assert found["day"] == DAY


def test_what_the_fact_defines_is_taken_as_it_stands():
    found = of_day(on(0, user_segment="Power User", days_since_last_login=None, sessions_7d=12, posts_created_7d=3))
    assert (found["user_segment"], found["subscription_tier"], found["mrr"]) == ("Power User", "starter", 19.0)
    assert (found["tenure_days"], found["days_since_last_login"], found["connected_accounts"]) == (100, None, 2)
    assert (found["sessions_7d"], found["posts_created_7d"]) == (12, 3)


def test_who_did_nothing_for_a_month_has_zeros_and_no_mean_and_no_last_post():
    found = of_day(on(0), on(30, sessions=1, session_seconds=9, posts_created=1))
    assert (found["sessions_30d"], found["active_days_30d"], found["posts_created_30d"]) == (0, 0, 0)
    assert (found["mean_session_seconds_30d"], found["days_since_last_post"]) == (None, None)
    assert (found["sessions_trend"], found["active_days_trend"], found["posts_created_trend"]) == (0.0, 0.0, 0.0)


def test_posts_without_a_session_have_no_mean_length():
    assert of_day(on(0), on(3, posts_created=2))["mean_session_seconds_30d"] is None


def test_a_trend_sets_the_last_week_against_a_mean_week_of_the_three_before():
    found = of_day(
        on(0, sessions=9, sessions_7d=9, posts_created_7d=0),
        on(7, sessions=3, posts_created=6),
        on(27, sessions=3, posts_created=3),
        on(28, sessions=50, posts_created=50),
    )
    assert found["sessions_trend"] == pytest.approx(math.log(10 / 3))
    assert found["posts_created_trend"] == pytest.approx(math.log(1 / 4))
    assert found["active_days_trend"] == pytest.approx(math.log(2 / (1 + 2 / 3)))


@pytest.mark.parametrize(("tenure", "is_known"), [(None, False), (27, False), (28, True)])
def test_there_is_no_trend_before_four_whole_weeks(tenure, is_known):
    assert (of_day(on(0, user_tenure_days=tenure))["sessions_trend"] is not None) == is_known


def test_a_user_has_a_row_on_the_days_on_which_the_fact_has_one():
    rows = VIEW.materialise(facts(on(1, user=1, sessions=1), on(0, user=2)), Window.of_days(DAY, DAY))
    assert rows["user_id"].to_list() == [2]


def test_a_range_gives_byte_for_byte_what_its_days_give_from_what_they_read():
    rng = np.random.default_rng(5)
    window = Window.of_days(DAY - timedelta(days=11), DAY)
    rows = [
        on(ago, user, sessions=n, session_seconds=int(rng.integers(0, 900)) * n, posts_created=int(rng.integers(0, 2)))
        for user in range(12)
        for ago in range(45)
        for n in [int(rng.integers(0, 3))]
    ]

    def read(days: Window) -> dict[str, pl.LazyFrame]:
        """As VIEW.upstream reads: whole rows of the window, and of the 29 days before it those with something on them."""
        day, active = pl.col("day"), (pl.col("sessions") > 0) | (pl.col("posts_created") > 0)
        inside = day.is_between(days.start, days.last_day)
        before = (day >= days.start - timedelta(days=29)) & active
        return {"fact_users_daily": facts(*rows)["fact_users_daily"].filter(day < days.end, inside | before)}

    together = VIEW.materialise(read(window), window)
    one_by_one = pl.concat(VIEW.materialise(read(day), day) for day in window.chunks(1))
    assert together.height == 12 * 12
    assert one_by_one.sort(VIEW.row_key).equals(together)
