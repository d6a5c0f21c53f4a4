"""The online store's assets and checks on an ephemeral Dagster instance, against both real stores."""

from datetime import date, timedelta

import dagster as dg
import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import DAY
from clientnest_assets.defs import online
from clientnest_assets.defs.jobs import CLOSE, CORRECT, jobs
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.features.online.store import state_name
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.store import store_window
from clientnest_assets.features.view import DEFINITION
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import Environment, Settings
from clientnest_assets_tests.features.online.redis_server import running_redis

LAST = date(2026, 4, 19)
CALENDAR = Calendar(LAST - timedelta(days=9), LAST)
VIEW = VIEWS["content"]
KEY = online.online_key(VIEW)


def stored_rows(posts, *, day=LAST, value=1):
    """A row a post, true from the day's noon on."""
    noon = pl.lit(day).cast(pl.Datetime("us", "UTC")) + pl.duration(hours=12)
    known = {
        "post_id": pl.Series(posts, dtype=pl.Int64()),
        "content_length": value,
        DAY: day,
        DEFINITION: VIEW.definition_hash,
    }
    return (
        pl.DataFrame(known)
        .with_columns(noon.alias("event_at"), noon.alias("known_at"))
        .with_columns(pl.lit(None).alias(name) for name in VIEW.schema if name not in {*known, "event_at", "known_at"})
        .select(pl.col(name).cast(dtype) for name, dtype in VIEW.schema.items())
    )


def keep(installation, rows, day=LAST):
    store_window(installation.lake, VIEW, rows, Window.of_days(day, day))


@pytest.fixture(params=["postgres", "redis"])
def installation(request, databases, tmp_path):
    settings = Settings(environment=Environment.PRODUCTION, home=tmp_path / "home", warehouse_url=databases.create())
    if request.param == "postgres":
        found = Installation(settings)
        found.keep_calendar(CALENDAR)
        yield found
        return
    with running_redis(tmp_path) as url:
        found = Installation(settings.model_copy(update={"online_store_url": url}))
        found.keep_calendar(CALENDAR)
        yield found


def run(installation):
    """Publishes the view and looks at it; gives the figures of the asset, and of each check whether it passed."""
    result = dg.materialize(
        [*online.online_assets(), *online.online_checks()],
        selection=dg.AssetSelection.assets(KEY),
        resources={"installation": installation},
    )
    (made,) = result.asset_materializations_for_node(KEY.to_python_identifier())
    return {name: value.value for name, value in made.metadata.items()}, checks_of(result)


def look(installation):
    """Looks only, as `check_parity` does."""
    result = dg.materialize(
        [*online.online_assets(), *online.online_checks()],
        selection=dg.AssetSelection.checks_for_assets(KEY),
        resources={"installation": installation},
    )
    assert not result.get_asset_materialization_events()
    return checks_of(result)


def checks_of(result):
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def passed(checks):
    return {name: check.passed for name, check in checks.items()}


def test_a_view_is_published_and_both_checks_pass(installation):
    keep(installation, stored_rows([1, 2, 3]))

    figures, checks = run(installation)

    assert (figures["rows"], figures["written"], figures["unchanged"], figures["removed"]) == (3, 3, 0, 0)
    assert figures["published"] is True
    assert figures["as_of"] == "2026-04-20T00:00:00+00:00"
    assert passed(checks) == {"parity": True, "freshness": True}
    assert checks["parity"].metadata["sampled"].value == 3
    assert checks["freshness"].metadata["age_hours"].value == 12.0
    figures, _ = run(installation)
    assert (figures["written"], figures["unchanged"]) == (0, 3)


def test_parity_turns_red_when_the_lake_has_moved_on_and_green_when_it_is_published(installation):
    keep(installation, stored_rows([1, 2, 3]))
    run(installation)
    keep(installation, stored_rows([1, 2, 3, 4], value=5))

    parity = look(installation)["parity"]

    assert not parity.passed
    assert parity.metadata["differing"].value == 4
    assert (parity.metadata["entities_offline"].value, parity.metadata["entities_online"].value) == (4, 3)
    differences = [record.data for record in parity.metadata["differences"].records]
    assert {"entity": "post_id 1", "feature": "content__content_length", "online": "1", "offline": "5"} in differences
    assert "materialise online/content" in parity.description
    _, checks = run(installation)
    assert passed(checks) == {"parity": True, "freshness": True}


def test_freshness_warns_of_rows_older_than_promised_and_of_a_view_never_published(installation):
    assert passed(look(installation)) == {"parity": True, "freshness": False}
    day = LAST - timedelta(days=1)
    keep(installation, stored_rows([1], day=day), day)

    _, checks = run(installation)

    freshness = checks["freshness"]
    assert (freshness.passed, freshness.severity) == (True, dg.AssetCheckSeverity.WARN)
    installation.keep_calendar(Calendar(CALENDAR.first_day, LAST + timedelta(days=1)))
    freshness = look(installation)["freshness"]
    assert not freshness.passed
    assert "the newest row is of 2026-04-18 12:00 UTC" in freshness.description


def test_parity_turns_red_when_one_value_is_altered_by_hand(databases, tmp_path):
    settings = Settings(environment=Environment.PRODUCTION, home=tmp_path, warehouse_url=databases.create())
    installation = Installation(settings)
    installation.keep_calendar(CALENDAR)
    keep(installation, stored_rows(range(1, 101)))
    run(installation)
    with psycopg.connect(installation.warehouse_url) as connection:
        connection.execute(f'update online."{state_name(VIEW)}" set content_length = 2 where post_id = 77')

    parity = look(installation)["parity"]

    assert not parity.passed
    assert [record.data for record in parity.metadata["differences"].records] == [
        {"entity": "post_id 77", "feature": "content__content_length", "online": "2", "offline": "1"}
    ]


@pytest.mark.parametrize("job", [CLOSE, CORRECT])
def test_features_that_were_made_are_published(job):
    partitions = Partitions.of(CALENDAR)
    _, (sensor, after_failure) = online.online_schedules([*jobs(partitions), *online.online_jobs()], running=False)

    @dg.job(name=job)
    def done() -> None: ...

    instance = dg.DagsterInstance.ephemeral()
    result = done.execute_in_process(instance=instance)
    request = sensor(
        dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_event=result.get_run_success_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        )
    )

    assert request.run_key == result.run_id
    # What was made before a later asset failed is published too.
    assert sensor.job_name == after_failure.job_name == online.PUBLISH
