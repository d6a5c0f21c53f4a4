"""Too few outcomes within an interval are not in order; too many are where it tells more than a naive one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.coverage import interval_score, width_of
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.evaluation import covers
from clientnest_assets.models.engagement.spread import BAND
from clientnest_assets.models.growth.evaluation import coverage_finding, metrics_of
from clientnest_assets.models.growth.quantity import FOLLOWERS
from clientnest_assets.models.model import MODEL

LEVEL = 0.8
Z80, Z88, Z99, Z70 = 1.2816, 1.5548, 2.5758, 1.0364
"""Half the width of the interval that holds such a share of a normal distribution, in standard deviations."""
START = datetime(2025, 1, 6, tzinfo=UTC)


def score(actual, low, high):
    rows = pl.DataFrame({"actual": actual, "low": low, "high": high})
    return rows.select(interval_score(pl.col("actual"), pl.col("low"), pl.col("high"), LEVEL).mean()).item()


def test_the_score_is_the_width_and_ten_times_the_distance_outside():
    assert score([1.0], [0.0], [2.0]) == 2
    assert score([2.0], [0.0], [2.0]) == 2
    assert score([-0.5], [0.0], [2.0]) == pytest.approx(2 + 10 * 0.5)
    assert score([3.0], [0.0], [2.0]) == pytest.approx(2 + 10 * 1)


def test_no_interval_scores_better_than_the_one_that_holds_what_it_says():
    actual = np.random.default_rng(1).normal(0, 1, 100_000)

    scores = {half: score(actual, np.full(100_000, -half), np.full(100_000, half)) for half in (Z70, Z80, Z88)}

    assert min(scores, key=scores.get) == Z80


def outcomes(half, *, known=2.0, rows=2000, seed=1):
    """Posts around a mean that the model knows and that varies by `known`, and noise of 1; the rules know nothing."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, known, rows)
    label = mean + rng.normal(0, 1, rows)
    return pl.DataFrame(
        {
            "post_id": np.arange(rows),
            "account_id": np.arange(rows) % 400,
            "platform": np.where(np.arange(rows) % 4 == 0, "linkedin", "twitter"),
            "as_of": pl.Series([START]).new_from_index(0, rows),
            BAND: "unknown",
            spec.LABEL: label,
            spec.PREDICTED: mean,
            spec.LOW: mean - half,
            spec.HIGH: mean + half,
            "flat": np.zeros(rows),
            "drawn": rng.normal(0, 5, rows),
        }
    )


def test_the_naive_interval_is_made_of_the_rules_errors_in_hindsight_and_the_best_rule_counts():
    rows = outcomes(Z80)

    width = width_of(
        rows,
        pl.col(spec.LABEL),
        (pl.col(spec.LOW), pl.col(spec.HIGH)),
        [pl.col("drawn"), pl.col("flat")],
        level=LEVEL,
    )

    low, high = np.quantile(rows[spec.LABEL], [0.1, 0.9])
    assert width.naive == pytest.approx(score(rows[spec.LABEL], [low] * rows.height, [high] * rows.height))
    assert width.ours == pytest.approx(score(rows[spec.LABEL], rows[spec.LOW], rows[spec.HIGH]))
    assert width.is_earned


def test_each_kind_has_a_naive_interval_of_its_own():
    rows = pl.DataFrame({"kind": ["a", "b"] * 500, "said": 0.0}).with_columns(
        actual=pl.Series(np.tile([1.0, 10.0], 500) * np.repeat([-1.0, 1.0], 500))
    )
    interval, rules = (pl.col("actual") - 1, pl.col("actual") + 1), [pl.col("said")]

    width = width_of(rows, pl.col("actual"), interval, rules, level=LEVEL, alike="kind")

    # From -1 to 1 and from -10 to 10.
    assert (width.ours, width.naive) == (2, 11)


@pytest.mark.parametrize(
    ("half", "passed", "said"),
    [
        (Z80, True, "later posts."),
        (Z88, True, "more than chance and tolerance allow: all posts 88"),
        (Z99 * 2, False, "more than chance and tolerance allow: all posts 100.0%"),
        (Z70, False, "fewer than chance and tolerance allow: all posts"),
    ],
    ids=["calibrated", "wide", "wider than a naive one", "narrow"],
)
def test_an_interval_of_posts_may_be_wide_where_it_tells_more_than_a_naive_one(half, passed, said):
    finding = covers(outcomes(half), ["flat"])

    assert finding.passed is passed
    assert said in finding.words
    assert ("interval score" in finding.words) is (half > Z80)


def test_a_platform_whose_interval_holds_too_few_is_not_made_good_by_another():
    narrow = pl.when(pl.col("platform") == "linkedin").then(0.5).otherwise(Z88)
    mean = pl.col(spec.PREDICTED)
    rows = outcomes(Z80).with_columns((mean - narrow).alias(spec.LOW), (mean + narrow).alias(spec.HIGH))

    finding = covers(rows, ["flat"])

    assert not finding.passed
    few, many = finding.words.split("more than")
    assert "linkedin 3" in few
    assert "twitter 88" in many


@pytest.mark.parametrize(
    ("half", "passed", "is_scored"),
    [(Z80, True, False), (Z88, True, True), (Z99 * 2, False, True), (Z70, False, False)],
    ids=["calibrated", "wide", "wider than a naive one", "narrow"],
)
def test_an_interval_of_series_may_be_wide_where_it_tells_more_than_a_naive_one(half, passed, is_scored):
    rng = np.random.default_rng(2)
    series, weeks = 500, 8
    rows = pl.DataFrame(
        {
            "account_id": np.repeat(np.arange(series), weeks),
            "as_of": [START + timedelta(weeks=4 * week) for week in range(weeks)] * series,
            "horizon_days": 28,
            "value": 100.0,
        }
    ).with_columns(forecast=pl.Series(rng.normal(5, 2, series * weeks)))
    rows = rows.with_columns(
        label=pl.col("forecast") + pl.Series(rng.normal(0, 1, series * weeks)),
        low=pl.col("forecast") - half,
        high=pl.col("forecast") + half,
        last_value=pl.lit(5.0),
        drift_28_days=pl.lit(4.0),
        usual_move=pl.lit(1.0),
    )

    finding = coverage_finding(rows, FOLLOWERS, metrics_of(rows, FOLLOWERS)[MODEL])

    assert finding.passed is passed
    assert ("interval score" in finding.words) is is_scored
