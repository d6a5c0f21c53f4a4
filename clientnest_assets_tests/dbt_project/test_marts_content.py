"""What the marts about content and the company say of a small world, by values reckoned by hand from content_world.sql."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from clientnest_assets.warehouse.load import create_raw_tables
from clientnest_assets_tests.dbt_project.conftest import Warehouse

WINDOW = {"min_date": "2025-02-01", "max_date": "2025-03-17"}
DAYS = 44
WEDNESDAY = {"min_date": "2025-03-12", "max_date": "2025-03-13"}
MARTS = ("path:models/marts/company", "path:models/marts/content")
WINDOWED = ("daily_kpis", "hourly_metrics", "ai_efficiency", "platform_performance", "follower_growth")


@pytest.fixture(scope="module")
def content(databases, tmp_path_factory):
    """The marts about content and the company, built of content_world.sql. Tests read it and change nothing."""
    built = Warehouse(databases.create(), tmp_path_factory.mktemp("content"))
    built.execute(f"alter database {built.url.rsplit('/', 1)[-1]} set timezone = 'America/New_York'")
    create_raw_tables(built.url)
    built.execute(Path(__file__).with_name("content_world.sql").read_text(encoding="utf-8"))
    # The 29th day after 4 March, so that day is final and the next is not.
    built.note_loaded("2025-02-01", "2025-04-02")
    built.execute("delete from raw.table_days where (table_name, day) = ('user_sessions', '2025-03-07')")
    built.build(
        "--select",
        *(f"+{folder}" for folder in MARTS),
        *("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"),
        window=WINDOW,
    )
    return built


@pytest.fixture
def copy(content, databases):
    """The same, to be changed by one test."""
    return replace(content, url=databases.create(content.url))


def values(warehouse, query):
    return [tuple(row.values()) for row in warehouse.rows(query)]


def run(warehouse, *models, window=WEDNESDAY):
    succeeded, events = warehouse.dbt("run", "--select", *models, window=window)
    assert succeeded, [event.info.msg for event in events if event.info.level == "error"]


def marts(warehouse):
    """Every row of every windowed mart here, as text."""
    return {
        mart: [row for (row,) in values(warehouse, f"select mart::text from marts.{mart} as mart order by 1")]
        for mart in WINDOWED
    }


def test_daily_kpis_of_one_day(content):
    assert content.row("select * from marts.daily_kpis where day = '2025-03-04'") == {
        "day": date(2025, 3, 4),
        "active_users": 1,
        "paying_users": 1,
        "mrr": Decimal("19.99"),
        "total_posts": 2,
        "avg_engagement": (35 + 20) / 2,
        "ai_generated_posts": 1,
        "avg_ai_processing_time": 4.0,
        "total_ai_cost": Decimal("0.020000"),
        "is_sessions_missing": False,
        "is_posts_missing": False,
        "is_post_metrics_missing": False,
        "is_ai_missing": False,
        "is_subscriptions_missing": False,
        "is_complete": True,
        "is_final": True,
    }


def test_a_day_without_anything_has_its_row_and_no_averages(content):
    days = values(content, "select day from marts.daily_kpis order by day")
    (day,) = values(
        content,
        """
        select active_users, mrr, total_posts, avg_engagement, avg_ai_processing_time, total_ai_cost, is_final
        from marts.daily_kpis where day = '2025-03-08'
        """,
    )

    assert [day for (day,) in days] == [date(2025, 2, 1) + timedelta(days=number) for number in range(DAYS)]
    assert day == (0, Decimal("19.99"), 0, None, None, Decimal(0), False)


def test_a_missing_input_is_told_until_it_is_loaded(copy):
    told = "select day, is_sessions_missing, is_complete from marts.daily_kpis where is_sessions_missing or not is_complete"
    assert values(copy, told) == [(date(2025, 3, 7), True, False)]

    copy.execute(
        """
        insert into raw.table_days (table_name, day, rows_loaded, loaded_at)
        values ('user_sessions', '2025-03-07', 0, now())
        """
    )
    run(copy, "daily_kpis", window={"min_date": "2025-03-07", "max_date": "2025-03-08"})

    assert values(copy, told) == []


def test_a_platform_is_summed_over_its_posts(content):
    assert content.row(
        "select * from marts.platform_performance where (day, platform) = ('2025-03-04', 'twitter')"
    ) == {
        "day": date(2025, 3, 4),
        "platform": "twitter",
        "posts": 2,
        "active_accounts": 1,
        "ai_generated_posts": 1,
        "observed_posts": 2,
        "likes": 50,
        "comments": 4,
        "shares": 1,
        "clicks": 8,
        "impressions": 500,
        "engagement_total": 55,
        "engagement_score": 61,
        # Of post 101 alone: nobody told the other's reach, nor its clicks.
        "avg_engagement_rate": 0.1,
        "click_through_rate": 8 / 400,
        "mature_posts": 2,
        "mature_engagement_score": 61,
        "avg_mature_engagement_score": 30.5,
        # February's scores are 10, 20, 30 and 40, March's 41 and 20.
        "low_posts": 0,
        "medium_posts": 1,
        "high_posts": 0,
        "viral_posts": 1,
        "is_final": True,
    }


def test_every_platform_has_a_row_on_every_day_and_the_unknown_one_only_with_posts(content):
    counted = values(
        content, "select platform, count(*), sum(posts) from marts.platform_performance group by 1 order by 1"
    )

    assert counted == [
        ("facebook", DAYS, 0),
        ("instagram", DAYS, 0),
        ("linkedin", DAYS, 0),
        ("tiktok", DAYS, 1),
        ("twitter", DAYS, 6),
    ]


def test_weeks_of_an_account_chain(content):
    weeks = values(
        content,
        """
        select account_id, week_start, opening_day, closing_day, opening_followers, follower_growth, closing_followers,
               follower_growth_rate, engagement_category, posts_published, observed_days, is_whole_week
        from marts.follower_growth order by account_id, week_start
        """,
    )

    february, first, second = date(2025, 2, 24), date(2025, 3, 3), date(2025, 3, 10)
    sunday, next_sunday = date(2025, 3, 2), date(2025, 3, 9)
    assert weeks == [
        (10, february, date(2025, 3, 1), sunday, 1000, 10, 1010, 0.01, "Medium", 0, 2, False),
        (10, first, sunday, next_sunday, 1010, 10, 1020, 10 / 1010, "Excellent", 2, 2, True),
        # On the 12th the platform did not tell the followers.
        (10, second, next_sunday, date(2025, 3, 14), 1020, 51, 1071, 0.05, "High", 0, 1, False),
        (11, second, date(2025, 3, 11), date(2025, 3, 16), 200, 60, 260, 0.3, "Medium", 1, 2, False),
    ]


def test_hours_tell_when_in_the_day_it_happened(content):
    hours = values(
        content,
        """
        select * from marts.hourly_metrics
        where day = '2025-03-04' and (sessions + posts_created + posts_published + comments + app_events) > 0
        order by hour_at
        """,
    )

    def at(hour):
        return datetime(2025, 3, 4, hour, tzinfo=UTC), date(2025, 3, 4), hour

    assert hours == [
        # active_users, sessions, sign_ups, subscription_events, support_tickets, posts_created, posts_published,
        # comments, ai_requests, ai_failed_requests, ai_tokens, ai_cost, app_events, app_errors
        (*at(9), 1, 2, 0, 0, 1, 0, 1, 2, 2, 1, 0, Decimal(0), 7, 1),
        (*at(10), 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1000, Decimal("0.02"), 0, 0),
        (*at(11), 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, Decimal(0), 0, 0),
        (*at(12), 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, Decimal(0), 0, 0),
        (*at(23), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, Decimal(0), 0, 0),
    ]


def test_the_time_series_has_every_hour(content):
    series = content.row(
        """
        select min(hour_at) as first, max(hour_at) as last, count(*) as hours, sum(sign_ups) as sign_ups,
               sum(subscription_events) as subscription_events, sum(ai_cost) as ai_cost
        from marts.hourly_metrics
        """
    )

    assert series == {
        "first": datetime(2025, 2, 1, tzinfo=UTC),
        "last": datetime(2025, 3, 16, 23, tzinfo=UTC),
        "hours": 24 * DAYS,
        "sign_ups": 2,
        "subscription_events": 3,
        "ai_cost": Decimal("0.021"),
    }


def test_ai_is_told_by_type_and_plan_and_tokens_when_they_were_used(content):
    rows = values(
        content,
        """
        select extract(day from day)::integer, request_type, subscription_tier, users, requests, failed_requests,
               processing_seconds, tokens, cost, avg_processing_seconds, cost_per_token, processing_speed,
               efficiency_score
        from marts.ai_efficiency order by day, request_type
        """,
    )

    assert rows == [
        (4, "content_generation", "starter", 1, 1, 0, 4.0, 1000, Decimal("0.02"), 4.0, 0.00002, 250.0, 40.0),
        (4, "image_caption", "starter", 1, 1, 1, 0.0, 0, Decimal(0), None, None, None, None),
        (5, "content_generation", "free", 1, 1, 0, 2.0, 0, Decimal(0), 2.0, None, 0.0, None),
        (6, "content_generation", "free", 1, 0, 0, 0.0, 100, Decimal("0.001"), None, 0.00001, None, None),
    ]


def test_the_overview_sums_what_adds_up_and_compares_the_rest(content):
    rows = values(
        content,
        """
        select extract(day from day)::integer, total_posts, total_posts_7d_before, total_posts_change_7d,
               total_posts_7d, avg_engagement_7d, total_ai_cost_7d, mrr_change_7d, net_new_mrr_7d,
               active_users, active_users_7d, complete_days_28d
        from marts.executive_overview where day in ('2025-03-10', '2025-03-11', '2025-03-12') order by day
        """,
    )

    assert rows == [
        (10, 0, 0, None, 2, 27.5, Decimal("0.021"), 0.0, Decimal(0), 0, 2, 27),
        (11, 0, 2, -1.0, 0, None, Decimal("0.001"), 0.0, Decimal(0), 1, 1, 27),
        (12, 1, 0, None, 1, None, Decimal("0.001"), 1.0, Decimal("19.99"), 0, 1, 27),
    ]


def test_a_week_is_built_whole_by_any_of_its_days_and_what_went_is_gone(copy):
    before = marts(copy)
    run(copy, *MARTS)
    assert marts(copy) == before

    copy.execute(
        """
        delete from raw.account_metrics where account_id = 11;
        update raw.account_metrics set followers_count = 1005 where id = 2;
        """
    )
    run(copy, "fact_social_daily", window={"min_date": "2025-03-01", "max_date": "2025-03-17"})
    run(copy, "follower_growth")

    weeks = "select account_id, week_start, opening_followers, follower_growth from marts.follower_growth order by 1, 2"
    told = [(10, date(2025, 2, 24), 1000, 10), (10, date(2025, 3, 3), 1010, 10), (10, date(2025, 3, 10), 1020, 51)]
    # The weeks that the window does not touch are as they were.
    assert values(copy, weeks) == told

    run(copy, "follower_growth", window={"min_date": "2025-03-02", "max_date": "2025-03-04"})
    told[:2] = [(10, date(2025, 2, 24), 1000, 5), (10, date(2025, 3, 3), 1005, 15)]
    assert values(copy, weeks) == told


def test_tests_find_what_does_not_add_up(copy):
    copy.execute(
        """
        update marts.hourly_metrics set sessions = sessions + 1 where hour_at = '2025-03-04 09:00+00';
        update marts.platform_performance set posts = posts + 1 where (day, platform) = ('2025-03-04', 'twitter');
        update marts.follower_growth set opening_followers = 1, follower_growth = closing_followers - 1
        where (account_id, week_start) = (10, '2025-03-03');
        delete from marts.ai_efficiency where day = '2025-03-06';
        delete from marts.daily_kpis where day = '2025-03-08';
        """
    )

    succeeded, events = copy.dbt("test", "--select", *WINDOWED, window=WINDOW)

    failed = {event.data.node_info.node_name for event in events if event.info.name == "RunResultFailure"}
    assert not succeeded
    assert failed == {
        "hourly_metrics_sum_to_the_days",
        "daily_kpis_reconcile_with_other_marts",
        "follower_growth_weeks_chain",
        "no_loaded_day_is_left_out",
    }
