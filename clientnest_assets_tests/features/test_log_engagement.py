"""Means and spreads of log engagement: their values, and that a row has the same bits alone as among others."""

import math
import random

import polars as pl
import pytest

from clientnest_assets.features.log_engagement import MILLION, mean_of, shrunk_mean, std_of

TOTAL, SQUARES, COUNT = pl.col("total"), pl.col("squares"), pl.col("count")
FIGURES = (
    mean_of(TOTAL, COUNT).alias("mean"),
    std_of(TOTAL, SQUARES, COUNT).alias("std"),
    shrunk_mean(TOTAL, COUNT, pl.lit(2.0), 10).alias("shrunk"),
)


def figures(*logs):
    values = [round(each * MILLION) for each in logs]
    sums = {"total": [sum(values)], "squares": [sum(each**2 for each in values)], "count": [len(values)]}
    return pl.DataFrame(sums).select(FIGURES).row(0)


def test_values():
    assert figures(1.0, 4.0) == (2.5, pytest.approx(math.sqrt(4.5)), pytest.approx(25 / 12))
    assert figures(3.0) == (3.0, None, pytest.approx(23 / 11))
    assert figures() == (None, None, 2.0)


def test_a_row_alone_is_what_it_is_among_others():
    chance = random.Random(7)
    drawn = [[chance.randint(0, 8 * MILLION) for _ in range(chance.randint(1, 9))] for _ in range(300)]
    rows = pl.DataFrame(
        {
            "total": [sum(each) for each in drawn],
            "squares": [sum(value**2 for value in each) for each in drawn],
            "count": [len(each) for each in drawn],
        }
    )

    together = rows.select(FIGURES)

    assert pl.concat(row.select(FIGURES) for row in rows.iter_slices(1)).equals(together)
