"""Events through Dagster: from the inbox into the warehouse, and late ones carried on without anybody asking."""

import uuid
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from clientnest_assets.contracts import ROLLUP_TABLES
from clientnest_assets.defs.events import (
    EVENTS_KEY,
    INBOX_KEY,
    NOTHING_LOST,
    REFRESH_EVENTS,
    SUMS_AGREE,
    event_assets,
    event_jobs,
    event_sensors,
    observe_inbox,
    rollup_key,
)
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.defs.warehouse import warehouse_assets, warehouse_key
from clientnest_assets.lake import Delivery
from clientnest_assets.sources.events import settling
from clientnest_assets.sources.events.inbox import inbox_table

FIRST, LAST = "2026-04-13", "2026-04-19"
RANGE = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}
KEYS = [EVENTS_KEY, *(key(contract.name) for key in (rollup_key, warehouse_key) for contract in ROLLUP_TABLES)]


@pytest.fixture
def partitions(company):
    return Partitions.of(company.installation.calendar)


@pytest.fixture
def definitions(company, partitions):
    assets = [*event_assets(partitions), *warehouse_assets(partitions)]
    jobs = event_jobs(partitions)
    sensors = event_sensors(partitions, jobs, running=False)
    return dg.Definitions(
        assets=assets, jobs=jobs, sensors=sensors, resources={"installation": company.installation},
        executor=dg.in_process_executor,
    )  # fmt: skip


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def run(definitions, instance):
    def execute(tags=RANGE):
        return definitions.resolve_job_def(REFRESH_EVENTS).execute_in_process(
            instance=instance, tags=tags, raise_on_error=False
        )

    return execute


@pytest.fixture
def sensed(definitions, instance, company):
    def evaluate():
        context = dg.build_sensor_context(instance=instance, resources={"installation": company.installation})
        return list(definitions.resolve_sensor_def("events_arrived")(context))

    return evaluate


def deliver(company, *events):
    """Appends (day, user, event type) to the inbox; `id` repeats an event."""
    table = inbox_table(company.installation.lake)
    reached = table.delivered(["test"])["test"] or 0
    rows = []
    for number, (day, user, kind, *given) in enumerate(events, reached + 1):
        moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=9)
        event_id = given[0] if given else str(uuid.uuid4())
        rows.append(
            (event_id, user, "s", kind, "what", None, moment, moment, f"p@{number}", moment.date(), "http")
        )  # fmt: skip
    frame = pl.DataFrame(rows, schema=table.schema, orient="row")
    table.append_once(frame, {"test": Delivery(reached or None, reached + len(rows))})


def metadata(result, key):
    events = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
    }


def checks(result):
    found = result.get_asset_check_evaluations()
    return {(check.asset_key.to_user_string(), check.check_name): check.passed for check in found}


def test_a_range_goes_from_the_inbox_into_the_warehouse_and_adds_up(company, run):
    same = str(uuid.uuid4())
    deliver(
        company,
        ("2026-04-14", 1, "login"),
        ("2026-04-14", 1, "click", same),
        ("2026-04-14", 1, "click", same),
        ("2026-04-15", None, "click"),
        ("2026-04-15", 2, "error"),
    )
    result = run()

    assert result.success
    settled = metadata(result, EVENTS_KEY)
    assert settled.keys() >= {FIRST, LAST}
    of_day = settled["2026-04-14"]
    assert [
        of_day[name] for name in ("rows_read_of_day", "dagster/partition_row_count", "rows_quarantined_of_day")
    ] == [3, 2, 1]
    assert (of_day["rows_read"], of_day["rows_written"], of_day["rows_quarantined"]) == (5, 4, 1)
    assert checks(result) == {
        ("raw/app_events", NOTHING_LOST): True,
        ("rollups/app_events_hourly", SUMS_AGREE): True,
        ("rollups/app_events_daily", SUMS_AGREE): True,
    }
    counted = (
        "select day::text, user_id, events, logins, clicks, errors, sessions from raw.{} order by 1, 2 nulls first"
    )
    for table in ("app_events_hourly", "app_events_daily"):
        assert company.warehouse(counted.format(table)) == [
            ("2026-04-14", 1, 2, 1, 1, 0, 1),
            ("2026-04-15", None, 1, 0, 1, 0, 1),
            ("2026-04-15", 2, 1, 0, 0, 1, 1),
        ]
    tables = company.warehouse("select table_name from information_schema.tables where table_schema = 'raw'")
    assert ("app_events",) not in tables


