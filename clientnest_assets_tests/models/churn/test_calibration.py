"""Calibration: a planted line is found, its error counts users, and little evidence changes little."""

from __future__ import annotations

import numpy as np
import pytest

from clientnest_assets.models.churn.calibration import TOWARDS_NO_CHANGE, WEAK, Line, log_odds_of, sigmoid
from clientnest_assets.models.errors import ModelError


def draw(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident log odds: the true ones are 0.6 of them, less 0.5."""
    rng = np.random.default_rng(seed)
    said = rng.normal(-1, 2, rows)
    return (rng.random(rows) < sigmoid(0.6 * said - 0.5)).astype(float), said


def test_a_planted_line_is_found_within_its_error():
    found = [Line.fit(*draw(2000, seed), np.arange(2000), WEAK) for seed in range(60)]
    slopes, intercepts = (np.array([getattr(line, name) for line in found]) for name in ("slope", "intercept"))
    assert slopes.mean() == pytest.approx(0.6, abs=0.015)
    assert intercepts.mean() == pytest.approx(-0.5, abs=0.03)
    assert found[0].slope_error == pytest.approx(slopes.std(), rel=0.3)
    assert found[0].intercept_error == pytest.approx(intercepts.std(), rel=0.4)


def test_a_user_who_is_repeated_is_no_more_evidence():
    left, said = draw(1000)
    once = Line.fit(left, said, np.arange(1000), WEAK)
    often = Line.fit(np.tile(left, 5), np.tile(said, 5), np.tile(np.arange(1000), 5), WEAK)
    assert often.slope == pytest.approx(once.slope)
    assert often.slope_error == pytest.approx(once.slope_error, rel=1e-3)


def test_little_evidence_changes_little_and_a_separation_stays_finite():
    few = Line.fit(np.array([0.0, 1.0]), np.array([-1.0, 1.0]), np.arange(2), TOWARDS_NO_CHANGE)
    assert (few.intercept, few.slope) == pytest.approx((0, 1), abs=0.05)
    parted = Line.fit(np.repeat([0.0, 1.0], 50), np.repeat([-1.0, 1.0], 50), np.arange(100), WEAK)
    assert 3 < parted.slope < 50
    calm = Line.fit(np.zeros(50), np.full(50, -2.0), np.arange(50), TOWARDS_NO_CHANGE)
    assert calm(np.array([-2.0]))[0] < -3


def test_log_odds_that_are_no_numbers_are_refused():
    with pytest.raises(ModelError, match="finite"):
        Line.fit(np.array([0.0, 1.0]), np.array([np.nan, 1.0]), np.arange(2), WEAK)


def test_the_line_survives_the_card():
    line = Line(0.25, 1.5)
    said = log_odds_of(np.array([0.0, 0.2, 1.0]))
    assert np.array_equal(Line.from_json(line.to_json())(said), line(said))
    assert np.isfinite(said).all()
