"""The timing view: what is taken out, what is drawn where, and what a day may see."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.features.views.platform_timing import PLATFORM_TIMING as VIEW
from clientnest_assets.partitions import Window

DAY = date(2025, 6, 30)
MIDNIGHT = datetime(2025, 7, 1, tzinfo=UTC)
ON_THE_DAY = Window.of_days(DAY, DAY)
MONDAY = datetime(2025, 6, 2, tzinfo=UTC)


def posted(*rows: tuple, platform: str = "twitter", hours_ahead: int = 0) -> pl.LazyFrame:
    """Rows of account, moment of publication and mature score; the author's clock is so many hours ahead of UTC."""
    return pl.LazyFrame(
        [
            (account, platform, at, local.date(), local.hour, at + timedelta(days=7), score)
            for account, at, score in rows
            for local in [at + timedelta(hours=hours_ahead)]
        ],
        schema={
            "account_id": pl.Int64,
            "platform": pl.String,
            "published_at": MOMENT,
            "local_published_date": pl.Date,
            "local_published_hour": pl.Int64,
            "mature_at": MOMENT,
            "mature_engagement_score": pl.Int64,
        },
        orient="row",
    )


def computed(posts: pl.LazyFrame, window: Window = ON_THE_DAY) -> pl.DataFrame:
    return VIEW.materialise({"fact_posts": posts}, window)


def slot(found: pl.DataFrame, weekday: int, hour: int) -> dict:
    return found.row(by_predicate=(pl.col("weekday") == weekday) & (pl.col("hour") == hour), named=True)


def at(hour: int, weeks: int = 0) -> datetime:
    """An hour of a Monday."""
    return MONDAY + timedelta(hours=hour) - timedelta(weeks=weeks)


def test_each_platform_with_posts_has_all_hours_of_the_week():
    found = computed(pl.concat([posted((1, at(9), 9)), posted((2, at(9), 9), platform="tiktok")]))
    assert found.group_by("platform").len().sort("platform").rows() == [("tiktok", 168), ("twitter", 168)]
    assert found["posts"].sum() == 2
    assert found.select(pl.col("shrunk_uplift", "shrunk_engagement", "trend").null_count()).row(0) == (0, 0, 0)
    assert computed(posted()).is_empty()


def test_uplift_is_against_the_other_posts_of_the_account_so_that_fame_is_taken_out():
    famous = [(1, at(9), 9_999), (1, at(20), 999), (1, at(20, 1), 999)]
    unknown = [(2, at(9), 99), (2, at(20), 9), (2, at(20, 1), 9)]
    row = slot(computed(posted(*famous, *unknown)), 1, 9)
    assert row["posts"] == 2
    assert row["share_of_posts"] == pytest.approx(1 / 3)
    assert row["mean_log_engagement"] == pytest.approx(math.log(1000), abs=1e-6)
    assert row["uplift"] == pytest.approx(math.log(10), abs=1e-5)


def test_an_account_with_one_post_tells_of_its_platform_but_not_of_its_hour():
    row = slot(computed(posted((1, at(9), 9))), 1, 9)
    assert (row["posts"], row["uplift"], row["shrunk_uplift"], row["shrunk_uplift_error"]) == (1, None, 0.0, None)
    assert row["shrunk_engagement"] == pytest.approx(math.log(10), abs=1e-6)


