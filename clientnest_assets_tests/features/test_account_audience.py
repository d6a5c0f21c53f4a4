"""The audience view: growth against what was known before, hours on the author's clock, and a day's end as its bound."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.features.views.account_audience import ACCOUNT_AUDIENCE as VIEW
from clientnest_assets.partitions import Window

DAY = date(2025, 6, 30)
MIDNIGHT = datetime(2025, 7, 1, tzinfo=UTC)
ON_THE_DAY = Window.of_days(DAY, DAY)


def observed(*rows: tuple) -> pl.LazyFrame:
    """Rows of account, days before the end of DAY, followers and engagement rate."""
    return pl.LazyFrame(
        [
            (account, at.date(), at, followers, 10, rate, None if rate is None else "High" if rate > 0.03 else "Low")
            for account, days, followers, rate in rows
            for at in [MIDNIGHT - timedelta(days=days)]
        ],
        schema={
            "account_id": pl.Int64,
            "day": pl.Date,
            "observed_at": MOMENT,
            "followers": pl.Int64,
            "following": pl.Int64,
            "engagement_rate": pl.Float64,
            "engagement_category": pl.String,
        },
        orient="row",
    )


def posted(*rows: tuple, hours_ahead: int = 0, days_to_maturity: float = 7) -> pl.LazyFrame:
    """Rows of account, moment of publication and mature score; the author's clock is so many hours ahead of UTC."""
    return pl.LazyFrame(
        [
            (account, at, local.date(), local.hour, at + timedelta(days=days_to_maturity), score)
            for account, at, score in rows
            for local in [at + timedelta(hours=hours_ahead)]
        ],
        schema={
            "account_id": pl.Int64,
            "published_at": MOMENT,
            "local_published_date": pl.Date,
            "local_published_hour": pl.Int64,
            "mature_at": MOMENT,
            "mature_engagement_score": pl.Int64,
        },
        orient="row",
    )


def computed(observations: pl.LazyFrame, posts: pl.LazyFrame | None = None, window: Window = ON_THE_DAY):
    return VIEW.materialise(
        {"fact_social_daily": observations, "fact_posts": posted() if posts is None else posts}, window
    )


def test_growth_is_against_what_stood_7_and_30_days_before():
    row = computed(observed((1, 0.5, 1320, 0.05), (1, 7.5, 1200, 0.01), (1, 33, 1000, 0.01))).row(0, named=True)
    assert (row["followers"], row["follower_growth_7d"], row["follower_growth_30d"]) == (1320, 120, 320)
    assert (row["follower_growth_rate_7d"], row["follower_growth_rate_30d"]) == pytest.approx((0.1, 0.32))
    assert row["follower_growth_acceleration"] == pytest.approx(0.1 / 7 - 0.32 / 30)
    assert row["log_followers"] == pytest.approx(math.log(1321))
    assert (row["engagement_rate"], row["engagement_category"], row["days_since_observed"]) == (0.05, "High", 0.5)
    assert (row["event_at"], row["known_at"], row["day"]) == (MIDNIGHT, MIDNIGHT, DAY)


def test_an_observation_is_carried_for_14_days():
    found = computed(observed((1, 13.5, 100, 0.05), (2, 14.5, 100, 0.05)))
    assert found.select("account_id", "followers", "days_since_observed").rows() == [(1, 100, 13.5)]


def test_growth_over_an_unknown_or_empty_past_is_unknown():
    found = computed(observed((1, 1, 100, None), (2, 1, 100, None), (2, 8, 0, None)))
    assert found["follower_growth_7d"].to_list() == [None, 100]
    assert found["follower_growth_rate_7d"].to_list() == [None, None]


def test_a_rate_that_the_last_observation_does_not_tell_is_the_last_one_told():
    row = computed(observed((1, 1, 100, None), (1, 2, 90, 0.05))).row(0, named=True)
    assert (row["followers"], row["engagement_rate"], row["engagement_category"]) == (100, 0.05, "High")


def test_nothing_from_after_the_days_end_is_seen():
    before = ((1, 0.5, 100, 0.05),)
    posts = ((1, MIDNIGHT - timedelta(seconds=1), 5),)
    later = posted(*posts, (1, MIDNIGHT, 5), (1, MIDNIGHT + timedelta(hours=1), 5))
    assert computed(observed(*before, (1, 0, 999, 0.1)), later).equals(computed(observed(*before), posted(*posts)))
    assert computed(observed(*before), later)["posts_published_7d"].to_list() == [1]


