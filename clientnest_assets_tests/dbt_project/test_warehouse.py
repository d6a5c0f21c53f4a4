"""What the built warehouse says of the small world, by values reckoned by hand from world.sql."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from clientnest_assets.contracts.app import AI_REQUEST_TYPES, PLATFORMS, SUBSCRIPTION_EVENTS, TIERS
from clientnest_assets.contracts.dbt_sources import DBT_PROJECT


def test_every_user_who_had_joined_by_the_days_end_has_a_row(warehouse):
    rows = warehouse.rows("select day, user_id from facts.fact_users_daily order by 1, 2")

    members = [(date(2025, 1, day), user) for day in range(6, 13) for user in (1, 2, 3) if user != 2 or day >= 8]
    # 5 is deleted on the 10th and goes on paying; of 900 and 901 nothing is known but that they posted.
    payer = [(date(2025, 1, day), 5) for day in range(6, 13)]
    strangers = [(date(2025, 1, 7), 901), (date(2025, 1, 8), 901), (date(2025, 1, 12), 900)]
    assert [(row["day"], row["user_id"]) for row in rows] == sorted([*members, *payer, *strangers])


def test_who_is_not_in_the_dimension_is_told_under_the_unknown_member(warehouse):
    rows = warehouse.rows(
        """
        select users.user_id, users.day, dim_user.is_known, users.subscription_tier, users.mrr, users.posts_published,
               users.user_tenure_days
        from facts.fact_users_daily as users inner join dimensions.dim_user using (user_key)
        where users.user_id in (5, 900) and users.day >= '2025-01-09' order by 1, 2
        """
    )

    assert [(row["user_id"], row["day"].day, *list(row.values())[2:]) for row in rows] == [
        (5, 9, True, "starter", Decimal("9.99"), 0, 3),
        (5, 10, False, "unknown", Decimal("9.99"), 0, None),
        (5, 11, False, "unknown", Decimal("9.99"), 0, None),
        (5, 12, False, "unknown", Decimal("9.99"), 0, None),
        (900, 12, False, "unknown", Decimal("0.00"), 1, None),
    ]


def test_a_user_day_knows_nothing_of_the_next_day(warehouse):
    rows = warehouse.rows(
        """
        select day, subscription_tier, mrr, sessions, session_seconds, sessions_7d, days_since_last_login,
               user_tenure_days, connected_accounts, posts_created, posts_published, user_segment, churn_risk
        from facts.fact_users_daily
        where user_id = 1 and day in ('2025-01-09', '2025-01-11', '2025-01-12') order by day
        """
    )

    assert [list(row.values())[1:] for row in rows] == [
        ["free", Decimal("0.00"), 0, 0, 1, 4, 20, 1, 1, 0, "Active", 0.2],
        ["starter", Decimal("19.99"), 0, 0, 1, 6, 22, 1, 0, 0, "Active", 0.2],
        ["starter", Decimal("19.99"), 2, 200, 2, 0, 23, 1, 2, 2, "Active", 0.0],
    ]


def test_who_was_last_seen_in_december_is_inactive_then_churned(warehouse):
    rows = warehouse.rows(
        """
        select days_since_last_login, user_segment, churn_risk
        from facts.fact_users_daily where user_id = 3 order by day
        """
    )

    assert [row["days_since_last_login"] for row in rows] == list(range(17, 24))
    assert {(row["user_segment"], row["churn_risk"]) for row in rows} == {("Inactive", 1.0)}


def test_the_label_is_taken_at_seven_days_and_the_counts_are_the_latest(warehouse):
    post = warehouse.row("select * from facts.fact_posts where post_id = 11")

    assert post["content_category"] == "Educational"
    assert (post["media_type"], post["hashtag_count"]) == ("image", 2)
    assert post["observed_at"] == datetime(2025, 1, 20, 3, 5, tzinfo=UTC)
    assert (post["engagement_total"], post["engagement_score"], post["engagement_rate"]) == (47, 57, 0.1)
    assert post["mature_at"] == datetime(2025, 1, 13, 3, 5, tzinfo=UTC)
    assert (post["mature_engagement_total"], post["mature_engagement_score"]) == (35, 42)
    assert (post["local_published_date"], post["local_published_hour"]) == (date(2025, 1, 5), 22)


def test_a_young_post_has_no_label_and_a_rate_over_nothing_is_null(warehouse):
    post = warehouse.row("select * from facts.fact_posts where post_id = 12")

    assert (post["engagement_total"], post["engagement_rate"], post["click_through_rate"]) == (7, None, None)
    assert (post["mature_at"], post["mature_engagement_score"]) == (None, None)


def test_posts_out_of_files_are_in_the_facts_without_user_and_account(warehouse):
    post = warehouse.row("select * from facts.fact_posts where post_id = 91")
    day = warehouse.row("select * from facts.fact_content_daily where post_id = 91")
    account = warehouse.row("select * from facts.fact_social_daily where account_id = 900")

    assert (post["user_id"], post["author_timezone"]) == (900, "UTC")
    assert (post["user_key"], post["account_key"], post["subscription_tier"]) == ("unknown", "unknown", "unknown")
    # No comments are told; the others still make the total.
    assert (post["engagement_total"], post["engagement_score"], post["comments"]) == (1050, 1150, None)
    assert (day["engagement_total"], day["new_likes"], day["new_comments"]) == (1050, 1000, None)
    assert (account["followers"], account["user_id"], account["engagement_category"]) == (1000, None, None)
    assert (account["user_key"], account["account_key"], account["platform"]) == ("unknown", "unknown", "unknown")


def test_an_observation_of_an_unknown_post_is_kept(warehouse):
    day = warehouse.row("select * from facts.fact_content_daily where post_id = 404")

    assert (day["likes"], day["user_id"], day["age_days"]) == (1, None, None)
    assert (day["post_key"], day["platform"], day["content_category"]) == (-1, "unknown", "Unknown")


def test_a_deleted_post_is_in_no_fact(warehouse):
    told = warehouse.row(
        """
        select (select count(*) from facts.fact_posts where post_id = 15) as posts,
               (select count(*) from facts.fact_content_daily where post_id = 15) as observed,
               (select posts_published from facts.fact_users_daily where user_id = 1 and day = '2025-01-12') as published
        """
    )

    assert tuple(told.values()) == (0, 0, 2)


def test_keys_are_of_the_stretch_that_held(warehouse):
    post = warehouse.row(
        """
        select users.subscription_tier, users.valid_to, accounts.account_id, posts.subscription_tier as tier
        from facts.fact_posts as posts
        inner join dimensions.dim_user as users using (user_key)
        inner join dimensions.dim_social_account as accounts using (account_key)
        where posts.post_id = 11
        """
    )
    sessions = warehouse.rows(
        """
        select sessions.session_id, users.subscription_tier, sessions.local_day, sessions.local_hour
        from facts.fact_sessions as sessions inner join dimensions.dim_user as users using (user_key)
        order by sessions.session_id
        """
    )

    assert tuple(post.values()) == ("free", datetime(2025, 1, 10, 10, tzinfo=UTC), 5, "free")
    assert [tuple(row.values()) for row in sessions] == [
        (2, "starter", date(2025, 1, 12), 4),
        (3, "starter", date(2025, 1, 12), 16),
        (4, "business", date(2025, 1, 13), 8),
    ]


def test_the_tier_of_a_post_is_among_the_posts_before_it(warehouse):
    rows = warehouse.rows(
        """
        select post_id, mature_engagement_score, performance_tier, is_final
        from facts.fact_posts where platform = 'instagram' order by 1
        """
    )

    # Before 92 there is 42 alone; before 93 there are 42 and 50, whose median is 46.
    assert [tuple(row.values()) for row in rows] == [
        (11, 42, None, False),
        (12, None, None, False),
        (13, None, None, False),
        (92, 50, "Viral", False),
        (93, 46, "Medium", False),
    ]


def test_the_latest_version_of_a_post_wins_across_sources(warehouse):
    post = warehouse.row("select content, source, status from staging.stg_app__social_posts where post_id = 11")

    assert post == {"content": "Guide: how to sell", "source": "app_database", "status": "published"}


def test_followers_grow_day_over_day(warehouse):
    row = warehouse.row("select * from facts.fact_social_daily where account_id = 5 and day = '2025-01-12'")

    assert (row["follower_growth"], row["follower_growth_rate"]) == (10, 0.05)
    assert (row["engagement_category"], row["posts_published"]) == ("Excellent", 2)


def test_an_ai_request_is_counted_once_by_its_latest_version(warehouse):
    row = warehouse.row("select * from facts.fact_ai_daily where user_id = 1")

    assert (row["requests"], row["completed_requests"], row["processing_seconds"]) == (1, 1, 4.0)
    assert (row["tokens"], row["cost"], row["processing_speed"]) == (1000, Decimal("0.012345"), 250.0)
    assert row["efficiency_score"] == 0.8 / 0.012345


def test_a_request_is_told_whole(warehouse):
    rows = warehouse.rows(
        """
        select request_id, user_key <> 'unknown' as has_user, subscription_tier, platform, status, local_day,
               processing_seconds, tokens, cost, quality_score, cost_per_token, processing_speed, efficiency_score
        from facts.fact_ai_requests order by 1
        """
    )

    local = date(2025, 1, 12)
    quotients = (0.012345 / 1000, 250.0, 0.8 / 0.012345)
    assert [tuple(row.values()) for row in rows] == [
        (1, True, "starter", "instagram", "completed", local, 4.0, 1000, Decimal("0.012345"), 0.8, *quotients),
        (2, True, "business", None, "completed", local, 2.0, 100, Decimal("0.000001"), None, 1e-8, 50.0, None),
        (3, True, "business", None, "failed", local, None, 0, Decimal("0.000000"), None, None, None, None),
    ]


def test_a_subscription_event_is_told_with_what_it_moved(warehouse):
    rows = warehouse.rows(
        """
        select events.subscription_event_id, events.day, events.local_day, users.subscription_tier, events.from_tier,
               events.to_tier, events.mrr_before, events.mrr_after, events.mrr_change, events.mrr_movement
        from facts.fact_subscription_events as events inner join dimensions.dim_user as users using (user_key)
        order by 1
        """
    )

    upgraded, started, first = date(2025, 1, 10), date(2025, 1, 8), date(2025, 1, 6)
    nothing, starter, business = Decimal("0.00"), Decimal("19.99"), Decimal("149.01")
    assert [tuple(row.values()) for row in rows] == [
        (2, upgraded, upgraded, "starter", "free", "starter", nothing, starter, starter, "new"),
        (3, started, started, "business", None, "business", nothing, business, business, "new"),
        (5, first, first, "starter", None, "starter", nothing, Decimal("9.99"), Decimal("9.99"), "new"),
    ]


def test_daily_kpis_of_one_day_by_hand(warehouse):
    day = warehouse.row(
        """
        select active_users, paying_users, mrr, total_posts, avg_engagement, ai_generated_posts,
               avg_ai_processing_time, total_ai_cost
        from marts.daily_kpis where day = '2025-01-12'
        """
    )

    assert day == {
        "active_users": 2,
        "paying_users": 3,
        "mrr": Decimal("178.99"),
        "total_posts": 3,
        # Of posts 12 and 91; 13 was not observed.
        "avg_engagement": (7 + 1050) / 2,
        "ai_generated_posts": 1,
        "avg_ai_processing_time": 3.0,
        "total_ai_cost": Decimal("0.012346"),
    }


def test_a_user_has_one_stretch_for_each_plan(warehouse):
    rows = warehouse.rows(
        """
        select subscription_tier, valid_from, valid_to, is_current
        from dimensions.dim_user where user_id = 1 order by valid_from
        """
    )

    upgrade = datetime(2025, 1, 10, 10, tzinfo=UTC)
    assert [tuple(row.values()) for row in rows] == [
        ("free", datetime(2024, 12, 20, 10, tzinfo=UTC), upgrade, False),
        ("starter", upgrade, None, True),
    ]


def test_dates_run_without_gaps_over_all_that_is_loaded(warehouse):
    dates = warehouse.row(
        "select min(day) as first, max(day) as last, count(*) as days from dimensions.dim_date where is_known"
    )

    assert dates == {"first": date(2024, 12, 1), "last": date(2025, 1, 20), "days": 51}


@pytest.mark.parametrize(
    ("dimension", "column", "order", "expected"),
    [
        ("dim_platform", "platform", "platform_order", PLATFORMS),
        ("dim_subscription_tier", "subscription_tier", "tier_order", TIERS),
        ("dim_ai_request_type", "request_type", "request_type_order", AI_REQUEST_TYPES),
    ],
)
def test_closed_sets_are_those_of_the_contracts(warehouse, dimension, column, order, expected):
    rows = warehouse.rows(f"select {column} as member from dimensions.{dimension} where is_known order by {order}")

    assert tuple(row["member"] for row in rows) == expected


def test_kinds_of_subscription_events_are_those_of_the_contract():
    facts = (DBT_PROJECT / "models/facts/_models.yml").read_text()

    assert f"values: [{', '.join(SUBSCRIPTION_EVENTS)}]" in facts
