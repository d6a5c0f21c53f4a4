"""The additive model finds the effects that were put in, by group, and adds nothing it cannot know."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.additive import Additive, Traits
from clientnest_assets.models.additive_fitting import fit_additive

TRAITS = Traits(numeric=("length",), levels=("hour",), categorical=("media",), sets=("tags",), group="platform")


def sample(rows: int, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    tags = [[name for name, chance in (("good", 0.3), ("dull", 0.3)) if rng.random() < chance] for _ in range(rows)]
    frame = pl.DataFrame(
        {
            "length": rng.integers(0, 400, rows),
            "hour": rng.integers(0, 24, rows),
            "media": rng.choice(["video", "image"], rows),
            "tags": tags,
            "platform": rng.choice(["x", "y"], rows),
        },
        schema_overrides={"tags": pl.List(pl.String)},
    )
    effect = (
        0.8 * ((frame["media"] == "video") & (frame["platform"] == "x"))
        + 0.5 * frame["tags"].list.contains("good")
        + 0.4 * (frame["length"] > 200)
        - 0.6 * (frame["hour"] < 6)
    )
    return frame, effect.to_numpy().astype(float)


def groups(rows: int) -> np.ndarray:
    return np.arange(rows) // 20


def test_effects_are_recovered_from_noisy_outcomes():
    frame, effect = sample(4000)
    noise = np.random.default_rng(1).normal(0, 0.7, 4000)
    fit = fit_additive(frame, effect + noise, groups(4000), TRAITS, min_count=20, max_members=50)
    later, truth = sample(1000, seed=2)
    assert np.corrcoef(fit.model.predict(later), truth)[0, 1] > 0.98
    video = pl.DataFrame({"length": 10, "hour": 12, "tags": [[]], "media": "video", "platform": ["x"]})
    by_platform = [
        fit.model.predict(video.with_columns(media=pl.lit(media), platform=pl.lit(platform)))[0]
        for platform in ("x", "y")
        for media in ("video", "image")
    ]
    assert by_platform[0] - by_platform[1] == pytest.approx(0.8, abs=0.12)
    assert by_platform[2] - by_platform[3] == pytest.approx(0.0, abs=0.12)


def test_out_of_fold_predictions_know_nothing_of_their_own_noise():
    frame, _ = sample(600)
    noise = np.random.default_rng(3).normal(0, 1, 600)
    fit = fit_additive(frame, noise, groups(600), TRAITS, min_count=5, max_members=50)
    assert abs(np.corrcoef(fit.out_of_fold, noise)[0, 1]) < 0.12


def test_unknown_missing_and_new_groups_are_predicted():
    frame, effect = sample(1000)
    model = fit_additive(frame, effect, groups(1000), TRAITS, min_count=5, max_members=50).model
    strange = pl.DataFrame(
        {"length": [None], "hour": [None], "media": ["hologram"], "tags": [["new"]], "platform": ["z"]},
        schema={**frame.schema},
    )
    assert np.isfinite(model.predict(strange)).all()


def test_model_survives_json_and_no_effects_add_nothing():
    frame, effect = sample(300)
    model = fit_additive(frame, effect, groups(300), TRAITS, min_count=5, max_members=50).model
    again = Additive.from_json(json.loads(json.dumps(model.to_json())))
    assert again == model
    assert Additive(TRAITS, {}, {}).predict(frame).tolist() == [0.0] * 300


def test_what_a_group_has_in_common_is_held_fixed():
    """Groups that do well and prefer video do not make video do well."""
    frame, _ = sample(4000)
    rng = np.random.default_rng(4)
    liking = rng.normal(0, 1, 200)[groups(4000)]
    frame = frame.with_columns(
        media=pl.Series(np.where(rng.random(4000) < 1 / (1 + np.exp(-3 * liking)), "video", "image"))
    )
    fit = fit_additive(frame, 2 * liking + rng.normal(0, 0.5, 4000), groups(4000), TRAITS, min_count=20, max_members=50)
    one = frame.head(1)
    video, image = (fit.model.predict(one.with_columns(media=pl.lit(name)))[0] for name in ("video", "image"))
    assert video - image == pytest.approx(0, abs=0.1)


def test_traits_that_explain_nothing_are_shrunk_away():
    frame, effect = sample(4000)
    noise = np.random.default_rng(1).normal(0, 0.7, 4000)
    penalties = fit_additive(frame, effect + noise, groups(4000), TRAITS, min_count=20, max_members=50).model.penalties
    assert penalties["hour by platform"] > 10 * penalties["hour"]


def test_what_traits_and_members_add_makes_up_the_prediction():
    frame, effect = sample(1000)
    model = fit_additive(frame, effect, groups(1000), TRAITS, min_count=5, max_members=50).model
    parts = model.parts(frame)
    members = model.members(parts)
    whole = model.intercept + parts.singles.sum(axis=1)
    whole += np.bincount(members["row"], members["effect"], frame.height)
    assert np.allclose(model.predict(frame), whole, atol=1e-5)
    assert set(members["member"]) == {"good", "dull"}
    assert np.allclose(model.predict(frame), model.intercept + model.design(frame) @ np.array(model.effects), atol=1e-5)
