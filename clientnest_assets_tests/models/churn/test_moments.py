"""Who is active when, what their visits say of them, and who was gone: by hand, and against a slow definition."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.churn.moments import at_end_of_day, at_week_ends
from clientnest_assets.models.churn.spec import Definition

MONDAY = date(2025, 1, 6)
SHORT = Definition(active_within=timedelta(days=10), horizon=timedelta(days=14), quiet=timedelta(days=7))


def moment(number: int) -> datetime:
    return datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=number)


def visits(**days: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "user_id": int(user[1:]),
                "day": MONDAY + timedelta(days=day),
                "sessions": 2,
                "session_seconds": 60 * (day + 1),
            }
            for user, numbers in days.items()
            for day in numbers
        ]
    )


def test_a_user_is_judged_at_each_sundays_end_for_as_long_as_they_were_seen_lately():
    found = at_week_ends(visits(u1=[0, 2, 5, 20]), moment(42), SHORT)
    assert found["as_of"].to_list() == [moment(7), moment(14), moment(21)]
    assert found["days_since_visit"].to_list() == [1, 8, 0]
    assert found["days_since_first_visit"].to_list() == [6, 13, 20]
    assert found["visit_days"].to_list() == [3, 3, 4]
    assert found["mean_gap_days"].to_list() == [2.5, 2.5, pytest.approx(20 / 3)]
    assert found["last_gap_days"].to_list() == [3, 3, 15]
    assert found["silence_ratio"].to_list() == [0.4, 3.2, 0.0]
    assert found["mean_visit_seconds"].to_list() == [200, 200, 465]
    assert found["visit_share"].to_list() == [3 / 7, 3 / 14, 4 / 21]
    # Gone at day 21 is who is not seen on days 14 to 20, and so on.
    assert found["is_gone"].to_list() == [False, True, True]
    assert found["label_known_at"].to_list() == [moment(21), moment(28), moment(35)]


@pytest.mark.parametrize(("days", "known"), [(21, 0), (22, 1), (28, 1), (29, 2)])
def test_truth_is_known_before_the_end(days, known):
    found = at_week_ends(visits(u1=[0, 8]), moment(days), SHORT)
    assert found.height == known
    assert (found["label_known_at"] < moment(days)).all()


def test_whoever_is_active_at_a_days_end_is_asked_about():
    found = at_end_of_day(visits(u3=[2], u1=[11], u2=[1], u4=[12]), moment(12), SHORT)
    assert found["user_id"].to_list() == [1, 3]
    assert found["days_since_visit"].to_list() == [0, 9]
    assert found["mean_gap_days"].to_list() == [None, None]


@pytest.mark.parametrize("seed", range(5))
def test_examples_are_those_of_the_plain_definition(seed):
    rng = np.random.default_rng(seed)
    seen = rng.random((12, 90)) < rng.choice([0.03, 0.1, 0.4], (12, 1))
    days = visits(**{f"u{user + 1}": np.flatnonzero(row).tolist() for user, row in enumerate(seen)})
    found = at_week_ends(days, moment(90), SHORT).select(
        "as_of", "user_id", "visit_days", "recent_visit_days", "is_gone"
    )
    first = int(np.flatnonzero(seen.any(axis=0))[0])
    expected = []
    for end in range(7, 90 - 14, 7):
        for user, row in enumerate(seen):
            if end >= first and row[max(0, end - 10) : end].any():
                last = int(np.flatnonzero(row[:end])[-1])
                recent = int(row[max(0, last - 9) : last + 1].sum())
                gone = not row[end + 7 : end + 14].any()
                expected.append((moment(end), user + 1, int(row[:end].sum()), recent, gone))
    assert found.rows() == expected


def test_quiet_days_are_some_of_the_horizon():
    with pytest.raises(ValueError, match="quiet days"):
        Definition(horizon=timedelta(days=7))
