"""The statistics against SciPy's own on the values themselves, and against what they promise in repeated experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clientnest_assets.insights.experiments.comparing import (
    Sample,
    compare_means,
    compare_shares,
    holm,
    lift,
    split_p_value,
)


def sample(*groups):
    return Sample(
        np.array([float(len(values)) for values in groups]),
        np.array([np.mean(values) for values in groups]),
        np.array([np.var(values, ddof=1) if len(values) > 1 else np.nan for values in groups]),
    )


def shares(users, count):
    return sample(np.repeat([1.0, 0.0], [count, users - count]))


@pytest.fixture
def drawn():
    rng = np.random.default_rng(5)
    return rng.gamma(2, 10, 40), rng.gamma(2, 15, 90)


def test_means_are_compared_as_by_welchs_test_on_the_values(drawn):
    control, treatment = drawn

    found = compare_means(sample(control), sample(treatment))

    expected = stats.ttest_ind(treatment, control, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(treatment.mean() - control.mean())
    assert (*found.low, *found.high) == pytest.approx((interval.low, interval.high))


def test_shares_are_compared_as_by_the_chi_square_test_and_newcombes_interval():
    found = compare_shares(shares(48, 7), shares(56, 20))

    expected = stats.chi2_contingency([[7, 41], [20, 36]], correction=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    low, high = stats.binomtest(20, 56).proportion_ci(0.95, "wilson")
    control_low, control_high = stats.binomtest(7, 48).proportion_ci(0.95, "wilson")
    difference = 20 / 56 - 7 / 48
    assert found.low == pytest.approx(difference - np.hypot(20 / 56 - low, control_high - 7 / 48))
    assert found.high == pytest.approx(difference + np.hypot(high - 20 / 56, 7 / 48 - control_low))


def test_newcombes_own_example():
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    found = compare_shares(shares(80, 48), shares(70, 56))

    assert (*found.low.round(4), *found.high.round(4)) == (0.0524, 0.3339)


def test_the_lifts_interval_holds_0_exactly_where_that_of_the_difference_does():
    rng = np.random.default_rng(1)
    control = sample(*(rng.normal(10, 3, 30) for _ in range(500)))
    treatment = sample(*(rng.normal(11.2, 4, 40) for _ in range(500)))
    difference = compare_means(control, treatment)

    ratio, low, high = lift(control, treatment, difference.quantile)

    assert ratio == pytest.approx(treatment.mean / control.mean - 1)
    assert ((low > 0) == (difference.low > 0)).all()
    assert ((high < 0) == (difference.high < 0)).all()
    assert 0.2 < (low > 0).mean() < 0.8


def test_the_lifts_interval_holds_the_true_lift_in_95_of_100_experiments():
    rng = np.random.default_rng(2)
    control = sample(*(rng.gamma(2, 5, 60) for _ in range(2000)))
    treatment = sample(*(rng.gamma(2, 6, 60) for _ in range(2000)))

    _, low, high = lift(control, treatment, compare_means(control, treatment).quantile)

    assert ((low < 0.2) & (high > 0.2)).mean() == pytest.approx(0.95, abs=0.015)


def test_four_of_five_experiments_find_the_detectable_difference():
    rng = np.random.default_rng(3)
    control = sample(*(rng.normal(5, 2, 50) for _ in range(2000)))
    detectable = np.median(compare_means(control, control).detectable)

    treatment = sample(*(rng.normal(5 + detectable, 2, 50) for _ in range(2000)))

    assert (compare_means(control, treatment).p_value < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_what_does_not_vary_and_what_nobody_measured_is_undefined():
    nothing = Sample(np.array([0.0]), np.array([np.nan]), np.array([np.nan]))
    for compare in (compare_means, compare_shares):
        for other in (sample([1.0, 1.0]), sample([1.0]), nothing):
            assert np.isnan(compare(sample([1.0, 1.0]), other).p_value).all()
    assert np.isnan(lift(sample([0.0, 0.0]), sample([1.0, 2.0]), np.array([1.96]))).all()


def test_holm_corrects_the_smallest_by_all_and_the_next_by_those_left():
    found = holm(np.array([0.04, 0.01, np.nan, 0.03]))

    assert found == pytest.approx([0.06, 0.03, np.nan, 0.06], nan_ok=True)
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])


def test_an_uneven_split_is_as_unlikely_as_the_chi_square_test_says():
    assert split_p_value(np.array([211.0, 307.0])) == pytest.approx(stats.binomtest(211, 518).pvalue, rel=0.2)
    assert split_p_value(np.array([50.0, 50.0, 50.0])) == pytest.approx(1)
    assert np.isnan(split_p_value(np.array([5.0])))
