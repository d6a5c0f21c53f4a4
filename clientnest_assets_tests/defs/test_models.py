"""The models as assets: each variant on its own feature set, promoted by week, predicting by day, rebuilt from its record."""

import html
import json
from dataclasses import replace
from datetime import date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from clientnest_assets.contracts import DAY
from clientnest_assets.defs import models as module
from clientnest_assets.defs import predictions
from clientnest_assets.defs.model_comparison import comparison_asset
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.features.store import store_window, stored_rows
from clientnest_assets.features.training import rebuild
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import read_files, write_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.model import MODEL, Finding
from clientnest_assets.models.store import evaluation_rows, read_model, trained_weeks
from clientnest_assets.models.told import judged
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import Environment, Settings
from clientnest_assets_tests.models.conftest import make_world

FIRST, LAST = date(2025, 1, 1), date(2025, 4, 1)
EARLY, WEEK, NEXT, SCORED = date(2025, 1, 6), date(2025, 3, 17), date(2025, 3, 24), date(2025, 3, 26)
PARTITIONS = Partitions.of(Calendar(FIRST, LAST))
STANDARD = replace(ENGAGEMENT, feature_sets=ENGAGEMENT.feature_sets[:1])
TASKS = [each.task for each in ENGAGEMENT.feature_sets]


@pytest.fixture(scope="module")
def world():
    return make_world()


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
        scheduled_at=pl.when(is_late).then(pl.datetime(2025, 3, 27, 12, time_zone="UTC").dt.cast_time_unit("us"))
    )


@pytest.fixture(scope="module")
def materialise(home, world, posts):
    inputs = {
        "dim_post": posts.lazy(),
        "fact_posts": world.outcomes.lazy(),
        "fact_content_daily": world.observations.lazy(),
    }

    def run(partition, assets, model=STANDARD):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "MODELS", {model.name: model})
            patched.setattr(predictions, "MODELS", {model.name: model})
            for each in (module, predictions):
                patched.setattr(each, "inputs_of", lambda *_: inputs)
            return dg.materialize(
                assets(PARTITIONS), partition_key=str(partition), resources={"installation": home}, raise_on_error=False
            )

    return run


@pytest.fixture(scope="module")
def trained_week(materialise):
    return materialise(
        WEEK, lambda partitions: [*module.model_assets(partitions), comparison_asset(partitions)], ENGAGEMENT
    )


def metadata(result, *key):
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key.path == list(key)]
    return event.materialization.metadata


def checks(result, *key):
    return {each.check_name: each for each in result.get_asset_check_evaluations() if each.asset_key.path == list(key)}


def test_each_feature_set_gives_a_model_that_says_what_it_read(home, trained_week):
    assert trained_week.success
    for features in ENGAGEMENT.feature_sets:
        card = read_model(home.lake, features.task, WEEK).card
        assert card["feature_set"]["variant"] == features.variant
        assert set(card["views"]) == set(features.features)
        assert {table["name"] for table in card["data"]["tables"][1:]} == {view.table_name for view in features.views}


def test_each_week_leads_to_its_page_and_its_data_version_is_the_model(home, trained_week):
    pages = "http://127.0.0.1:8000/models"
    for task in TASKS:
        told = metadata(trained_week, "models", task)
        assert told["page"].url == f"{pages}/{task}/{WEEK}"
        (event,) = [each for each in trained_week.get_asset_materialization_events() if each.asset_key.path[1] == task]
        assert event.materialization.tags["dagster/data_version"] == read_model(home.lake, task, WEEK).version
    assert metadata(trained_week, "models", "engagement_promotion")["page"].url == f"{pages}/engagement"
    comparison = metadata(trained_week, "models", "engagement_comparison")
    assert comparison["page"].url == f"{pages}/engagement_comparison/{WEEK}"


def test_variants_learn_from_the_same_posts_and_are_measured_on_the_same_later_ones(home, trained_week):
    cards = [read_model(home.lake, task, WEEK).card for task in TASKS]
    assert len({card["evaluated"]["cutoff"] for card in cards}) == 1
    assert len({card["rows"] for card in cards}) == 1
    measured = [evaluation_rows(home.lake, task, WEEK).select("post_id", spec.LABEL) for task in TASKS]
    assert measured[0].equals(measured[1])
    assert measured[0].equals(measured[2])


