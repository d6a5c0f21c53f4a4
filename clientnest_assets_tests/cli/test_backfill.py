"""The whole default backfill on a small company: nothing lost, nothing twice, and the KPIs as the app's database has them."""

import json
from datetime import date, timedelta

import polars as pl
import pytest

from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.defs.behind import models_behind
from clientnest_assets.sources.landing import quarantine_table, raw_table
from clientnest_assets.warehouse.load import row_counts

INDEPENDENT_KPIS = """
with days as (
    select generate_series('{first}'::date, '{last}'::date, '1 day')::date as day
),
engagement as (
    select p.id, p.published_time::date as day, p.ai_generated,
        (select coalesce(m.likes_count, 0) + coalesce(m.comments_count, 0) + coalesce(m.shares_count, 0)
         from post_metrics m where m.post_id = p.id order by m.collected_at desc, m.id desc limit 1) as total
    from social_posts p where p.status = 'published' and p.id < 9000000
)
select
    day,
    (select count(distinct user_id) from user_sessions s where s.created_at::date = day and s.id < 9000000),
    (select count(*) filter (where mrr > 0) from
        (select distinct on (user_id) mrr from subscription_events e where occurred_at::date <= day
         order by user_id, occurred_at desc, id desc) as plans),
    (select coalesce(sum(mrr), 0) from
        (select distinct on (user_id) mrr from subscription_events e where occurred_at::date <= day
         order by user_id, occurred_at desc, id desc) as plans),
    (select count(*) from engagement e where e.day = days.day),
    (select avg(total)::float8 from engagement e where e.day = days.day),
    (select count(*) filter (where ai_generated) from engagement e where e.day = days.day),
    (select round(avg(extract(epoch from completed_at - started_at)), 9)::float8 from ai_requests r
     where r.created_at::date = day and status = 'completed' and completed_at >= started_at),
    (select coalesce(sum(cost), 0) from ai_usage_logs l where l.timestamp::date = day and l.id < 9000000)
from days order by day
"""
KPIS = (
    "select day, active_users, paying_users, mrr, total_posts, avg_engagement, ai_generated_posts, "
    "round(avg_ai_processing_time::numeric, 9)::float8, total_ai_cost from marts.daily_kpis order by day"
)


def by_day(frame, name):
    return frame.group_by("day").agg(pl.col("rows").sum().cast(pl.Int64).alias(name))


@pytest.mark.parametrize("contract", APP_TABLES, ids=lambda contract: contract.name)
def test_rows_of_every_day_in_the_app_are_in_raw_or_quarantine_and_those_of_raw_in_the_warehouse(
    small_company, contract
):
    counted = small_company.app(f"select {contract.cursor}::date, count(*) from {contract.name} group by 1 order by 1")
    lake = small_company.installation.lake
    raw, bad = raw_table(lake, contract).row_counts(), quarantine_table(lake, contract).row_counts()
    loaded = row_counts(small_company.installation.warehouse_url, contract)

    together = by_day(pl.concat([raw.select("day", "rows"), bad.select("day", "rows")]), "rows").sort("day")
    assert together.rows() == counted
    assert by_day(loaded, "rows").sort("day").rows() == by_day(raw, "rows").sort("day").rows()


def test_a_bad_row_of_the_app_is_in_quarantine_with_its_reason_and_not_in_raw(small_company):
    expected = {
        "user_sessions": "duration is below its minimum",
        "ai_usage_logs": "cost is below its minimum",
        "social_posts": "platform is not one of the allowed values",
    }
    for table, reason in expected.items():
        (bad,) = small_company.lake("quarantine", table).to_dicts()
        assert (bad["reason"], json.loads(bad["row"])["id"]) == (reason, 9000001)
        assert small_company.lake("raw", table).filter(pl.col("id") == 9000001).is_empty()
        assert small_company.warehouse(f"select count(*) from raw.{table} where id = 9000001") == [(0,)]
    assert sum(small_company.lake("quarantine", contract.name).height for contract in APP_TABLES) == 3


def test_daily_kpis_equal_a_recomputation_from_the_apps_database_to_the_cent(small_company):
    span = small_company.installation.calendar.span()
    expected = small_company.app(INDEPENDENT_KPIS.format(first=span.start, last=span.last_day))
    found = small_company.warehouse(KPIS)

    assert len(found) == 35
    assert found == expected
    assert max(row[3] for row in found) > 0
    assert sum(row[8] for row in found) > 0


