"""From the mart's rows to verdicts: each in its own case, and no oftener wrong than promised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from clientnest_assets.insights.experiments.effects import EFFECTS, RESULTS, effects
from clientnest_assets.insights.experiments.plots import intervals
from clientnest_assets.insights.experiments.verdicts import (
    BROKEN_SPLIT,
    HARMS,
    NO_EFFECT,
    NOT_COMPARED,
    RUNNING,
    TOO_FEW,
    VERDICTS,
    WORKS,
)

ENDED = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVEN = {"users": 400, "measured_users": 400}


def result(variant, mean, variance=None, *, experiment=1, **more):
    return {
        "experiment_id": experiment,
        "variant": variant,
        "experiment_key": f"trial_{experiment}",
        "experiment_name": "A trial",
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ended_at": ENDED,
        "metric": "sessions",
        "metric_type": "mean",
        "scale": "linear",
        "better_when": "higher",
        "mean": mean,
        "compared_mean": mean,
        "compared_variance": variance,
        **EVEN,
        **more,
    }


def found(*rows):
    return found_at(NOW, *rows)


def found_at(moment, *rows):
    return effects(pl.DataFrame(list(rows), schema=RESULTS), moment)


def only(*rows):
    return found(*rows).row(0, named=True)


def of_values(variant, values, **more):
    """The mart's row of users with these values."""
    measured = values[~np.isnan(values)]
    share = {"metric_type": "share", "metric": "activation"} if more.get("metric_type") == "share" else {}
    return result(
        variant,
        float(measured.mean()),
        float(measured.var(ddof=1)),
        **{**more, "users": len(values), "measured_users": len(measured), **share},
    )


def test_a_wanted_difference_beyond_chance_works():
    told = only(result("control", 10.0, 25.0), result("treatment", 12.0, 25.0))

    assert told["verdict"] == WORKS
    expected = stats.ttest_ind_from_stats(12, 5, 400, 10, 5, 400, equal_var=False)
    assert told["p_value"] == told["adjusted_p_value"] == pytest.approx(expected.pvalue)
    assert (told["difference"], told["lift"]) == pytest.approx((2, 0.2))
    assert told["difference_low"] == pytest.approx(2 - 1.963 * 5 / np.sqrt(200), abs=1e-3)
    assert told["words"].startswith("sessions: +20.0 % against the control (95 % interval +12.")
    assert (told["control_mean"], told["mean"], told["control_users"], told["users"]) == (10, 12, 400, 400)


def test_an_unwanted_difference_beyond_chance_does_harm():
    assert only(result("control", 12.0, 25.0), result("treatment", 10.0, 25.0))["verdict"] == HARMS
    cost = {"metric": "ai_cost", "better_when": "lower"}
    assert only(result("control", 10.0, 25.0, **cost), result("treatment", 12.0, 25.0, **cost))["verdict"] == HARMS
    assert only(result("control", 12.0, 25.0, **cost), result("treatment", 10.0, 25.0, **cost))["verdict"] == WORKS


def test_no_difference_is_said_only_where_one_worth_finding_would_have_been_found():
    told = only(result("control", 10.0, 25.0), result("treatment", 10.2, 25.0))
    assert told["verdict"] == NO_EFFECT
    assert told["words"].endswith("Four of five experiments of this size would find an effect of 9.9 %.")
    few = {"users": 20, "measured_users": 20}
    assert only(result("control", 10.0, 25.0, **few), result("treatment", 10.2, 25.0, **few))["verdict"] == TOO_FEW


def test_on_the_log_scale_a_difference_is_a_factor():
    scale = {"scale": "log", "metric": "engagement_score"}
    told = only(
        result("control", 100.0, 0.5, **{**scale, "compared_mean": -0.1}),
        result("treatment", 90.0, 0.5, **{**scale, "compared_mean": 0.1}),
    )

    assert told["verdict"] == WORKS
    assert told["difference"] == pytest.approx(0.2)
    assert told["lift"] == pytest.approx(np.expm1(0.2))
    assert told["lift_low"] == pytest.approx(np.expm1(told["difference_low"]))


def test_a_split_that_was_not_meant_has_no_verdict_whatever_the_difference():
    told = only(
        result("control", 10.0, 1.0, users=211, measured_users=211),
        result("treatment", 20.0, 1.0, users=307, measured_users=307),
    )

    assert told["verdict"] == BROKEN_SPLIT
    assert told["split_p_value"] == pytest.approx(stats.chisquare([211, 307]).pvalue)
    assert "211 users in the control and 307 in the variant" in told["words"]


def test_who_is_measured_does_not_count_as_the_split():
    told = only(result("control", 10.0, 25.0, measured_users=150), result("treatment", 12.0, 25.0, measured_users=250))

    assert told["verdict"] == WORKS


def test_an_experiment_that_runs_has_numbers_and_no_verdict():
    told = only(result("control", 10.0, 1.0, ended_at=None), result("treatment", 20.0, 1.0, ended_at=None))

    assert told["verdict"] == RUNNING
    assert told["lift"] == pytest.approx(1)
    assert "So far sessions: +100.0 %" in told["words"]