def test_a_slot_is_drawn_towards_its_hour_and_weekday_and_those_towards_nothing():
    # Each account posts once at 9 on Monday, with log 4, and once at 20 on Tuesday, with log 2: deviations 1 and -1.
    high, low = round(math.exp(4) - 1), round(math.exp(2) - 1)
    half = (math.log1p(high) - math.log1p(low)) / 2
    posts = [row for n in range(20) for row in ((n, at(9), high), (n, at(20) + timedelta(days=1), low))]
    found = computed(posted(*posts))
    # A post of two weighs a half: 20 deviations of 1 weigh 10.
    main = 20 * half / (10 + 10) + 20 * half / (10 + 40)
    row = slot(found, 1, 9)
    assert row["uplift"] == pytest.approx(2 * half, abs=1e-5)
    assert row["shrunk_uplift"] == pytest.approx((20 * half + 40 * main) / 50, abs=1e-5)
    variance = 40 * half**2 / 20
    of_prior = 0.8**2 * (1 / 20 + 1 / 50)
    assert row["shrunk_uplift_error"] == pytest.approx(math.sqrt(variance * (1 / 50 + of_prior)), abs=1e-5)
    # A slot without a post has what its hour adds, and what its weekday adds.
    assert slot(found, 3, 9)["shrunk_uplift"] == pytest.approx(20 * half / 20, abs=1e-5)
    assert slot(found, 1, 3)["shrunk_uplift"] == pytest.approx(20 * half / 50, abs=1e-5)
    assert slot(found, 3, 3)["shrunk_uplift"] == 0
    assert (slot(found, 3, 3)["posts"], slot(found, 3, 3)["mean_log_engagement"]) == (0, None)
    mean = (math.log1p(high) + math.log1p(low)) / 2
    assert row["shrunk_engagement"] == pytest.approx(mean + row["shrunk_uplift"], abs=1e-5)


def test_trend_is_what_the_last_30_days_alone_add():
    # At 9 the older posts were level with those at 20, and the recent ones are better.
    older = [(n, at(hour, weeks=6), 99) for n in range(30) for hour in (9, 20)]
    recent = [(n, at(hour), score) for n in range(30) for hour, score in ((9, 999), (20, 99))]
    rising, falling = (slot(computed(posted(*older, *recent)), 1, hour)["trend"] for hour in (9, 20))
    assert rising > 0.1
    assert falling == pytest.approx(-rising)
    assert slot(computed(posted(*older)), 1, 9)["trend"] == 0


def test_a_trend_of_the_whole_platform_is_no_trend_of_its_hours():
    older = [(n, at(hour, weeks=6), 99) for n in range(30) for hour in (9, 20)]
    recent = [(n, at(hour), 999) for n in range(30) for hour in (9, 20)]
    found = computed(posted(*older, *recent))
    assert found["trend"].abs().max() < 1e-6


def test_a_post_whose_platform_tells_no_counts_is_no_evidence():
    assert slot(computed(posted((1, at(9), 9), (1, at(9), None))), 1, 9)["posts"] == 1


def test_slots_are_of_the_authors_clock():
    found = computed(posted((1, at(23), 9), hours_ahead=3))
    assert found.filter(pl.col("posts") > 0).select("weekday", "hour").rows() == [(2, 2)]


def test_a_day_sees_posts_of_90_days_that_matured_by_its_end():
    edges = [
        timedelta(days=7, seconds=1),
        timedelta(days=7),
        timedelta(days=90),
        timedelta(days=90, seconds=1),
    ]
    posts = posted(*((1, MIDNIGHT - edge, 9) for edge in edges))
    found = computed(posts, Window.of_days(DAY, DAY + timedelta(days=1)))
    assert found.group_by("day").agg(pl.col("posts").sum()).sort("day").rows() == [
        (DAY, 2),
        (DAY + timedelta(days=1), 2),
    ]
    assert found["event_at"].unique().sort().to_list() == [MIDNIGHT, MIDNIGHT + timedelta(days=1)]


def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input():
    rng = np.random.default_rng(3)
    posts = [
        (int(rng.integers(0, 40)), MIDNIGHT - timedelta(hours=float(rng.uniform(0, 3000))), int(rng.integers(0, 900)))
        for _ in range(2000)
    ]
    window = Window.of_days(DAY - timedelta(days=9), DAY)
    together = computed(posted(*posts), window)
    one_by_one = [computed(posted(*posts[::-1]), day) for day in window.chunks(1)]
    assert together.height == 1680
    assert pl.concat(one_by_one).sort(VIEW.row_key).equals(together)
