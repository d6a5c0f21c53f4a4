"""Where models are kept: whole or as before, each week its own, and a damaged one named with where it is and what to do."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage
from clientnest_assets.models import store
from clientnest_assets.models.artefact import CARD_FILE, Artefact
from clientnest_assets.models.errors import ForeignModelError, ModelError

from .test_artefact import booster

WEEK, NEXT = date(2026, 3, 2), date(2026, 3, 9)
REMEDY = "Train models/sales of the week from 2026-03-02 again, or restore its files"


@pytest.fixture(scope="module")
def models() -> tuple[Artefact, Artefact]:
    return tuple(Artefact.of("sales", {"level": seed}, {"point": booster(seed=seed)}, {"views": {}}) for seed in (1, 2))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def rows_of(loss: float) -> pl.DataFrame:
    return pl.DataFrame({"loss": [loss, loss]})


def folder(lake: Lake, week: date = WEEK) -> Path:
    return Path(lake.root) / "models" / "sales" / str(week)


def test_a_model_comes_back_as_it_was_kept_with_what_it_was_measured_on(lake, models):
    location = store.keep(lake, WEEK, models[0], rows_of(0.5))
    assert Path(location) == folder(lake)
    assert store.read_model(lake, "sales", WEEK).to_files() == models[0].to_files()
    assert store.evaluation_rows(lake, "sales", WEEK).equals(rows_of(0.5))
    assert store.newest_cards(lake) == {"sales": store.NewestCard(WEEK, models[0].card)}


def test_a_week_trained_again_has_the_new_model_alone(lake, models):
    for model in models:
        store.keep(lake, WEEK, model, rows_of(0.5))
    assert store.read_model(lake, "sales", WEEK).version == models[1].version
    assert len(list(folder(lake).iterdir())) == 3


def test_keeping_the_same_model_again_changes_no_byte(lake, models):
    def content():
        return {path.name: path.read_bytes() for path in folder(lake).iterdir()}

    store.keep(lake, WEEK, models[0], rows_of(0.5))
    before = content()
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    assert content() == before


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_kill_before_the_card_leaves_the_model_before_whole(lake, models, monkeypatch, written):
    """However many of its files were written, in their order: evaluation, trees, card."""
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    write, seen = Storage.write, []

    def killed(self, path, content):
        seen.append(path)
        if len(seen) > written:
            raise KeyboardInterrupt
        write(self, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            store.keep(lake, WEEK, models[1], rows_of(0.7))
    assert not any(path.endswith(CARD_FILE) for path in seen[:written])
    assert store.read_model(lake, "sales", WEEK).to_files() == models[0].to_files()
    assert store.evaluation_rows(lake, "sales", WEEK).equals(rows_of(0.5))
    store.keep(lake, WEEK, models[1], rows_of(0.7))
    assert store.read_model(lake, "sales", WEEK).to_files() == models[1].to_files()
    assert store.evaluation_rows(lake, "sales", WEEK).equals(rows_of(0.7))
    assert len(list(folder(lake).iterdir())) == 3


def test_a_kill_after_the_card_leaves_the_new_model_whole(lake, models, monkeypatch):
    """What is left of the one before is nobody's, and goes when the week is trained again."""
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    with monkeypatch.context() as patched:
        patched.setattr(store, "remove_file", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.keep(lake, WEEK, models[1], rows_of(0.7))
    assert len(list(folder(lake).iterdir())) == 5
    assert store.read_model(lake, "sales", WEEK).to_files() == models[1].to_files()
    assert store.evaluation_rows(lake, "sales", WEEK).equals(rows_of(0.7))
    store.keep(lake, WEEK, models[1], rows_of(0.7))
    assert len(list(folder(lake).iterdir())) == 3


def test_pages_and_decisions_of_the_week_stay_and_reading_the_model_reads_none_of_them(lake, models, monkeypatch):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    store.keep_pages(lake, "sales", WEEK, {"page.html": b"as written"})
    store.keep(lake, WEEK, models[1], rows_of(0.7))
    assert (folder(lake) / "page.html").read_bytes() == b"as written"
    read, asked = Storage.read, []
    monkeypatch.setattr(Storage, "read", lambda self, path: asked.append(path.rsplit(".")[-1]) or read(self, path))
    store.read_model(lake, "sales", WEEK)
    assert sorted(asked) == ["json", "txt"]


@pytest.mark.parametrize(
    ("damaged", "words"), [(None, "is missing"), (b"", "cannot be read"), (b"PAR1", "cannot be read")]
)
def test_damaged_or_missing_evaluated_rows_are_told_with_what_to_do(lake, models, damaged, words):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    (file,) = folder(lake).glob("evaluation-*.parquet")
    file.unlink() if damaged is None else file.write_bytes(damaged)
    with pytest.raises(ForeignModelError, match=f"{file.name} {words}.*{REMEDY}"):
        store.evaluation_rows(lake, "sales", WEEK)


def test_a_damaged_newest_card_is_told_with_its_reason_and_hides_no_other_task(lake, models):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    store.keep(lake, NEXT, models[1], rows_of(0.5))
    whole = Artefact.of("churn", {}, {}, {"metrics": {"model": {"loss": 0.3}}})
    store.keep(lake, WEEK, whole, rows_of(0.3))
    (folder(lake, NEXT) / CARD_FILE).write_bytes(b'{"half": ')
    found = store.newest_cards(lake)
    assert found["churn"] == store.NewestCard(WEEK, whole.card)
    assert found["churn"].metrics == {"model": {"loss": 0.3}}
    assert (found["sales"].week, found["sales"].card, found["sales"].metrics) == (NEXT, {}, {})
    assert "2026-03-09: card.json cannot be read, it is no JSON" in found["sales"].problem


def test_trees_of_another_week_do_not_pass_for_those_of_this_one(lake, models):
    for week, model in zip((WEEK, NEXT), models, strict=True):
        store.keep(lake, week, model, rows_of(0.5))
    (here,), (there,) = (list(folder(lake, week).glob("*.txt")) for week in (WEEK, NEXT))
    here.write_bytes(there.read_bytes())
    with pytest.raises(ForeignModelError, match="damaged or mixed up"):
        store.read_model(lake, "sales", WEEK)
    here.unlink()
    (folder(lake) / there.name).write_bytes(there.read_bytes())
    with pytest.raises(ForeignModelError, match="damaged or mixed up"):
        store.read_model(lake, "sales", WEEK)
    assert store.read_model(lake, "sales", NEXT).version == models[1].version


def test_a_copied_week_is_refused_where_it_is_taken_for_another_task(lake, models):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    folder(lake).parent.rename(folder(lake).parent.with_name("churn"))
    with pytest.raises(ForeignModelError, match="a model for 'sales' cannot stand in for one for 'churn'"):
        store.read_model(lake, "churn", WEEK)


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"", "card.json cannot be read, it is no JSON"),
        (b"\x80\x04\x95\x10", "card.json cannot be read, it is no JSON"),
        (b'{"half": ', "card.json cannot be read, it is no JSON"),
        (b"[]", "card.json is no model's card"),
        (b'{"form": "other/1"}', "card.json is of the form 'other/1'"),
    ],
)
def test_a_damaged_card_is_told_with_its_place_and_what_to_do(lake, models, damaged, words):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    (folder(lake) / CARD_FILE).write_bytes(damaged)
    for read in (store.read_model, store.read_card):
        with pytest.raises(ForeignModelError) as error:
            read(lake, "sales", WEEK)
        assert words in str(error.value)
        assert str(folder(lake)) in str(error.value)
        assert str(error.value).endswith(REMEDY)


