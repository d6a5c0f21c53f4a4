"""The checks of a feature view on an ephemeral Dagster instance: what is red, on which day, and when it is green again."""

from datetime import date, timedelta
from types import SimpleNamespace

import dagster as dg
import numpy as np
import polars as pl
import pytest
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from clientnest_assets.defs.features import feature_assets, feature_key
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.features.quality.store import quality_table
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.models import store
from clientnest_assets.partitions import ONE_DAY, Calendar, midnight

FIRST, LAST = date(2026, 3, 2), date(2026, 4, 30)
USERS = 500
CLOCK = SimpleNamespace(now=lambda: midnight(LAST + ONE_DAY))
PLANTED = SimpleNamespace(days={})
"""Changes to the rows of a day, by its date."""


def drawn(_inputs, window):
    return pl.concat([rows_of(day) for day in window.days()]).lazy()


def rows_of(day):
    random = np.random.default_rng(day.toordinal())
    at = midnight(day + ONE_DAY)
    rows = pl.DataFrame({"user_id": np.arange(USERS)}).select(
        "user_id",
        pl.lit(at).alias("event_at"),
        pl.lit(at).alias("known_at"),
        pl.Series("score", random.normal(size=USERS)),
        pl.Series("visits", random.poisson(3, USERS), dtype=pl.Int64),
        pl.lit(day).alias("day"),
    )
    return rows.with_columns(**PLANTED.days.get(day, {}))


VIEW = FeatureView(
    name="users",
    version=1,
    entity_keys=("user_id",),
    features=(
        Feature("score", pl.Float64(), "A number.", minimum=-9, maximum=9, max_null_share=0.1),
        Feature("visits", pl.Int64(), "A count.", minimum=0),
    ),
    compute=drawn,
    upstream=(),
    owner="data@clientnest.example",
    description="For tests.",
)
KEY = feature_key(VIEW)


@pytest.fixture
def world(tmp_path):
    PLANTED.days = {}
    lake = Lake(str(tmp_path / "lake"))
    assets = feature_assets(Partitions.of(Calendar(FIRST, LAST)), [VIEW])
    with dg.DagsterInstance.ephemeral() as instance:

        def materialise(first, last=None):
            span = {"partition_key": str(first)}
            if last is not None:
                names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
                span = {"tags": dict(zip(names, map(str, (first, last)), strict=True))}
            resources = {"installation": SimpleNamespace(lake=lake, warehouse_url="", calendar=CLOCK)}
            result = dg.materialize(assets, instance=instance, resources=resources, **span)
            return {each.check_name: each for each in result.get_asset_check_evaluations() if not each.partition}

        def stored(check, day):
            """Whether the check passed on the day, each time, the newest first."""
            history = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(KEY, check),
                limit=9,
                status={Status.FAILED, Status.SUCCEEDED},
                partition_filter=PartitionKeyFilter(key=str(day)),
            )
            return [each.status is Status.SUCCEEDED for each in history]

        yield SimpleNamespace(lake=lake, materialise=materialise, stored=stored, instance=instance)


def failing(evaluation):
    return records(evaluation.metadata["failing"])


def records(table):
    return [dict(record.data) for record in table.records]


def test_sound_days_are_green_and_leave_no_events_of_their_own(world):
    found = world.materialise(FIRST, FIRST + timedelta(days=9))

    assert {name: each.passed for name, each in found.items()} == {"nulls": True, "ranges": True, "drift": True}
    assert found["drift"].description.startswith("not judged: 10 days: no reference")
    assert world.stored("nulls", FIRST) == []


def test_a_broken_bound_is_an_error_that_names_the_day_and_the_feature(world):
    bad = date(2026, 3, 5)
    PLANTED.days = {bad: {"visits": pl.lit(-1, pl.Int64), "score": pl.lit(None, pl.Float64)}}

    found = world.materialise(FIRST, date(2026, 3, 8))

    assert {name: each.passed for name, each in found.items()} == {"nulls": False, "ranges": False, "drift": True}
    assert found["ranges"].severity == found["nulls"].severity == dg.AssetCheckSeverity.ERROR
    assert not found["ranges"].blocking
    assert failing(found["ranges"]) == [
        {
            "day": str(bad),
            "feature": "visits",
            "value": 500.0,
            "limit": 0.0,
            "detail": "500 of 500 rows, such as -1.0; allowed: 0 to any",
        }
    ]
    assert found["nulls"].description == f"score: 500 of 500 rows are null (on {bad})"
    assert world.stored("ranges", bad) == world.stored("nulls", bad) == [False]
    assert world.stored("ranges", bad + ONE_DAY) == []


