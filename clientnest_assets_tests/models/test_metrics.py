"""Metrics by value, and null where they are undefined."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.metrics import (
    clustered_error,
    clustered_half,
    clustered_interval,
    regression_metrics,
    regression_metrics_by,
)

ROWS = pl.DataFrame({"group": ["b", "a", "a", "a"], "y": [1.0, 1.0, 2.0, 3.0], "p": [1.0, 2.0, 2.0, 4.0]})


def test_values():
    found = regression_metrics(ROWS.filter(group="a"), "y", "p")
    assert found == pytest.approx(
        {"rows": 3, "mae": 2 / 3, "rmse": (2 / 3) ** 0.5, "spearman": 0.8660254, "bias": 2 / 3, "r2": 0.0}
    )


def test_undefined_is_null_and_groups_are_in_order():
    found = regression_metrics_by(ROWS, "group", "y", "p")
    assert found["group"].to_list() == ["a", "b"]
    assert found.row(1, named=True) == {
        "group": "b",
        "rows": 1,
        "mae": 0.0,
        "rmse": 0.0,
        "spearman": None,
        "bias": 0.0,
        "r2": None,
    }
    assert regression_metrics(ROWS.with_columns(p=2.0), "y", "p")["spearman"] is None


def test_an_interval_counts_a_cluster_once_and_allows_for_few_of_them():
    values, cluster = np.array([1.0, 3.0, 4.0, 8.0]), pl.Series(["a", "a", "b", "b"])
    # Around the mean of 4 the clusters add up to -4 and 4; with two of them, sqrt(32 * 2 / 1) / 4 = 2.
    assert clustered_error(values, cluster) == pytest.approx(2.0)
    assert clustered_interval(values, cluster) == pytest.approx((4 - 12.706205 * 2, 4 + 12.706205 * 2))
    assert clustered_half(values, cluster, 0.9) == pytest.approx(6.313752 * 2)


@pytest.mark.parametrize("clusters", [3, 4, 8, 40])
def test_of_few_clusters_too_an_interval_holds_what_it_says(clusters):
    rng = np.random.default_rng(clusters)
    cluster = pl.Series(np.arange(clusters).repeat(5))
    held = 0
    for _ in range(1000):
        low, high = clustered_interval(
            rng.normal(size=clusters).repeat(5) + 0.2 * rng.normal(size=len(cluster)), cluster
        )
        held += low <= 0 <= high
    assert held == pytest.approx(950, abs=25)


@pytest.mark.parametrize("cluster", [pl.Series([7] * 3), pl.Series([None] * 3, dtype=pl.String)], ids=["one", "nobody"])
def test_one_cluster_tells_nothing_of_chance(cluster):
    values = np.array([1.0, 1.0, 1.1])
    assert clustered_error(values, cluster) is None
    assert clustered_half(values, cluster) is None
    assert clustered_interval(values, cluster) == (None, None)
