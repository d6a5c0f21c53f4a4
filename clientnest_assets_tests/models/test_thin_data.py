"""Thin data: every model gives a result that is as it should be, or says how much there is, how much is needed, and what to do."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import polars as pl
import pytest

from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.model import MODEL, Scoring, Trained
from clientnest_assets.models.promotion import decide
from clientnest_assets.models.registry import MODELS

from .cases import Case, Rows, case_of, of_first, unknown_features

POST_TABLES = ("fact_posts", "dim_post", "fact_content_daily", "social_posts")
REMEDY = r"([Tt]rain a later week|import more history|collect metrics)"
SAME = {
    "mature_engagement_score": 5,
    "engagement_score": 5,
    "sessions": 1,
    "followers": 100,
    "mrr_after": 19.0,
    "status": "published",
}
NULLABLE = (
    *("content_category", "media_type", "ai_generated", "content_length", "hashtag_count", "subscription_tier"),
    *("scheduled_at", "churn_risk", "user_tenure_days", "session_seconds", "followers", "engagement_score", "cost"),
)
"""What the warehouse may not know of a row that it has."""


def first_users(count: int) -> Rows:
    return lambda rows: of_first(rows, "user_id" if "user_id" in rows.columns else "account_id", count)


def all_the_same(rows: pl.DataFrame) -> pl.DataFrame:
    """One class: every outcome is the same."""
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(value)).cast(rows.schema[name]).alias(name)
        for name, value in SAME.items()
        if name in rows.columns
    )


def unknown(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, rows.schema[name]).alias(name) for name in NULLABLE if name in rows.columns)


THIN: dict[str, Rows] = {
    "nothing": lambda rows: rows.clear(),
    "one row": lambda rows: rows.head(1),
    "one user": first_users(1),
    "three users": first_users(3),
    "one platform": lambda rows: of_first(rows, "platform", 1),
    "one outcome": all_the_same,
    "nothing told": unknown,
}


@pytest.fixture(params=MODELS)
def case(request) -> Case:
    return case_of(request.param)


def trained_or_told(case: Case, rows: pl.DataFrame) -> Trained | None:
    """The model; or nothing, after a look at what was said."""
    try:
        trained = case.train(rows)
    except NotEnoughDataError as error:
        told = str(error)
        assert re.search(r"\d", told), told
        assert re.search("need|none of|nothing is earlier", told), told
        assert re.search(REMEDY, told), told
        return None
    numbers = [value for values in trained.metrics.values() for value in values.values() if value is not None]
    assert all(map(math.isfinite, numbers))
    assert set(trained.metrics) == {MODEL, *case.model.naive_rules}
    assert trained.artefact.to_files()
    decision = decide(case.model, trained.artefact)
    assert decision.promoted is not bool(decision.reasons)
    return trained


def works_on(case: Case, trained: Trained, asked: pl.DataFrame, past: pl.DataFrame) -> None:
    """The answers are of the schema that is declared, and there is a loss for each example."""
    answers = case.model.score(trained.artefact, Scoring(asked, past))
    assert answers.schema == case.model.answers
    losses = case.model.losses(trained.artefact, Scoring(past, past))
    assert len(losses) == past.height


@pytest.mark.parametrize("thin", THIN.values(), ids=THIN)
def test_a_thin_world_gives_a_result_or_says_what_is_missing(case, thin):
    thinned = case.thinned(thin)
    if all(thinned.tables[name].equals(rows) for name, rows in case.tables.items()):
        pytest.skip("this world is not thinner so")
    look_at(case, thinned)


def test_a_world_without_posts_gives_a_result_or_says_what_is_missing(case):
    tables = {name: rows.clear() if name in POST_TABLES else rows for name, rows in case.tables.items()}
    look_at(case, replace(case, tables=tables))


def test_the_first_day_of_a_world_gives_a_result_or_says_what_is_missing(case):
    first = case.examples["as_of"].min()
    look_at(case, replace(case, until=first, asked_at=first))


def look_at(case: Case, thinned: Case) -> None:
    assert thinned.examples.schema == case.examples.schema
    assert thinned.requests.schema == case.requests.schema
    works_on(case, case.trained, thinned.requests, thinned.examples)
    if trained := trained_or_told(thinned, thinned.examples):
        works_on(thinned, trained, thinned.requests, thinned.examples)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.feature_sets])
def test_a_store_that_knows_nothing_gives_a_result_or_says_what_is_missing(name):
    case = case_of(name)

    def bare(rows: pl.DataFrame) -> pl.DataFrame:
        known = rows.select(each for each in rows.columns if "__" not in each)
        return unknown_features(case.features, known)

    examples, requests = bare(case.examples), bare(case.requests)
    works_on(case, case.trained, requests, examples)
    if trained := trained_or_told(case, examples):
        works_on(case, trained, requests, examples)


@pytest.mark.parametrize(
    "thin",
    [
        lambda rows: rows.filter(~pl.col("is_gone")),
        lambda rows: rows.filter("is_gone"),
        lambda rows: rows.with_columns(is_gone=pl.lit(value=True)),
    ],
    ids=["all stayed", "all left", "all left, of as many"],
)
def test_one_class_alone_says_what_is_missing(thin):
    case = case_of("churn")
    assert trained_or_told(case, thin(case.examples)) is None
