"""What a reader gets from the online store: values, age and status of each entity in each view, at a moment.

The same columns, types and rules as `get_historical_features` gives for that moment; it has the whole history, this
has the newest row only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import polars as pl

from clientnest_assets.features.online.store import HeldRow, OnlineStore
from clientnest_assets.features.point_in_time import MISSING, PRESENT, STALE, age_column, column, status_column
from clientnest_assets.features.view import KEYS, MOMENT, FeatureView, FeatureViewError

STEP: Final = 1000
"""So many entities are read at once."""
SECOND: Final = timedelta(seconds=1)
NO_TIME: Final = timedelta()
_EVENT: Final = "__event"


class OnlineRow(NamedTuple):
    """What is known of one entity in one view.

    Attributes:
        values: by feature; all None unless `status` is PRESENT.
        event_at: from when the row is true; None if MISSING.
        age_seconds: whole seconds from then to the moment of reading; None if MISSING.
        status: PRESENT; STALE, when the row is older than the view's TTL; or MISSING.
    """

    values: dict[str, Any]
    event_at: datetime | None
    age_seconds: int | None
    status: str


def read_entities(
    store: OnlineStore, entities: Sequence[Mapping[str, Any]], views: Iterable[FeatureView], now: datetime
) -> list[dict[str, OnlineRow]]:
    """What every view knows of each entity now: one dict an entity, in order, by the name of the view.

    For serving: one round trip, without Polars. More keys than a view needs are allowed; where one is missing or None
    the row is MISSING.

    Args:
        store: where to read.
        entities: values of keys by name, such as {"user_id": 1, "platform": "twitter"}.
        views: which views.
        now: the moment of reading, UTC. A row that is true only later is MISSING.

    Raises:
        FeatureViewError: a key is of another type than declared.
        OnlineStoreError: the store does not answer.
    """
    wanted = list(views)
    for key in {key for view in wanted for key in view.entity_keys}:
        _require_storable(key, [entity.get(key) for entity in entities])
    rows: list[dict[str, OnlineRow]] = [{} for _ in entities]
    for view, held in zip(wanted, store.read(wanted, entities), strict=True):
        for row, found in zip(rows, _online_rows(view, held, now), strict=True):
            row[view.name] = found
    return rows


def get_online_features(
    store: OnlineStore, entity_rows: pl.DataFrame, views: Iterable[FeatureView], now: datetime
) -> pl.DataFrame:
    """The entity rows, in their order, each with what every view knows of it now.

    Columns and types are those of `get_historical_features`: `<view>__<feature>`, `<view>__status` and
    `<view>__age_seconds`; values are null unless PRESENT. Read in steps of `STEP` entities, each one round trip.

    Args:
        store: where to read.
        entity_rows: entity keys, more columns allowed. A view whose keys are absent or null is MISSING.
        views: which views.
        now: the moment of reading, UTC. A row that is true only later is MISSING.

    Raises:
        FeatureViewError: a key is of another type, or a name would be taken twice.
        OnlineStoreError: the store does not answer.
    """
    wanted = list(views)
    keys = list(dict.fromkeys(key for view in wanted for key in view.entity_keys if key in entity_rows.columns))
    if wrong := [key for key in keys if entity_rows.schema[key] != KEYS[key].dtype]:
        raise FeatureViewError(
            "entity rows: "
            + "; ".join(f"{key} ({KEYS[key].dtype} needed, {entity_rows.schema[key]} found)" for key in wrong)
        )
    entities = entity_rows.select(keys).to_dicts() if keys else [{}] * entity_rows.height
    for key in keys:
        _require_storable(key, [entity[key] for entity in entities])
    held: list[list[HeldRow | None]] = [[] for _ in wanted]
    for start in range(0, len(entities), STEP):
        for rows, found in zip(held, store.read(wanted, entities[start : start + STEP]), strict=True):
            rows.extend(found)
    return with_features(entity_rows, [_joined(view, rows, now) for view, rows in zip(wanted, held, strict=True)])


def joined_columns(view: FeatureView) -> list[str]:
    """The columns that a view adds to a frame, in order."""
    return [*(column(view, name) for name in view.feature_names), status_column(view), age_column(view)]


def with_features(rows: pl.DataFrame, parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The rows with the columns of each part beside them.

    Raises:
        FeatureViewError: a name would be taken twice.
    """
    for part in parts:
        if clash := sorted(set(rows.columns).intersection(part.columns)):
            raise FeatureViewError(f"the entity rows already have {', '.join(clash)}")
        rows = rows.hstack(part)
    return rows


def _online_rows(view: FeatureView, held: Sequence[HeldRow | None], now: datetime) -> Iterator[OnlineRow]:
    features, ttl = view.feature_names, timedelta.max if view.ttl is None else view.ttl
    for row in held:
        if row is None or (age := now - row.event_at) < NO_TIME:
            yield OnlineRow(dict.fromkeys(features), None, None, MISSING)
        elif age > ttl:
            yield OnlineRow(dict.fromkeys(features), row.event_at, age // SECOND, STALE)
        else:
            yield OnlineRow(dict(zip(features, row.values, strict=True)), row.event_at, age // SECOND, PRESENT)


def _joined(view: FeatureView, held: Sequence[HeldRow | None], now: datetime) -> pl.DataFrame:
    """The view's columns for each row that was asked for: features, status, age."""
    names = [column(view, name) for name in view.feature_names]
    schema = {_EVENT: MOMENT, **{name: each.dtype for name, each in zip(names, view.features, strict=True)}}
    absent: tuple[Any, ...] = (None,) * len(schema)
    rows = [absent if row is None else (row.event_at, *row.values) for row in held]
    age = pl.lit(now).cast(MOMENT) - pl.col(_EVENT)
    is_missing = pl.col(_EVENT).is_null() | (age < pl.duration())
    is_stale = pl.lit(value=False) if view.ttl is None else age > pl.lit(view.ttl)
    return pl.DataFrame(rows, schema, orient="row").select(
        pl.when(~is_missing & ~is_stale).then(pl.col(names)),
        pl.when(is_missing)
        .then(pl.lit(MISSING))
        .when(is_stale)
        .then(pl.lit(STALE))
        .otherwise(pl.lit(PRESENT))
        .alias(status_column(view)),
        pl.when(~is_missing).then(age.dt.total_seconds()).alias(age_column(view)),
    )


def _require_storable(key: str, values: Iterable[Any]) -> None:
    """Raises a FeatureViewError for a value that is not of the key's type: it comes from outside."""
    is_storable = _is_text if KEYS[key].dtype == pl.String() else _is_bigint
    for value in values:
        if value is not None and not is_storable(value):
            raise FeatureViewError(f"{key} is {value!r}, which is no value of its type ({KEYS[key].dtype})")


def _is_bigint(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
