"""What the built warehouse says of the small world, by values reckoned by hand from world.sql."""

from datetime import UTC, date, datetime
from decimal import Decimal

from clientnest_assets.contracts.app import AI_REQUEST_TYPES, APP_TABLES, PLATFORMS
from clientnest_assets.contracts.dbt_sources import DBT_PROJECT


def test_every_user_who_had_joined_by_the_days_end_has_a_row(warehouse):
    rows = warehouse.rows("select day, user_id from facts.fact_users_daily order by 1, 2")

    expected = [(date(2025, 1, day), user) for day in range(6, 13) for user in (1, 2, 3) if user != 2 or day >= 8]
    assert [(row["day"], row["user_id"]) for row in rows] == expected


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
    # No comments are told; the others still make the total.
    assert (post["engagement_total"], post["engagement_score"], post["comments"]) == (1050, 1150, None)
    assert (day["engagement_total"], day["new_likes"], day["new_comments"]) == (1050, 1000, None)
    assert (account["followers"], account["user_id"], account["engagement_category"]) == (1000, None, None)


def test_an_observation_of_an_unknown_post_is_kept(warehouse):
    day = warehouse.row("select * from facts.fact_content_daily where post_id = 404")

    assert (day["likes"], day["platform"], day["age_days"]) == (1, None, None)


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


def test_daily_kpis_of_one_day_by_hand(warehouse):
    day = warehouse.row("select * from marts.daily_kpis where day = '2025-01-12'")

    assert day == {
        "day": date(2025, 1, 12),
        "active_users": 2,
        "paying_users": 2,
        "mrr": Decimal("169.00"),
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


def test_dates_run_without_gaps_over_all_that_is_known(warehouse):
    dates = warehouse.row("select min(day) as first, max(day) as last, count(*) as days from dimensions.dim_date")

    assert dates == {"first": date(2024, 12, 20), "last": date(2025, 1, 20), "days": 32}


def test_lists_in_sql_are_those_of_the_contracts(warehouse):
    dim_date = (DBT_PROJECT / "models/dimensions/dim_date.sql").read_text()
    facts = (DBT_PROJECT / "models/facts/_models.yml").read_text()

    platforms = warehouse.rows("select platform from dimensions.dim_platform order by platform_order")
    assert tuple(row["platform"] for row in platforms) == PLATFORMS
    assert all(f"'{table.name}'" in dim_date for table in APP_TABLES)
    assert f"values: [{', '.join(AI_REQUEST_TYPES)}, unknown]" in facts