def test_what_was_learned_cannot_be_altered_by_hand(lake, models):
    store.keep(lake, WEEK, models[0], rows_of(0.5))
    card = json.loads((folder(lake) / CARD_FILE).read_text())
    (folder(lake) / CARD_FILE).write_text(json.dumps({**card, "learned": {"level": 3}}))
    with pytest.raises(ForeignModelError, match=f"not what the card describes: .*{REMEDY}"):
        store.read_model(lake, "sales", WEEK)


def test_a_week_without_a_model_says_so(lake):
    with pytest.raises(ModelError, match="the week from 2026-03-02 has no model sales: train it first"):
        store.read_model(lake, "sales", WEEK)
    with pytest.raises(ModelError, match="train it first"):
        store.evaluation_rows(lake, "sales", WEEK)
    assert store.trained_weeks(lake, "sales") == []
    assert store.newest_cards(lake) == {}


def test_weeks_are_told_in_order_and_what_lies_beside_them_is_none(lake, models):
    for week in (NEXT, WEEK):
        store.keep(lake, week, models[0], rows_of(0.5))
    for name in ("a copy", "2026-03-02/backup", "2026-03-16"):
        beside = folder(lake).parent / name
        beside.mkdir(parents=True, exist_ok=True)
        (beside / ("page.html" if name == "2026-03-16" else CARD_FILE)).write_text("{}")
    (folder(lake).parent / CARD_FILE).write_text("{}")
    assert store.trained_weeks(lake, "sales") == [WEEK, NEXT]


def test_a_forgotten_model_is_gone_and_the_others_stay(lake, models):
    for week in (WEEK, NEXT):
        store.keep(lake, week, models[0], rows_of(0.5))
    store.forget(lake, "sales", NEXT)
    store.forget(lake, "sales", NEXT)
    assert store.trained_weeks(lake, "sales") == [WEEK]


def test_a_model_serves_from_the_day_after_its_week(lake):
    assert not store.is_over(WEEK, date(2026, 3, 8))
    assert store.is_over(WEEK, date(2026, 3, 9))