def test_posts_count_from_midnight_to_midnight():
    posts = posted(*((1, MIDNIGHT - timedelta(days=days, seconds=late), 5) for days in (7, 30) for late in (0, 1)))
    row = computed(observed((1, 1, 100, None)), posts).row(0, named=True)
    assert (row["posts_published_7d"], row["posts_published_30d"]) == (1, 3)


def test_a_post_that_matures_tomorrow_is_not_used_today():
    posts = posted(
        (1, MIDNIGHT - timedelta(days=7, seconds=1), 5),
        (1, MIDNIGHT - timedelta(days=7), 5),
        (1, MIDNIGHT - timedelta(days=90), 5),
        (1, MIDNIGHT - timedelta(days=90, seconds=1), 5),
    )
    window = Window.of_days(DAY, DAY + timedelta(days=1))
    assert computed(observed((1, 1, 100, None)), posts, window)["timed_posts_90d"].to_list() == [2, 2]


def test_a_post_whose_platform_tells_no_counts_has_no_hour():
    posts = posted((1, MIDNIGHT - timedelta(days=20), None), (1, MIDNIGHT - timedelta(days=21), 5))
    row = computed(observed((1, 1, 100, None)), posts).row(0, named=True)
    assert (row["timed_posts_90d"], row["posts_published_30d"]) == (1, 2)


def test_best_hour_is_of_the_authors_clock_and_drawn_towards_the_mean_of_all():
    # Five posts at 23:00 UTC on Mondays with 9 each, two at 11:00 UTC on Tuesdays with 99 each.
    monday, tuesday = datetime(2025, 6, 2, 23, tzinfo=UTC), datetime(2025, 6, 3, 11, tzinfo=UTC)
    late = [(1, monday - timedelta(weeks=n), 9) for n in range(5)]
    early = [(1, tuesday - timedelta(weeks=n), 99) for n in range(2)]
    row = computed(observed((1, 1, 100, None)), posted(*late, *early, hours_ahead=7)).row(0, named=True)
    mean = (5 * math.log(10) + 2 * math.log(100)) / 7
    assert row["timed_posts_90d"] == 7
    assert (row["best_hour"], row["best_weekday"]) == (18, 2)
    assert row["best_hour_uplift"] == pytest.approx((2 * math.log(100) + 10 * mean) / 12 - mean, abs=1e-6)
    assert row["best_hour_share"] == pytest.approx(198 / 243)
    # On the author's clock the late ones are of Tuesday, 6:00, too.
    assert row["best_weekday_share"] == 1.0
    assert (row["evening_share"], row["weekend_share"]) == pytest.approx((198 / 243, 0))


def test_the_earliest_of_equal_hours_is_the_best_and_few_posts_have_none():
    noon = datetime(2025, 6, 2, 12, tzinfo=UTC)
    posts = [(1, noon + timedelta(hours=hour), 9) for hour in (3, 1, 2, 4, 5)] + [(2, noon, 9)] * 4
    found = computed(observed((1, 1, 100, None), (2, 1, 100, None), (3, 1, 100, None)), posted(*posts))
    assert found.select("best_hour", "best_hour_uplift", "timed_posts_90d").rows() == [
        (13, 0.0, 5),
        (None, None, 4),
        (None, None, 0),
    ]


def test_posts_without_any_engagement_have_no_shares():
    noon = datetime(2025, 6, 2, 12, tzinfo=UTC)
    row = computed(observed((1, 1, 100, None)), posted(*[(1, noon, 0)] * 5)).row(0, named=True)
    assert (row["best_hour"], row["best_hour_share"], row["evening_share"]) == (12, None, None)


def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input():
    rng = np.random.default_rng(3)
    # One observation a day, as the fact has it.
    kept = [(account, day) for account in range(8) for day in range(60) if rng.random() < 0.6]
    seen = [(account, day + 0.25, int(rng.integers(0, 900)), 0.02) for account, day in kept]
    posts = [
        (int(rng.integers(0, 8)), MIDNIGHT - timedelta(hours=float(rng.uniform(0, 3000))), int(rng.integers(0, 900)))
        for _ in range(900)
    ]
    window = Window.of_days(DAY - timedelta(days=20), DAY)
    together = computed(observed(*seen), posted(*posts), window)
    shuffled = observed(*rng.permutation(np.array(seen, dtype=object)).tolist())
    one_by_one = [computed(shuffled, posted(*posts[::-1]), day) for day in window.chunks(1)]
    assert together.height > 150
    assert pl.concat(one_by_one).sort(VIEW.row_key).equals(together)
