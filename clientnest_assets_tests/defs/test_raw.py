"""Raw and warehouse assets on an ephemeral Dagster instance, against a real PostgreSQL."""

import dagster as dg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.defs.raw import COLUMNS_KNOWN, NOTHING_LOST, raw_assets, raw_key
from clientnest_assets.defs.warehouse import warehouse_assets, warehouse_key

TABLES = ("user_sessions", "social_posts")
FIRST, LAST = "2026-03-30", "2026-04-05"
RANGE = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}


@pytest.fixture
def run(company):
    partitions = Partitions.of(company.installation.calendar)
    assets = [*raw_assets(partitions), *warehouse_assets(partitions)]
    selected = dg.AssetSelection.assets(*(key(table) for key in (raw_key, warehouse_key) for table in TABLES))

    def materialise(**options):
        return dg.materialize(
            assets,
            selection=selected,
            resources={"installation": company.installation},
            raise_on_error=False,
            **{"tags": RANGE, **options},
        )

    return materialise


def metadata(result, key):
    """The figures of each partition's materialisation of an asset."""
    events = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
    }


def test_a_range_lands_in_one_run_and_each_day_tells_its_own_figures(company, run):
    result = run()

    assert result.success
    of_sessions = metadata(result, raw_key("user_sessions"))
    counted = company.app(
        "select created_at::date::text, count(*), count(*) filter (where duration < 0) from user_sessions "
        f"where created_at::date between '{FIRST}' and '{LAST}' group by 1"
    )
    assert {
        (day, each["rows_read_of_day"], each["rows_quarantined_of_day"]) for day, each in of_sessions.items()
    } == set(counted)
    (whole,) = {
        (each["rows_read"], each["rows_written"], each["rows_quarantined"], each["window"])
        for each in of_sessions.values()
    }
    assert whole == (sum(row[1] for row in counted), sum(row[1] - row[2] for row in counted), 1, f"{FIRST} to {LAST}")
    (loaded,) = {each["rows_loaded"] for each in metadata(result, warehouse_key("user_sessions")).values()}
    assert loaded == whole[1]
    assert company.warehouse("select count(*) from raw.user_sessions") == [(loaded,)]
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {NOTHING_LOST: True, COLUMNS_KNOWN: True}


def test_a_run_of_one_day_lands_that_day_only(company, run):
    assert run(tags={}, partition_key=FIRST).success

    assert {str(day) for day in company.lake("raw", "user_sessions").get_column("day")} == {FIRST}


def test_a_missing_column_fails_the_asset_and_names_it_and_a_new_one_is_told(company, run):
    company.app("alter table user_sessions drop device")
    company.app("alter table social_posts add mood text")
    result = run()

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "raw__user_sessions"
    assert "missing: device" in failure.step_failure_data.error.cause.message
    assert metadata(result, raw_key("social_posts"))[FIRST]["columns_not_in_contract"] == ["mood"]
    told = {
        check.asset_key: (check.passed, check.severity)
        for check in result.get_asset_check_evaluations()
        if check.check_name == COLUMNS_KNOWN
    }
    assert told == {raw_key("social_posts"): (False, dg.AssetCheckSeverity.WARN)}
    assert (
        company.lake("raw", "social_posts").get_column("mood").null_count()
        == company.lake("raw", "social_posts").height
    )
    # Its own loading was not begun, the other table's was.
    assert metadata(result, warehouse_key("user_sessions")) == {}
    assert metadata(result, warehouse_key("social_posts")).keys() >= {FIRST, LAST}


def test_rows_lost_behind_the_platforms_back_fail_the_check_and_stop_the_loading(company, run, monkeypatch):
    import clientnest_assets.defs.raw as raw

    def lose_one(contract, frame, *rest):
        return original(contract, frame.head(frame.height - 1), *rest)

    original = raw.prepare
    monkeypatch.setattr(raw, "prepare", lose_one)
    result = run()

    checks = [check for check in result.get_asset_check_evaluations() if check.check_name == NOTHING_LOST]
    assert {check.passed for check in checks} == {False}
    assert metadata(result, warehouse_key("user_sessions")) == {}


def test_a_day_of_mostly_bad_rows_fails_and_is_landed_when_it_is_allowed(company, run):
    bad = f"select 9100000 + i, 1, '{FIRST} 10:00+00', -1 from generate_series(1, 500) as i"
    company.app(f"insert into user_sessions (id, user_id, created_at, duration) {bad}")
    refused = run()

    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert failure.step_key == "raw__user_sessions"
    assert f"({FIRST}: 50" in failure.step_failure_data.error.cause.message
    assert "allowed is a share of 0.2" in failure.step_failure_data.error.cause.message
    assert company.lake("raw", "user_sessions").is_empty()
    assert company.lake("quarantine", "user_sessions").is_empty()

    allowed = run(run_config={"ops": {"raw__user_sessions": {"config": {"allow_bad_rows": True}}}})

    assert allowed.success
    assert metadata(allowed, raw_key("user_sessions"))[FIRST]["rows_quarantined_of_day"] == 500


def test_every_raw_column_is_described_and_personal_ones_are_tagged(company):
    (asset,) = [
        each for each in raw_assets(Partitions.of(company.installation.calendar)) if each.key == raw_key("auth_user")
    ]
    columns = asset.specs_by_key[asset.key].metadata["dagster/column_schema"].columns

    assert [column.name for column in columns] == CONTRACTS["auth_user"].landed_schema.names()
    assert all(column.description for column in columns)
    assert {column.name for column in columns if column.tags} == {"email", "full_name"}
