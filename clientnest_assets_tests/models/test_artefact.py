"""What a model's files are: the same for the same model, and refused in words when they are not what they say."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from clientnest_assets.models.artefact import CARD_FILE, FORM, Artefact, fingerprint
from clientnest_assets.models.boosting import REPRODUCIBLE
from clientnest_assets.models.errors import ForeignModelError

LEARNED = {"level": 1.5, "vocabulary": {"media": ["image", "video"]}, "bands": (1, 2)}


def booster(threads: int = 1, seed: int = 0):
    import lightgbm

    rng = np.random.default_rng(seed)
    features = rng.normal(size=(300, 3))
    data = lightgbm.Dataset(features, features[:, 0] + rng.normal(0, 0.1, 300))
    return lightgbm.train({**REPRODUCIBLE, "num_leaves": 4, "num_threads": threads}, data, num_boost_round=3)


@pytest.fixture(scope="module")
def model() -> Artefact:
    return Artefact.of("sales", LEARNED, {"point": booster()}, {"views": {}, "rows": 300})


@pytest.fixture(scope="module")
def files(model) -> dict[str, bytes]:
    return model.to_files()


def with_card(files, **changes):
    return {**files, CARD_FILE: json.dumps({**json.loads(files[CARD_FILE]), **changes}).encode()}


def test_a_model_read_from_its_files_is_the_same_model(model, files):
    again = Artefact.from_files(files, task="sales")
    assert (again.card, again.trees, again.version) == (model.card, model.trees, model.version)
    assert again.to_files() == files
    features = np.random.default_rng(5).normal(size=(50, 3))
    assert np.array_equal(again.boosters["point"].predict(features), model.boosters["point"].predict(features))


def test_the_same_model_has_the_same_bytes_whatever_the_threads_and_the_order_of_what_was_learned(files):
    turned = dict(reversed(LEARNED.items()))
    again = Artefact.of("sales", turned, {"point": booster(threads=2)}, {"rows": 300, "views": {}})
    assert again.to_files() == files


def test_a_model_that_learned_something_else_has_another_version(model):
    other = Artefact.of("sales", {**LEARNED, "level": 1.6}, {"point": booster()}, {})
    assert other.version != model.version
    assert Artefact.of("sales", LEARNED, {"point": booster(seed=1)}, {}).version != model.version
    # What a card tells beside is not what scores.
    assert Artefact.of("sales", LEARNED, {"point": booster()}, {"told": "otherwise"}).version == model.version


def test_what_json_cannot_say_exactly_is_not_kept():
    with pytest.raises(ValueError, match="Out of range float"):
        Artefact.of("sales", {"level": float("nan")}, {}, {})


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda files: {}, "no card.json: not a model's files"),
        (lambda files: {CARD_FILE: files[CARD_FILE]}, "files are damaged or mixed up"),
        (lambda files: {**files, CARD_FILE: files[CARD_FILE][:-9]}, "card.json cannot be read, it is no JSON"),
        (lambda files: {**files, CARD_FILE: b""}, "card.json cannot be read, it is no JSON"),
        (lambda files: {**files, CARD_FILE: b"[" * 100_000}, "card.json cannot be read, it is no JSON"),
        (lambda files: {**files, CARD_FILE: b"[1, 2]"}, f"no model's card; .* reads the form '{FORM}'"),
        (lambda files: {**files, CARD_FILE: b'{"name": "a-package"}'}, "card.json is no model's card"),
        (lambda files: with_card(files, form="clientnest-model/1"), "is of the form 'clientnest-model/1'; .* reads"),
        (lambda files: with_card(files, task="churn"), "a model for 'churn' cannot stand in for one for 'sales'"),
        (lambda files: with_card(files, learned={**LEARNED, "level": 9}), "what was learned is not what the card"),
        (lambda files: with_card(files, learned=None), "what was learned is not what the card"),
        (lambda files: with_card(files, fingerprint=None), "what was learned is not what the card"),
        (lambda files: {**files, "point.txt": files["point.txt"][:900]}, "point: not a whole LightGBM model"),
        (lambda files: {**files, "point.txt": b""}, "point: not a whole LightGBM model"),
        (lambda files: {**files, "point.txt": b"\x80\x04\x95"}, "the trees cannot be read, they are no text"),
        (lambda files: {**files, "low.txt": files["point.txt"]}, "files are damaged or mixed up"),
        (
            lambda files: {**files, "point.txt": files["point.txt"].replace(b"leaf_value=", b"leaf_value=1", 1)},
            "files are damaged or mixed up",
        ),
    ],
)
def test_files_that_are_not_the_model_are_refused_in_words(files, broken, words):
    with pytest.raises(ForeignModelError, match=words):
        Artefact.from_files(broken(files), task="sales")


def test_a_pickle_is_refused_and_not_run(files, tmp_path):
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (ran,)

    for name in (CARD_FILE, "point.txt"):
        with pytest.raises(ForeignModelError, match="cannot be read"):
            Artefact.from_files({**files, name: pickle.dumps(Trap())}, task="sales")
    assert not ran.exists()


def test_trees_that_lightgbm_cannot_read_are_refused():
    trees = {"point": "tree\nversion=v4\nnum_class=none\nend of trees\n"}
    card = {"form": FORM, "task": "sales", "learned": {}, "fingerprint": fingerprint(trees, {})}
    with pytest.raises(ForeignModelError, match="LightGBM cannot read the model"):
        _ = Artefact(card, trees).boosters
