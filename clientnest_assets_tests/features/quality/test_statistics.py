"""The index and the tests, against values worked out by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from clientnest_assets.features.quality.statistics import (
    BINS,
    Distribution,
    chi_square,
    kolmogorov_smirnov,
    stability_index,
)


def numbers(values, nulls=0):
    return Distribution(np.sort(np.asarray(values, dtype=float)), nulls)


def test_the_index_is_the_sum_over_bins_of_the_difference_of_shares_times_the_log_of_their_ratio():
    # Of 199 and one bin more: (99.5 + 0.5) / 200 and so on, smoothed by half a row a bin.
    reference, recent = np.array([99, 99]), np.array([149, 49])
    p, q = (99.5 / 199, 99.5 / 199), (149.5 / 199, 49.5 / 199)
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))

    assert stability_index(reference, recent) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.2777, abs=1e-4)


def test_the_index_of_equal_shares_is_nothing_and_of_a_bin_gone_empty_is_finite():
    assert stability_index(np.array([50, 50, 0]), np.array([500, 500, 0])) == pytest.approx(0, abs=1e-4)
    assert 2 < stability_index(np.array([50, 50]), np.array([100, 0])) < 3


def test_a_normal_that_moved_by_half_its_spread_has_the_index_of_theory():
    # The divergence of two normals a shift apart is its square over the variance: 0.25, and less so after binning.
    quantiles = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    reference, recent = numbers(quantiles), numbers(quantiles + 0.5)

    index = stability_index(reference.own_counts, recent.counts(reference.deciles))

    assert 0.22 < index < 0.25


def test_deciles_hold_a_tenth_of_the_reference_each_and_do_not_cut_ties():
    assert numbers(range(1000)).own_counts.tolist() == [100] * BINS + [0]
    assert numbers([0] * 900 + [5] * 100, nulls=7).own_counts.tolist() == [900, 100, 7]
    assert numbers([], nulls=7).own_counts.tolist() == [0, 7]


def test_values_beyond_the_reference_fall_into_its_outermost_bins():
    assert numbers([-1e9, 1e9, 4.0], nulls=2).counts(np.array([1.0, 5.0])).tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_the_statistic_is_that_of_scipy_with_ties_and_nulls(seed):
    random = np.random.default_rng(seed)
    spread = 3 if seed % 2 else 1000
    a, b = (random.integers(0, spread, random.integers(5, 300)).astype(float) for _ in range(2))
    nulls = random.integers(0, 20, 2)

    statistic, p_value = kolmogorov_smirnov(numbers(a, nulls[0]), numbers(b, nulls[1]))

    with_nulls = [np.append(values, np.full(count, -1.0)) for values, count in zip((a, b), nulls, strict=True)]
    expected = stats.ks_2samp(*with_nulls, method="asymp")
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, abs=0.06)


def test_the_p_value_of_large_samples_is_that_of_scipy():
    random = np.random.default_rng(0)
    a, b = random.normal(size=2000), random.normal(0.1, size=2000)

    _, p_value = kolmogorov_smirnov(numbers(a), numbers(b))

    assert p_value == pytest.approx(stats.ks_2samp(a, b, method="asymp").pvalue, rel=0.05)


def test_samples_without_a_number_are_equal_and_nulls_against_numbers_are_not():
    assert kolmogorov_smirnov(numbers([], 100), numbers([], 50)) == (0.0, 1.0)
    assert kolmogorov_smirnov(numbers([], 100), numbers([1.0] * 100))[0] == 1.0
    assert kolmogorov_smirnov(numbers([1.0] * 100), numbers([], 100))[0] == 1.0


def test_the_test_of_categories_is_that_of_scipy():
    reference, recent = np.array([120, 60, 20]), np.array([90, 80, 30])
    expected = stats.chi2_contingency(np.stack([reference, recent]), correction=False)

    statistic, p_value = chi_square(reference, recent)

    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_rare_categories_are_tested_together():
    merged = chi_square(np.array([100, 90, 6]), np.array([90, 95, 11]))
    assert chi_square(np.array([100, 90, 1, 2, 3]), np.array([90, 95, 3, 5, 3])) == pytest.approx(merged)
    assert chi_square(np.array([100, 0]), np.array([50, 0])) == (0.0, 1.0)
