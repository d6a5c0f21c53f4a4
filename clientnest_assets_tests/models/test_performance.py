"""What became of predictions: which count, against what, and when a model is said to have decayed."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.decay import SHOWN_DAYS, has_not_decayed, interval_covers
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.outcomes import LEFT_OUT, OUTCOMES
from clientnest_assets.models.performance import by_day, labelled, matured, performance_schema, predictions_needed
from clientnest_assets.models.registry import MODELS
from clientnest_assets.partitions import Window

from .cases import case_of

ENGAGEMENT, POSTS = MODELS["engagement"], OUTCOMES["engagement"]
DAY = date(2025, 3, 10)
NOBODY = pl.DataFrame(schema={"model_version": pl.String()})


def at(day, hour=0):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def examples(rows):
    """Labelled posts: post_id, account, platform, engagement, the day on which it came to be known."""
    return pl.DataFrame(
        [
            (post, account, account, platform, at(known - timedelta(days=9)), float(np.log1p(score)), at(known, 5))
            for post, account, platform, score, known in rows
        ],
        schema={
            "post_id": pl.Int64,
            "user_id": pl.Int64,
            "account_id": pl.Int64,
            "platform": pl.String,
            "as_of": MOMENT,
            "log_engagement": pl.Float64,
            "label_known_at": MOMENT,
        },
        orient="row",
    )


def predictions(rows, version="engagement-new"):
    """Answers: post_id, day, predicted engagement, lower and upper bound, what the naive rule says."""
    told = pl.DataFrame(
        rows,
        schema={
            "post_id": pl.Int64,
            "day": pl.Date,
            "score": pl.Float64,
            "low_engagement_score": pl.Float64,
            "high_engagement_score": pl.Float64,
            "naive_engagement_score": pl.Float64,
        },
        orient="row",
    )
    return told.with_columns(
        pl.col("score").log1p().alias("predicted_log_engagement"),
        pl.lit("of the prediction").alias("platform"),
        pl.lit(version).alias("model_version"),
        pl.lit(date(2025, 2, 17)).alias("model_week"),
    )


def promised(*rows, version="engagement-new"):
    return pl.DataFrame(rows, schema=["platform", "loss"], orient="row").with_columns(
        pl.lit(version).alias("model_version")
    )


def ago(days):
    return DAY - timedelta(days=days)


def test_every_model_has_an_outcome_or_says_why_not():
    assert {*OUTCOMES, *LEFT_OUT} == MODELS.keys()
    assert not OUTCOMES.keys() & LEFT_OUT.keys()
    assert "followed" in LEFT_OUT["hashtags"]


def test_predictions_are_joined_with_what_came():
    rows = matured(
        ENGAGEMENT,
        POSTS,
        examples([(1, 7, "tiktok", 99, DAY), (2, 8, "linkedin", 9, DAY), (3, 8, "tiktok", 9, DAY)]),
        predictions([(1, ago(9), 49, 20, 98, 99), (2, ago(8), 19, 4, 9, 0)]),
        promised(("tiktok", 0.2), ("tiktok", 0.4)),
        Window.of_days(DAY, DAY),
    )

    assert rows.schema == performance_schema(ENGAGEMENT)
    first, second = rows.to_dicts()
    assert (first["post_id"], first["group"], first["cluster"], first["day"]) == (1, "tiktok", "7", DAY)
    assert (first["predicted_on"], first["model_version"]) == (ago(9), "engagement-new")
    assert first["loss"] == pytest.approx(np.log(2))
    assert first["naive_loss"] == 0
    assert first["promised_loss"] == pytest.approx(0.3)
    # 98 is below 99, and a bound that is met holds.
    assert (first["is_covered"], second["is_covered"]) == (False, True)
    assert second["loss"] == pytest.approx(np.log(2))
    assert second["naive_loss"] == pytest.approx(np.log(10))
    # Nothing was promised of a platform that the evaluation did not have.
    assert second["promised_loss"] is None


def test_only_what_came_to_be_known_in_the_window_counts():
    known = examples(
        [(1, 1, "tiktok", 9, ago(1)), (2, 1, "tiktok", 9, DAY), (3, 1, "tiktok", 9, DAY + timedelta(days=1))]
    )
    told = predictions([(post, ago(8), 9, 4, 20, 9) for post in (1, 2, 3, 4)])

    rows = matured(ENGAGEMENT, POSTS, known, told, NOBODY, Window.of_days(DAY, DAY))

    assert rows["post_id"].to_list() == [2]
    assert rows["promised_loss"].to_list() == [None]


def test_a_post_that_was_predicted_day_by_day_counts_once_by_the_first_prediction_within_reach():
    reach = POSTS.within.days
    told = predictions([(1, ago(days), score, 0, 99, 9) for days, score in ((reach + 1, 1), (reach, 2), (20, 3))])

    rows = matured(ENGAGEMENT, POSTS, examples([(1, 1, "tiktok", 9, DAY)]), told, NOBODY, Window.of_days(DAY, DAY))

    assert rows["predicted_on"].to_list() == [ago(reach)]
    assert predictions_needed(POSTS, Window.of_days(DAY, DAY)) == Window.of_days(ago(reach), DAY)


def test_a_range_gives_the_rows_of_its_days_one_by_one_and_so_does_a_second_run():
    rng = np.random.default_rng(4)
    known = examples(
        [
            (post, post % 9, ["tiktok", "linkedin"][post % 2], int(rng.integers(0, 99)), ago(int(rng.integers(0, 20))))
            for post in range(400)
        ]
    )
    told = predictions(
        [(post, ago(int(days)), 9, 4, 20, 9) for post in range(400) for days in rng.choice(60, 3, replace=False)]
    )
    window = Window.of_days(ago(15), ago(2))

    def of(span, shuffled=False):
        given = told.sample(fraction=1, shuffle=True, seed=1) if shuffled else told
        return matured(ENGAGEMENT, POSTS, known, given, promised(("tiktok", 0.5)), span)

    whole = of(window)
    assert whole.height > 100
    assert_frame_equal(whole, pl.concat([of(Window.of_days(day, day)) for day in window.days()]))
    assert_frame_equal(whole, of(window, shuffled=True))


def told_daily(case, days):
    """What the case's model said at the end of each day."""
    model, told = case.model, []
    for day in days:
        asked = case.joined(model.requests(case.inputs, at(day + timedelta(days=1))))
        told.append(model.score(case.trained.artefact, Scoring(asked, case.examples)).with_columns(day=pl.lit(day)))
    return pl.concat(told).with_columns(model_version=pl.lit("of the case"), model_week=pl.lit(DAY))


