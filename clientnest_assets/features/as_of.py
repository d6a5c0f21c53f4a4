"""The one as-of join of this project: which stored row of a view each entity row may see, in memory and in one pass.

Nobody else calls `join_asof`: on unsorted input it gives wrong values with no more than a warning. What columns the
result has is decided in `point_in_time.py`, reading more than fits into memory is in `pieces.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

_ROW: Final = "__row"
_PLACE: Final = "__place"
_ENTITY: Final = "__entity"
_AVAILABLE: Final = "__available"
_LAG: Final = "__lag"


def possible_rows(
    asked: pl.DataFrame, rows: pl.LazyFrame, keys: Sequence[str], *, as_of: str, times: Sequence[str]
) -> pl.LazyFrame:
    """The rows that some entity row may see, and few others: a filter that reaches down into the scan.

    Args:
        asked: entity keys and `as_of`.
        rows: stored rows.
        keys: names of the entity keys.
        as_of: the column with the moment to look from.
        times: event time and known time; rows that lack one are left out.
    """
    last = pl.lit(asked.get_column(as_of).max(), asked.schema[as_of])
    is_asked_for = [pl.col(key).is_in(asked.get_column(key).unique().drop_nulls().implode()) for key in keys]
    return rows.filter(*(pl.col(time) <= last for time in times), *is_asked_for)


def places(
    asked: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str], *, as_of: str, event: str, known: str
) -> pl.Series:
    """For each entity row the place of the stored row that counts for it; null where there is none.

    Of the rows that were true and known at the moment, both inclusive, the one with the latest event time counts; of
    those the one known last; of those the last in the frame. Null keys and times match nothing.

    Entity and moment are packed into one number: then one sort of numbers puts rows in order, a running maximum never
    passes from one entity to the next, and the join needs no groups.

    Args:
        asked: entity keys and `as_of`, in any order.
        rows: entity keys, `event` and `known`, in any order; neither time is null.
        keys: names of the entity keys.
        as_of: the column with the moment to look from.
        event: the column that says from when a row is true.
        known: the column that says from when it could be known.
    """
    entity_of_asked, entity_of_row = _entities(asked, rows, keys)
    asked = asked.select(entity_of_asked, as_of)
    rows = rows.select(entity_of_row, event, known)
    packed = _packing(asked, rows)
    available = pl.max_horizontal(event, known)
    moments = (
        rows.lazy()
        .select(known, packed(available).alias(_AVAILABLE), (available - pl.col(event)).to_physical().alias(_LAG))
        # Made piece by piece no wide intermediate columns are left behind: a quarter of the time.
        .collect(engine="streaming")
    )
    usable = _in_order(moments, known)
    if rows.height and moments.get_column(_LAG).max():
        # Late news of an older event must not hide what is known of a newer one.
        packed_event = pl.col(_AVAILABLE) - moments.get_column(_LAG).gather(usable.get_column(_PLACE))
        usable = usable.filter(packed_event >= packed_event.cum_max())
    found = (
        asked.select(packed(pl.col(as_of)).alias(_AVAILABLE))
        .with_row_index(_ROW)
        .sort(_AVAILABLE)
        .join_asof(usable, on=_AVAILABLE, strategy="backward", check_sortedness=False)
        .sort(_ROW)
        .get_column(_PLACE)
    )
    # The row before may be another entity's.
    is_same = entity_of_row.gather(found) == entity_of_asked
    return found.set(~is_same.fill_null(value=False), None)


def _entities(asked: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """An integer for each entity, of both frames' rows; null where a key is null, or the row's entity is not asked for."""
    if len(keys) == 1 and asked.schema[keys[0]].is_signed_integer():
        return asked.get_column(keys[0]).alias(_ENTITY), rows.get_column(keys[0]).alias(_ENTITY)
    entities = asked.select(keys).unique().drop_nulls().with_row_index(_ENTITY)

    def numbers(frame: pl.DataFrame) -> pl.Series:
        return frame.select(keys).join(entities, on=keys, how="left", maintain_order="left").get_column(_ENTITY)

    return numbers(asked), numbers(rows)


def _packing(*frames: pl.DataFrame) -> Callable[[pl.Expr], pl.Expr]:
    """How to make one number of a row's entity and a moment that sorts as the pair does: 64 bits where they suffice.

    Args:
        frames: an entity first, then the columns with all moments there are.
    """
    entities = [frame.get_column(_ENTITY) for frame in frames]
    moments = [column.to_physical() for frame in frames for column in frame.drop(_ENTITY)]
    lowest, highest = _extremes(entities)
    earliest, latest = _extremes(moments)
    span = latest - earliest + 1
    dtype = pl.Int64() if (highest - lowest + 1) * span < 2**63 else pl.Int128()

    def packed(moment: pl.Expr) -> pl.Expr:
        return (pl.col(_ENTITY).cast(dtype) - lowest) * span + (moment.to_physical().cast(dtype) - earliest)

    return packed


def _extremes(columns: list[pl.Series]) -> tuple[int, int]:
    """The least and the greatest value of integer columns; 0 and 0 if there is none."""
    found = [int(value) for column in columns for value in (column.min(), column.max()) if value is not None]  # type: ignore[arg-type]
    return min(found, default=0), max(found, default=0)


def _in_order(moments: pl.DataFrame, known: str) -> pl.DataFrame:
    """Places of the rows of known entities, as they become available; at the same moment as they become known."""

    def ordered(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort(_AVAILABLE, maintain_order=True).drop_nulls()

    numbered = moments.select(_AVAILABLE).with_row_index(_PLACE)
    usable = ordered(numbered)
    is_tied = usable.select((pl.col(_AVAILABLE) == pl.col(_AVAILABLE).shift()).any()).item()
    if is_tied:
        usable = ordered(numbered.select(pl.all().sort_by(moments.get_column(known), maintain_order=True)))
    return usable
