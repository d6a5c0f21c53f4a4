"""Drift on simulated days: found where it was planted, since when it is there, and not where nothing changed."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from clientnest_assets.features.quality.drift import LEVEL, judged, recent_window, reference_window, with_since
from clientnest_assets.features.quality.sample import MOST_ENTITIES, candidates, sample
from clientnest_assets.features.quality.store import (
    DRIFTED,
    MAJOR,
    MOVES_WITH_TIME,
    NO_REFERENCE,
    NOT_FILLED,
    STABLE,
    TOO_FEW,
)
from clientnest_assets.features.store import view_table
from clientnest_assets.partitions import Window

SHIFT = 50
"""The number of the day on which something changes."""


def told(quality, feature, column="drifted"):
    return dict(quality.filter(pl.col("feature") == feature).select("day", column).iter_rows())


def test_a_day_is_compared_with_the_four_weeks_before_the_week_of_the_newest_model_that_can_be():
    thursday = date(2026, 4, 16)
    assert reference_window(thursday) == Window.of_days(date(2026, 3, 9), date(2026, 4, 5))
    for day in Window.of_days(date(2026, 4, 13), date(2026, 4, 19)).days():
        assert reference_window(day) == reference_window(thursday)
        assert reference_window(day).end <= recent_window(day).start
    assert recent_window(thursday).days()[0] == date(2026, 4, 10)


def test_where_no_model_is_newer_the_reference_stays_where_the_last_one_learned():
    weeks = [date(2026, 3, 16), date(2026, 3, 23), date(2026, 4, 13)]
    # The model of the day's own week is not there yet.
    assert reference_window(date(2026, 4, 19), weeks).end == date(2026, 3, 23)
    assert reference_window(date(2026, 4, 20), weeks).end == date(2026, 4, 13)


def test_a_planted_change_of_each_kind_is_found_and_its_first_day_is_told(days):
    days.users = 1000
    days.changes.append(
        lambda number, drawn: (
            {}
            if number < SHIFT
            else {
                "score": drawn["score"] + 3,
                "visits": [None if n % 2 else value for n, value in enumerate(drawn["visits"])],
                "plan": np.where(np.arange(days.users) % 2, "paid", drawn["plan"]),
                "is_active": np.ones(days.users, dtype=bool),
                "topics": [["a"] * 5] * days.users,
            }
        )
    )
    days.store(0, SHIFT - 8)

    quality = days.measure(SHIFT - 7, SHIFT + 6)

    for feature in ("score", "visits", "plan", "is_active", "topics"):
        drifted = told(quality, feature)
        first = min(day for day, is_drifted in drifted.items() if is_drifted)
        assert days.day(SHIFT) <= first <= days.day(SHIFT + 2), feature
        assert all(drifted[day] for day in drifted if day >= first), feature
        assert set(told(quality, feature, "since").values()) == {None, first}, feature
    last = quality.filter(pl.col("day") == days.day(SHIFT + 6), pl.col("feature") == "score").row(0, named=True)
    assert (last["verdict"], last["severity"], last["test"]) == (DRIFTED, MAJOR, "Kolmogorov-Smirnov")
    assert last["p_value"] < 1e-6
    assert not any(told(quality, "city").values())


def test_how_long_a_drift_lasts_is_known_across_runs_and_ends_when_it_ends(days):
    days.changes.append(lambda number, drawn: {"score": drawn["score"] + 4 * (SHIFT <= number < SHIFT + 5)})
    days.store(0, SHIFT - 1)
    since = {}
    for number in range(SHIFT, SHIFT + 13):
        since |= told(days.measure(number, number), "score", "since")

    started = min(day for day in since.values() if day is not None)
    drifted = sorted(day for day, first in since.items() if first is not None)
    assert drifted == Window.of_days(started, drifted[-1]).days()
    assert {since[day] for day in drifted} == {started}
    assert since[days.day(SHIFT + 12)] is None


def test_nothing_drifts_where_nothing_changes_in_five_hundred_features_and_days(days):
    days.users = 220
    days.store(0, 34)
    quality = days.measure(35, 35 + 90)
    stationary = quality.filter(pl.col("feature") != "tenure")

    assert stationary.height > 500
    assert set(stationary["verdict"]) == {STABLE}
    # Of so few users the index alone would have cried: the test is what keeps it quiet.
    assert stationary.filter(pl.col("psi") > 0.1).height > 5


def test_a_weekend_that_differs_every_week_is_no_drift(days):
    days.changes.append(
        lambda number, drawn: {"score": drawn["score"] + 5, "visits": drawn["visits"] * 4} if number % 7 > 4 else {}
    )
    days.store(0, 34)

    assert set(days.measure(35, 55).filter(pl.col("feature") != "tenure")["verdict"]) == {STABLE}


def test_what_moves_with_time_is_measured_and_never_called_drifted(days):
    days.store(0, 34)
    tenure = days.measure(35, 41).filter(pl.col("feature") == "tenure")

    assert set(tenure["verdict"]) == {MOVES_WITH_TIME}
    assert tenure["psi"].min() > 0.25
    assert not tenure["drifted"].any()


def test_with_few_entities_or_without_a_reference_nothing_is_judged(days):
    first = days.measure(0, 34)
    assert set(first.filter(pl.col("day") < days.day(14))["verdict"]) == {NO_REFERENCE}
    assert first.filter(pl.col("day") < days.day(14))["psi"].null_count() == 14 * len(days.view.features)

    days.users = 199
    thin = days.measure(42, 42)
    assert set(thin["verdict"]) == {TOO_FEW}
    assert not thin["drifted"].any()


def test_a_reference_that_looks_back_on_days_before_the_first_judges_nothing(days):
    days.view = replace(days.view, upstream=(replace(days.view.upstream[0], days_back=10),))
    days.changes.append(lambda number, drawn: {"score": drawn["score"] + 4 * (number > 40)})
    days.store(0, 41)

    quality = days.measure(42, 55).filter(pl.col("feature") == "score")

    # The first reference of the store's own days begins on its eighth day, the next a week later.
    assert set(quality.filter(pl.col("reference_first_day") == days.day(7))["verdict"]) == {NOT_FILLED}
    later = quality.filter(pl.col("reference_first_day") == days.day(14))
    assert set(later["verdict"]) == {DRIFTED}
    assert later["since"].unique().to_list() == [days.day(49)]


def test_a_range_gives_row_for_row_what_its_days_give_and_so_does_a_second_run(days, tmp_path):
    days.changes.append(lambda number, drawn: {"score": drawn["score"] + 3 * (number >= SHIFT)})
    days.store(0, SHIFT - 4)
    one_by_one = pl.concat([days.measure(number, number) for number in range(SHIFT - 3, SHIFT + 6)])

    together = days.measure(SHIFT - 3, SHIFT + 5)

    assert together.equals(one_by_one)
    assert together.equals(days.measure(SHIFT - 3, SHIFT + 5))


def test_days_without_rows_are_measured_too(days):
    days.users = 0
    quality = days.measure(0, 1)
    assert quality["rows"].to_list() == [0] * 2 * len(days.view.features)
    assert set(quality["verdict"]) == {NO_REFERENCE}


def test_a_sample_has_one_row_an_entity_and_the_same_rows_whatever_else_is_read(days):
    days.users = 5000
    days.store(0, 9)
    window = Window.of_days(days.day(2), days.day(8))
    held = view_table(days.lake, days.view).row_counts()
    less, more = (
        candidates(days.lake, days.view, held.filter(pl.col("day") >= first)) for first in (window.start, days.day(0))
    )

    rows = less[sample(less, window)]

    assert rows.height == rows["__entity"].n_unique() == MOST_ENTITIES
    assert rows.equals(more[sample(more, window)])
    # Each day is as likely as any other.
    counts = rows["day"].value_counts()["count"].to_numpy()
    assert stats.chisquare(counts).pvalue > 0.001
    assert sample(less, Window.of_days(days.day(20), days.day(21))).size == 0


def test_p_values_are_adjusted_among_the_features_of_a_day_without_those_that_move_with_time(days):
    names = days.view.feature_names
    p_values = [0.001, 0.2, 1e-9, None, 0.0004, 0.03, 0.5]
    compared = pl.DataFrame(
        {"feature": names, "day": [days.first] * 7, "p_value": p_values, "psi": [0.2, 0.2, 0.2, None, 0.2, 0.2, 0.2]}
    ).with_columns(reference_entities=pl.lit(500), reference_first_day=pl.lit(days.first))
    found = judged(
        days.view, pl.concat([compared, compared.with_columns(pl.col("day") + timedelta(days=1))]), days.first
    )

    tested = [0.001, 0.2, 0.0004, 0.03, 0.5]
    expected = dict(
        zip(("score", "visits", "city", "is_active", "topics"), stats.false_discovery_control(tested), strict=True)
    )
    expected |= {"tenure": 1e-9, "plan": None}
    for day in (days.first, days.first + timedelta(days=1)):
        rows = found.filter(pl.col("day") == day)
        assert dict(rows.select("feature", "p_value").iter_rows()) == pytest.approx(expected)
        assert set(rows.filter(pl.col("p_value") >= LEVEL)["verdict"]) == {STABLE}


def test_a_run_of_drifted_days_begins_anew_after_a_day_that_was_not():
    def on(number):
        return date(2026, 3, 1) + timedelta(days=number)

    is_drifted = [True, True, False, True]
    rows = pl.DataFrame({"feature": ["a"] * 4, "day": [on(n) for n in range(1, 5)], "drifted": is_drifted})
    schema = {"feature": pl.String, "day": pl.Date, "drifted": pl.Boolean, "since": pl.Date}
    before = pl.DataFrame([("a", on(0), True, on(-9)), ("b", on(0), True, on(-5))], schema=schema, orient="row")

    assert with_since(rows, before)["since"].to_list() == [on(-9), on(-9), None, on(4)]
    assert with_since(rows, before.clear())["since"].to_list() == [on(1), on(1), None, on(4)]