@pytest.mark.parametrize("task", ["churn", "follower_growth", "mrr_growth"])
def test_predictions_of_every_weekday_meet_their_outcome_and_those_of_sundays_the_models_own(task):
    case, outcome = case_of(task), OUTCOMES[task]
    model, until = case.model, case.until.date()
    days = [until - timedelta(days=back) for back in reversed(range(38, 45))]
    window = Window.of_days(days[0], until - timedelta(days=1))
    told = told_daily(case, days)

    known = labelled(model, outcome, case.inputs, window)
    rows = matured(model, outcome, known, told, NOBODY, window)

    assert rows["predicted_on"].unique().sort().to_list() == days
    assert rows["loss"].null_count() == 0
    keys, truth = [*model.example], ["label_known_at", case.label]
    of_the_model = known.join(case.examples, on=keys, how="semi", maintain_order="left")
    assert_frame_equal(
        of_the_model.select(*keys, *truth),
        case.examples.join(of_the_model, on=keys, how="semi", maintain_order="left").select(*keys, *truth),
    )
    own = matured(model, outcome, of_the_model, told, NOBODY, window)
    (sunday,) = own["predicted_on"].unique()
    assert sunday.weekday() == 6
    assert_frame_equal(own, rows.filter(pl.col("predicted_on") == sunday))
    # Day by day it is the same.
    for day in window.days()[-3:]:
        only = Window.of_days(day, day)
        found = matured(model, outcome, labelled(model, outcome, case.inputs, only), told, NOBODY, only)
        assert_frame_equal(found, rows.filter(pl.col("day") == day))


