"""Splits: no other one within the limits is worth more, and no limit is broken."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.models.budget.allocation import (
    AMOUNT,
    EXPONENT,
    LEAST,
    MOST,
    ONE_MORE,
    PLAN,
    SCALE,
    STEPS,
    TOTAL,
    allocate_money,
    allocate_units,
)
from clientnest_assets.models.errors import ModelError

Option = tuple[float | None, float, int, int]
scales = st.one_of(st.none(), st.floats(0.01, 1_000))
option = st.tuples(scales, st.floats(0.05, 1.0), st.integers(0, 3), st.integers(0, 5)).map(
    lambda each: (each[0], each[1], each[2], each[2] + each[3])
)
plans = st.lists(st.tuples(st.lists(option, min_size=1, max_size=4), st.integers(0, 12)), min_size=1, max_size=3)


def frame(problem: list[tuple[list[Option], int]], unit: pl.DataType) -> pl.DataFrame:
    rows = [
        (plan, scale, exponent, least, most, spare + sum(each[2] for each in options))
        for plan, (options, spare) in enumerate(problem)
        for scale, exponent, least, most in options
    ]
    schema = {PLAN: pl.Int64, SCALE: pl.Float64, EXPONENT: pl.Float64, LEAST: unit, MOST: unit, TOTAL: unit}
    return pl.DataFrame(rows, schema=schema, orient="row")


def worth(rows: pl.DataFrame, amounts: np.ndarray) -> float:
    scale, exponent = rows[SCALE].fill_null(0.0).to_numpy(), rows[EXPONENT].to_numpy()
    return float(np.sum(np.where(amounts > 0, scale * amounts**exponent, 0.0)))


def best_of_all(rows: pl.DataFrame, total: int) -> float:
    ranges = [
        range(least, (most if scale is not None else least) + 1)
        for scale, least, most in rows.select(SCALE, LEAST, MOST).rows()
    ]
    return max(worth(rows, np.array(each)) for each in product(*ranges) if sum(each) <= total)


@settings(max_examples=150, deadline=None)
@given(plans)
def test_no_other_split_of_posts_is_worth_more(problem):
    options = frame(problem, pl.Int64())
    found = allocate_units(options)
    assert found.select(options.columns).equals(options)
    for rows in found.partition_by(PLAN, maintain_order=True):
        total, amounts = rows[TOTAL][0], rows[AMOUNT].to_numpy()
        assert amounts.sum() <= total
        assert rows.select(((pl.col(AMOUNT) >= pl.col(LEAST)) & (pl.col(AMOUNT) <= pl.col(MOST))).all()).item()
        best = best_of_all(rows, total)
        assert worth(rows, amounts) == pytest.approx(best, rel=1e-12)
        one_more = rows[ONE_MORE][0]
        gain = best_of_all(rows, total + 1) - best
        assert gain == pytest.approx(one_more if one_more is not None else 0.0, rel=1e-6, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(plans)
def test_no_other_split_of_money_is_worth_more(problem):
    """Against moving a hundredth of a dollar from any option to any other, which decides for concave worths."""
    options = frame(problem, pl.Float64())
    found = allocate_money(options)
    assert found.select(options.columns).equals(options)
    for rows in found.partition_by(PLAN, maintain_order=True):
        total, amounts = rows[TOTAL][0], rows[AMOUNT].to_numpy()
        least, most = rows[LEAST].to_numpy(), rows[MOST].to_numpy()
        reach = np.where(rows[SCALE].is_null(), least, most)
        assert round(amounts.sum() * STEPS) == round(min(total, reach.sum()) * STEPS)
        assert (np.round(amounts * STEPS) == amounts * STEPS).all() or np.allclose(
            np.round(amounts * STEPS), amounts * STEPS, atol=1e-6
        )
        assert ((amounts >= least - 1e-9) & (amounts <= most + 1e-9)).all()
        now, size = worth(rows, amounts), len(amounts)
        for giver, taker in product(range(size), range(size)):
            moved = amounts.copy()
            moved[giver] -= 0.01
            moved[taker] += 0.01
            if giver != taker and moved[giver] >= least[giver] and moved[taker] <= reach[taker]:
                assert worth(rows, moved) <= now + 1e-9


def test_a_further_cent_is_worth_what_the_rate_at_the_optimum_says():
    options = frame([([(10.0, 0.5, 0, 100), (20.0, 0.5, 0, 100)], 50)], pl.Float64())
    found = allocate_money(options)
    assert found[AMOUNT].to_list() == [10.0, 40.0]
    assert found[ONE_MORE][0] == pytest.approx(0.01 * 0.5 * 10 / 10**0.5, rel=1e-3)


def test_linear_worths_fill_the_best_first():
    options = frame([([(5.0, 1.0, 1, 4), (7.0, 1.0, 0, 6), (6.0, 1.0, 0, 9)], 7)], pl.Int64())
    found = allocate_units(options)
    assert found[AMOUNT].to_list() == [1, 6, 1]
    assert found[ONE_MORE].to_list() == [6.0] * 3
    assert allocate_money(frame([([(5.0, 1.0, 1, 4), (7.0, 1.0, 0, 6)], 5)], pl.Float64()))[AMOUNT].to_list() == [1, 5]


def test_what_nobody_knows_gets_its_least_and_the_rest_is_left_over():
    options = frame([([(None, 1.0, 2, 9), (3.0, 0.5, 0, 4)], 20)], pl.Int64())
    found = allocate_units(options)
    assert found[AMOUNT].to_list() == [2, 4]
    assert found[ONE_MORE].to_list() == [None, None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({TOTAL: 1}, "least amounts need 2, its total is 1"),
        ({MOST: 0}, "least below 0 or above its most"),
        ({LEAST: -1}, "least below 0 or above its most"),
        ({MOST: None}, "is missing"),
    ],
)
def test_limits_that_contradict_each_other_are_said(change, words):
    options = frame([([(1.0, 0.5, 1, 3), (1.0, 0.5, 1, 3)], 4)], pl.Int64())
    with pytest.raises(ModelError, match=words):
        allocate_units(options.with_columns(pl.lit(value, pl.Int64).alias(name) for name, value in change.items()))


def test_no_options_are_no_plan():
    assert allocate_units(frame([], pl.Int64())).is_empty()
    assert allocate_money(frame([], pl.Float64())).is_empty()
