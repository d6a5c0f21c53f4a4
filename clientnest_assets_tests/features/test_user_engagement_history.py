"""The history views: their arithmetic, what a window may see, and equality of ranges and days."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.features.views.user_engagement_history import AUTHOR_ENGAGEMENT_HISTORY
from clientnest_assets.features.views.user_engagement_history import USER_ENGAGEMENT_HISTORY as VIEW
from clientnest_assets.partitions import Window

START = datetime(2025, 1, 1, tzinfo=UTC)
ALL = Window.of_days(date(2025, 1, 1), date(2025, 3, 31))
WEEK = timedelta(days=7)


def posts(*rows: tuple[int, int, float, int | None], categories: tuple[str, ...] = ()) -> pl.LazyFrame:
    """Rows of post, account, days from the start to publication, mature score. A user has ten accounts."""
    return pl.LazyFrame(
        [
            (post, account // 10, account, category, at, None if score is None else at + WEEK, score)
            for (post, account, days, score), category in zip(rows, categories or ["General"] * len(rows), strict=True)
            for at in [START + timedelta(days=days)]
        ],
        schema={
            "post_id": pl.Int64,
            "user_id": pl.Int64,
            "account_id": pl.Int64,
            "content_category": pl.String,
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


def on_day(days: float) -> datetime:
    return START + timedelta(days=days)


def test_a_post_counts_for_90_days_from_its_maturity_to_the_moment():
    window = Window.of_days(date(2025, 1, 1), date(2025, 6, 30))
    found = VIEW.materialise({"fact_posts": posts((1, 7, 0, 9), (2, 7, 10.5, 99))}, window)
    a, b = math.log(10), math.log(100)
    assert found.select("event_at", "posts_90d").rows() == [
        (on_day(7), 1),
        (on_day(17.5), 2),
        (on_day(97), 1),
        (on_day(107.5), 0),
    ]
    assert found["mean_log_90d"].to_list() == pytest.approx([a, (a + b) / 2, b, None], abs=1e-6)
    assert found["std_log_90d"].to_list() == pytest.approx([None, np.std([a, b], ddof=1), None, None], abs=1e-6)
    assert found["recent_against_90d"].to_list() == pytest.approx([0, 0, (a - b) / 2, None], abs=1e-6)


def test_what_is_not_of_the_90_days_stays_as_it_was_when_a_post_passes_out():
    window = Window.of_days(date(2025, 1, 1), date(2025, 6, 30))
    found = VIEW.materialise({"fact_posts": posts((1, 7, 0, 9), (2, 7, 10.5, 99))}, window)
    still = VIEW.feature_names[: VIEW.feature_names.index("posts_90d")]
    assert found[1].select(still).equals(found[2].select(still))
    assert found[1].select(still).equals(found[3].select(still))


def test_a_post_that_matures_as_another_passes_out_makes_one_row_with_both():
    window = Window.of_days(date(2025, 1, 1), date(2025, 6, 30))
    found = VIEW.materialise({"fact_posts": posts((1, 7, 0, 9), (2, 7, 90, 99))}, window)
    assert found.select("event_at", "posts_90d", "matured_posts").rows()[1] == (on_day(97), 1, 2)
    assert found["mean_log_90d"][1] == pytest.approx(math.log(100), abs=1e-6)


def test_a_category_is_drawn_towards_the_mean_of_all_by_how_few_its_posts_are():
    rows = ((1, 7, 0, 9), (2, 7, 1, 99), (3, 7, 2, 99))
    found = VIEW.materialise({"fact_posts": posts(*rows, categories=("General", "Promotional", "Promotional"))}, ALL)
    last = found.row(-1, named=True)
    a, b = math.log(10), math.log(100)
    mean = (a + 2 * b) / 3
    assert (last["posts_90d_general"], last["posts_90d_promotional"], last["posts_90d_interactive"]) == (1, 2, 0)
    assert last["mean_log_90d_general"] == pytest.approx((a + 10 * mean) / 11, abs=1e-6)
    assert last["mean_log_90d_promotional"] == pytest.approx((2 * b + 10 * mean) / 12, abs=1e-6)
    assert last["mean_log_90d_interactive"] == pytest.approx(mean, abs=1e-6)


def test_a_users_history_is_that_of_all_their_accounts():
    rows = {"fact_posts": posts((1, 11, 0, 9), (2, 12, 1, 99), (3, 21, 1, 5))}
    found = AUTHOR_ENGAGEMENT_HISTORY.materialise(rows, ALL)
    assert found.select("user_id", "matured_posts", "posts_90d").rows() == [(1, 1, 1), (1, 2, 2), (2, 1, 1)]
    assert found["mean_log_20"].to_list() == pytest.approx([math.log(10), math.log(1000) / 2, math.log(6)])


@pytest.mark.parametrize("view", [VIEW, AUTHOR_ENGAGEMENT_HISTORY], ids=lambda view: view.name)
def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input(view):
    rng = np.random.default_rng(3)
    rows = [(n, int(rng.integers(1, 36)), float(rng.uniform(0, 140)), int(rng.integers(0, 900))) for n in range(900)]
    kinds = tuple(rng.choice(["General", "Promotional", "Behind the Scenes"], 900).tolist())
    window = Window.of_days(date(2025, 4, 1), date(2025, 5, 20))
    together = view.materialise({"fact_posts": posts(*rows, categories=kinds)}, window)
    order = rng.permutation(900)
    shuffled = posts(*[rows[n] for n in order], categories=tuple(kinds[n] for n in order))
    one_by_one = pl.concat(view.materialise({"fact_posts": shuffled}, day) for day in window.chunks(1))
    assert together.height > 400
    assert one_by_one.sort(view.row_key).equals(together)
