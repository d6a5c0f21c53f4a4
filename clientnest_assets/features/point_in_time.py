"""Reading features as they were known at a moment: what columns entity rows get, and what they say.

Which stored row counts is decided in `as_of.py`, how frames larger than memory are read in `pieces.py`. What a view is,
and what its features mean, is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.as_of import places, possible_rows
from clientnest_assets.features.pieces import Side, from_batches, joined_at_once, joined_in_pieces
from clientnest_assets.features.view import DEFINITION, MOMENT, FeatureView, FeatureViewError

AS_OF: Final = "as_of"
PRESENT: Final = "PRESENT"
STALE: Final = "STALE"
MISSING: Final = "MISSING"

_AS_OF: Final = "__as_of"


def column(view: FeatureView, feature: str) -> str:
    """The name of a view's feature in a joined frame."""
    return f"{view.name}__{feature}"


def status_column(view: FeatureView) -> str:
    """The joined column that says PRESENT, STALE or MISSING."""
    return column(view, "status")


def age_column(view: FeatureView) -> str:
    """The joined column with the whole seconds from the feature row's event time to the as-of moment."""
    return column(view, "age_seconds")


def get_historical_features(
    entity_rows: pl.LazyFrame | pl.DataFrame,
    views: Mapping[FeatureView, pl.LazyFrame | pl.DataFrame],
    *,
    as_of: str = AS_OF,
    memory_limit: int | None = None,
) -> pl.LazyFrame:
    """The entity rows, in their order, each with what every view knew of it at its as-of moment.

    Grain: one row out for each row in, whatever repeats or is missing. Each view adds its features as
    `<view>__<feature>`, and `<view>__status`: PRESENT; STALE, when the newest row is older than the
    view's TTL; or MISSING. Values are null unless PRESENT. `<view>__age_seconds` counts from the event
    time and is null only where MISSING.

    A row may be used from max(event time, known time) on, that moment included. Of the rows usable the
    one with the latest event time counts, and of its corrections the one known last: a correction of an
    older event that arrives late never hides a newer one. Rows equal in all these are settled by the
    order of the frame, the last wins; `FeatureView.validate` keeps them out of stored views.

    Nothing is read before the result is collected or sunk; each frame is then read once.

    Args:
        entity_rows: entity keys of every view, and the moment `as_of` (UTC, microseconds).
        views: the stored rows of each view, more columns allowed, in any order.
        as_of: the column of `entity_rows` with the moment to look from.
        memory_limit: how many bytes the process should stay under, 700 MB at least, for frames larger than memory: see
            `pieces.py`. The result then comes in batches, to be sunk. None joins all at once: two to three times as quick.

    Raises:
        FeatureViewError: a key or time is missing or of another type, or a name would be taken twice.
    """
    entities = entity_rows.lazy()
    found = entities.collect_schema()
    _require(found, {as_of: MOMENT}, "entity rows")
    schema = dict(found)
    sides: list[Side] = []
    for view, rows in views.items():
        added = added_schema(view)
        if clash := sorted(name for name in added if name in schema):
            raise FeatureViewError(f"the entity rows already have {', '.join(clash)}")
        schema.update(added)
        _require(found, {name: view.schema[name] for name in view.entity_keys}, "entity rows")
        needed = {name: dtype for name, dtype in view.schema.items() if name not in (DAY, DEFINITION)}
        _require(rows.lazy().collect_schema(), needed, f"view {view.name}")
        sides.append(Side(view.entity_keys, rows.lazy().select(list(needed)), partial(_join, view=view, as_of=as_of)))
    if memory_limit is None:
        return pl.defer(lambda: joined_at_once(entities, sides), schema=schema)
    return from_batches(lambda: joined_in_pieces(entities, as_of, sides, memory_limit), schema)


def added_schema(view: FeatureView) -> dict[str, pl.DataType]:
    """The columns that a view adds to entity rows, and their types."""
    return {
        **{column(view, feature.name): feature.dtype for feature in view.features},
        status_column(view): pl.String(),
        age_column(view): pl.Int64(),
    }


def _join(asked: pl.DataFrame, rows: pl.LazyFrame, *, view: FeatureView, as_of: str) -> pl.DataFrame:
    """What a view adds to the entity rows, in their order."""
    keys, event, known = view.entity_keys, view.event_time, view.known_time
    asked = asked.select(*keys, as_of)
    possible = possible_rows(asked, rows, keys, as_of=as_of, times=(event, known)).collect()
    place = places(asked, possible, keys, as_of=as_of, event=event, known=known)
    age = pl.col(_AS_OF) - pl.col(event)
    is_missing = pl.col(event).is_null()
    is_stale = pl.lit(value=False) if view.ttl is None else age > pl.lit(view.ttl)
    return (
        possible.select(pl.col(event, *view.feature_names).gather(place))
        .with_columns(asked.get_column(as_of).alias(_AS_OF))
        .select(
            *(
                pl.when(~is_missing & ~is_stale).then(pl.col(name)).alias(column(view, name))
                for name in view.feature_names
            ),
            pl.when(is_missing)
            .then(pl.lit(MISSING))
            .when(is_stale)
            .then(pl.lit(STALE))
            .otherwise(pl.lit(PRESENT))
            .alias(status_column(view)),
            age.dt.total_seconds().alias(age_column(view)),
        )
    )


def _require(found: pl.Schema, needed: Mapping[str, pl.DataType], where: str) -> None:
    wrong = [
        f"{name} ({dtype} needed, {found.get(name, 'missing')} found)"
        for name, dtype in needed.items()
        if found.get(name) != dtype
    ]
    if wrong:
        raise FeatureViewError(f"{where}: {'; '.join(wrong)}")
