"""Measures of chances: by hand, with ties, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest

from clientnest_assets.models.churn.chances import auc, average_precision, chance_metrics, gains, lift


def of(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_values_by_hand():
    left, chance = of(1, 0, 1, 0), of(0.9, 0.6, 0.6, 0.1)
    found = chance_metrics(left, chance)
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.6, 0.9]).mean())
    assert found["lift_top_tenth"] == pytest.approx(2)


def test_equal_scores_count_as_their_expectation():
    left, flat = of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0), np.full(10, 0.2)
    assert auc(left, flat) == 0.5
    assert average_precision(left, flat) == pytest.approx(0.2)
    assert lift(left, flat) == pytest.approx(1)
    assert [each.tolist() for each in gains(left, flat)] == [[2], [10]]


def test_against_counting_pairs():
    rng = np.random.default_rng(1)
    left, score = (rng.random(200) < 0.3).astype(float), rng.integers(0, 20, 200) / 20
    pairs = score[left > 0][:, None] - score[left == 0][None, :]
    assert auc(left, score) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_one_outcome_alone_has_no_ranking():
    assert chance_metrics(of(0, 0), of(0.1, 0.2)) | {"log_loss": 0, "brier": 0} == {
        "log_loss": 0, "brier": 0, "auc": None, "pr_auc": None, "lift_top_tenth": None
    }  # fmt: skip
    assert chance_metrics(of(1, 1), of(0.0, 1.0))["auc"] is None
    assert np.isfinite(chance_metrics(of(1, 1), of(0.0, 1.0))["log_loss"])
