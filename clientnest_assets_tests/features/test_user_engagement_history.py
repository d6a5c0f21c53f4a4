"""The history view: its arithmetic, what a window may see, and equality of ranges and days."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.features.views.user_engagement_history import USER_ENGAGEMENT_HISTORY as VIEW
from clientnest_assets.partitions import Window

START = datetime(2025, 1, 1, tzinfo=UTC)
ALL = Window.of_days(date(2025, 1, 1), date(2025, 3, 31))
WEEK = timedelta(days=7)


def posts(*rows: tuple[int, int, float, int | None]) -> pl.LazyFrame:
    """Rows of post, account, days from the start to publication, mature score."""
    return pl.LazyFrame(
        [
            (post, account, at, None if score is None else at + WEEK, score)
            for post, account, days, score in rows
            for at in [START + timedelta(days=days)]
        ],
        schema={
            "post_id": pl.Int64,
            "account_id": pl.Int64,
            "published_at": MOMENT,
            "mature_at": MOMENT,
            "mature_engagement_score": pl.Int64,
        },
        orient="row",
    )


def test_values_of_a_short_history():
    found = VIEW.materialise({"fact_posts": posts((1, 7, 0, 9), (2, 7, 1, 99), (3, 7, 3, 0), (4, 7, 4, None))}, ALL)
    a, b, c = math.log(10), math.log(100), 0.0
    assert found["event_at"].to_list() == [START + WEEK + timedelta(days=n) for n in (0, 1, 3)]
    assert found["known_at"].equals(found["event_at"].alias("known_at"))
    last = found.row(2, named=True)
    assert last["matured_posts"] == 3
    assert last["mean_log"] == pytest.approx((a + b + c) / 3)
    assert last["std_log"] == pytest.approx(np.std([a, b, c], ddof=1))
    assert last["std_log_20"] == pytest.approx(last["std_log"])
    assert last["median_log_20"] == pytest.approx(a)
    assert (last["min_log_20"], last["max_log_20"]) == pytest.approx((c, b))
    weights = 0.5 ** (np.array([2, 1, 0]) / 5)
    assert last["decayed_mean_log"] == pytest.approx((weights @ [a, b, c]) / weights.sum())
    assert last["slope_log_20"] == pytest.approx(np.polyfit([0, 1, 2], [a, b, c], 1)[0])
    assert (last["days_since_previous"], last["days_between_posts"]) == (2.0, 1.5)
    first = found.row(0, named=True)
    assert (first["std_log"], first["slope_log_20"], first["days_since_previous"]) == (None, None, None)


def test_slope_and_recent_means_look_at_the_last_posts_only():
    values = np.random.default_rng(1).integers(0, 5000, 60)
    found = VIEW.materialise({"fact_posts": posts(*((n, 1, n, int(v)) for n, v in enumerate(values)))}, ALL)
    logs = np.log1p(values)
    last = found.row(-1, named=True)
    assert last["slope_log_20"] == pytest.approx(np.polyfit(range(20), logs[-20:], 1)[0])
    assert last["mean_log_20"] == pytest.approx(logs[-20:].mean())
    assert last["recent_against_older"] == pytest.approx(logs[-5:].mean() - logs[-20:].mean())


def test_posts_that_mature_together_make_one_row():
    found = VIEW.materialise({"fact_posts": posts((2, 1, 0, 9), (1, 1, 0, 99))}, ALL)
    assert found["matured_posts"].to_list() == [2]


def test_window_sees_nothing_that_matures_after_it():
    rows = ((1, 1, 0, 9), (2, 1, 5, 99), (3, 2, 1, 5))
    window = Window.of_days(date(2025, 1, 8), date(2025, 1, 9))
    assert VIEW.materialise({"fact_posts": posts(*rows)}, window).equals(
        VIEW.materialise({"fact_posts": posts(rows[0], rows[2])}, window)
    )


def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input():
    rng = np.random.default_rng(3)
    rows = [(n, int(rng.integers(1, 6)), float(rng.uniform(0, 40)), int(rng.integers(0, 900))) for n in range(400)]
    window = Window.of_days(date(2025, 1, 10), date(2025, 2, 20))
    together = VIEW.materialise({"fact_posts": posts(*rows)}, window)
    shuffled = posts(*[rows[n] for n in rng.permutation(400)])
    one_by_one = pl.concat(VIEW.materialise({"fact_posts": shuffled}, day) for day in window.chunks(1))
    assert together.height > 200
    assert one_by_one.sort(VIEW.row_key).equals(together)
