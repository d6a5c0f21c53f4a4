"""Measures a window of a view: each feature's profile by day, and its drift, kept in the lake.

The rows of the window must be stored before. A day's result rests on the rows of up to six weeks before it, and on the
day before for how long a drift has lasted: a window gives what its days give one by one, in order. Later days keep what
they were measured by until they are computed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.comparison import compare
from clientnest_assets.features.quality.drift import judged, recent_window, reference_window, with_since
from clientnest_assets.features.quality.profile import profile
from clientnest_assets.features.quality.sample import candidates
from clientnest_assets.features.quality.store import QUALITY_SCHEMA, quality_table, store_quality
from clientnest_assets.features.store import view_table
from clientnest_assets.features.view import FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import ONE_DAY, Window


def measure(
    lake: Lake, view: FeatureView, rows: pl.DataFrame, window: Window, trained: Iterable[date] = ()
) -> pl.DataFrame:
    """Computes and stores the view's quality of the window; returns it, by day and feature as declared.

    Args:
        lake: the lake.
        view: the view.
        rows: the view's rows of the window, as they are stored.
        window: the days.
        trained: the Mondays of the weeks that have a model which reads the view (see `drift.reference_window`).

    Returns:
        Rows of QUALITY_SCHEMA, one for each day of the window and each feature.
    """
    trained = tuple(trained)
    windows = {day: (reference_window(day, trained), recent_window(day)) for day in window.days()}
    needed = {day for pair in windows.values() for each in pair for day in each.days()}
    held = view_table(lake, view).row_counts()
    drawn = candidates(lake, view, held.filter(pl.col(DAY).is_in(needed)))
    first_day = min(held[DAY].to_list(), default=window.start)
    compared = judged(view, compare(view, drawn, windows), first_day)
    yesterday = window.start - ONE_DAY
    before = quality_table(lake, view).scan(Window.of_days(yesterday, yesterday)).collect()
    quality = (
        profile(view, rows, window)
        .join(with_since(compared, before), on=["feature", DAY], how="left", maintain_order="left", validate="1:1")
        .select(QUALITY_SCHEMA.names())
    )
    store_quality(lake, view, quality, window)
    return quality
