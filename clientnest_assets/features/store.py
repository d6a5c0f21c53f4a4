"""The offline store: each view's rows in the lake, by the day that computed them, a table a version."""

from __future__ import annotations

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.errors import ClientNestError
from clientnest_assets.features.view import DEFINITION, FeatureView
from clientnest_assets.lake import Commit, Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window

LAYER = "features"


class DefinitionChangedError(ClientNestError):
    """A view's definition is not the one that its stored rows were computed by, and its version is the same."""


def view_table(lake: Lake, view: FeatureView) -> LakeTable:
    """The lake table of a view's version."""
    return lake.table(LAYER, view.table_name, view.schema, partition_by=(DAY,))


def store_window(lake: Lake, view: FeatureView, rows: pl.DataFrame, window: Window) -> Commit:
    """Makes the view's window hold exactly these rows.

    Raises:
        DefinitionChangedError: the table holds rows of another definition of the same version. Nothing is written.
    """
    table = view_table(lake, view)
    require_same_definition(lake, view)
    return with_fresh_input(lambda: table.replace_window(table.open(), rows, window, allow_empty=True))


def stored_rows(lake: Lake, view: FeatureView) -> pl.LazyFrame:
    """All stored rows of a view.

    Raises:
        DefinitionChangedError: they were computed by another definition of the same version.
    """
    require_same_definition(lake, view)
    return view_table(lake, view).scan()


def require_same_definition(lake: Lake, view: FeatureView) -> None:
    """Raises a DefinitionChangedError if the stored rows are not of the view's present definition.

    One row tells of all: nothing is written beside rows of another definition.
    """
    table = view_table(lake, view)
    if not table.exists():
        return
    handle = table.open()
    held = pl.scan_delta(handle).select(DEFINITION).head(1).collect()
    if held.height and held.item() != view.definition_hash:
        raise DefinitionChangedError(
            f"the feature view {view.name} is computed in another way than the rows stored as {table.full_name} were, and "
            f"its version is {view.version} as it was. Raise its version, which gives it a table of its own, and backfill "
            "it; or take the change back."
        )
