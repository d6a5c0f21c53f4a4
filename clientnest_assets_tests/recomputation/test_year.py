"""A year that arrived late, restated and out of order agrees with its recomputation, and is the same built anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.partitions import Window
from clientnest_assets_tests.recomputation.trial import Trial

ARRIVES, REBUILT = 122, 92
"""Days of the windows in which the year arrives, and in which it is built anew: no window ends where another does."""

LOOKED_AT = 29
"""Of so many days one is computed alone: each weekday and each place in a month comes up."""


@dataclass(frozen=True)
class Year:
    """A trial after all its stages, and what was found at each."""

    trial: Trial
    at_first: list[str]
    after_much: list[str]
    after_a_little: list[str]


@pytest.fixture(scope="module")
def create_database(databases) -> Callable[[], str]:
    return databases.create


@pytest.fixture(scope="module")
def year(create_database, tmp_path_factory) -> Year:
    trial = Trial.begin(tmp_path_factory.mktemp("year"), create_database, users=30)
    trial.arrive(ARRIVES)
    at_first = trial.differences()
    trial.disturb("later.sql")
    trial.arrive_again(ARRIVES)
    trial.delete()
    trial.catch_up()
    after_much = trial.differences()
    trial.disturb("a_little.sql")
    trial.arrive_again(ARRIVES)
    trial.catch_up()
    return Year(trial, at_first, after_much, trial.differences())


def test_a_year_of_children_before_parents_agrees_with_its_recomputation(year):
    assert not year.at_first, "\n".join(year.at_first)


def test_late_restated_moved_and_deleted_rows_agree_with_the_recomputation(year):
    assert not year.after_much, "\n".join(year.after_much)


def test_what_was_not_told_to_be_behind_was_not(year):
    assert not year.after_a_little, "\n".join(year.after_a_little)


def test_the_warehouse_built_from_the_lake_alone_in_other_windows_is_identical(year, create_database):
    product = year.trial.product
    rebuilt = product.from_the_lake(create_database(), REBUILT, year.trial.span)

    assert rebuilt.digests() == product.digests()


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        ("user_sessions", {"fact_sessions": "session_id"}),
        ("subscription_events", {"fact_subscription_events": "subscription_event_id"}),
        ("social_posts", {"fact_posts": "post_id", "fact_content_daily": "post_id"}),
    ],
)
def test_rows_that_are_gone_at_the_source_are_gone_from_the_facts(year, table, facts):
    gone = set(year.trial.gone(table))

    assert gone
    for fact, column in facts.items():
        assert not gone.intersection(year.trial.product.table("facts", fact).get_column(column))


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_feature_view_over_the_year_is_row_for_row_what_its_days_give_one_by_one(year, view):
    product, span = year.trial.product, year.trial.span

    def rows(window):
        inputs = {each.table: each.read(product.lake, product.warehouse_url, window) for each in view.upstream}
        return view.materialise(inputs, window)

    whole = pl.concat([rows(window) for window in span.chunks()])
    assert whole.height
    for day in span.days()[::LOOKED_AT]:
        assert rows(Window.of_days(day, day)).equals(whole.filter(pl.col("day") == day)), day
