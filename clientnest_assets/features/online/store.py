"""What an online store is: the newest row of each entity and view, replaced whole, never by something older.

The two that there are, and how each keeps rows: `postgres.py`, `redis.py`. Which rows are the newest is told in
`latest.py`; what a reader makes of a row, its age and status, in `reading.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import polars as pl

from clientnest_assets.errors import ClientNestError
from clientnest_assets.features.view import FeatureView, FeatureViewError

STORABLE: Final = (pl.Int64(), pl.Float64(), pl.Boolean(), pl.String(), pl.List(pl.String()))
"""Types that every store keeps exactly."""
LOCK_WAIT_SECONDS: Final = 600
"""So long a publication waits for another one of the same view."""


class OnlineStoreError(ClientNestError):
    """The online store cannot be reached, or a publication was not possible. What was published before stands."""


class Position(NamedTuple):
    """How far along the offline store a publication is: of two the greater is the newer.

    Attributes:
        created_ms: when the view's table in the lake was made, in milliseconds since 1970. A rebuilt table is newer.
        version: the table's version; -1 if there is none yet.
        as_of: the moment whose newest rows these are.
    """

    created_ms: int
    version: int
    as_of: datetime


class Generation(NamedTuple):
    """One publication of a view, as the store keeps it.

    Attributes:
        number: counts the publications of a view that were begun; killed ones leave holes.
        position: how far along the offline store it is.
        published_at: when it was published, by the clock.
        rows: entities that it holds.
        newest_event_at: the newest event time among them; None without rows.
    """

    number: int
    position: Position
    published_at: datetime
    rows: int
    newest_event_at: datetime | None


class Published(NamedTuple):
    """What a publication did. One that lost (`is_current` False) changed nothing: a newer one is held.

    Attributes:
        generation: the one that the store holds now.
        is_current: whether it is this publication's.
        written: entities that were new or had changed.
        unchanged: entities that were as they should be.
        removed: entities that the newer state lacks.
    """

    generation: Generation
    is_current: bool
    written: int
    unchanged: int
    removed: int


class HeldRow(NamedTuple):
    """A row as the store keeps it: values in the order of the view's features."""

    event_at: datetime
    values: Sequence[Any]


class OnlineStore(Protocol):
    """Holds each view's newest rows. Safe to use from several threads."""

    def publish(self, view: FeatureView, rows: pl.DataFrame, position: Position) -> Published:
        """Makes the state of the view equal to the rows, in one switch; readers see the state before it or after it.

        Writes what changed. Killed at any moment it leaves the state before, and the next publication is not disturbed.

        Args:
            view: the view, as declared now. Other versions and definitions of it are other states.
            rows: the complete newest state, one row an entity: keys, event time and features, more columns allowed.
            position: how far along the offline store the rows are. If the held state is newer nothing is changed.

        Raises:
            FeatureViewError: if the rows do not fit the view.
            OnlineStoreError: if the store does not answer, or another publication of the view does not end.
        """
        ...

    def generation(self, view: FeatureView) -> Generation | None:
        """The publication that readers see, or None before the first."""
        ...

    def count(self, view: FeatureView) -> int:
        """How many entities readers see, looked up and not taken from what the publication noted."""
        ...

    def read(self, views: Sequence[FeatureView], entities: Sequence[Mapping[str, Any]]) -> list[list[HeldRow | None]]:
        """For each view a list with the row of each entity, None where the store has none.

        One round trip. Of a view, all rows are of the same publication.

        Args:
            views: what to read.
            entities: values of keys by name, more allowed. Where a key of a view is missing or null there is no row.

        Raises:
            OnlineStoreError: if the store does not answer.
        """
        ...

    def clean(self, views: Iterable[FeatureView]) -> list[str]:
        """Removes what is held of no view among these, and returns what that was.

        An earlier version or definition of a view stays until the view as it is now has been published. Without views
        everything goes that this installation holds.
        """
        ...

    def close(self) -> None:
        """Closes all connections."""
        ...


def open_store(url: str, namespace: str) -> OnlineStore:
    """The store at a URL. Nothing is connected to yet.

    Args:
        url: of a PostgreSQL database (`postgresql://`), or of Redis (`redis://`, `rediss://`).
        namespace: tells installations apart that share a Redis. In PostgreSQL each has a database of its own.
    """
    if url.startswith(("redis://", "rediss://")):
        from clientnest_assets.features.online.redis import RedisStore

        return RedisStore(url, namespace)
    from clientnest_assets.features.online.postgres import PostgresStore

    return PostgresStore(url)


def state_name(view: FeatureView) -> str:
    """The name of a view's state in a store: another one for each version and for each definition."""
    return f"{view.table_name}_{view.definition_hash[:12]}"


def busy(view: FeatureView) -> str:
    """What a publication says that gave up waiting for another one."""
    return (
        f"another publication of {view.name} has been at work for over {LOCK_WAIT_SECONDS} seconds, and nothing was "
        "changed. Look at the runs of this asset; end that one or wait for it."
    )


def outdated(held: Mapping[str, str], published: Iterable[str], views: Iterable[FeatureView]) -> list[str]:
    """The states that `clean` removes.

    Args:
        held: the name of the view of each state in the store.
        published: the states that readers can see.
        views: as declared now.
    """
    current, seen = {view.name: state_name(view) for view in views}, set(published)
    return sorted(
        state
        for state, name in held.items()
        if state != current.get(name) and (name not in current or current[name] in seen)
    )


def conformed(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that a store keeps, in order: keys, event time, features.

    Raises:
        FeatureViewError: if one is missing or of another type, a key or the event time is null, or an entity
            occurs twice.
    """
    keys = list(view.entity_keys)
    columns = [*keys, view.event_time, *view.feature_names]
    wrong = [
        f"{name} ({view.schema[name]} needed, {rows.schema.get(name, 'missing')} found)"
        for name in columns
        if rows.schema.get(name) != view.schema[name]
    ]
    unstorable = [f"{each.name} ({each.dtype})" for each in view.features if each.dtype not in STORABLE]
    if wrong or unstorable:
        reason = "; ".join(wrong) or f"no online store keeps {', '.join(unstorable)} exactly"
        raise FeatureViewError(f"{view.name} cannot be published: {reason}")
    kept = rows.select(columns)
    if nulls := [name for name in (*keys, view.event_time) if kept[name].null_count()]:
        raise FeatureViewError(f"{view.name} cannot be published: null in {', '.join(nulls)}")
    if kept.select(pl.struct(keys).n_unique()).item() != kept.height:
        raise FeatureViewError(f"{view.name} cannot be published: an entity occurs twice ({', '.join(keys)})")
    return kept
