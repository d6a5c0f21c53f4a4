"""What the marts about users say of a small world, by values reckoned by hand from users_world.sql."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from clientnest_assets.warehouse.load import create_raw_tables
from clientnest_assets_tests.dbt_project.conftest import Warehouse

WINDOW = {"min_date": "2025-02-26", "max_date": "2025-04-10"}
# Tests that look at other marts too are not run: those are not built.
NO_OTHERS = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")
WITH_PARENTS = ("--select", "+path:models/marts/users", *NO_OTHERS)
ACTIVE_USERS = ("--select", "active_users", *NO_OTHERS)


@pytest.fixture(scope="module")
def users(databases, tmp_path_factory):
    """The marts about users, built of users_world.sql. Tests read it and change nothing."""
    built = Warehouse(databases.create(), tmp_path_factory.mktemp("users"))
    built.execute(f"alter database {built.url.rsplit('/', 1)[-1]} set timezone = 'America/New_York'")
    create_raw_tables(built.url)
    built.execute(Path(__file__).with_name("users_world.sql").read_text(encoding="utf-8"))
    built.note_loaded("2025-02-26", "2025-04-09")
    built.execute(
        """
        delete from raw.table_days
        where (table_name, day) in (('user_sessions', '2025-04-02'), ('app_events_daily', '2025-03-05'),
                                    ('subscription_events', '2025-03-11'))
        """
    )
    built.build(*WITH_PARENTS, window=WINDOW)
    return built


@pytest.fixture
def copy(users, databases):
    """The same, to be changed by one test."""
    return replace(users, url=databases.create(users.url))


def values(warehouse, query):
    return [tuple(row.values()) for row in warehouse.rows(query)]


def active_users(warehouse):
    return values(warehouse, "select * from marts.active_users order by period_type, period_start")


def march(day):
    return date(2025, 3, day)


def test_every_day_week_and_month_has_its_active_users(users):
    rows = values(
        users,
        """
        select period_start, active_users, new_active_users, users_with_events from marts.active_users
        where period_type <> 'day' order by period_type, period_start
        """,
    )

    assert rows == [
        # In February user 6, who signed up on the 1st; in March 900 too, whose sign-up is unknown.
        (date(2025, 2, 1), 1, 1, 0),
        (date(2025, 3, 1), 6, 4, 2),
        (date(2025, 4, 1), 2, 0, 0),
        (date(2025, 2, 24), 1, 0, 0),
        (march(3), 2, 2, 2),
        (march(10), 5, 2, 1),
        (march(17), 1, 0, 0),
        (march(24), 1, 0, 0),
        (march(31), 0, 0, 0),
        (date(2025, 4, 7), 2, 0, 0),
    ]
    days = users.row(
        "select count(*) as days, sum(active_users) as total from marts.active_users where period_type = 'day'"
    )
    assert (days["days"], days["total"]) == (43, 14)


def test_a_day_looks_back_over_7_and_30_days(users):
    rows = values(
        users,
        """
        select period_start, active_users, new_active_users, active_users_7d, active_users_30d, stickiness,
               trailing_days_loaded
        from marts.active_users
        where period_type = 'day' and period_start in ('2025-03-10', '2025-03-12', '2025-04-02', '2025-04-08')
        order by period_start
        """,
    )

    assert rows == [
        (march(10), 2, 1, 3, 4, 0.5, 13),
        (march(12), 0, 0, 3, 4, 0.0, 15),
        (date(2025, 4, 2), 0, 0, 0, 5, 0.0, 29),
        (date(2025, 4, 8), 2, 0, 2, 6, 2 / 6, 29),
    ]


def test_a_period_says_whether_it_is_complete_and_what_it_lacks(users):
    rows = values(
        users,
        """
        select period_key, days_in_period, days_loaded, is_complete, is_sessions_missing, is_events_missing
        from marts.active_users
        where period_type <> 'day' or period_start in ('2025-03-05', '2025-04-02', '2025-04-03')
        order by period_type, period_start
        """,
    )

    assert rows == [
        ("day 2025-03-05", 1, 1, True, False, True),
        ("day 2025-04-02", 1, 0, False, True, False),
        ("day 2025-04-03", 1, 1, True, False, False),
        ("month 2025-02-01", 28, 3, False, False, False),
        ("month 2025-03-01", 31, 31, True, False, True),
        ("month 2025-04-01", 30, 8, False, True, False),
        ("week 2025-02-24", 7, 5, False, False, False),
        ("week 2025-03-03", 7, 7, True, False, True),
        ("week 2025-03-10", 7, 7, True, False, False),
        ("week 2025-03-17", 7, 7, True, False, False),
        ("week 2025-03-24", 7, 7, True, False, False),
        ("week 2025-03-31", 7, 6, False, True, False),
        ("week 2025-04-07", 7, 3, False, False, False),
    ]


def test_a_window_counts_the_weeks_and_months_that_it_touches_whole(copy):
    before = active_users(copy)

    copy.build(*ACTIVE_USERS, window={"min_date": "2025-03-13", "max_date": "2025-03-14"})
    assert active_users(copy) == before

    # A session gone at the source leaves its day, week and month, and the trailing days after it.
    copy.execute("delete from facts.fact_sessions where user_id = 900")
    copy.build(*ACTIVE_USERS, window={"min_date": "2025-03-13", "max_date": "2025-03-14"})
    changed = [row for row in active_users(copy) if row not in before]
    assert [row[:4] for row in changed] == [
        ("day 2025-03-13", "day", march(13), 1),
        ("month 2025-03-01", "month", march(1), 5),
        ("week 2025-03-10", "week", march(10), 4),
    ]


def test_windows_one_after_the_other_make_what_one_window_makes(copy):
    before = active_users(copy)
    copy.execute("truncate marts.active_users")

    for first, last in (("2025-02-26", "2025-03-13"), ("2025-03-13", "2025-04-01"), ("2025-04-01", "2025-04-10")):
        copy.build(*ACTIVE_USERS, window={"min_date": first, "max_date": last})

    assert active_users(copy) == before


def test_a_cohort_is_followed_week_by_week(users):
    rows = values(
        users,
        """
        select cohort_week, cohort_size, array_agg(week_number order by week_number) as weeks,
               array_agg(active_users order by week_number) as active, max(retention_rate) filter (where week_number = 3)
        from marts.cohort_retention group by 1, 2 order by 1
        """,
    )

    assert rows == [
        # User 6, who signed up before the first day in the warehouse.
        (date(2025, 1, 27), 1, [4, 5, 6, 7, 8, 9, 10], [1, 0, 0, 0, 0, 0, 1], None),
        (march(3), 2, [0, 1, 2, 3, 4, 5], [2, 2, 0, 1, 0, 1], 0.5),
        # User 4 is deleted, and was there all the same.
        (march(10), 2, [0, 1, 2, 3, 4], [2, 1, 0, 0, 0], 0.0),
        # User 5, of whom only a plan is known.
        (march(17), 1, [0, 1, 2, 3], [0, 0, 0, 0], 0.0),
    ]


def test_a_week_of_a_cohort_is_complete_once_all_its_days_are_loaded(users):
    rows = values(
        users, "select week_start, is_complete from marts.cohort_retention where cohort_size = 1 and week_number >= 4"
    )

    assert {week for week, is_complete in rows if is_complete} == {march(3), march(10), march(17), march(24)}


def test_the_funnel_counts_who_did_a_step_and_all_before_it(users):
    rows = values(
        users,
        """
        select sign_up_week, array_agg(users order by step_number) as users,
               array_agg(share_of_previous order by step_number) as shares, min(share_of_signed_up), bool_and(is_complete)
        from marts.activation_funnel group by 1 order by 1
        """,
    )

    assert rows == [
        (date(2025, 1, 27), [1, 1, 1, 1, 1, 1], [None, 1, 1, 1, 1, 1], 1.0, False),
        # User 2 paid at once and never published; user 1 went the whole way.
        (march(3), [2, 2, 2, 1, 1, 1], [None, 1, 1, 0.5, 1, 1], 0.5, True),
        # User 3 got engagement without an account that ClientNest knows; nobody engaged with user 4.
        (march(10), [2, 1, 1, 1, 0, 0], [None, 0.5, 1, 1, 0, None], 0.0, True),
        (march(17), [1, 0, 0, 0, 0, 0], [None, 0, None, None, None, None], 0.0, True),
    ]


def test_the_funnel_tells_the_hours_between_steps(users):
    rows = values(
        users,
        """
        select step, median_hours_from_previous, p90_hours_from_previous from marts.activation_funnel
        where sign_up_week = '2025-03-03' order by step_number
        """,
    )

    assert rows == [
        ("signed_up", None, None),
        ("connected_account", 15, pytest.approx(6 + 0.9 * 18)),
        ("created_post", 24, 24),
        ("published", 24, 24),
        # An observation of nothing on 5 March is not engagement.
        ("got_engagement", 24, 24),
        ("paid", 96, 96),
    ]
    # User 6 had paid before the first like came.
    paid_before = users.row(
        "select median_hours_from_previous as hours from marts.activation_funnel where sign_up_week = '2025-01-27' and step = 'paid'"
    )
    assert paid_before["hours"] == 0


def test_mrr_moves_by_its_five_parts(users):
    rows = values(
        users,
        """
        select day, new_mrr, expansion_mrr, contraction_mrr, churned_mrr, reactivated_mrr, closing_mrr
        from marts.mrr_movements where closing_mrr <> opening_mrr order by day
        """,
    )

    assert [(day, *map(float, parts)) for day, *parts in rows] == [
        (date(2025, 2, 27), 19.00, 0, 0, 0, 0, 19.00),
        (march(9), 15.20, 0, 0, 0, 0, 34.20),
        (march(10), 19.99, 0, 0, 0, 0, 54.19),
        # User 2 left and came back within the day.
        (march(12), 0, 0, 0, -15.20, 19.00, 57.99),
        (march(14), 149.01, 0, 0, 0, 0, 207.00),
        (march(15), 0, 30.00, 0, 0, 0, 237.00),
        (march(18), 99.00, 0, 0, 0, 0, 336.00),
        # User 4 is deleted at noon, but for billing only the event of the 22nd counts.
        (march(20), 0, 0, -30.00, 0, 0, 306.00),
        (march(22), 0, 0, -100.01, 0, 0, 205.99),
        (date(2025, 4, 1), 0, 0, 0, -19.00, 0, 186.99),
        (date(2025, 4, 5), 0, 0, 0, 0, 49.00, 235.99),
    ]
    assert users.row("select count(*) as days from marts.mrr_movements")["days"] == 43


def test_mrr_counts_the_users_who_move(users):
    rows = values(
        users,
        """
        select new_users, expansion_users, contraction_users, churned_users, reactivated_users, is_subscriptions_missing
        from marts.mrr_movements where day in ('2025-03-11', '2025-03-12', '2025-03-20') order by day
        """,
    )

    assert rows == [(0, 0, 0, 0, 0, True), (0, 0, 0, 1, 1, False), (0, 0, 1, 0, 0, False)]


def test_mrr_closes_each_day_at_what_the_users_pay(users):
    users_pay = values(users, "select day, sum(mrr) from facts.fact_users_daily group by 1 order by 1")

    assert values(users, "select day, closing_mrr from marts.mrr_movements order by 1") == users_pay


def test_an_experiment_gives_the_sums_that_a_test_needs(users):
    rows = values(
        users,
        """
        select experiment_key, variant, users, users_in_several_variants, measured_users, conversions, value_sum,
               value_square_sum, mean, variance
        from marts.experiment_results where metric_type is not null order by experiment_id, variant
        """,
    )

    assert rows == [
        # Posts 11 and 12 of user 1; post 13 was published when the experiment had ended.
        ("coach", "control", 1, 0, 1, None, Decimal("17.5"), Decimal("306.25"), 17.5, None),
        # User 2 published nothing; user 3 was put into control a day later.
        ("coach", "treatment", 3, 1, 2, None, 9, 81, 4.5, 40.5),
        ("dark", "control", 1, 0, 1, None, 4, 16, 4.0, None),
        # User 4 was seen only before the assignment.
        ("dark", "treatment", 2, 0, 2, None, 1, 1, 0.5, 0.5),
        # User 6 was active before, and can no longer be moved.
        ("checklist", "control", 3, 0, 2, 1, 1, 1, 0.5, 0.5),
        ("checklist", "treatment", 2, 0, 2, 1, 1, 1, 0.5, 0.5),
    ]


def test_a_metric_that_nobody_defined_has_no_sums_and_is_warned_of(users):
    rows = values(
        users,
        "select experiment_id, experiment_key, metric, users, measured_users, value_sum from marts.experiment_results "
        "where metric_type is null order by 1",
    )

    # Experiment 5's own row has not arrived.
    assert rows == [(4, "music", "happiness", 1, 0, None), (5, None, None, 1, 0, None)]
    succeeded, events = users.dbt("test", "--select", "experiment_results_metric_is_known")
    assert succeeded
    assert any("experiment_results_metric_is_known" in event.info.msg for event in events if event.info.level == "warn")
