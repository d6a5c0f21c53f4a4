"""Skill beyond chance: a planted gain is found, luck is not, and examples that fail together count as one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.skill import has_skill

RULE = pl.col("rule")


def evaluated(gain: float, entities: int = 60, days: int = 20, seed: int = 1, *, of_entity=0.0, of_day=0.0):
    """An example an entity and day; what the rule loses more, with noise of its own, of its entity and of its day."""
    rng = np.random.default_rng(seed)
    entity, day = (each.ravel() for each in np.meshgrid(np.arange(entities), np.arange(days), indexing="ij"))
    more = gain + rng.normal(0, 0.5, entities * days)
    more += (of_entity * rng.normal(size=entities))[entity] + (of_day * rng.normal(size=days))[day]
    loss = rng.uniform(0, 1, entities * days)
    return pl.DataFrame({"user_id": entity, "loss": loss, "rule": loss + more}).with_columns(
        as_of=datetime(2026, 1, 1, tzinfo=UTC) + pl.Series(day * 86_400_000_000).cast(pl.Duration("us"))
    )


def skill(rows):
    return has_skill(rows, "zero", RULE, "user_id")


def test_a_planted_gain_is_found_with_its_error():
    found = skill(evaluated(0.1))
    assert found.passed
    assert found.figures["gain"] == pytest.approx(0.1, abs=0.05)
    assert found.figures["by_chance"] == pytest.approx(1.7 * 0.5 / np.sqrt(1200), rel=0.4)
    assert "smaller than that of the rule zero by 0.07" in found.words


@pytest.mark.parametrize("together", [{}, {"of_entity": 0.5}, {"of_day": 0.5}], ids=["apart", "entities", "days"])
def test_one_model_without_skill_in_twenty_passes_whatever_fails_together(together):
    passed = [skill(evaluated(0.0, seed=seed, **together)).passed for seed in range(300)]
    assert np.mean(passed) < 0.1


@pytest.mark.parametrize("entities", [1, 2, 5])
def test_few_entities_of_many_days_are_judged_by_their_days(entities):
    """Entities would have to be many to tell by how much they differ: two could never show skill."""
    assert skill(evaluated(0.5, entities, days=200)).passed
    passed = [skill(evaluated(0.0, entities, seed=seed, of_day=0.5)).passed for seed in range(300)]
    assert np.mean(passed) < 0.1


def test_luck_of_entities_is_no_skill():
    passed = [skill(evaluated(0.0, 10, seed=seed, of_entity=0.5)).passed for seed in range(300)]
    assert np.mean(passed) < 0.1


def test_a_worse_model_has_none():
    assert not skill(evaluated(-0.1)).passed


@pytest.mark.parametrize(
    "rows",
    [
        evaluated(1.0).head(0),
        evaluated(1.0).head(1),
        evaluated(1.0, entities=1, days=1),
        evaluated(1.0).with_columns(rule=pl.lit(None, pl.Float64)),
        evaluated(1.0).with_columns(loss=pl.lit(float("nan"))),
        evaluated(1.0).with_columns(rule=pl.lit(float("inf"))),
        evaluated(1.0).with_columns(rule="loss"),
    ],
    ids=["none", "one", "one entity on one day", "unknown", "not a number", "infinite", "equal"],
)
def test_what_tells_nothing_shows_no_skill(rows):
    found = skill(rows)
    assert not found.passed
    assert json.dumps(asdict(found), allow_nan=False)
