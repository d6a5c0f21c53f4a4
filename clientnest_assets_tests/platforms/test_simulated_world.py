"""The simulated company's accounts on the stand-in: what is collected is what the app's own tables say of that moment."""

import stat
from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.simulation.platforms import StandIn, connect, read_shown
from clientnest_assets.sources.landing import quarantine_table, raw_table
from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.collecting import Collector
from clientnest_assets.sources.platforms.connections import load_connections
from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.spec import POST_COLUMNS

MOMENT = datetime(2026, 4, 18, 15, 0, tzinfo=UTC)
LATEST = """
select p.id, {columns} from social_posts p
left join lateral (select * from post_metrics m where m.post_id = p.id and m.collected_at <= %(at)s
  order by m.collected_at desc limit 1) m on true
where p.status = 'published' and p.published_time <= %(at)s and p.published_time >= %(since)s
  and p.account_id = any(%(accounts)s) order by p.id
"""


@pytest.fixture(scope="module")
def collected(databases, small_app, tmp_path_factory):
    """The app's database, the lake after each platform was collected once, and the reports."""
    app = databases.create(small_app)
    folder = tmp_path_factory.mktemp("world")
    lake, file = Lake(str(folder / "lake")), folder / "connections.json"
    with StandIn(read_shown(app, MOMENT, 4), lambda: MOMENT) as stand_in:
        assert connect(app, stand_in, file, MOMENT) == 20
        collector = Collector(load_connections(file), lake, app, folder / "platforms", Clock(lambda: MOMENT))
        reports = {name: collector.collect(platform, at=MOMENT) for name, platform in PLATFORMS.items()}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return app, lake, reports


def landed(lake, table):
    return raw_table(lake, CONTRACTS[table]).scan().collect()


def asked_of_app(app, statement, **values):
    with psycopg.connect(app) as connection:
        return connection.execute(statement, values).fetchall()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_posts_numbers_are_those_that_the_app_saw_last(collected, platform):
    app, lake, reports = collected
    given = [name for name in POST_COLUMNS if name not in PLATFORMS[platform].unsupported]
    expected = asked_of_app(
        app,
        LATEST.format(columns=", ".join(f"coalesce(m.{name}, 0)" for name in given)),
        at=MOMENT,
        since=MOMENT - timedelta(days=RESTATEMENT_DAYS),
        accounts=[each.account_id for each in reports[platform].outcomes],
    )

    found = landed(lake, "post_metrics").filter(pl.col("source") == f"platform:{platform}").sort("post_id")

    assert len(expected) > 10
    assert found.select("post_id", *given).rows() == expected
    for name in set(POST_COLUMNS) - set(given):
        assert found.get_column(name).null_count() == len(expected)


def test_the_accounts_followers_are_those_that_the_app_saw_last(collected):
    app, lake, _ = collected
    found = landed(lake, "account_metrics").sort("account_id")
    expected = asked_of_app(
        app,
        "select distinct on (account_id) account_id, followers_count from account_metrics "
        "where collected_at <= %(at)s and account_id = any(%(accounts)s) order by account_id, collected_at desc",
        at=MOMENT,
        accounts=found.get_column("account_id").to_list(),
    )

    assert found.select("account_id", "followers_count").rows() == expected
    assert len(expected) == 20


def test_nothing_is_lost_and_nothing_is_quarantined(collected):
    _, lake, reports = collected
    received = sum(each.total("rows") for each in reports.values())

    assert received == landed(lake, "post_metrics").height + landed(lake, "account_metrics").height
    assert quarantine_table(lake, CONTRACTS["post_metrics"]).scan().collect().is_empty()
    assert all(len(each.with_status("done")) == 4 for each in reports.values())
