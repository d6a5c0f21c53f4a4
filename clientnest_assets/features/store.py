"""The offline store: each view's rows in the lake, by the day that computed them."""

from __future__ import annotations

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.view import FeatureView
from clientnest_assets.lake import Commit, Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window

LAYER = "features"


def view_table(lake: Lake, view: FeatureView) -> LakeTable:
    """The lake table of a view."""
    return lake.table(LAYER, view.name, view.schema, partition_by=(DAY,))


def store_window(lake: Lake, view: FeatureView, rows: pl.DataFrame, window: Window) -> Commit:
    """Makes the view's window hold exactly these rows."""
    table = view_table(lake, view)
    return with_fresh_input(lambda: table.replace_window(table.open(), rows, window, allow_empty=True))


def stored_rows(lake: Lake, view: FeatureView) -> pl.LazyFrame:
    """All stored rows of a view."""
    return view_table(lake, view).scan()
