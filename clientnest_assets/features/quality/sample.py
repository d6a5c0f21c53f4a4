"""Which rows of a view stand for a span of days: one an entity, and no more than a test needs.

The same entities are there day after day, so that their rows are no independent draws; one row of each is. Which row
and which entities is told by a hash, never by the span that is read: a span's sample is the same in every run.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.profile import as_measured, kind_of
from clientnest_assets.features.quality.store import LIST
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.view import FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window

MOST_ENTITIES: Final = 2000
"""Entities that a sample holds at most: enough for shifts a tenth of the size that counts as drift."""
READ_FOR_ONE: Final = 4
"""So many rows of a day are read for one of a sample, where the day has that many."""
SEED: Final = 20260101
HASHES: Final = 2.0**64

_ENTITY: Final = "__entity"
_DRAW: Final = "__draw"


def members_column(feature: str) -> str:
    """The column of a candidate with the members of a list."""
    return f"{feature}__members"


def candidates(lake: Lake, view: FeatureView, counts: pl.DataFrame) -> pl.DataFrame:
    """The stored rows of some days, from which samples are drawn: of each feature what is measured.

    Of a large day only the entities with the smallest hashes are read, as many as a sample can need. The hash is that
    of Polars: another version of Polars draws other entities.

    Args:
        lake: the lake.
        view: the view.
        counts: the days, and how many rows each has: `day`, `rows`.
    """
    shares = counts.select(DAY, (MOST_ENTITIES * READ_FOR_ONE / pl.col("rows")).clip(upper_bound=1.0).alias("share"))
    entity = pl.struct(view.entity_keys).hash(SEED)
    members = [
        pl.col(each.name).list.unique().alias(members_column(each.name))
        for each in view.features
        if kind_of(each) == LIST
    ]
    return (
        stored_rows(lake, view)
        .filter(pl.col(DAY).is_in(shares[DAY].implode()))
        .join(shares.lazy(), on=DAY, how="inner")
        .with_columns(entity.alias(_ENTITY))
        .filter(pl.col(_ENTITY).cast(pl.Float64) / HASHES <= pl.col("share"))
        .with_columns(pl.struct(view.row_key).hash(SEED).alias(_DRAW))
        .select(DAY, _ENTITY, _DRAW, *(as_measured(each) for each in view.features), *members)
        .collect(engine="streaming")
        .sort(_ENTITY, _DRAW, DAY)
    )


def sample(drawn: pl.DataFrame, window: Window) -> npt.NDArray[np.int64]:
    """The numbers of the candidates that stand for the window: one row an entity, in a fixed order."""
    inside = drawn[DAY].is_between(window.start, window.end, closed="left")
    rows = np.flatnonzero(inside.to_numpy())
    entities = drawn[_ENTITY].to_numpy()[rows]
    is_first: npt.NDArray[np.bool_] = np.append(True, entities[1:] != entities[:-1])[: rows.size]
    return rows[is_first][:MOST_ENTITIES]
