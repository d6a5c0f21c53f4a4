"""Searching for parameters: finds what is better, never looks at what judges it, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.view import MOMENT
from clientnest_assets.lake import Lake
from clientnest_assets.models import study
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.early_signal.declaration import EARLY_SIGNAL
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.tuning import MAX_TREES
from clientnest_assets.models.errors import ModelError, NotEnoughDataError
from clientnest_assets.models.model import MODEL, Training
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.study import Search, keep_search, load_study, read_search, resumed
from clientnest_assets.models.tuning import FOLDS, Range, Tuning, best_of, folds, judge, tune
from clientnest_assets.models.tuning_page import importances, judgement_table, parameter_table, tuning_page, verdict
from clientnest_assets_tests.models.cases import case_of

START, WEEK, SEED = datetime(2025, 1, 1, tzinfo=UTC), date(2025, 3, 31), 7
TRUTH, IN_USE = 3.0, 0.0
SPACE = {"level": Range(-10, 10), "other": Range(1, 100, is_log=True, is_whole=True)}
CASES = {name: case_of(name) for name, model in MODELS.items() if model.tuning}


def make_rows(rows: int = 400, horizon_days: float = 5) -> pl.DataFrame:
    """Examples of which each is near to TRUTH, and known some days later."""
    rng = np.random.default_rng(1)
    moment = START + pl.Series(np.sort(rng.uniform(0, 90 * 86_400e6, rows)).astype(np.int64)).cast(pl.Duration("us"))
    return pl.DataFrame({"user_id": rng.integers(1, 40, rows), "y": TRUTH + rng.normal(0, 0.5, rows)}).with_columns(
        moment.cast(MOMENT).alias(AS_OF),
        (moment + timedelta(days=horizon_days)).cast(MOMENT).alias(LABEL_KNOWN_AT),
    )


def toy(level: float = IN_USE, seen: list | None = None):
    """A model that is told what to predict. What it is prepared with, and what it is asked, goes to `seen`."""

    def prepare(fold):
        def losses(values):
            if seen is not None:
                seen.append((fold, dict(values)))
            return (fold.judged["y"].to_numpy() - values["level"]) ** 2

        return losses

    tuning = Tuning(SPACE, {"level": level, "other": 10}, "spec.py", least=20, prepare=prepare)
    return replace(CHURN, name="toy", tuning=tuning)


def training_of(rows: pl.DataFrame) -> Training:
    return Training(rows, None, START + timedelta(days=91))


def run(model, rows, trials: int = 25, after_trial=lambda _: None) -> Search:
    training = training_of(rows)
    return tune(model, training, Search.begin(model, training, SEED), trials=trials, after_trial=after_trial)


@pytest.fixture(scope="module")
def found() -> Search:
    return run(toy(), make_rows())


@pytest.fixture
def folder(tmp_path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_planted_better_parameter_is_found_and_is_better_on_later_examples(found):
    model = toy()
    assert best_of(model.tuning, found)["level"] == pytest.approx(TRUTH, abs=0.3)
    (judged,) = found.judgements
    assert judged.is_better
    assert judged.rows == 80
    assert judged.loss < 0.4 < 8 < judged.loss_in_use
    assert "better beyond chance" in verdict(model.tuning, found)
    assert next(iter(importances(found))) == "level"


def test_the_first_trial_is_what_is_in_use(found):
    assert found.study.trials[0].params == {"level": IN_USE, "other": 10}
    assert found.study.trials[0].value == pytest.approx((TRUTH - IN_USE) ** 2 + 0.25, abs=0.4)


def test_each_part_learns_from_what_was_known_and_is_judged_on_what_came_after():
    rows = make_rows()
    cutoff = rows[AS_OF].sort()[320]
    parts = folds(training_of(rows))
    assert len(parts) == FOLDS
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        assert part.learned[LABEL_KNOWN_AT].max() <= part.judged[AS_OF].min()
        assert part.judged[LABEL_KNOWN_AT].max() <= cutoff
        assert part.past[AS_OF].max() == part.judged[AS_OF].max()
        if following:
            assert part.judged[AS_OF].max() < following.judged[AS_OF].min()


def test_the_search_never_looks_at_the_later_fifth(found):
    """With any other truths of the later examples, and of those not yet known then, the trials are the same."""
    rows, seen = make_rows(), []
    cutoff = rows[AS_OF].sort()[320]
    altered = rows.with_columns(y=pl.when(pl.col(LABEL_KNOWN_AT) > cutoff).then(-9.0).otherwise("y"))
    other = run(toy(seen=seen), altered)
    assert [(each.params, each.value) for each in other.study.trials] == [
        (each.params, each.value) for each in found.study.trials
    ]
    assert other.judgements != found.judgements
    searching, judging = seen[: 25 * FOLDS], seen[25 * FOLDS :]
    assert all(fold.past[LABEL_KNOWN_AT].max() <= cutoff for fold, _ in searching)
    assert [values["level"] for _, values in judging] == [IN_USE, best_of(toy().tuning, other)["level"]]


def test_where_nothing_better_is_found_the_later_examples_are_not_looked_at():
    seen: list = []
    model = toy(level=TRUTH, seen=seen)
    model = replace(model, tuning=replace(model.tuning, space=SPACE | {"level": Range(3, 10)}))
    search = run(model, make_rows(), trials=3)
    assert best_of(model.tuning, search)["level"] == TRUTH
    assert search.judgements == ()
    assert len(seen) == 3 * FOLDS
    assert "Nothing better" in verdict(model.tuning, search)
    assert "Nothing better" in tuning_page(model, model.tuning, search, WEEK)


def test_a_search_is_kept_and_made_again(found, folder):
    keep_search(folder, WEEK, found)
    again = read_search(folder, "toy", WEEK)
    assert again.to_json() == found.to_json()
    assert again.judgements == found.judgements
    rebuilt = load_study(folder, "toy", WEEK)
    assert rebuilt.best_params == found.study.best_params
    assert [each.params for each in rebuilt.trials] == [each.params for each in found.study.trials]
    assert rebuilt.trials[3].distributions == found.study.trials[3].distributions
    assert found.of["libraries"].keys() == set(study.LIBRARIES)


def test_a_killed_search_goes_on_to_what_one_in_a_piece_finds(found, folder):
    class Killed(BaseException):
        """Nothing that anybody would catch."""

    def keep_until(trials):
        def keep(search):
            keep_search(folder, WEEK, search)
            if len(search.study.trials) == trials:
                raise Killed

        return keep

    model, training, seen = toy(), training_of(make_rows()), []
    for killed_after in (4, 13):
        begun = resumed(folder, WEEK, Search.begin(model, training, SEED))
        with pytest.raises(Killed):
            tune(model, training, begun, trials=25, after_trial=keep_until(killed_after))
    begun = resumed(folder, WEEK, Search.begin(model, training, SEED))
    whole = tune(model, training, begun, trials=25, after_trial=lambda search: seen.append(len(search.study.trials)))
    assert seen == list(range(14, 26))
    assert whole.to_json() == found.to_json()


def test_a_search_of_other_rows_or_another_seed_begins_anew(found, folder):
    keep_search(folder, WEEK, found)
    model, rows = toy(), make_rows()
    for other in (
        Search.begin(model, training_of(rows.head(390)), SEED),
        Search.begin(model, training_of(rows), SEED + 1),
        Search.begin(toy(level=1.0), training_of(rows), SEED),
    ):
        assert not resumed(folder, WEEK, other).study.trials
    assert len(resumed(folder, WEEK, Search.begin(model, training_of(rows), SEED)).study.trials) == 25


def test_a_search_gone_on_with_is_judged_again_only_for_another_answer(found):
    model, training = toy(), training_of(make_rows())
    same = tune(model, training, found, trials=25, after_trial=lambda _: None)
    assert same.judgements == found.judgements
    again = Search.from_json(found.to_json())
    more = tune(model, training, again, trials=60, after_trial=lambda _: None)
    is_other = best_of(model.tuning, more) != dict(found.judgements[0].parameters)
    assert len(more.judgements) == 1 + is_other
    assert ("2 times" in verdict(model.tuning, more)) == is_other


@pytest.mark.parametrize(
    ("rows", "horizon_days", "words"),
    [
        (0, 5, "0 examples.*20 and 1 are needed"),
        (3, 5, "part 1 of 3.*20 and 1 are needed"),
        (400, 80, "outcomes of 0 were known by then"),
    ],
)
def test_too_few_examples_are_told_with_numbers_and_a_remedy(rows, horizon_days, words):
    with pytest.raises(NotEnoughDataError, match=f"{words}.*import more history"):
        run(toy(), make_rows(rows, horizon_days))


def test_the_page_tells_what_to_change_and_where(found):
    model = toy()
    table = parameter_table(model.tuning, found)
    assert table["parameter"].to_list() == ["level", "other"]
    assert table["in_use"].to_list() == ["0", "10"]
    page = tuning_page(model, model.tuning, found, WEEK)
    for words in ("spec.py", "Loss by trial", "better beyond chance", found.of["sha256"], "-10 to 10", "by factors"):
        assert words in page
    assert page == tuning_page(model, model.tuning, Search.from_json(found.to_json()), WEEK)


def test_one_entity_alone_shows_no_gain(found):
    search = run(toy(), make_rows().with_columns(user_id=pl.lit(1)), trials=25)
    (judged,) = search.judgements
    assert (judged.low, judged.high, judged.is_better) == (None, None, False)
    assert "not better beyond chance" in verdict(toy().tuning, search)
    assert "nothing tells how much" in tuning_page(toy(), toy().tuning, search, WEEK)
    assert Search.from_json(search.to_json()).judgements == search.judgements
    with_interval = replace(search, judgements=(judged, *found.judgements))
    assert judgement_table(with_interval)["low"].to_list() == [None, found.judgements[0].low]


def test_what_is_tried_can_be_written_down():
    assert Range(0.01, 0.2, is_log=True).usable(0.0374829) == 0.0375
    assert Range(2, 31, is_whole=True).usable(7) == 7
    tuning = toy().tuning
    assert set(tuning.usable({"level": 1.23456, "other": 12})) == {"level", "other"}


def test_a_space_without_room_for_what_is_in_use_is_refused():
    with pytest.raises(ValueError, match="level"):
        toy(level=11)
    with pytest.raises(ValueError, match="in use"):
        replace(toy().tuning, in_use={"level": 1})


def test_a_model_that_declares_nothing_and_a_study_that_is_none_are_told(folder):
    with pytest.raises(ModelError, match="nothing to search"):
        Search.begin(replace(CHURN, tuning=None), training_of(make_rows(3)), SEED)
    with pytest.raises(ModelError, match="not searched"):
        load_study(folder, "toy", WEEK)
    for text in ("{", "[]", '{"form": "other"}'):
        with pytest.raises(ModelError, match="study"):
            Search.from_json(text)


@pytest.mark.parametrize("name", CASES)
def test_what_is_in_use_is_judged_as_the_models_own_page_judges_it(name):
    """The search's losses are those of the model: learned from the same rows, they are the same on the later ones."""
    case = CASES[name]
    model, training = case.model, Training(case.examples, case.features, case.until)
    judged = judge(model, training, {**model.tuning.in_use, "lambda_l2": 50.0}, trials=1)
    assert judged.loss_in_use == pytest.approx(case.trained.metrics[MODEL][model.metrics[0].name], abs=1e-8)
    assert judged.loss != judged.loss_in_use