def test_churn_is_compared_with_the_share_of_the_plan_that_was_known_then():
    case, outcome = case_of("churn"), OUTCOMES["churn"]
    until = case.until.date()
    weekly = case.model.examples(case.inputs, case.until)

    known = labelled(
        case.model, outcome, case.inputs, Window.of_days(until - timedelta(days=9), until - timedelta(days=1))
    )

    assert known["as_of"].n_unique() == 9
    naive = known.select("as_of", "subscription_tier", said=outcome.naive).unique().sort("as_of", "subscription_tier")
    assert naive["said"].null_count() < naive.height / 2
    for moment, plan, said in naive.iter_rows():
        then = weekly.filter(pl.col("label_known_at") <= moment, pl.col("subscription_tier") == plan)
        assert said == (pytest.approx(then["is_gone"].mean()) if then.height else None)


def test_a_forecast_is_promised_what_its_horizon_was():
    sunday = date(2025, 3, 2)
    known = pl.DataFrame(
        {
            "account_id": [1, 1],
            "group": ["tiktok"] * 2,
            "as_of": [at(sunday + timedelta(days=1))] * 2,
            "horizon_days": [7, 14],
            "label": np.log1p([110.0, 150.0]),
            "label_known_at": [at(sunday + timedelta(days=7), 23), at(sunday + timedelta(days=14), 23)],
        },
        schema_overrides={"as_of": MOMENT, "label_known_at": MOMENT},
    )
    told = pl.DataFrame(
        {
            "account_id": [1] * 4,
            "horizon_days": [7, 14] * 2,
            "followers": [100.0] * 4,
            "forecast": [110.0, 120.0, 1.0, 1.0],
            "low": [105.0, 110.0, 0.0, 0.0],
            "high": [115.0, 130.0, 2.0, 2.0],
            "model_version": ["follower_growth-1"] * 4,
            "model_week": [date(2025, 2, 17)] * 4,
            # The second two were made on another day than that at whose end the example stands.
            "day": [sunday] * 2 + [sunday - timedelta(days=1)] * 2,
        }
    )
    evaluated = pl.DataFrame(
        {"horizon_days": [7, 7, 14], "loss": [0.1, 0.3, 0.6], "model_version": "follower_growth-1"}
    )

    rows = matured(
        MODELS["follower_growth"],
        OUTCOMES["follower_growth"],
        known,
        told,
        evaluated,
        Window.of_days(sunday, sunday + timedelta(days=20)),
    )

    assert rows["day"].to_list() == [sunday + timedelta(days=7), sunday + timedelta(days=14)]
    assert rows["loss"].to_list() == pytest.approx([0.0, np.log(151 / 121)])
    assert rows["naive_loss"].to_list() == pytest.approx([np.log(111 / 101), np.log(151 / 101)])
    assert rows["promised_loss"].to_list() == pytest.approx([0.2, 0.6])
    assert rows["is_covered"].to_list() == [True, False]


def test_days_are_told_by_when_they_were_predicted():
    known = examples([(post, post, "tiktok", 9, DAY - timedelta(days=post % 2)) for post in range(4)])
    told = predictions([(post, ago(8), 9, 4, 8 if post else 20, 9) for post in range(4)])

    shown = by_day(matured(ENGAGEMENT, POSTS, known, told, NOBODY, Window.of_days(ago(3), DAY)))

    (row,) = shown.to_dicts()
    assert (row["predicted_on"], row["group"], row["predictions"]) == (ago(8), "tiktok", 4)
    assert (row["loss"], row["covered"], row["promised_loss"]) == (0, 0.25, None)
    assert row["actual"] == pytest.approx(np.log(10))


def outcomes(seed, *, days=SHOWN_DAYS, excess=0.0, since=0, naive=1.5, covered=0.8, entities=80):
    """So many days up to DAY of 40 outcomes each, of entities that differ; from `since` days ago on the loss is larger."""
    rng = np.random.default_rng(seed)
    rows = 40 * days
    entity, back = rng.integers(0, entities, rows), rng.integers(0, days, rows)
    usual = rng.gamma(4, 0.25, entities)
    loss = rng.gamma(2, 0.5, rows) * usual[entity] / usual.mean()
    held = rng.random(rows) < covered
    return pl.DataFrame(
        {
            "cluster": entity.astype(str),
            "loss": loss * np.where(back < since, 1 + excess, 1),
            "naive_loss": np.full(rows, naive),
            "promised_loss": np.full(rows, 1.0),
            "is_covered": held,
            "day": pl.Series([DAY]).new_from_index(0, rows) - pl.Series(back * 86_400_000).cast(pl.Duration("ms")),
        }
    )


