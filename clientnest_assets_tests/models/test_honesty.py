"""What every model has to hold to: no skill from noise, nothing from the future, the same answer however it is asked."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF, get_historical_features
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.errors import LeakingFeatureError
from clientnest_assets.models.model import MODEL, Scoring, Training
from clientnest_assets.models.promotion import compare, decide
from clientnest_assets.models.registry import MODELS

from .cases import KNOWN_AT, Case, case_of
from .conftest import make_world

CHANCE = {"spearman": (0.0, 0.15), "auc": (0.5, 0.05), "r2": (0.0, 0.15)}
"""What a model without skill has, and how far from it chance may take it."""
USES_PAST = ("engagement", "posting_times", "content_recommendation", "hashtags")
READS_FEATURES = ("engagement", "early_signal", "churn", "hashtags")
LATER = {
    "fact_posts": ("mature_at", {"mature_engagement_score": 987_654}),
    "fact_content_daily": ("observed_at", {"engagement_score": 987_654}),
    "fact_users_daily": ("day", {"sessions": 99, "session_seconds": 9_999, "churn_risk": 1.0}),
    "social_posts": ("updated_at", {"status": "failed"}),
    "fact_social_daily": ("day", {"followers": 10**9}),
    "fact_subscription_events": ("occurred_at", {"mrr_after": 10_000.0}),
    "fact_ai_requests": ("created_at", {"cost": 10**6}),
}
"""By table, when what a row says of its columns is known, and what they say otherwise."""


@pytest.fixture(params=MODELS)
def case(request) -> Case:
    return case_of(request.param)


def told_otherwise(tables: dict[str, pl.DataFrame], moment: datetime) -> dict[str, pl.DataFrame]:
    """The tables with something else in place of all that was not known before a moment."""
    changed = {}
    for name, rows in tables.items():
        known_at, values = LATER.get(name, (None, {}))
        bound: datetime | date = moment.date() if known_at == "day" else moment
        changed[name] = rows.with_columns(
            pl.when(pl.col(known_at) >= bound)
            .then(pl.lit(value))
            .otherwise(column)
            .cast(rows.schema[column])
            .alias(column)
            for column, value in values.items()
            if column in rows.columns
        )
    return changed


def with_other_truths(case: Case, which: pl.Expr) -> pl.DataFrame:
    """The examples with something else as the truth of those chosen."""
    truth = pl.col(case.label)
    other = ~truth if case.examples.schema[case.label] == pl.Boolean else truth * 3 + 5
    return case.examples.with_columns(pl.when(which).then(other).otherwise(truth).alias(case.label))


def test_a_model_that_could_learn_something_has_skill(case):
    (skill,) = [each for each in case.trained.findings if each.name == "has_skill"]
    assert skill.passed, skill.words


def test_truths_dealt_out_anew_give_no_skill_and_no_champion(case):
    trained = case.train(case.without_skill(seed=1))
    for name, (expected, slack) in CHANCE.items():
        if (found := trained.metrics[MODEL].get(name)) is not None:
            assert found < expected + slack, name
    assert "has_skill" in [each.name for each in trained.findings if not each.passed]
    assert not decide(case.model, trained.artefact).promoted


def test_a_champion_has_no_edge_over_a_challenger_by_its_age_alone(case):
    """Of one recipe and one past they are one model: there is something to compare, and neither is better by a bit."""
    until = case.examples[KNOWN_AT].sort()[int(case.examples.height * 0.8)]
    champion = case.train(case.examples.filter(pl.col(KNOWN_AT) < until), until=until).artefact
    found = compare(case.model, champion, Training(case.examples, case.features, case.until))
    assert found.rows > 0
    assert (found.loss, found.low, found.high) == (found.champion_loss, 0, 0)


def test_what_is_no_feature_of_the_set_never_reaches_the_model_and_threads_change_no_byte(case):
    """The truth itself stands beside the features, under names that look like theirs."""
    truth = pl.col(case.label).cast(pl.Float64)
    knowing = case.examples.with_columns(
        truth.alias("answer"), truth.alias("content__answer"), truth.alias("is_gone_yet")
    )
    again = case.train(knowing, threads=2)
    assert again.artefact.to_files() == case.trained.artefact.to_files()
    assert again.metrics == case.trained.metrics


@pytest.mark.parametrize("name", READS_FEATURES)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_feature_that_knows_the_truth_is_refused_by_name(name, noise):
    case = case_of(name)
    (number, *_) = [each for each in case.features.columns if case.examples.schema[each].is_numeric()]
    truth = case.examples[case.label].cast(pl.Float64)
    knowing = truth + noise * pl.Series(np.random.default_rng(4).normal(size=len(truth)))
    with pytest.raises(LeakingFeatureError, match=f"{number}.* take it out of the feature set"):
        case.train(case.examples.with_columns(knowing.alias(number)))


def test_what_the_store_came_to_know_later_is_not_among_the_features():
    """Rows of the history that say the truth, true of the moment of each post, and known only when it was."""
    world = make_world(posts=300)
    rows = world.rows()
    history = world.features[spec.HISTORY].lazy().collect()
    knowing = rows.select(
        "account_id",
        pl.col(AS_OF).alias("event_at"),
        pl.col(KNOWN_AT).alias("known_at"),
        *(
            pl.col(spec.LABEL).cast(dtype).alias(name)
            for name, dtype in history.schema.items()
            if name.startswith("mean")
        ),
    )
    longer = pl.concat([history, knowing], how="diagonal").select(history.columns)
    asked = rows.select("account_id", AS_OF)
    before, after = (get_historical_features(asked, {spec.HISTORY: each}).collect() for each in (history, longer))
    assert after.equals(before)


def test_every_truth_was_known_before_the_partition_ended_and_after_the_moment(case):
    assert (case.examples[KNOWN_AT] < case.until).all()
    assert (case.examples[KNOWN_AT] >= case.examples[AS_OF]).all()
    assert case.examples[AS_OF].is_sorted()


@pytest.mark.parametrize("days", [21, 40])
def test_an_earlier_week_sees_nothing_of_what_came_later(case, days):
    moment = case.until - timedelta(days=days)
    other = told_otherwise(case.tables, moment)
    assert any(not other[name].equals(rows) for name, rows in case.tables.items())
    there = {name: rows.lazy() for name, rows in other.items()}
    examples, requests = (
        (ask(case.inputs, moment), ask(there, moment)) for ask in (case.model.examples, case.model.requests)
    )
    assert examples[0].height > 0
    assert requests[0].height > 0
    assert examples[1].equals(examples[0])
    assert requests[1].equals(requests[0])
    assert (examples[0][KNOWN_AT] < moment).all()


def test_no_truth_is_used_before_it_was_known(case):
    moment = case.until - timedelta(days=21)
    asked = case.joined(case.model.requests(case.inputs, moment))
    later = with_other_truths(case, pl.col(KNOWN_AT) >= moment)
    assert not later.equals(case.examples)
    artefact = case.trained.artefact
    answers = case.model.score(artefact, Scoring(asked, case.examples))
    assert answers.height > 0
    assert case.model.score(artefact, Scoring(asked, later)).equals(answers)
    if case.model.name in USES_PAST:
        earlier = with_other_truths(case, pl.col(KNOWN_AT) < moment)
        assert not case.model.score(artefact, Scoring(asked, earlier)).equals(answers)


def test_an_answer_does_not_depend_on_who_else_asks(case):
    def score(rows):
        return case.model.score(case.trained.artefact, Scoring(rows, case.examples))

    answers = score(case.requests)
    assert answers.schema == case.model.answers
    who = case.requests[case.alone].drop_nulls().unique().sort()
    for those in (who[::2], who[1::2], who[:1], who[-1:]):
        asked = case.requests.filter(pl.col(case.alone).is_in(those.implode()))
        assert score(asked).equals(answers.filter(pl.col(case.alone).is_in(those.implode())))
