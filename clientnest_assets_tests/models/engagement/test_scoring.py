"""Scoring: the same numbers wherever they are asked for, and no model that is not what it says."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.artefact import CARD_FILE, MODEL_FILE, Artefact
from clientnest_assets.models.engagement import plots, spec
from clientnest_assets.models.engagement.dataset import request_rows, with_features
from clientnest_assets.models.engagement.scoring import PREDICTION_SCHEMA, score, views_of
from clientnest_assets.models.engagement.training import Training
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.figures import markdown


@pytest.fixture(scope="module")
def model(trained: Training, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    folder = tmp_path_factory.mktemp("model")
    trained.artefact.write(folder)
    return Artefact.read(folder, task="engagement_lean")


@pytest.fixture(scope="module")
def asked(world):
    """Every post as its own request, with what the store knew then."""
    return with_features(request_rows(world.posts), world.features)


def test_a_post_alone_is_scored_as_among_all(model, world, rows, asked):
    everything = score(model, asked, rows)
    one = with_features(request_rows(world.posts).filter(post_id=1234), world.features)
    of_user = rows.filter(pl.col("user_id") == one["user_id"].item())
    assert everything.schema == PREDICTION_SCHEMA
    assert everything["post_id"].equals(asked["post_id"])
    assert score(model, one, of_user).equals(everything.filter(post_id=1234))
    assert np.allclose(
        np.log1p(everything["predicted_engagement_score"]), everything["predicted_log_engagement"].clip(0)
    )
    assert set(everything["history_status"]) == {"PRESENT", "MISSING"}
    assert everything["model_version"].unique().to_list() == [model.version]


def test_nothing_to_score_gives_no_rows(model, rows, asked):
    found = score(model, asked.head(0), rows)
    assert found.is_empty()
    assert found.schema == PREDICTION_SCHEMA


def test_a_stranger_on_a_new_platform_is_scored(model, world, rows):
    stranger = (
        request_rows(world.posts)
        .tail(1)
        .with_columns(
            account_id=pl.lit(10**6, pl.Int64),
            user_id=pl.lit(10**6, pl.Int64),
            platform=pl.lit("tiktok"),
            post_id=pl.lit(10**6, pl.Int64),
        )
    )
    found = score(model, with_features(stranger, world.features), rows)
    assert found["content_status"].to_list() == ["MISSING"]
    assert np.isfinite(found["predicted_engagement_score"].item())


def test_damaged_mixed_up_and_foreign_files_are_refused(model):
    files = model.to_files()
    card = json.loads(files[CARD_FILE])

    def with_card(**changes: object) -> dict[str, bytes]:
        return {**files, CARD_FILE: json.dumps({**card, **changes}).encode()}

    cases = {
        "no model.txt": {CARD_FILE: files[CARD_FILE]},
        "cannot be read": {**files, CARD_FILE: files[CARD_FILE][:-9]},
        "not a whole LightGBM model": {**files, MODEL_FILE: files[MODEL_FILE][:5000]},
        "damaged or mixed up": {**files, MODEL_FILE: files[MODEL_FILE].replace(b"leaf_value=0", b"leaf_value=1", 1)},
        "not of the form": with_card(form="other/1"),
        "'churn'": with_card(task="churn"),
    }
    for message, broken in cases.items():
        with pytest.raises(ForeignModelError, match=message):
            Artefact.from_files(broken, task=model.card["task"])


@pytest.mark.parametrize("name", [spec.HISTORY.name, "gone"])
def test_a_model_of_another_view_definition_is_refused(model, rows, asked, name):
    views = {**model.card["views"], name: {"version": 0, "definition": "older"}}
    old = Artefact(model.model_text, {**model.card, "views": views})
    with pytest.raises(ForeignModelError, match=f"feature view {name} than there is now"):
        score(old, asked, rows)


def test_a_model_tells_which_views_its_rows_need(model):
    assert views_of(model) == [spec.CONTENT, spec.HISTORY]


def test_report_holds_verdict_tables_and_pictures_and_fetches_nothing(trained):
    page = plots.report_html(trained.artefact, trained.evaluation)
    assert "beats both naive rules" in page
    assert page.count('src="data:image/png;base64,') == 3
    assert "http" not in page
    gains = plots.feature_gains(trained.artefact)
    assert gains["share"].sum() == pytest.approx(1)
    assert plots.platform_errors(trained.evaluation)["platform"].to_list() == ["linkedin", "twitter"]
    assert markdown(plots.feature_gain(trained.artefact), "Gain").startswith("![Gain](data:image/png;base64,iVBOR")