@pytest.mark.parametrize("seed", range(20))
def test_without_decay_all_stays_quiet(seed):
    rows = outcomes(seed)

    assert has_not_decayed(rows, POSTS, DAY).passed
    assert interval_covers(rows, POSTS, DAY).passed


@pytest.mark.parametrize("seed", range(5))
def test_a_decay_is_found_and_dated(seed):
    finding = has_not_decayed(outcomes(seed, excess=0.6, since=20), POSTS, DAY)

    assert not finding.passed
    assert abs((date.fromisoformat(finding.figures["since"]) - ago(19)).days) <= 3
    assert finding.figures["loss"] == pytest.approx(1 + 0.6 * 20 / 28, rel=0.15)
    assert f"since {finding.figures['since']}" in finding.words


def test_of_a_hundred_models_that_are_off_by_just_what_is_tolerated_few_are_called_decayed():
    found = [
        has_not_decayed(outcomes(seed, days=28, excess=POSTS.tolerance, since=28), POSTS, DAY).passed
        for seed in range(100)
    ]

    # One side of a 95 % interval: two or three are expected; the draw of the entities adds to it.
    assert sum(not each for each in found) <= 9


def test_a_decay_that_is_over_is_no_decay():
    rows = outcomes(3, excess=0.6, since=60)
    over = rows.filter(pl.col("day") <= ago(30)).vstack(outcomes(4, days=28))

    assert has_not_decayed(over, POSTS, DAY).passed


def test_worse_than_the_naive_rule_is_a_decay_whatever_was_promised():
    rows = outcomes(1, naive=0.7).with_columns(pl.lit(None, pl.Float64).alias("promised_loss"))

    finding = has_not_decayed(rows, POSTS, DAY)

    assert not finding.passed
    assert POSTS.naive_rule in finding.words


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("column", ["loss", "naive_loss", "promised_loss"])
def test_an_outcome_without_a_value_silences_nothing(column, nothing):
    rows = outcomes(2, excess=0.6, since=20)
    place = pl.int_range(pl.len())
    lacking = rows.with_columns(pl.when(place == 7).then(nothing).otherwise(column).alias(column))

    finding = has_not_decayed(lacking, POSTS, DAY)

    assert not finding.passed
    assert finding.figures["since"] == has_not_decayed(rows, POSTS, DAY).figures["since"]
    assert all(np.isfinite(finding.figures[name]) for name in ("loss", "naive_loss", "promised_loss"))
    assert "nan" not in finding.words


def test_without_any_loss_nothing_is_said():
    rows = outcomes(2, excess=0.6, since=20).with_columns(loss=pl.lit(None, pl.Float64))
    assert "Too little to tell" in has_not_decayed(rows, POSTS, DAY).words


def test_an_interval_that_holds_too_few_or_too_many_is_found():
    assert not interval_covers(outcomes(1, covered=0.65), POSTS, DAY).passed
    assert not interval_covers(outcomes(1, covered=0.95), POSTS, DAY).passed
    assert interval_covers(outcomes(1, covered=0.77), POSTS, DAY).passed


def test_few_entities_say_nothing():
    few = outcomes(1, excess=3, since=84, entities=4)
    assert "Too little to tell" in has_not_decayed(few, POSTS, DAY).words
    assert has_not_decayed(few, POSTS, DAY).passed
    nothing = few.clear()
    assert has_not_decayed(nothing, POSTS, DAY).passed
    assert interval_covers(nothing, POSTS, DAY).passed
    # Five of five held is no proof of an interval too wide.
    five = outcomes(1, entities=5, covered=1.0).unique("cluster")
    assert interval_covers(five, POSTS, DAY).passed
