"""What a feature view is: a declaration, and one function over lazy frames.

The views themselves are in `views/`, what they read in `upstream.py`, reading them for training in
`point_in_time.py` and for serving in `online/`. Storage and scheduling belong to the assets, which need
nothing but this declaration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.errors import ClientNestError
from clientnest_assets.features.definition import code_of
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.partitions import Window

MOMENT: Final = pl.Datetime("us", "UTC")
DEFINITION: Final = "definition"
"""The column that says by which definition a row was computed."""

A_DAY_AND_A_NIGHT: Final = timedelta(hours=36)
"""A day's rows are made in the night after it, and are the newest until the next night is through."""

Compute = Callable[[Inputs, Window], pl.LazyFrame]
"""Upstream frames by table, and a window, to the rows of that window."""
OnRequest = Callable[[pl.LazyFrame], pl.LazyFrame]
"""Rows of a request to the same rows with a view's features added."""


class FeatureViewError(ClientNestError, ValueError):
    """A frame does not fit the feature view it is said to belong to."""


@dataclass(frozen=True)
class Key:
    """One part of what tells entities apart."""

    dtype: pl.DataType
    description: str


KEYS: Final[dict[str, Key]] = {
    "user_id": Key(pl.Int64(), "The user."),
    "account_id": Key(pl.Int64(), "The social account."),
    "post_id": Key(pl.Int64(), "The post."),
    "platform": Key(pl.String(), "The platform."),
    "weekday": Key(pl.Int64(), "The weekday on the author's clock, 1 Monday to 7 Sunday."),
    "hour": Key(pl.Int64(), "The hour on the author's clock, 0 to 23."),
}
"""Every entity key there is. What has another name in a frame is renamed before it is joined."""


@dataclass(frozen=True)
class Feature:
    """One column of a view, and what may be in it.

    Attributes:
        name: as in `<view>__<feature>`.
        dtype: its type.
        description: one sentence.
        unit: what a number counts or measures.
        default: what a reader may put where no value is known; null says none.
        minimum: the least that is possible, inclusive.
        maximum: the most that is possible, inclusive.
        values: all that a text can be, where that is a closed set.
        max_null_share: the largest share of a partition's rows in which it may be null.
        moves_with_time: whether its distribution moves by its nature, as a count since sign-up does: such a move is no
            drift.
    """

    name: str
    dtype: pl.DataType
    description: str
    unit: str | None = None
    default: bool | int | float | str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    max_null_share: float = 1.0
    moves_with_time: bool = False


@dataclass(frozen=True)
class FeatureView:
    """Features of one kind of entity, each row true from its event time and knowable from its known time.

    Attributes:
        name: in lower case; with the version it names the tables.
        version: raised with each change of meaning.
        entity_keys: some of KEYS.
        features: the columns.
        compute: computes a window's rows: entity keys, both times, features and `day`, the partition.
        upstream: the tables that `compute` reads.
        owner: whom to ask.
        description: its first sentence says what a row is.
        ttl: the age, counted from the event time, past which a row is stale; None is never.
        fresh_within: the newest row of all entities is promised to be no older.
        event_time: from when a row is true.
        known_time: from when the platform could know it.
        request: what a request brings from which `on_request` computes the features of something not stored yet.
        on_request: the function that `compute` uses too, where a row's features follow from the row alone.
    """

    name: str
    version: int
    entity_keys: tuple[str, ...]
    features: tuple[Feature, ...]
    compute: Compute
    upstream: tuple[Upstream, ...]
    owner: str
    description: str
    ttl: timedelta | None = None
    fresh_within: timedelta = A_DAY_AND_A_NIGHT
    event_time: str = "event_at"
    known_time: str = "known_at"
    request: tuple[Feature, ...] = ()
    on_request: OnRequest | None = None

    @property
    def table_name(self) -> str:
        """The name of its tables, in the lake and online: each version has its own."""
        return f"{self.name}_v{self.version}"

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, as declared."""
        return [feature.name for feature in self.features]

    @property
    def row_key(self) -> list[str]:
        """What tells one row from another: a correction has the event time of what it corrects, known later."""
        return [*self.entity_keys, self.event_time, self.known_time]

    @cached_property
    def computed_schema(self) -> pl.Schema:
        """Columns and types that `compute` gives, in order. `day` is the partition that computed a row."""
        return pl.Schema(
            {
                **{name: KEYS[name].dtype for name in self.entity_keys},
                self.event_time: MOMENT,
                self.known_time: MOMENT,
                **{feature.name: feature.dtype for feature in self.features},
                DAY: pl.Date(),
            }
        )

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns and types of a stored row, in order."""
        columns = dict(self.computed_schema)
        return pl.Schema({**columns, DEFINITION: pl.String(), DAY: columns.pop(DAY)})

    @cached_property
    def definition_hash(self) -> str:
        """SHA-256 over all that a reader relies on, the computing code among it. Prose, bounds and owner may change."""
        definition: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "entity_keys": self.entity_keys,
            "times": [self.event_time, self.known_time],
            "ttl_seconds": None if self.ttl is None else self.ttl.total_seconds(),
            "upstream": [
                (
                    each.layer,
                    each.table,
                    [(name, str(dtype)) for name, dtype in each.columns],
                    each.moment,
                    each.days_back,
                    each.where,
                )
                for each in self.upstream
            ],
            "features": [(each.name, str(each.dtype), each.unit, each.default) for each in self.features],
            "request": [(each.name, str(each.dtype)) for each in self.request],
            "code": code_of(self.compute),
        }
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()

    def validate(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same frame, if it is exactly what the view declares that `compute` gives.

        Raises:
            FeatureViewError: names the columns that are missing, undeclared or of another type, a key or
                time that is null, or a row key that occurs twice.
        """
        if frame.schema != self.computed_schema:
            raise FeatureViewError(f"{self.name}: {_difference(self.computed_schema, frame.schema)}")
        nulls = [name for name in (*self.row_key, DAY) if frame[name].null_count()]
        if nulls:
            raise FeatureViewError(f"{self.name}: null in {', '.join(nulls)}, which every row needs")
        doubled = frame.height - frame.select(pl.struct(self.row_key).n_unique()).item()
        if doubled:
            raise FeatureViewError(f"{self.name}: {doubled} rows repeat a key ({', '.join(self.row_key)})")
        return frame

    def materialise(self, inputs: Inputs, window: Window) -> pl.DataFrame:
        """The view's rows of the window as they are stored, valid and in the order of their key.

        Sums of floats depend on the order of adding, which only the in-memory engine keeps: the same
        inputs give the same bytes, and a range gives what its days give one by one.

        Raises:
            FeatureViewError: when an upstream frame is missing, or the rows do not fit the declaration.
        """
        missing = [each.table for each in self.upstream if each.table not in inputs]
        if missing:
            raise FeatureViewError(f"{self.name}: upstream {', '.join(missing)} not given")
        rows = self.validate(self.compute(inputs, window).collect(engine="in-memory"))
        return (
            rows.sort(self.row_key)
            .with_columns(pl.lit(self.definition_hash).alias(DEFINITION))
            .select(self.schema.names())
        )


def _difference(expected: pl.Schema, found: pl.Schema) -> str:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    retyped = [
        f"{name} is {found[name]}, declared {dtype}"
        for name, dtype in expected.items()
        if name in found and found[name] != dtype
    ]
    parts = []
    if missing:
        parts.append(f"missing {', '.join(missing)}")
    if extra:
        parts.append(f"not declared {', '.join(extra)}")
    return "; ".join([*parts, *retyped]) or f"columns out of order, expected {', '.join(expected)}"
