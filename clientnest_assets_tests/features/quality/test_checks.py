"""What fails, on which day, and in which words."""

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.quality.checks import drifting, failing_nulls, failing_ranges, unjudged_drift
from clientnest_assets.features.quality.store import MAJOR, MODERATE
from clientnest_assets.partitions import Window


def with_nulls(count):
    """Makes the first so many visits of the fifth day null."""

    def change(number, drawn):
        if number != 4:
            return {}
        return {"visits": [None] * count + list(drawn["visits"][count:])}

    return change


def test_sound_days_fail_nothing(days):
    quality = days.measure(0, 4)
    assert failing_nulls(days.view, quality).is_empty()
    assert failing_ranges(days.view, quality).is_empty()
    assert drifting(quality, MAJOR).is_empty()


def test_a_day_with_more_nulls_than_declared_fails_and_the_days_beside_it_do_not(days):
    days.changes.append(with_nulls(80))
    (failed,) = failing_nulls(days.view, days.measure(0, 6)).rows()
    assert failed == (days.day(4), "visits", 0.2, 0.1, "80 of 400 rows are null")


@pytest.mark.parametrize(
    ("users", "nulls", "fails"), [(3, 1, False), (2, 2, False), (4, 4, True), (400, 44, False), (400, 80, True)]
)
def test_a_thin_day_is_held_to_the_declared_share_no_more_than_chance_is(days, users, nulls, fails):
    days.users = users
    days.changes.append(with_nulls(nulls))
    assert failing_nulls(days.view, days.measure(4, 4)).height == fails


def test_where_no_null_is_allowed_a_single_one_fails(days):
    days.changes.append(lambda number, drawn: {"plan": np.where(np.arange(days.users) == 7, None, drawn["plan"])})
    (failed,) = failing_nulls(days.view, days.measure(0, 0)).rows()
    assert failed[1:] == ("plan", 1 / 400, 0.0, "1 of 400 rows are null")


def test_values_beyond_the_bounds_or_the_closed_set_and_numbers_that_are_none_fail_with_their_day(days):
    days.changes.append(
        lambda number, drawn: {
            1: {"score": np.append(drawn["score"][3:], [51, -51, np.inf])},
            2: {"visits": np.append(drawn["visits"][1:], -1)},
            3: {"plan": np.append(drawn["plan"][2:], ["gold", "beta"])},
            4: {"score": np.append(drawn["score"][1:], np.nan)},
        }.get(number, {})
    )

    failed = failing_ranges(days.view, days.measure(0, 5))

    assert failed.drop("limit").rows() == [
        (days.day(1), "score", 3.0, "3 of 400 rows, such as -51.0; allowed: -50 to 50"),
        (days.day(2), "visits", 1.0, "1 of 400 rows, such as -1.0; allowed: 0 to any"),
        (days.day(3), "plan", 2.0, "2 of 400 rows, such as beta; allowed: free, paid"),
        (days.day(4), "score", 1.0, "1 of 400 rows, such as NaN; allowed: -50 to 50"),
    ]
    assert set(failed["limit"]) == {0.0}


def test_a_drift_is_told_with_how_much_and_since_when(days):
    days.changes.append(lambda number, drawn: {"score": drawn["score"] + 1.5 * (number >= 42)})
    days.store(0, 41)

    quality = days.measure(42, 48)
    moderate, major = drifting(quality, MODERATE), drifting(quality, MAJOR)

    # The seven days compared hold ever more of the days that differ.
    together = pl.concat([moderate, major])
    since = together["day"][0]
    assert together["day"].to_list() == Window.of_days(since, days.day(48)).days()
    assert together["value"].is_sorted()
    assert set(together["feature"]) == {"score"}
    assert (set(moderate["limit"]), set(major["limit"])) == ({0.1}, {0.25})
    assert moderate["value"].max() < 0.25 <= major["value"].min()
    assert major["detail"][-1].startswith(
        f"major since {since}, against {days.day(7)} to {days.day(34)}; Kolmogorov-Smirnov test 0."
    )


def test_what_could_not_be_judged_is_said(days):
    days.users = 199
    unknown, thin = days.measure(0, 13), days.measure(14, 14)
    assert (
        unjudged_drift(unknown) == "not judged: 14 days: no reference (at least 200 entities are needed on both sides)"
    )
    assert (
        unjudged_drift(thin) == "not judged: 1 day: too few entities (at least 200 entities are needed on both sides)"
    )
    assert unjudged_drift(thin.clear()) is None
