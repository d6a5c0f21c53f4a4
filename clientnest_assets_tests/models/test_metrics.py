"""Metrics by value, and null where they are undefined."""

from __future__ import annotations

import polars as pl
import pytest

from clientnest_assets.models.metrics import regression_metrics, regression_metrics_by

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