def lacking(rows, needed):
    """The rows, of which each needed column lacks values where no other does, the newest row among them."""
    place = pl.int_range(pl.len())
    return rows.with_columns(
        pl.when((pl.len() - place) % 100 != number).then(each).alias(each) for number, each in enumerate(needed, 1)
    )


def test_rows_that_training_leaves_out_are_not_searched_on():
    seen: list = []
    needed = ("user_id", AS_OF, LABEL_KNOWN_AT)
    rows = lacking(make_rows(), needed)
    found = run(toy(seen=seen), rows)
    expected = run(toy(), rows.drop_nulls(needed))
    assert rows.drop_nulls(needed).height == rows.height - 12
    assert not any(fold.past.select(pl.any_horizontal(pl.all().is_null().any())).item() for fold, _ in seen)
    assert [each.value for each in found.study.trials] == [each.value for each in expected.study.trials]
    assert found.judgements == expected.judgements


@pytest.mark.parametrize("name", CASES)
def test_rows_that_training_leaves_out_do_not_judge(name):
    case = CASES[name]
    model, needed = case.model, [each for each in case.model.needed if each in case.examples.columns]
    rows, best = lacking(case.examples, needed), {**case.model.tuning.in_use, "lambda_l2": 50.0}
    found, expected = (
        judge(model, Training(each, case.features, case.until), best, trials=1)
        for each in (rows, rows.drop_nulls(needed))
    )
    assert found == expected
    assert np.isfinite([found.loss_in_use, found.loss, found.low, found.high]).all()


def test_a_real_search_mends_parameters_that_were_spoiled():
    case = CASES[EARLY_SIGNAL.name]
    is_video = np.random.default_rng(3).random(case.examples.height) < 0.5
    rows = case.examples.with_columns(
        pl.Series("content__media_type", np.where(is_video, "video", "image")),
        pl.col(spec.LABEL) + 0.8 * pl.Series(is_video),
    )
    spoiled = {**case.model.tuning.in_use, "learning_rate": 0.01, MAX_TREES: 30}
    model = replace(case.model, tuning=replace(case.model.tuning, in_use=spoiled))
    training = Training(rows, case.features, case.until)
    search = tune(model, training, Search.begin(model, training, SEED), trials=6, after_trial=lambda _: None)
    (judged,) = search.judgements
    assert judged.is_better
    assert judged.loss < 0.8 * judged.loss_in_use
