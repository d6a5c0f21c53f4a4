"""Rows that lack what is needed of them: told apart, so that the others are treated as if these were not there."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def whole(rows: pl.DataFrame, needed: Sequence[str]) -> pl.DataFrame:
    """The rows without a null in the needed columns. Whether these are there at all is for who reads them to say."""
    names = _among(rows, needed)
    return rows.drop_nulls(names) if names else rows


def places_of_whole(rows: pl.DataFrame, needed: Sequence[str]) -> pl.Series:
    """Of each row its place in `whole`; null for those that are not in it.

    What is found for the whole rows is brought to all by `gather`: null where a row is not whole.
    """
    is_whole = pl.all_horizontal(
        pl.repeat(value=True, n=pl.len()), *(pl.col(name).is_not_null() for name in _among(rows, needed))
    )
    return rows.select(pl.when(is_whole).then(is_whole.cast(pl.UInt32).cum_sum() - 1).alias("place")).to_series()


def _among(rows: pl.DataFrame, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in rows.columns]
