"""The models as assets: each variant on its own feature set, compared on the same posts, rebuilt from its record."""

import html
import json
from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest

from clientnest_assets.contracts import DAY
from clientnest_assets.defs import models as module
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.features.sets import variants
from clientnest_assets.features.store import store_window, stored_rows
from clientnest_assets.features.training import rebuild
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import read_files
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.dataset import labelled_requests, with_features
from clientnest_assets.models.store import evaluation_rows, newest
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import Environment, Settings

FIRST, LAST = date(2025, 1, 1), date(2025, 4, 1)
WEEK = date(2025, 3, 17)
SCORED = date(2025, 3, 24)
PARTITIONS = Partitions.of(Calendar(FIRST, LAST))
TASKS = [each.task for each in variants(spec.TASK)]


@pytest.fixture(scope="module")
def home(world, tmp_path_factory):
    """An installation whose feature store knows of a small world what that world can tell."""
    installation = Installation(Settings(environment=Environment.TEST, home=tmp_path_factory.mktemp("models") / "home"))
    for view, rows in world.features.items():
        store_window(installation.lake, view, rows, Window.of_days(FIRST, LAST))
    return installation


@pytest.fixture(scope="module")
def posts(world):
    """The world's posts; those of the last weeks still wait to be published."""
    is_late = pl.col("created_at") > pl.datetime(2025, 3, 20, time_zone="UTC")
    return world.posts.with_columns(
        scheduled_at=pl.when(is_late).then(pl.datetime(2025, 3, 25, 12, time_zone="UTC").dt.cast_time_unit("us"))
    )


@pytest.fixture(scope="module")
def materialise(home, world, posts):
    def run(partition, *groups):
        assets = [
            each for each in module.model_assets(PARTITIONS) if set(each.group_names_by_key.values()) <= set(groups)
        ]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "_posts_and_outcomes", lambda _: (posts, world.outcomes))
            return dg.materialize(assets, partition_key=str(partition), resources={"installation": home})

    return run


@pytest.fixture(scope="module")
def trained_week(materialise):
    return materialise(WEEK, module.MODELS)


def metadata(result, *key):
    (event,) = result.asset_materializations_for_node("__".join(key))
    return event.metadata


def test_each_feature_set_gives_a_model_that_says_what_it_read(home, trained_week):
    assert trained_week.success
    for features in variants(spec.TASK):
        _, model = newest(home.lake, features.task, LAST)
        assert model.card["task"] == features.task
        assert model.card["feature_set"]["variant"] == features.variant
        assert set(model.card["views"]) == set(features.features)
        assert set(features.columns) <= {*model.encoder.columns.names, *model.card["level"]["form"]["sets"]}
        assert {table["name"] for table in model.card["data"]["tables"][1:]} == {
            view.table_name for view in features.views
        }


def test_variants_learn_from_the_same_posts_and_are_measured_on_the_same_later_ones(home, trained_week):
    cards = [newest(home.lake, task, LAST)[1].card for task in TASKS]
    assert len({card["evaluated"]["cutoff"] for card in cards}) == 1
    assert len({card["shipped"]["rows"] for card in cards}) == 1
    measured = [evaluation_rows(home.lake, task, WEEK).select("post_id", spec.LABEL) for task in TASKS]
    assert measured[0].equals(measured[1])
    assert measured[0].equals(measured[2])


def test_the_comparison_shows_every_variant(home, trained_week):
    shown = metadata(trained_week, "models", "engagement_comparison")["comparison"]
    by_variant = {record.data["variant"]: record.data for record in shown.records}
    assert list(by_variant) == [each.variant for each in variants(spec.TASK)]
    for task, record in zip(TASKS, by_variant.values(), strict=True):
        card = newest(home.lake, task, LAST)[1].card
        assert record["mae"] == round(card["evaluated"]["metrics"]["model"]["mae"], 4)
    assert by_variant["standard"]["error_more"] == 0
    page = read_files(home.lake, f"models/engagement_comparison/{WEEK}")["report.html"].decode()
    assert all(html.escape(each.description) in page for each in variants(spec.TASK))
    (check,) = [each for each in trained_week.get_asset_check_evaluations() if each.check_name == "standard_is_best"]
    assert check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_training_rows_are_rebuilt_from_the_card_after_the_store_has_moved_on(home, world, trained_week):
    card = newest(home.lake, "engagement_lean", LAST)[1].card
    history, every_day = stored_rows(home.lake, spec.HISTORY).collect(), Window.of_days(FIRST, LAST)
    expected = with_features(
        labelled_requests(world.posts, world.outcomes, until=Window.of_days(WEEK, WEEK).end_at + timedelta(days=6)),
        world.features,
    )
    store_window(home.lake, spec.HISTORY, history.with_columns(pl.col("mean_log_20") + 1), every_day)
    try:
        again = rebuild(home.lake, json.loads(json.dumps(card["data"]))).rows
    finally:
        store_window(home.lake, spec.HISTORY, history, every_day)
    assert again.height == card["shipped"]["rows"]
    assert again.equals(expected.select(again.columns))


def test_waiting_posts_are_scored_by_the_standard_model_of_the_last_whole_week(home, posts, trained_week, materialise):
    assert materialise(SCORED, module.PREDICTIONS).success
    found = (
        home.lake.table("predictions", "engagement", module.PREDICTIONS_SCHEMA, partition_by=(DAY,)).scan().collect()
    )
    waiting = posts.filter(
        pl.col("scheduled_at").is_not_null(), pl.col("created_at") < Window.of_days(SCORED, SCORED).end_at
    )
    assert found["post_id"].sort().equals(waiting["post_id"].sort())
    assert found["model_week"].unique().to_list() == [WEEK]
    assert found["model_version"].unique().to_list() == [newest(home.lake, "engagement", LAST)[1].version]
