"""Searches as assets: on the rows of the week's model, kept trial by trial, made only when asked for."""

from dataclasses import replace
from datetime import date

import dagster as dg
import polars as pl
import pytest

from clientnest_assets.defs import tuning as module
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.features.training import training_dataset
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import read_files
from clientnest_assets.models import store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.study import load_study
from clientnest_assets.models.tuning import Range, Tuning
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings

WEEK = date(2025, 6, 9)
PARTITIONS = Partitions.of(Calendar(date(2025, 1, 6), date(2025, 6, 30)))
KEY = dg.AssetKey(["tuning", "toy"])


def toy(least: int = 20):
    """A model that says how likely it is to leave, whoever is asked about; the share of leavers is the best answer."""

    def prepare(fold):
        gone = fold.judged["is_gone"].cast(pl.Float64).to_numpy()
        return lambda values: (gone - values["chance"]) ** 2

    tuning = Tuning({"chance": Range(0, 1)}, {"chance": 1.0}, "spec.py", least, prepare)
    return replace(CHURN, name="toy", feature_sets=(), tuning=tuning)


@pytest.fixture
def installation(tmp_path):
    return Installation(Settings(environment=Environment.TEST, home=tmp_path / "home"))


@pytest.fixture
def trained(installation):
    """The week's model, and the rows that it learned from."""
    start = pl.datetime(2025, 1, 6, time_zone="UTC").dt.cast_time_unit("us")
    rows = pl.select(number=pl.int_range(200)).select(
        pl.col("number").alias("user_id"),
        (start + pl.duration(hours=18) * pl.col("number")).alias("as_of"),
        (start + pl.duration(hours=18) * pl.col("number") + pl.duration(days=3)).alias(LABEL_KNOWN_AT),
        (pl.col("number") % 5 == 0).alias("is_gone"),
    )
    data = training_dataset(installation.lake, "toy", WEEK, rows, ())
    artefact = Artefact.of("toy", {}, {}, {"data": data.record})
    store.keep(installation.lake, WEEK, artefact, rows)
    return data.rows


@pytest.fixture
def search(installation, monkeypatch):
    def run(model=None, *, instance=None, **config):
        monkeypatch.setattr(module, "MODELS", {"toy": model or toy()})
        assets = module.tuning_assets(PARTITIONS)
        return dg.materialize(
            assets,
            instance=instance,
            partition_key=str(WEEK),
            resources={"installation": installation},
            run_config={"ops": {"tuning__toy": {"config": config}}},
            raise_on_error=False,
        )

    return run


def metadata(result):
    (event,) = result.asset_materializations_for_node("tuning__toy")
    return event.metadata


def test_a_search_is_kept_with_its_page_and_told_in_dagster(installation, trained, search):
    result = search(trials=15, seed=3)
    assert result.success
    study = load_study(installation.lake, "toy", WEEK)
    assert len(study.trials) == 15
    assert study.best_params["chance"] == pytest.approx(0.2, abs=0.1)
    told = metadata(result)
    assert told["trials"].value == 15
    assert told["page"].value == f"http://127.0.0.1:8000/models/toy/tuning/{WEEK}"
    assert "better beyond chance" in told["verdict"].value
    assert told["best_trials"].value.records[0].data["loss"] == pytest.approx(study.best_value, abs=1e-4)
    assert told["plot_how_the_search_went"].value.startswith("![How the search went](data:image/png")
    files = read_files(installation.lake, f"tuning/toy/{WEEK}")
    assert set(files) == {"study.json", "page.html"}
    assert told["sha256_of_rows"].value in files["page.html"].decode()


def test_a_killed_search_goes_on_where_it_stopped(installation, trained, search, monkeypatch):
    whole = search(trials=12, seed=3)
    assert whole.success
    expected = read_files(installation.lake, f"tuning/toy/{WEEK}")["study.json"]
    search(trials=1, seed=4)
    kept = module.keep_search

    def killed(lake, week, done):
        kept(lake, week, done)
        if len(done.study.trials) == 5:
            raise RuntimeError("killed")

    monkeypatch.setattr(module, "keep_search", killed)
    assert not search(trials=12, seed=3).success
    monkeypatch.setattr(module, "keep_search", kept)
    assert len(load_study(installation.lake, "toy", WEEK).trials) == 5
    assert search(trials=12, seed=3).success
    assert read_files(installation.lake, f"tuning/toy/{WEEK}")["study.json"] == expected


def test_progress_is_in_the_log(installation, trained, search):
    with dg.DagsterInstance.ephemeral() as instance:
        result = search(instance=instance, trials=3)
        messages = [each.user_message for each in instance.all_logs(result.run_id)]
    assert [each[:12] for each in messages if each.startswith("trial ")] == [
        "trial 1 of 3",
        "trial 2 of 3",
        "trial 3 of 3",
    ]


@pytest.mark.parametrize("least", [20, 2000])
def test_a_week_without_a_model_or_with_too_few_examples_fails_with_a_clear_word(request, installation, search, least):
    if least > 20:
        request.getfixturevalue("trained")
    result = search(toy(least), trials=3)
    assert not result.success
    (failed,) = [each for each in result.all_events if each.is_step_failure]
    expected = "train it first" if least == 20 else "tune a later week, or import more history"
    assert expected in failed.event_specific_data.error.message or expected in str(failed.event_specific_data)
    assert not read_files(installation.lake, f"tuning/toy/{WEEK}")


def test_searches_are_weekly_and_made_by_nobody_but_who_asks():
    assets = {each.key: each for each in module.tuning_assets(PARTITIONS)}
    assert {key.to_user_string() for key in assets} == {"tuning/engagement", "tuning/early_signal", "tuning/churn"}
    for key, each in assets.items():
        assert each.group_names_by_key[key] == "tuning"
        assert each.partitions_def is PARTITIONS.weekly
        assert each.automation_conditions_by_key.get(key) is None
        assert each.asset_deps[key] == {dg.AssetKey(["models", key.path[-1]])}
