"""Bounds: what they should hold of known distributions, by horizon and band, newest first, wider where little is known."""

from __future__ import annotations

import numpy as np
import pytest

from clientnest_assets.models.growth.intervals import NORMAL, THIN, Intervals
from clientnest_assets.models.growth.quantity import HORIZONS


def fit(
    error: np.ndarray, *, age: np.ndarray | None = None, is_symmetric: bool = False, edges=(), value=None
) -> Intervals:
    rows = len(error)
    return Intervals.fit(
        edges,
        np.resize(np.array(HORIZONS), rows),
        np.ones(rows) if value is None else value,
        error,
        np.ones(rows),
        np.zeros(rows) if age is None else age,
        is_symmetric=is_symmetric,
    )


def test_bounds_are_the_tails_of_the_errors():
    error = np.random.default_rng(1).exponential(1.0, 40_000)
    for pairs in fit(error).bounds.values():
        assert pairs[0] == pytest.approx((-np.log(0.9), -np.log(0.1)), abs=0.08)


def test_symmetric_bounds_hold_four_fifths_on_both_sides():
    error = np.random.default_rng(1).exponential(1.0, 40_000)
    for ((low, high),) in fit(error, is_symmetric=True).bounds.values():
        assert low == -high
        assert high == pytest.approx(-np.log(0.2), abs=0.08)


def test_newer_errors_count_more():
    rng = np.random.default_rng(2)
    error = np.concatenate([rng.normal(0, 1, 4_000), rng.normal(0, 3, 4_000)])
    age = np.repeat([0.0, 280.0], 4_000)
    assert all(high == pytest.approx(1.2816, abs=0.15) for ((_, high),) in fit(error, age=age).bounds.values())


def test_bands_and_horizons_have_their_own_bounds_where_they_have_errors_enough():
    value = np.repeat([1.0, 100.0, 10_000.0], [2_000, 2_000, 8])
    error = np.random.default_rng(3).normal(0, np.repeat([1.0, 5.0, 50.0], [2_000, 2_000, 8]))
    for small, large, few in fit(error, edges=(10.0, 1_000.0), value=value).bounds.values():
        assert large[1] > 3 * small[1]
        assert small[1] < few[1] < large[1]


def test_few_errors_give_wide_normal_bounds():
    assert fit(np.array([0.1, -0.1])).bounds[7] == ((-THIN * NORMAL, THIN * NORMAL),)


def test_an_interval_holds_its_forecast_though_all_errors_were_to_one_side():
    errors = np.random.default_rng(5).normal(9, 1, 400)
    forecast, horizon, ones = np.array([100.0]), np.array([7]), np.ones(1)
    for error, low, high in ((errors, 100, 110), (-errors, 90, 100)):
        bounds = fit(error).around(forecast, horizon, ones, ones)
        assert np.concatenate(bounds) == pytest.approx([low, high], abs=0.6)
        assert bounds[0] <= forecast <= bounds[1]


def test_bounds_survive_json():
    fitted = fit(np.random.default_rng(4).normal(0, 1, 400), edges=(10.0,), value=np.ones(400))
    assert Intervals.from_json(fitted.to_json()) == fitted
