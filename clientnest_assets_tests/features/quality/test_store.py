"""What is kept of the quality of features, and what the catalogue reads of it."""

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.quality.store import (
    CURRENT_DRIFT_SCHEMA,
    QUALITY_SCHEMA,
    SERIES_SCHEMA,
    catalogue_profiles,
    current_drift,
)


@pytest.fixture
def measured(days):
    days.changes.append(lambda number, drawn: {"score": drawn["score"] + 4 * (number >= 42)})
    days.store(0, 34)
    days.measure(35, 48)
    return days


def row(frame, feature):
    (found,) = frame.filter(pl.col("feature") == feature).to_dicts()
    return found


def test_the_newest_profile_of_each_feature_comes_in_the_order_of_the_declaration(measured):
    found = catalogue_profiles(measured.lake, measured.view)

    assert found.newest.schema == QUALITY_SCHEMA
    assert found.newest["feature"].to_list() == measured.view.feature_names
    assert set(found.newest["day"]) == {measured.day(48)}


def test_the_plot_of_a_number_has_the_bins_of_the_reference_on_both_sides(measured):
    score = row(catalogue_profiles(measured.lake, measured.view).newest, "score")

    assert len(score["recent_histogram"]) == len(score["reference_histogram"]) == len(score["edges"]) - 1 == 20
    assert sum(score["recent_histogram"]) == sum(score["reference_histogram"]) == score["recent_entities"] == 400
    # What moved beyond the reference is in the last bin.
    assert score["recent_histogram"][-1] > 100 > score["reference_histogram"][-1]


def test_counts_have_bins_that_cut_no_number(measured):
    newest = catalogue_profiles(measured.lake, measured.view).newest
    assert row(newest, "visits")["edges"] == list(np.arange(-0.5, row(newest, "visits")["edges"][-1] + 1))
    topics = row(newest, "topics")
    assert topics["edges"] == [-0.5, 0.5, 1.5, 2.5]
    assert topics["recent_histogram"] == [134, 133, 133]


def test_categories_and_members_of_lists_come_with_their_shares_the_most_frequent_first(measured):
    newest = catalogue_profiles(measured.lake, measured.view).newest
    plan, topics, active = (row(newest, name) for name in ("plan", "topics", "is_active"))

    assert (plan["categories"], plan["edges"]) == (["free", "paid"], None)
    assert sum(plan["recent_shares"]) == pytest.approx(1)
    assert plan["reference_shares"] == plan["recent_shares"]
    assert active["categories"] == ["false", "true"]
    assert (topics["categories"], topics["recent_shares"]) == (["a", "b"], [266 / 400, 133 / 400])


def test_a_text_that_few_rows_have_is_not_named(days):
    days.changes.append(
        lambda number, drawn: {
            "city": np.append(drawn["city"][4:], ["at home with Ann"] * 4),
            "topics": [*drawn["topics"][4:], *[["private"]] * 4],
        }
    )
    days.measure(0, 0)
    newest = catalogue_profiles(days.lake, days.view).newest

    assert sorted(row(newest, "city")["categories"]) == ["Lima", "Oslo", "Rome"]
    assert row(newest, "topics")["categories"] == ["a", "b"]


def test_the_series_goes_back_the_asked_days(measured):
    series = catalogue_profiles(measured.lake, measured.view, days=10).series

    assert series.schema == SERIES_SCHEMA
    assert series["day"].unique().sort().to_list() == [measured.day(n) for n in range(39, 49)]
    score = series.filter(pl.col("feature") == "score").sort("day")
    assert score["mean"][0] == pytest.approx(0, abs=0.3)
    assert score["mean"][-1] == pytest.approx(4, abs=0.3)
    assert score["psi"][-1] > 0.25 > 0.1 > score["psi"][0]


def test_the_newest_day_that_has_rows_is_shown_though_days_without_follow(measured):
    measured.users = 0
    measured.measure(49, 50)
    found = catalogue_profiles(measured.lake, measured.view)

    assert set(found.newest["day"]) == {measured.day(48)}
    assert found.series["day"].max() == measured.day(50)


def test_what_is_drifted_now_is_told_with_since_when_and_what_is_over_is_not(measured):
    drift = current_drift(measured.lake, [measured.view])
    assert drift.schema == CURRENT_DRIFT_SCHEMA
    assert drift.select("view", "feature", "day", "severity").rows() == [("users", "score", measured.day(48), "major")]
    assert measured.day(42) <= drift["since"][0] <= measured.day(44)

    # Five weeks on the models have learned from nothing else.
    measured.store(49, 83)
    measured.measure(84, 84)
    assert current_drift(measured.lake, [measured.view]).is_empty()


def test_before_anything_is_measured_there_is_nothing(days):
    found = catalogue_profiles(days.lake, days.view)
    assert (found.newest.height, found.series.height) == (0, 0)
    assert current_drift(days.lake, [days.view]).is_empty()