def test_the_comparison_shows_every_variant(home, trained_week):
    shown = metadata(trained_week, "models", "engagement_comparison")["comparison"]
    by_variant = {record.data["variant"]: record.data for record in shown.records}
    assert list(by_variant) == [each.variant for each in ENGAGEMENT.feature_sets]
    for task, record in zip(TASKS, by_variant.values(), strict=True):
        assert record["mae"] == round(read_model(home.lake, task, WEEK).card["metrics"][MODEL]["mae"], 4)
    assert by_variant["standard"]["error_more"] == 0
    page = read_files(home.lake, f"models/engagement_comparison/{WEEK}")["page.html"].decode()
    assert all(each.description in html.unescape(page) for each in ENGAGEMENT.feature_sets)
    check = checks(trained_week, "models", "engagement_comparison")["standard_is_best"]
    assert check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_training_rows_are_rebuilt_from_the_card_after_the_store_has_moved_on(home, trained_week):
    card = read_model(home.lake, "engagement_lean", WEEK).card
    before = rebuild(home.lake, card["data"]).rows
    history, every_day = stored_rows(home.lake, spec.HISTORY).collect(), Window.of_days(FIRST, LAST)
    store_window(home.lake, spec.HISTORY, history.with_columns(pl.col("mean_log_20") + 1), every_day)
    try:
        again = rebuild(home.lake, json.loads(json.dumps(card["data"]))).rows
    finally:
        store_window(home.lake, spec.HISTORY, history, every_day)
    assert again.height == card["rows"]
    assert again.equals(before)


def test_the_first_model_that_is_fit_is_in_use_and_scores_the_waiting_posts_of_the_days_after(
    home, posts, trained_week, materialise
):
    promoted = metadata(trained_week, "models", "engagement_promotion")
    assert promoted["promoted"].value is True
    assert promoted["champion"].value == read_model(home.lake, "engagement", WEEK).version
    assert all(each.passed for each in checks(trained_week, "models", "engagement_promotion").values())
    scored = materialise(SCORED, predictions.prediction_assets)
    assert scored.success
    schema = predictions.predictions_schema(ENGAGEMENT)
    found = home.lake.table("predictions", "engagement", schema, partition_by=(DAY,)).scan().collect()
    waiting = posts.filter(
        pl.col("scheduled_at").is_not_null(), pl.col("created_at") < Window.of_days(SCORED, SCORED).end_at
    )
    assert found["post_id"].sort().equals(waiting["post_id"].sort())
    assert found["model_week"].unique().to_list() == [WEEK]
    assert found["model_version"].unique().to_list() == [read_model(home.lake, "engagement", WEEK).version]


def test_a_week_with_too_little_to_learn_from_has_no_model_and_says_so_without_failing(home, materialise):
    result = materialise(EARLY, module.model_assets)
    assert result.success
    told = metadata(result, "models", "engagement")
    assert told["model_version"].value == "none"
    assert "200 are needed: train a later week" in told["why"].value
    assert not checks(result, "models", "engagement")["beats_naive_rules"].passed
    assert trained_weeks(home.lake, "engagement")[:1] != [EARLY]
    has_champion = checks(result, "models", "engagement_promotion")["has_champion"]
    assert not has_champion.passed
    assert has_champion.severity == dg.AssetCheckSeverity.WARN


def test_what_failed_a_finding_blocks_where_there_is_no_champion_and_nothing_else(materialise, home, trained_week):
    def train(training):
        trained = ENGAGEMENT.train(training)
        failed = (Finding("is_calibrated", passed=False, words="off by far"),)
        card = {**trained.artefact.card, **judged(trained.metrics, failed)}
        return replace(trained, artefact=replace(trained.artefact, card=card), findings=failed)

    unfit = replace(STANDARD, train=train)
    week = WEEK - timedelta(days=7)
    alone = materialise(week, module.model_assets, unfit)
    assert not alone.success
    assert not checks(alone, "models", "engagement_promotion")["has_champion"].passed
    assert checks(alone, "models", "engagement_promotion")["has_champion"].severity == dg.AssetCheckSeverity.ERROR
    assert metadata(alone, "models", "engagement_promotion")["reasons"].value == ["is_calibrated: off by far"]
    beside = materialise(NEXT, module.model_assets, unfit)
    assert beside.success
    assert not checks(beside, "models", "engagement_promotion")["challenger_promoted"].passed
    assert promotion.champion_week(home.lake, "engagement", LAST) == WEEK


