"""Splits by time: nothing learned from is as late as what is measured, and labels were known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

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
    assert split.is_purged


def test_purge_is_left_out_and_said_where_it_would_take_more_than_half():
    split = split_by_time(daily(10, 7), "at", "known")
    assert split.earlier["n"].to_list() == list(range(8))
    assert not split.is_purged
