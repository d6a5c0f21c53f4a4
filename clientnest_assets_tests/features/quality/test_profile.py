"""A day's profile by value, on a handful of rows."""

from datetime import date

import polars as pl
import pytest

from clientnest_assets.features.quality.profile import profile
from clientnest_assets.partitions import ONE_DAY, Window

DAY = date(2026, 3, 2)


@pytest.fixture
def profiled(days):
    rows = pl.DataFrame(
        {
            "score": [0.0, 10.0, 20.0, 60.0, float("nan"), None],
            "visits": [1, 2, 3, -4, None, None],
            "tenure": [7] * 6,
            "plan": ["free", "gold", "paid", None, "free", "beta"],
            "city": ["Rome", None, None, None, None, None],
            "is_active": [True, False, None, None, None, None],
            "topics": [["a"], ["a", "b"], [], None, ["c"] * 6, ["a"]],
            "day": [DAY] * 6,
        }
    )
    found = profile(days.view, rows, Window.of_days(DAY, DAY + ONE_DAY))
    return {(row["feature"], row["day"]): row for row in found.iter_rows(named=True)}


def test_nulls_are_counted_and_no_number_is_no_null(profiled):
    counted = {name: row["nulls"] for (name, day), row in profiled.items() if day == DAY}
    assert counted == {"score": 1, "visits": 2, "tenure": 0, "plan": 1, "city": 5, "is_active": 4, "topics": 1}
    assert profiled["visits", DAY]["null_share"] == pytest.approx(2 / 6)


def test_values_that_the_declaration_rules_out_are_counted_and_one_is_shown(profiled):
    shown = {name: (row["outside"], row["outside_example"]) for (name, day), row in profiled.items() if day == DAY}
    assert shown == {
        "score": (2, "60.0"),
        "visits": (1, "-4.0"),
        "tenure": (0, None),
        "plan": (2, "beta"),
        "city": (0, None),
        "is_active": (0, None),
        "topics": (0, None),
    }


def test_moments_and_quantiles_are_those_of_the_finite_numbers_and_of_the_lengths_of_lists(profiled):
    score, topics = profiled["score", DAY], profiled["topics", DAY]
    assert score["mean"] == 22.5
    assert score["std"] == pytest.approx(26.29956, abs=1e-5)
    assert (score["quantiles"][0], score["quantiles"][4], score["quantiles"][-1]) == (0.0, 15.0, 60.0)
    assert (topics["mean"], topics["quantiles"][-1]) == (2.0, 6.0)
    assert profiled["plan", DAY]["mean"] is None
    assert profiled["plan", DAY]["quantiles"] is None


def test_a_day_without_rows_has_a_profile_that_says_so(profiled):
    row = profiled["score", DAY + ONE_DAY]
    assert (row["rows"], row["nulls"], row["null_share"], row["mean"], row["quantiles"]) == (0, 0, None, None, None)
    assert len(profiled) == 14
