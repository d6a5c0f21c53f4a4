"""Suggested slots are the best, apart from each other, and rest on evidence."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import Outlook
from clientnest_assets.models.posting_times.suggestions import ANSWERS, suggest
from clientnest_assets.models.posting_times.week import SLOTS, distance


def asked(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "platform": ["twitter"] * count,
            "account_id": list(range(count)),
            "author_timezone": ["UTC"] * count,
            "as_of": [datetime(2025, 1, 1, tzinfo=UTC)] * count,
        }
    )


def expecting(uplift: np.ndarray, posts: float = 100.0) -> Outlook:
    flat = np.zeros_like(uplift)
    return Outlook(uplift, flat + 0.1, flat + posts, flat, flat)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_slots_are_apart_best_first_and_better_than_usual(seed: int):
    uplift = np.random.default_rng(seed).normal(0, 0.3, (3, SLOTS))
    found = suggest(asked(3), expecting(uplift), 5)
    assert found.schema == ANSWERS
    for account in range(3):
        own = found.filter(pl.col("account_id") == account)
        slots = ((own["weekday"] - 1) * 24 + own["hour"]).to_numpy()
        assert own["rank"].to_list() == [1, 2, 3, 4, 5]
        assert slots[0] == uplift[account].argmax()
        assert own["uplift"].is_sorted(descending=True)
        apart = distance(slots[:, None], slots) + 1000 * np.eye(5, dtype=np.int64)
        assert apart.min() >= spec.APART_HOURS


def test_sunday_night_is_next_to_monday_morning():
    uplift = np.full((1, SLOTS), -1.0)
    uplift[0, [0, SLOTS - 1, 50]] = 0.5, 0.4, 0.1
    found = suggest(asked(1), expecting(uplift), 5)
    assert found.select("weekday", "hour").rows() == [(1, 0), (3, 2)]


def test_nothing_is_suggested_below_the_minimum_of_evidence_or_of_uplift():
    uplift = np.full((1, SLOTS), 0.5)
    assert suggest(asked(1), expecting(uplift, spec.MIN_SLOT_POSTS - 1), 5).is_empty()
    assert suggest(asked(1), expecting(0 * uplift), 5).is_empty()
    assert suggest(asked(1), expecting(uplift * np.nan), 5).is_empty()


def test_interval_is_that_of_80_percent_as_a_ratio():
    uplift = np.full((1, SLOTS), -1.0)
    uplift[0, 30] = 0.4
    found = suggest(asked(1), expecting(uplift), 5).row(0, named=True)
    assert np.allclose(
        [found["uplift"], found["uplift_low"], found["uplift_high"]],
        np.expm1([0.4, 0.4 - 0.1281552, 0.4 + 0.1281552]),
    )
