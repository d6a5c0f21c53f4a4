"""The interval covers as often as it says, group by group, and says no more of a group than its posts can tell."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.spread import ALL, BAND, CUMULATIVE, Bounds, Spread, bands


def world(count, seed):
    """Outcomes around 0; LinkedIn's vary twice as much, and the bounds that are said do not know it."""
    rng = np.random.default_rng(seed)
    groups = pl.DataFrame({"platform": rng.choice(["linkedin", "twitter"], count), BAND: "unknown"})
    label = rng.normal(0, 1, count) * np.where(groups["platform"] == "linkedin", 2.0, 1.0)
    return groups, Bounds(np.full(count, -1.0), np.zeros(count), np.full(count, 1.0)), label


def covered(bounds, label):
    return (label >= bounds.low) & (label <= bounds.high)


def test_bounds_that_are_too_narrow_are_widened_until_they_cover_in_each_group():
    groups, said, label = world(4000, 1)
    spread = Spread.fit(groups, said, label)
    groups, said, label = world(4000, 2)
    held = covered(spread.bounds(groups, said), label)
    assert held.mean() == pytest.approx(spec.INTERVAL, abs=0.02)
    for platform in ("linkedin", "twitter"):
        assert held[groups["platform"] == platform].mean() == pytest.approx(spec.INTERVAL, abs=0.03)


def test_a_group_of_few_posts_is_drawn_towards_all():
    groups, said, label = world(2000, 3)
    few = pl.DataFrame({"platform": ["tiktok"] * 5, BAND: "unknown"})
    more = Bounds(*(np.append(each, np.full(5, each[0])) for each in (said.low, said.point, said.high)))
    spread = Spread.fit(pl.concat([groups, few]), more, np.append(label, np.full(5, 50.0)))
    assert abs(spread.offsets["tiktok"] - spread.offsets[ALL]) < 4
    strange = pl.DataFrame({"platform": ["myspace"], BAND: ["unknown"]})
    bounds = spread.bounds(strange, Bounds(np.array([-1.0]), np.array([0.0]), np.array([1.0])))
    assert bounds.high[0] == pytest.approx(1 + spread.offsets[ALL])


def test_bounds_never_cross_and_hold_the_prediction():
    groups, said, label = world(1000, 4)
    crossed = Bounds(said.high, said.point, said.low)
    bounds = Spread.fit(groups, said, label * 0.01).bounds(groups, crossed)
    assert (bounds.low <= bounds.point).all()
    assert (bounds.high >= bounds.point).all()


def test_chances_agree_with_the_interval_and_with_what_happens():
    groups, said, label = world(4000, 5)
    spread = Spread.from_json(json.loads(json.dumps(Spread.fit(groups, said, label).to_json())))
    groups, said, label = world(4000, 6)
    bounds = spread.bounds(groups, said)
    ends = np.column_stack([bounds.low, np.full(4000, 0.5), bounds.high])
    below = spread.below(bounds, ends)
    assert np.allclose(below[:, 0], spec.TAIL)
    assert np.allclose(below[:, 2], 1 - spec.TAIL)
    assert below[:, 1].mean() == pytest.approx((label < 0.5).mean(), abs=0.02)
    assert np.isnan(spread.below(bounds, np.full((4000, 1), np.nan))).all()
    assert (np.diff(spread.shape) >= 0).all()
    assert len(spread.shape) == len(CUMULATIVE)


def test_bands_are_told_from_log_followers():
    rows = pl.DataFrame({"followers": [np.log1p(999), np.log1p(1000), np.log1p(50_000), None]})
    assert bands(rows, "followers").to_list() == ["under 1,000", "1,000 to 10,000", "10,000 and more", "unknown"]
    assert bands(rows, None).to_list() == ["unknown"] * 4
