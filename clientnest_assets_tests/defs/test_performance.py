"""What became of predictions as assets, from a trained model to the run that trains the next one."""

from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clientnest_assets.contracts import DAY
from clientnest_assets.defs import performance as module
from clientnest_assets.defs.jobs import PREDICT, TRAIN, jobs
from clientnest_assets.defs.models import model_key, promotion_key
from clientnest_assets.defs.partitions import LOOKS_BACK, Partitions
from clientnest_assets.defs.predictions import predictions_schema
from clientnest_assets.defs.schedules import RANGE_END, RANGE_START
from clientnest_assets.installation import Installation
from clientnest_assets.models import performance, promotion, store
from clientnest_assets.models.model import Scoring, Training
from clientnest_assets.models.outcomes import OUTCOMES
from clientnest_assets.models.promotion import Decision
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.retraining import kept_review
from clientnest_assets.partitions import Calendar, Window, midnight
from clientnest_assets.settings import Environment, Settings
from clientnest_assets_tests.models.growth.conftest import DAYS, FIRST, follower_table

MODEL = MODELS["follower_growth"]
KEY = module.performance_key(MODEL)
LAST = FIRST + timedelta(days=DAYS - 1)
WEEK = date(2025, 3, 3)
"""The model's week; predictions begin on its last day, a Sunday."""
SUNDAY = WEEK + timedelta(days=6)
PARTITIONS = Partitions.of(Calendar(FIRST, LAST))
ALL = Window.of_days(SUNDAY + timedelta(days=7), LAST)
SHAKEN = LAST - timedelta(days=21)
"""From here on, in the shaken world, followers leave."""


def shaken(table):
    """Accounts lose a part of their followers every day, which no model has seen."""
    days = (pl.col("day") - pl.lit(SHAKEN)).dt.total_days().clip(0)
    return table.with_columns((pl.col("followers") * (1 - 0.02) ** days).cast(pl.Int64).alias("followers"))


def installed(folder, table, patched):
    """An installation with one model in use and what it predicted of every day."""
    installation = Installation(Settings(environment=Environment.TEST, home=folder))

    def inputs_of(_model, _installation, window):
        return {"fact_social_daily": table.lazy().filter(pl.col("day") < window.end)}

    patched.setattr(module, "inputs_of", inputs_of)
    patched.setattr(module, "OUTCOMES", {MODEL.name: OUTCOMES[MODEL.name]})
    week = Window.of_days(WEEK, SUNDAY)
    trained = MODEL.train(
        Training(MODEL.examples(inputs_of(MODEL, installation, week), week.end_at), None, week.end_at)
    )
    store.keep(installation.lake, WEEK, trained.artefact, trained.evaluated)
    decision = Decision(trained.artefact.card["fingerprint"], promoted=True)
    promotion.keep_decision(installation.lake, MODEL.name, WEEK, decision)
    told = []
    for day in Window.of_days(SUNDAY, LAST).days()[::7]:
        asked = MODEL.requests(
            inputs_of(MODEL, installation, Window.of_days(day, day)), midnight(day + timedelta(days=1))
        )
        answers = MODEL.score(trained.artefact, Scoring(asked, asked.clear()))
        told.append(
            answers.with_columns(
                pl.lit(trained.artefact.version).alias("model_version"),
                pl.lit(WEEK).alias("model_week"),
                pl.lit(day).alias(DAY),
            )
        )
    schema = predictions_schema(MODEL)
    kept = installation.lake.table("predictions", MODEL.name, schema, partition_by=(DAY,))
    kept.replace_window(kept.open(), pl.concat(told).select(schema.names()), Window.of_days(SUNDAY, LAST))
    return installation


@pytest.fixture(scope="module")
def patched():
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def steady(tmp_path_factory, patched):
    return installed(tmp_path_factory.mktemp("steady"), follower_table(accounts=120), patched)


def materialise(installation, key, window):
    """The metadata and the checks of one run."""
    result = dg.materialize(
        module.performance_assets(PARTITIONS),
        selection=dg.AssetSelection.assets(key),
        resources={"installation": installation},
        tags={
            "dagster/asset_partition_range_start": str(window.start),
            "dagster/asset_partition_range_end": str(window.last_day),
        },
    )
    (made, *_) = result.get_asset_materialization_events()
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    return made.materialization.metadata, checks


def rows_of(installation):
    table = performance.performance_table(installation.lake, MODEL)
    return table.scan().collect().sort(DAY, *MODEL.example)


def test_a_steady_world_keeps_what_was_promised(steady):
    metadata, checks = materialise(steady, KEY, ALL)

    assert {name: check.passed for name, check in checks.items()} == {"has_not_decayed": True, "interval_covers": True}
    assert checks["has_not_decayed"].severity == dg.AssetCheckSeverity.WARN
    rows = rows_of(steady)
    assert metadata["outcomes"].value == rows.height
    # Of six Sundays the outcomes one to four weeks later came to be known; each forecast once.
    assert rows["day"].unique().sort().to_list() == [SUNDAY + timedelta(weeks=week) for week in range(1, 9)]
    assert rows.select(MODEL.example).is_duplicated().sum() == 0
    assert rows["label_known_at"].dt.date().equals(rows["day"])
    assert "data:image/png" in metadata["by_week"].value
    materialise(steady, dg.AssetKey(["performance", "retrain_requests"]), Window.of_days(LAST, LAST))
    assert kept_review(steady.lake, MODEL.name).requests == ()


def test_a_rerun_and_days_one_by_one_give_the_same_rows(steady):
    materialise(steady, KEY, ALL)
    whole = rows_of(steady)
    materialise(steady, KEY, ALL)
    assert_frame_equal(whole, rows_of(steady))
    for week in (1, 4):
        day = SUNDAY + timedelta(weeks=week)
        materialise(steady, KEY, Window.of_days(day, day))
    assert_frame_equal(whole, rows_of(steady))