def test_a_day_that_is_mended_is_green_again(world):
    bad = date(2026, 3, 5)
    PLANTED.days = {bad: {"visits": pl.lit(-1, pl.Int64)}}
    world.materialise(FIRST, date(2026, 3, 8))
    PLANTED.days = {}

    found = world.materialise(bad)

    assert found["ranges"].passed
    assert world.stored("ranges", bad)[0]
    assert world.stored("ranges", bad)[-1] is False


def test_a_drift_is_a_warning_that_says_what_how_much_and_since_when(world):
    changed = [date(2026, 4, 20) + timedelta(days=n) for n in range(7)]
    PLANTED.days = {day: {"score": pl.col("score") + 3} for day in changed}
    world.materialise(FIRST, date(2026, 3, 31))

    found = world.materialise(date(2026, 4, 1), changed[-1])["drift"]

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    newest = failing(found)[-1]
    since = newest["detail"].split()[2].rstrip(",")
    assert (newest["day"], newest["feature"]) == (str(changed[-1]), "score")
    assert newest["value"] > 0.25
    assert str(changed[0]) <= since <= str(changed[2])
    assert found.description.startswith("score: major since ")
    assert world.stored("drift", changed[-1]) == [False]
    assert world.stored("drift", date(2026, 4, 19)) == []


def test_a_moderate_drift_fails_nothing_and_is_told(world):
    changed = [date(2026, 4, 13) + timedelta(days=n) for n in range(7)]
    PLANTED.days = {day: {"score": pl.col("score") + 0.4} for day in changed}
    world.materialise(FIRST, date(2026, 3, 31))

    found = world.materialise(date(2026, 4, 1), changed[-1])["drift"]

    assert found.passed
    assert found.description.startswith("score: moderate since 2026-04-1")
    assert world.stored("drift", changed[-1]) == []


def test_the_reference_is_what_the_newest_model_that_reads_the_view_has_learned_from(world, monkeypatch):
    sets = {"task": SimpleNamespace(task="engagement", features={"users": ("score",)})}
    monkeypatch.setattr("clientnest_assets.defs.features.SETS", sets)
    monkeypatch.setattr(
        "clientnest_assets.defs.features.trained_weeks",
        lambda _lake, task: [date(2026, 3, 30)] * (task == "engagement"),
    )
    world.materialise(FIRST, date(2026, 4, 20))

    rows = quality_table(world.lake, VIEW).scan().filter(pl.col("feature") == "score").collect().sort("day")

    reference = dict(rows.select("day", "reference_last_day").rows())
    assert reference[date(2026, 4, 20)] == date(2026, 3, 29)
    # Before that model's week was over, the week before each day's own stood for it.
    assert reference[date(2026, 4, 5)] == date(2026, 3, 22)


def test_the_weeks_of_a_task_are_those_with_a_whole_model(tmp_path):
    lake = Lake(str(tmp_path))
    for name in ("2026-03-09/card.json", "2026-03-02/card.json", "2026-03-16/report.html"):
        file = tmp_path / store.LAYER / "engagement" / name
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    assert store.trained_weeks(lake, "engagement") == [date(2026, 3, 2), date(2026, 3, 9)]
    assert store.trained_weeks(lake, "engagement_wide") == []


def test_a_day_that_is_not_over_has_no_rows_of_its_end(world, monkeypatch):
    day = FIRST + ONE_DAY
    monkeypatch.setattr(CLOCK, "now", lambda: midnight(day + ONE_DAY) - timedelta(microseconds=1))
    world.materialise(FIRST, day)
    assert stored_rows(world.lake, VIEW).select("day").unique().collect().rows() == [(FIRST,)]

    monkeypatch.setattr(CLOCK, "now", lambda: midnight(day + ONE_DAY))
    world.materialise(day)

    days = stored_rows(world.lake, VIEW).group_by("day").len().sort("day").collect()
    assert days.rows() == [(FIRST, USERS), (day, USERS)]


def test_the_run_tells_the_quality_of_its_last_day(world):
    world.materialise(FIRST)
    event = world.instance.get_latest_materialization_event(KEY).asset_materialization
    told = records(event.metadata["quality_of_last_day"])
    assert [each["feature"] for each in told] == VIEW.feature_names
    assert told[0]["null_share"] == 0.0
    assert told[0]["verdict"] == "no reference"
