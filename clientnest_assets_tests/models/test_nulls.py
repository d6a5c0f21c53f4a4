"""A null in any column ends nothing: what cannot be used is left out and counted, and the others stay as they are."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.whole import places_of_whole

from .cases import case_of


@pytest.fixture(params=MODELS)
def case(request):
    return case_of(request.param)


def riddled(rows):
    """The rows, of which each column lacks values where no other does."""
    place, columns = pl.int_range(pl.len()), rows.columns
    return rows.with_columns(
        pl.when(place % (2 * len(columns)) != 2 * number).then(pl.col(name)).alias(name)
        for number, name in enumerate(columns)
    )


def nulls(rows, names):
    return {name: rows[name].null_count() for name in names if rows[name].null_count()}


def test_examples_that_say_nothing_are_not_learned_from_and_the_card_counts_them(case):
    rows, needed = riddled(case.examples), case.model.needed

    card = case.train(rows).artefact.card

    assert set(nulls(rows, needed)) == set(needed)
    left_out = rows.height - rows.drop_nulls(needed).height
    assert card["left_out"] == {"rows": left_out, "without": nulls(rows, needed)}
    assert card["rows"] == rows.height - left_out


def test_a_card_says_nothing_of_examples_left_out_where_none_was(case):
    assert case.trained.artefact.card["left_out"] == {}
    assert case.trained.artefact.card["rows"] == case.examples.height


def test_past_examples_that_say_nothing_change_no_answer(case):
    past, artefact = riddled(case.examples), case.trained.artefact

    answers = case.model.score(artefact, Scoring(case.requests, past))

    assert answers.schema == case.model.answers
    whole = past.drop_nulls(case.model.needed)
    assert answers.equals(case.model.score(artefact, Scoring(case.requests, whole)))


def test_examples_that_say_nothing_have_no_loss_and_change_that_of_no_other(case):
    rows, artefact = riddled(case.examples), case.trained.artefact

    losses = case.model.losses(artefact, Scoring(rows, rows))

    is_whole = rows.select(pl.all_horizontal(pl.col(case.model.needed).is_not_null())).to_series()
    whole = rows.filter(is_whole)
    assert losses.len() == rows.height
    assert losses.filter(~is_whole).null_count() == (~is_whole).sum()
    assert losses.filter(is_whole).equals(case.model.losses(artefact, Scoring(whole, whole)), check_names=False)


def test_a_request_without_a_value_changes_no_answer_to_another(case):
    artefact, asked = case.trained.artefact, case.requests
    answers = case.model.score(artefact, Scoring(asked, case.examples))
    is_hit = pl.int_range(pl.len()) % 7 == 0
    of_others = ~pl.col(case.alone).is_in(asked.filter(is_hit)[case.alone].unique().implode())
    expected = answers.filter(of_others)
    assert not expected.is_empty()

    for name in asked.columns:
        lacking = asked.with_columns(pl.when(~is_hit).then(pl.col(name)).alias(name))
        found = case.model.score(artefact, Scoring(lacking, case.examples))
        assert found.schema == case.model.answers, name
        assert found.filter(of_others).equals(expected), name


def test_a_declaration_made_from_another_has_its_functions_once(case):
    model = case.model
    again = replace(replace(model, code_version="9"))
    assert (again.train, again.score, again.losses) == (model.train, model.score, model.losses)
    assert not hasattr(again.train.function, "function")
    other = replace(model, needed=())
    assert other.needed == (AS_OF, LABEL_KNOWN_AT)
    assert other.losses.needed == other.needed


def test_what_is_found_for_whole_rows_is_brought_to_their_places():
    rows = pl.DataFrame({"a": [1, None, 3, 4], "b": ["x", "y", None, "z"], "c": [None, 1, 1, 1]})

    places = places_of_whole(rows, ("a", "b"))

    assert rows.drop_nulls(["a", "b"])["b"].gather(places).to_list() == ["x", None, None, "z"]