def test_events_lost_behind_the_platforms_back_fail_the_check_and_stop_the_rest(company, run, monkeypatch):
    deliver(company, ("2026-04-14", 1, "login"), ("2026-04-14", 2, "login"))
    original = settling._winners
    monkeypatch.setattr(settling, "_winners", lambda *given: (part.head(1) for part in original(*given)))
    result = run()

    assert not result.success
    assert checks(result) == {("raw/app_events", NOTHING_LOST): False}
    assert all(metadata(result, key) == {} for key in KEYS)


def test_the_sensor_asks_once_for_each_stretch_of_days_with_late_events(company, run, sensed, instance):
    deliver(company, ("2026-04-14", 1, "login"), ("2026-04-19", 1, "login"))
    # Nothing was settled yet: that is for a backfill, not for the sensor.
    assert [type(each) for each in sensed()] == [dg.SkipReason]
    assert run().success
    assert [type(each) for each in sensed()] == [dg.SkipReason]

    # The last one is of today, which is settled every five minutes.
    late = [
        ("2026-04-14", 2, "login"),
        ("2026-04-15", 2, "login"),
        ("2026-04-17", 2, "login"),
        ("2026-04-19", 2, "login"),
    ]
    deliver(company, *late)
    asked = sensed()
    assert [
        (each.tags["dagster/asset_partition_range_start"], each.tags["dagster/asset_partition_range_end"])
        for each in asked
    ] == [
        ("2026-04-14", "2026-04-15"),
        ("2026-04-17", "2026-04-17"),
    ]
    # Asked again before the runs are through it is the same request, which Dagster does not run twice.
    assert [each.run_key for each in sensed()] == [each.run_key for each in asked]
    for each in asked:
        assert run(each.tags).success

    assert [type(each) for each in sensed()] == [dg.SkipReason]
    assert company.warehouse("select day::text, count(*) from raw.app_events_daily group by 1 order by 1") == [
        ("2026-04-14", 2), ("2026-04-15", 1), ("2026-04-17", 1), ("2026-04-19", 1),
    ]  # fmt: skip


def test_a_day_settled_while_events_came_in_is_told_of_again(company, run, instance):
    deliver(company, ("2026-04-14", 1, "login"))
    assert run().success
    deliver(company, ("2026-04-14", 2, "login"))
    assert observe_inbox(instance, company.installation) == [date(2026, 4, 14)]
    assert observe_inbox(instance, company.installation) == []

    # A run that had read before the event came ends only now.
    instance.report_runless_asset_event(dg.AssetMaterialization(EVENTS_KEY, partition="2026-04-14"))

    assert observe_inbox(instance, company.installation) == [date(2026, 4, 14)]
    assert instance.get_materialized_partitions(INBOX_KEY) == {"2026-04-14"}


def test_a_day_that_lost_an_event_to_another_is_settled_again(company, run, sensed):
    same = str(uuid.uuid4())
    deliver(company, ("2026-04-15", 1, "login", same))
    assert run().success
    # Received a day before, delivered only now.
    deliver(company, ("2026-04-14", 1, "login", same))
    (first,) = sensed()
    result = run(first.tags)
    assert metadata(result, EVENTS_KEY)["2026-04-14"]["days_to_settle_again"] == ["2026-04-15"]

    (second,) = sensed()
    assert second.tags["dagster/asset_partition_range_start"] == "2026-04-15"
    assert run(second.tags).success
    assert company.warehouse("select day::text from raw.app_events_daily") == [("2026-04-14",)]
    assert [type(each) for each in sensed()] == [dg.SkipReason]
