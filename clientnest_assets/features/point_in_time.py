"""Reading features as they were known at a moment: the one as-of join of this project.

Nobody else calls `join_asof`: on unsorted input it gives wrong values with no more than a warning.
What a view is, and what its columns mean, is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.view import DEFINITION, MOMENT, FeatureView, FeatureViewError

AS_OF: Final = "as_of"
PRESENT: Final = "PRESENT"
STALE: Final = "STALE"
MISSING: Final = "MISSING"

_ROW: Final = "__row"
_AS_OF: Final = "__as_of"
_EVENT: Final = "__event"
_KNOWN: Final = "__known"
_AVAILABLE: Final = "__available"


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

    Args:
        entity_rows: entity keys of every view, and the moment `as_of` (UTC, microseconds).
        views: the stored rows of each view, more columns allowed, in any order.
        as_of: the column of `entity_rows` with the moment to look from.

    Raises:
        FeatureViewError: a key or time is missing or of another type, or a name would be taken twice.
    """
    entities = entity_rows.lazy()
    schema = entities.collect_schema()
    _require(schema, {as_of: MOMENT}, "entity rows")
    taken = set(schema)
    numbered = entities.with_row_index(_ROW)
    parts = [entities]
    for view, rows in views.items():
        added = [column(view, name) for name in view.feature_names] + [status_column(view), age_column(view)]
        if clash := taken.intersection(added):
            raise FeatureViewError(f"the entity rows already have {', '.join(sorted(clash))}")
        taken.update(added)
        _require(schema, {name: view.schema[name] for name in view.entity_keys}, "entity rows")
        needed = {name: dtype for name, dtype in view.schema.items() if name not in (DAY, DEFINITION)}
        _require(rows.lazy().collect_schema(), needed, f"view {view.name}")
        parts.append(_join(numbered, view, rows.lazy(), as_of).select(added))
    # Each part is back in the order of the entity rows, so that columns can stand side by side: no wide sort.
    return pl.concat(parts, how="horizontal")


def _join(numbered: pl.LazyFrame, view: FeatureView, rows: pl.LazyFrame, as_of: str) -> pl.LazyFrame:
    keys = list(view.entity_keys)
    names = [column(view, name) for name in view.feature_names]
    age = pl.col(_AS_OF) - pl.col(_EVENT)
    is_missing = pl.col(_EVENT).is_null()
    is_stale = pl.lit(value=False) if view.ttl is None else age > pl.lit(view.ttl)
    return (
        numbered.select(_ROW, *keys, pl.col(as_of).alias(_AS_OF))
        # By time alone: with both sides sorted by entity, Polars 2.1 sets up a task per entity, ten times slower.
        .sort(_AS_OF)
        .join_asof(
            _usable(view, rows),
            left_on=_AS_OF,
            right_on=_AVAILABLE,
            by=keys,
            strategy="backward",
            check_sortedness=False,
        )
        .sort(_ROW)
        .select(
            pl.when(~is_missing & ~is_stale).then(pl.col(names)),
            pl.when(is_missing)
            .then(pl.lit(MISSING))
            .when(is_stale)
            .then(pl.lit(STALE))
            .otherwise(pl.lit(PRESENT))
            .alias(status_column(view)),
            age.dt.total_seconds().alias(age_column(view)),
        )
    )


def _usable(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that are ever the right answer, in the order in which they become usable.

    Of rows that become usable at the same moment the join takes the last.
    """
    keys = list(view.entity_keys)
    return (
        rows.select(
            *keys,
            pl.col(view.event_time).alias(_EVENT),
            pl.col(view.known_time).alias(_KNOWN),
            pl.max_horizontal(view.event_time, view.known_time).alias(_AVAILABLE),
            *(pl.col(name).alias(column(view, name)) for name in view.feature_names),
        )
        .drop_nulls([*keys, _EVENT, _KNOWN])
        .sort(_AVAILABLE, _EVENT, _KNOWN, maintain_order=True)
        .filter(pl.col(_EVENT) >= pl.col(_EVENT).cum_max().over(keys))
        .drop(_KNOWN)
    )


def _require(found: pl.Schema, needed: Mapping[str, pl.DataType], where: str) -> None:
    wrong = [
        f"{name} ({dtype} needed, {found.get(name, 'missing')} found)"
        for name, dtype in needed.items()
        if found.get(name) != dtype
    ]
    if wrong:
        raise FeatureViewError(f"{where}: {'; '.join(wrong)}")