def test_a_day_knows_nothing_of_what_comes_after_it(steady):
    day = SUNDAY + timedelta(weeks=2)
    materialise(steady, KEY, Window.of_days(day, day))
    rows = rows_of(steady).filter(pl.col(DAY) == day)
    assert rows["horizon_days"].unique().sort().to_list() == [7, 14]
    assert rows["predicted_on"].unique().sort().to_list() == [SUNDAY, SUNDAY + timedelta(weeks=1)]


def test_assets_say_what_they_look_back_on():
    by_key = {key: each for each in module.performance_assets(PARTITIONS) for key in each.keys}
    assert by_key[KEY].tags_by_key[KEY][LOOKS_BACK] == "28"
    requests = by_key[dg.AssetKey(["performance", "retrain_requests"])]
    assert {
        dg.AssetKey(["features", "content"]),
        dg.AssetKey(["features", "user_activity"]),
    } <= requests.dependency_keys


def test_a_shaken_world_turns_the_check_red_and_has_the_model_trained_once(tmp_path):
    with pytest.MonkeyPatch.context() as patched:
        installation = installed(tmp_path, shaken(follower_table(accounts=120)), patched)
        _, checks = materialise(installation, KEY, ALL)
        _, asked = materialise(
            installation, dg.AssetKey(["performance", "retrain_requests"]), Window.of_days(LAST, LAST)
        )

    decayed = checks["has_not_decayed"]
    assert not decayed.passed
    assert date.fromisoformat(decayed.metadata["since"].value) > SHAKEN
    assert not asked["nothing_asks_for_training"].passed
    assert "follower_growth, decay: Mean loss" in asked["nothing_asks_for_training"].description

    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = ask(installation, instance)
        assert request.partition_key == PARTITIONS.weekly.get_last_partition_key()
        assert request.asset_selection == [model_key(MODEL), promotion_key(MODEL)]
        # Dagster launches a run key once, so a request that is still open is not carried out again.
        (again,) = ask(installation, instance)
        assert again.run_key == request.run_key
        asked_for = kept_review(installation.lake, MODEL.name).requests[0]
        # Of another week it is another run: the week's may have come to nothing.
        assert request.run_key == f"{request.partition_key} {asked_for.model_version}: decay"
        # A model of that week answers, whether it is put in use or not.
        artefact = store.read_model(installation.lake, MODEL.name, WEEK)
        store.keep(installation.lake, date.fromisoformat(request.partition_key), artefact, pl.DataFrame())
        assert ask(installation, instance) == []


def ask(installation, instance):
    """What the sensor asks for."""
    every = [*jobs(PARTITIONS), *module.performance_jobs(PARTITIONS)]
    sensors = {each.name: each for each in module.performance_sensors(PARTITIONS, every, running=False)}
    assert sensors["train_on_request"].default_status == dg.DefaultSensorStatus.STOPPED
    assert sensors["train_on_request"].job_name == TRAIN
    context = dg.build_sensor_context(instance=instance, resources={"installation": installation})
    found = sensors["train_on_request"](context)
    return [] if isinstance(found, dg.SkipReason) else found


@pytest.mark.parametrize(("day", "start"), [(LAST, LAST - timedelta(days=29)), (FIRST, FIRST)], ids=["last", "first"])
def test_what_may_still_land_is_judged_after_each_days_predictions(tmp_path, day, start):
    installation = Installation(Settings(environment=Environment.TEST, home=tmp_path))
    assert range_judged_after(installation, day) == Window.of_days(start, day)


def range_judged_after(installation, day):
    """The days of the run that the sensor asks for once a day is predicted."""
    every = [*jobs(PARTITIONS), *module.performance_jobs(PARTITIONS)]
    sensors = {each.name: each for each in module.performance_sensors(PARTITIONS, every, running=True)}

    @dg.job(name=PREDICT)
    def predicting() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        result = predicting.execute_in_process(instance=instance, tags={"dagster/partition": str(day)})
        request = sensors["judge_after_predicting"](
            dg.build_run_status_sensor_context(
                sensor_name="judge_after_predicting",
                dagster_event=result.get_run_success_event(),
                dagster_instance=instance,
                dagster_run=result.dagster_run,
                resources={"installation": installation},
            )
        )
    return Window.of_days(*(date.fromisoformat(request.tags[each]) for each in (RANGE_START, RANGE_END)))


def test_an_outcome_that_lands_late_or_on_a_night_that_failed_is_judged_by_a_later_night(tmp_path):
    day, table = SUNDAY + timedelta(weeks=4), follower_table(accounts=20)
    is_late = (pl.col("account_id") % 2 == 0) & pl.col("day").is_between(day - timedelta(days=6), day)
    with pytest.MonkeyPatch.context() as patched:
        installation = installed(tmp_path, table.filter(~is_late), patched)
        materialise(installation, KEY, range_judged_after(installation, day))
        landed = rows_of(installation)
        patched.setattr(
            module, "inputs_of", lambda *given: {"fact_social_daily": table.lazy().filter(pl.col("day") < given[2].end)}
        )
        later = day + timedelta(days=9)
        materialise(installation, KEY, range_judged_after(installation, later))
        found = rows_of(installation)

    of_day, before = found.filter(pl.col(DAY) == day), landed.filter(pl.col(DAY) == day)
    assert 0 < before.height < of_day.height
    assert (before["account_id"] % 2 == 1).all()
    assert (of_day["account_id"] % 2 == 0).any()
    # Nobody judged the week between by itself.
    assert day + timedelta(weeks=1) in found[DAY].to_list()
