"""The ai_usage view: spans, the month's quota, and that nothing counts before it happened."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.views.ai_usage import AI_DAYS, AI_USAGE, GENERATIONS, REQUESTS, TIERS, USERS
from clientnest_assets.partitions import Window

DAY = date(2025, 3, 31)
END = datetime(2025, 4, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ONE_DAY = timedelta(days=1)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def used(days_ago: int, *, kind="image_caption", requests=0, tokens=0, cost="0", user=1) -> tuple:
    """A row of fact_ai_daily."""
    return (user, kind, ago(days_ago), requests, tokens, Decimal(cost))


def frame(upstream, rows) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=dict(upstream.columns), orient="row")


def materialise(window, *, days=(), completed=(), rated=(), users=None) -> pl.DataFrame:
    """Rows of the window, of (request, user, day, completed_at) and (request, score, day rated)."""
    members = [(1, day, 400, "free") for day in window.days()] if users is None else users
    inputs = {
        "fact_users_daily": frame(USERS, members),
        "dim_subscription_tier": frame(TIERS, [("free", 1_000), ("business", 200_000), ("unknown", None)]),
        "fact_ai_daily": frame(AI_DAYS, days),
        "fact_ai_requests": frame(REQUESTS, completed),
        "content_generations": frame(GENERATIONS, rated),
    }
    return AI_USAGE.materialise(inputs, window)


def of_day(*days, day: date = DAY, **inputs) -> dict:
    return materialise(Window.of_days(day, day), days=days, **inputs).row(0, named=True)


def test_each_span_ends_with_the_day_and_has_as_many_days_as_its_name_says():
    found = of_day(
        used(0, requests=1, tokens=10, cost="0.1"),
        used(6, requests=2, tokens=20, cost="0.2"),
        used(7, requests=4, tokens=40, cost="0.4"),
        used(29, requests=8, tokens=80, cost="0.8"),
        used(30, requests=16, tokens=160, cost="1.6"),
        used(-1, requests=32, tokens=320, cost="3.2"),
    )
    assert [found[f"requests_{days}d"] for days in (1, 7, 30)] == [1, 3, 15]
    assert [found[f"tokens_{days}d"] for days in (1, 7, 30)] == [10, 30, 150]
    assert [found[f"cost_{days}d"] for days in (1, 7, 30)] == [0.1, 0.3, 1.5]
    assert found["event_at"] == found["known_at"] == END


def test_tokens_count_on_the_day_that_consumed_them_however_late_that_is():
    late = (used(1, requests=1), used(0, tokens=500, cost="0.01"))
    assert (of_day(*late, day=ago(1))["requests_7d"], of_day(*late, day=ago(1))["tokens_7d"]) == (1, 0)
    found = of_day(*late)
    assert (found["requests_1d"], found["tokens_1d"], found["requests_7d"], found["tokens_7d"]) == (0, 500, 1, 500)


def test_the_quota_is_of_the_calendar_month_and_of_the_plan_at_the_days_end():
    month = (used(30, tokens=300), used(31, tokens=9_000), used(0, tokens=200))
    found = of_day(*month)
    assert (found["tokens_month_to_date"], found["quota_share"], found["tokens_30d"]) == (500, 0.5, 200)
    assert of_day(*month, users=[(1, DAY, 400, "business")])["quota_share"] == 500 / 200_000
    assert of_day(*month, users=[(1, DAY, 400, "unknown")])["quota_share"] is None
    first_of_april = of_day(*month, day=DAY + ONE_DAY)
    assert (first_of_april["tokens_month_to_date"], first_of_april["tokens_7d"]) == (0, 200)


def test_a_request_is_completed_once_it_was_and_not_before_midnight():
    asked = used(0, requests=4)
    completed = [(1, 1, DAY, END - TICK), (2, 1, DAY, END), (3, 1, DAY, END + ONE_DAY)]
    assert of_day(asked, completed=completed)["completed_share_30d"] == 0.25
    assert of_day(asked, completed=completed, day=DAY + ONE_DAY)["completed_share_30d"] == 0.5
    assert of_day(completed=completed)["completed_share_30d"] is None


def test_a_score_counts_from_the_day_on_which_the_text_was_rated():
    completed = [(1, 1, ago(2), END - 2 * ONE_DAY), (2, 1, ago(2), END - 2 * ONE_DAY), (3, 2, ago(2), END)]
    rated = [(1, 0.4, ago(1)), (1, None, ago(1)), (2, 0.9, DAY), (3, 0.1, DAY), (99, 0.0, DAY)]
    scores = materialise(Window.of_days(ago(2), DAY), completed=completed, rated=rated)["mean_quality_score_30d"]
    assert scores.to_list() == [None, 0.4, 0.65]


def test_texts_that_nobody_rated_have_no_mean():
    completed, unrated = [(1, 1, ago(1), END - ONE_DAY)], [(1, None, ago(1))]
    assert of_day(completed=completed, rated=unrated)["mean_quality_score_30d"] is None


def test_request_types_are_counted_once_and_only_where_something_was_asked():
    found = of_day(
        used(0, kind="image_caption", requests=1),
        used(3, kind="image_caption", requests=2),
        used(29, kind="content_generation", requests=1),
        used(5, kind="unknown", tokens=7),
        used(30, kind="hashtag_suggestion", requests=1),
    )
    assert (found["request_types_30d"], found["days_since_last_request"]) == (2, 0)
    assert of_day(used(12, requests=1), used(3, tokens=5))["days_since_last_request"] == 12
    assert of_day(used(30, requests=1))["days_since_last_request"] is None


def test_a_trend_sets_the_last_week_against_a_mean_week_of_the_three_before():
    rows = (used(0, requests=5), used(7, requests=3), used(27, requests=3), used(28, requests=50))
    assert of_day(*rows)["requests_trend"] == pytest.approx(math.log(6 / 3))
    assert of_day(*rows, users=[(1, DAY, 27, "free")])["requests_trend"] is None


def test_who_asks_nothing_has_a_row_of_zeros_also_after_the_last_use():
    never = {
        "requests_1d": 0,
        "requests_7d": 0,
        "requests_30d": 0,
        "requests_trend": 0.0,
        "request_types_30d": 0,
        "days_since_last_request": None,
        "tokens_1d": 0,
        "tokens_7d": 0,
        "tokens_30d": 0,
        "tokens_month_to_date": 0,
        "quota_share": 0.0,
        "cost_1d": 0.0,
        "cost_7d": 0.0,
        "cost_30d": 0.0,
        "completed_share_30d": None,
        "mean_quality_score_30d": None,
    }
    for found in (of_day(used(0, requests=1, user=2)), of_day(used(31, requests=1, tokens=5, cost="0.2"))):
        assert {name: found[name] for name in AI_USAGE.feature_names} == never


def test_a_range_gives_byte_for_byte_what_its_days_give_in_any_order_of_input():
    rng = np.random.default_rng(6)
    window = Window.of_days(ago(39), DAY)
    users = [(user, day, 400, "free") for user in range(6) for day in window.days()]
    days = [
        used(
            int(n),
            kind=str(rng.choice(["a", "b"])),
            requests=1,
            tokens=int(rng.integers(9)),
            cost=f"{rng.random():.6f}",
            user=u,
        )
        for u in range(6)
        for n in rng.integers(0, 75, 60)
    ]
    completed = [
        (request, int(rng.integers(6)), ago(age), END - (age - float(rng.exponential(1))) * ONE_DAY)
        for request, age in enumerate(map(int, rng.integers(0, 75, 300)))
    ]
    rated = [(request, float(rng.random()), ago(int(rng.integers(0, 40)))) for request in range(300) for _ in range(2)]

    def rows(window, order) -> pl.DataFrame:
        shuffled = {"days": days, "completed": completed, "rated": rated}
        shuffled = {name: [each[n] for n in order.permutation(len(each))] for name, each in shuffled.items()}
        return materialise(window, **shuffled, users=users)

    together = rows(window, rng)
    one_by_one = pl.concat(rows(day, rng) for day in window.chunks(1))
    assert together.height == 6 * 40
    assert one_by_one.sort(AI_USAGE.row_key).equals(together)