def test_running_the_same_backfill_again_plans_nothing(small_company):
    assert small_company.plan() == []


def test_a_run_of_all_plans_every_partition_once(small_company):
    everything = [
        (str(key), name) for run in small_company.plan(only="all") for key in run.assets for name in run.keys or [""]
    ]

    assert len(everything) == len(set(everything))
    by_asset = {key: [name for asset, name in everything if asset == key] for key, _ in everything}
    days = [str(day) for day in small_company.installation.calendar.span().days()]
    assert all(sorted(names) in ([""], days) for names in by_asset.values())


def test_no_personal_text_of_the_app_is_in_the_lake_or_the_warehouse(small_company):
    emails = [email for (email,) in small_company.app("select email from auth_user")]
    landed = small_company.lake("raw", "auth_user")

    assert landed.get_column("email").str.contains(r"^[0-9a-f]{32}$").all()
    assert not set(emails) & set(landed.get_column("email"))
    kept = {email for (email,) in small_company.warehouse("select email from raw.auth_user")}
    assert kept == set(landed.get_column("email"))


def test_rerunning_an_old_day_after_the_app_changed_keeps_every_version_captured_before(small_company, tmp_path):
    company = small_company.copy(tmp_path / "home")
    before = company.lake("raw", "social_posts")
    day, changed = before.group_by("day").len().sort("len", "day").row(-1)
    later = date.fromisoformat(str(day)) + timedelta(days=1)
    company.app(
        f"update social_posts set content = 'rewritten', updated_at = '{later} 12:00+00' "
        f"where updated_at::date = '{day}' and id < 9000000"
    )
    company.app("delete from social_posts where id = (select max(id) from social_posts where id < 9000000)")

    raw = "group:raw or group:warehouse"
    assert company.backfill(str(day), str(later), select=raw, only="all")

    after = company.lake("raw", "social_posts")
    assert (
        after.join(before, on=["id", "updated_at"], how="semi")
        .sort("id", "updated_at")
        .equals(before.sort("id", "updated_at"))
    )
    new = after.join(before, on=["id", "updated_at"], how="anti")
    assert new.height == changed
    assert set(new.get_column("content")) == {"rewritten"}
    versions = company.warehouse("select count(*) from raw.social_posts")
    assert versions == [(before.height + changed,)]


def test_a_window_whose_rows_all_vanished_fails_and_says_how_to_go_on(small_company, tmp_path, capsys):
    company = small_company.copy(tmp_path / "home")
    company.app("delete from support_tickets")
    company.app("delete from sentiment_analysis")
    tickets, judged = (company.lake("raw", name).height for name in ("support_tickets", "sentiment_analysis"))

    selected = 'key:"raw/sentiment_analysis" or key:"raw/support_tickets"'
    assert not company.backfill(select=selected, only="all")
    assert "run again with --allow-empty" in " ".join(capsys.readouterr().err.split())
    assert company.lake("raw", "sentiment_analysis").height == judged

    assert company.backfill(select=selected, only="all", allow_empty=True)
    assert company.lake("raw", "sentiment_analysis").is_empty()
    assert company.lake("raw", "support_tickets").height == tickets


def test_a_late_row_changes_the_days_it_is_about_also_those_outside_the_range_given(small_company, tmp_path):
    company = small_company.copy(tmp_path / "home")
    ((user, day),) = company.warehouse(
        "select user_id, min(day) from facts.fact_users_daily where is_active_today group by 1 order by 2, 1 limit 1"
    )
    asked = f"select day, sessions, sessions_7d from facts.fact_users_daily where user_id = {user} order by day"
    before = company.warehouse(asked)
    company.app(f"insert into user_sessions values (7000001, {user}, '{day} 12:00+00', 60, 'desktop', '203.0.113.9')")

    assert company.backfill(str(day), str(day), only="all")

    # The day itself has one session more, and it and the 6 days after it one more in their last 7 days.
    assert company.warehouse(asked) == [
        (each, sessions + (each == day), in_7_days + (day <= each < day + timedelta(days=7)))
        for each, sessions, in_7_days in before
    ]
    assert models_behind(company.installation) == {}
