"""What is to be published: of each entity the row that a point-in-time read would find at a moment."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientnest_assets.features.online.store import Position
from clientnest_assets.features.store import require_same_definition, view_table
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.lake.handle import open_handle


def latest(lake: Lake, view: FeatureView, as_of: datetime) -> tuple[pl.DataFrame, Position]:
    """The newest rows of the stored view as of a moment, and how far along the offline store they are.

    Raises:
        DefinitionChangedError: the stored rows were computed by another definition of the same version.
    """
    table = view_table(lake, view)
    if not table.exists():
        return pl.DataFrame(schema=view.schema), Position(0, -1, as_of)
    require_same_definition(lake, view)
    handle = open_handle(table.location, lake.storage_options)
    position = Position(handle.metadata().created_time, handle.version(), as_of)
    return latest_rows(view, pl.scan_delta(handle).select(view.schema.names()), as_of), position


def latest_rows(view: FeatureView, rows: pl.LazyFrame, as_of: datetime) -> pl.DataFrame:
    """Of each entity the row that `get_historical_features` would find at the moment, of whatever age.

    That is: of the rows with max(event time, known time) up to the moment the one with the latest event time, and of
    its corrections the one known last. Read twice, the first time only keys and times, so that memory holds a row an
    entity and not the history.
    """
    keys, event = list(view.entity_keys), view.event_time
    usable = rows.drop_nulls(view.row_key).filter(
        pl.max_horizontal(event, view.known_time) <= pl.lit(as_of).cast(MOMENT)
    )
    newest = usable.group_by(keys).agg(pl.col(event).max()).collect(engine="streaming")
    return (
        # The bound is what the files' statistics can be asked.
        usable.filter(pl.col(event) >= pl.lit(newest[event].min(), MOMENT))
        .join(newest.lazy(), on=[*keys, event], how="semi")
        .collect(engine="streaming")
        .sort(view.known_time, maintain_order=True)
        .unique(keys, keep="last", maintain_order=True)
        .sort(keys)
    )
