"""Splits by time: nothing learned from is as late as what is measured, and labels were known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.splits import split_by_time

START = datetime(2025, 1, 1, tzinfo=UTC)


def daily(days: int, label_after: int) -> pl.DataFrame:
    return pl.DataFrame({"n": range(days)}).with_columns(
        at=START + pl.duration(days="n"), known=START + pl.duration(days=pl.col("n") + label_after)
    )


def test_labels_that_were_unknown_at_the_cutoff_are_purged():
    split = split_by_time(daily(100, 7), "at", "known")
    assert split.cutoff == START + timedelta(days=80)
    assert split.later["n"].to_list() == list(range(80, 100))
    assert split.earlier["n"].to_list() == list(range(74))


def test_rows_of_the_cutoffs_moment_are_all_later():
    rows = pl.concat([daily(10, 0), daily(10, 0)])
    split = split_by_time(rows, "at", "known", later_share=0.25)
    assert split.cutoff == START + timedelta(days=7)
    assert sorted(split.later["n"]) == [7, 7, 8, 8, 9, 9]
    assert sorted(split.earlier["n"]) == sorted([*range(7)] * 2)


@pytest.mark.parametrize(("label_after", "known"), [(6, 3), (7, 2), (8, 1), (9, 0), (30, 0)])
def test_as_many_have_to_be_known_as_there_are_to_judge_by(label_after, known):
    """Of ten days two are later, from the ninth on."""
    if known >= 2:
        assert split_by_time(daily(10, label_after), "at", "known").earlier["n"].to_list() == [*range(known)]
        return
    with pytest.raises(NotEnoughDataError) as refused:
        split_by_time(daily(10, label_after), "at", "known")
    assert str(refused.value) == (
        f"of 10 examples 2 are from 2025-01-09 on, to judge by, and the outcomes of {known} were known by then, to learn "
        "from; as many are needed: train a later week, or import more history"
    )


def test_examples_of_one_moment_alone_cannot_be_split():
    rows = daily(10, 0).with_columns(at=pl.lit(START))
    with pytest.raises(NotEnoughDataError, match="of 10 examples 10 are from 2025-01-01 on"):
        split_by_time(rows, "at", "known")