def test_a_day_hangs_on_the_week_that_was_over_when_it_began_and_a_week_on_the_one_before():
    """As `promotion.champion_week` has it, so that Dagster shows which model a prediction is by."""
    scoring = predictions.prediction_assets(PARTITIONS)[0]
    deciding = next(each for each in module.model_assets(PARTITIONS) if each.key == module.promotion_key(ENGAGEMENT))

    def hangs_on(asset, partitions, partition):
        mapped = asset.get_partition_mapping(deciding.key).get_upstream_mapped_partitions_result_for_partitions(
            partitions.subset_with_partition_keys([partition]), partitions, PARTITIONS.weekly
        )
        return list(mapped.partitions_subset.get_partition_keys())

    monday = date(2025, 2, 10)
    for day in range(7):
        assert hangs_on(scoring, PARTITIONS.daily, str(monday + timedelta(days=day))) == ["2025-02-03"]
    assert hangs_on(scoring, PARTITIONS.daily, str(FIRST)) == []
    assert hangs_on(deciding, PARTITIONS.weekly, "2025-02-10") == ["2025-02-03"]
    assert hangs_on(deciding, PARTITIONS.weekly, PARTITIONS.weekly.get_first_partition_key()) == []


def test_what_somebody_decided_stays_when_the_week_is_decided_again(materialise, home, trained_week):
    promotion.withdraw(home.lake, "engagement", WEEK, "far off")
    try:
        again = materialise(WEEK, module.model_assets)
        told = metadata(again, "models", "engagement_promotion")
        assert not again.success
        assert (told["promoted"].value, told["champion"].value) == (False, "none")
        assert told["reasons"].value == ["taken back: far off"]
        assert promotion.champion_week(home.lake, "engagement", NEXT) is None
    finally:
        promotion.promote(home.lake, "engagement", WEEK, "it was the outage")
    again = materialise(WEEK, module.model_assets)
    assert (again.success, metadata(again, "models", "engagement_promotion")["promoted"].value) == (True, True)


def test_a_champion_that_cannot_be_read_gives_way_to_a_model_that_is_fit(materialise, home, trained_week):
    folder = f"models/engagement/{WEEK}"
    whole = read_files(home.lake, folder, ["card.json"])
    write_files(home.lake, folder, {"card.json": whole["card.json"][:100]})
    try:
        result = materialise(NEXT, module.model_assets)
    finally:
        write_files(home.lake, folder, whole)
    told = metadata(result, "models", "engagement_promotion")
    assert result.success
    assert "Train models/engagement of the week from 2025-03-17 again" in told["champion_damaged"].value
    assert (told["champion_before"].value, told["promoted"].value) == ("none", True)
    store.forget(home.lake, "engagement", NEXT)


def test_a_champion_whose_features_mean_something_else_now_is_no_champion(materialise, home, trained_week):
    def elsewhere(artefact):
        raise ForeignModelError("trained on another definition of the feature view content")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "views_of", elsewhere)
        result = materialise(EARLY, module.model_assets)
        assert result.success
        result = materialise(NEXT, module.model_assets)
    assert not result.success
    has_champion = checks(result, "models", "engagement_promotion")["has_champion"]
    assert has_champion.metadata["unfit"].value == "trained on another definition of the feature view content"
    store.forget(home.lake, "engagement", NEXT)


def test_the_next_model_is_compared_on_what_neither_has_seen(materialise, home, trained_week):
    """Both are of one recipe, and of one age then, so neither wins: a champion never wins by having learned later."""
    result = materialise(NEXT, module.model_assets)
    told = metadata(result, "models", "engagement_promotion")
    champion, challenger = (read_model(home.lake, "engagement", week).card for week in (WEEK, NEXT))
    known_at = rebuild(home.lake, challenger["data"]).rows["label_known_at"]
    unseen = (known_at >= datetime.fromisoformat(champion["until"])).sum()
    compared = told["comparison"].value
    assert compared["rows"] == unseen > 0
    assert (compared["loss"], compared["low"], compared["high"]) == (compared["champion_loss"], 0, 0)
    assert told["champion_before"].value == read_model(home.lake, "engagement", WEEK).version
    assert told["promoted"].value is True


def test_a_challenger_that_learns_worse_than_the_champion_is_not_promoted(materialise, home, trained_week):
    """Its twin was as it should be, and what is shipped is not: only the comparison with the champion can tell."""

    def train(training):
        trained = ENGAGEMENT.train(training)
        tripled = training.rows.with_columns(pl.col(spec.LABEL) * 3)
        bad = ENGAGEMENT.train(replace(training, rows=tripled)).artefact
        return replace(trained, artefact=replace(bad, card={**bad.card, **judged(trained.metrics, trained.findings)}))

    result = materialise(NEXT, module.model_assets, replace(STANDARD, train=train))
    assert result.success
    assert checks(result, "models", "engagement")["beats_naive_rules"].passed
    told = metadata(result, "models", "engagement_promotion")
    (reason,) = told["reasons"].value
    assert reason.startswith("trained on what the champion")
    assert told["comparison"].value["low"] > 0
    assert promotion.champion_week(home.lake, "engagement", LAST) == WEEK