@pytest.mark.parametrize(
    ("scale", "metric", "days"), [("linear", "sessions", 1), ("log", "engagement_score", 8)], ids=["linear", "log"]
)
def test_an_experiment_runs_until_its_outcomes_are_in(scale, metric, days):
    """A day until what happened is told; the engagement of the last posts takes a week more."""
    rows = [
        result(name, mean, 1.0, scale=scale, metric=metric) for name, mean in (("control", 1.0), ("treatment", 1.6))
    ]
    known = ENDED + timedelta(days=days)

    before, then = (found_at(moment, *rows).row(0, named=True) for moment in (known - timedelta(microseconds=1), known))

    assert (before["verdict"], then["verdict"]) == (RUNNING, WORKS)
    assert before["words"].startswith(
        f"The verdict comes when its outcomes are in, on {known:%Y-%m-%d}. So far {metric}:"
    )


def test_an_end_that_is_yet_to_come_is_none():
    assert found_at(ENDED - timedelta(days=9), result("control", 1.0, 1.0), result("b", 2.0, 1.0))[
        "verdict"
    ].to_list() == [RUNNING]


def test_every_variant_is_compared_with_the_control_and_corrected_for_the_others():
    told = found(
        result("a", 10.7, 25.0), result("b", 10.8, 25.0), result("control", 10.0, 25.0), result("c", 10.0, 25.0)
    )

    single = [stats.ttest_ind_from_stats(m, 5, 400, 10, 5, 400).pvalue for m in (10.7, 10.8, 10)]
    assert told["variant"].to_list() == ["a", "b", "c"]
    assert told["p_value"].to_list() == pytest.approx(single, rel=1e-6)
    assert told["adjusted_p_value"].to_list() == pytest.approx([2 * single[0], 3 * single[1], 1.0], rel=1e-6)
    assert told["verdict"].to_list() == [NO_EFFECT] * 3
    assert "counted" in told["words"][0]


def test_nothing_to_compare_is_told_and_no_crash():
    nobody = {"users": 1, "measured_users": 0}
    told = found(
        result("a", 1.0, 1.0, experiment=1),
        result("control", None, experiment=2, **nobody),
        result("treatment", None, experiment=2, **nobody),
        result("control", 3.0, 0.0, experiment=3),
        result("treatment", 3.0, 0.0, experiment=3),
        result("control", None, experiment=4, metric="happiness", metric_type=None, scale=None, better_when=None),
        result("treatment", None, experiment=4, metric="happiness", metric_type=None, scale=None, better_when=None),
        result("control", 1.0, 1.0, experiment=5),
    )

    assert told.schema == EFFECTS
    assert told["verdict"].to_list() == [NOT_COMPARED, TOO_FEW, TOO_FEW, NOT_COMPARED]
    assert told["words"].null_count() == 0
    assert told["words"][1] == "0 and 0 users were measured."
    assert set(told["verdict"]) <= set(VERDICTS)
    assert found().is_empty()
    for each in (told, found()):
        assert intervals(each).axes


def is_at_most_one_in_twenty(wrong: pl.Series) -> bool:
    """Whether so many wrong verdicts are no more than chance makes of one in twenty."""
    return stats.binomtest(int(wrong.sum()), len(wrong), 0.05, alternative="greater").pvalue > 0.05


def test_of_experiments_without_an_effect_no_more_than_one_in_twenty_is_said_to_have_one():
    """1,000 of three variants and a heavy-tailed metric; one or more of the three is the error."""
    rng = np.random.default_rng(11)
    rows = [
        of_values(variant, rng.lognormal(1, 1.2, 250), experiment=experiment)
        for experiment in range(1000)
        for variant in ("control", "a", "b", "c")
    ]

    wrong = found(*rows).group_by("experiment_id").agg(pl.col("verdict").is_in([WORKS, HARMS]).any())["verdict"]

    assert len(wrong) == 1000
    assert is_at_most_one_in_twenty(wrong)
    assert wrong.any()


def test_of_shares_without_an_effect_no_more_than_one_in_twenty_is_said_to_have_one():
    rng = np.random.default_rng(12)
    rows = [
        of_values(variant, (rng.random(300) < 0.3).astype(float), experiment=experiment, metric_type="share")
        for experiment in range(1000)
        for variant in ("control", "treatment")
    ]

    wrong = found(*rows)["verdict"].is_in([WORKS, HARMS])

    assert is_at_most_one_in_twenty(wrong)
    assert wrong.any()


def test_an_effect_as_large_as_the_planted_one_is_found_nine_times_in_ten():
    """0.2 on log engagement, 320 users a side who differ by 0.7: what is left once followers and platform are known."""
    rng = np.random.default_rng(13)
    rows = [
        of_values(variant, rng.normal(effect, 0.7, 320), experiment=experiment, scale="log")
        for experiment in range(300)
        for variant, effect in (("control", 0.0), ("treatment", 0.2))
    ]

    assert (found(*rows)["verdict"] == WORKS).mean() > 0.9
