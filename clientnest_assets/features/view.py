"""What a feature view is: a declaration, and one function over lazy frames.

The views themselves are in `views/`, reading them for training in `point_in_time.py`. Storage and
scheduling belong to the assets, which need nothing but this declaration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.partitions import Window

MOMENT = pl.Datetime("us", "UTC")

Compute = Callable[[Mapping[str, pl.LazyFrame], Window], pl.LazyFrame]
"""Upstream frames by name, and a window, to the rows of that window."""


class FeatureViewError(ValueError):
    """A frame does not fit the feature view it is said to belong to."""


@dataclass(frozen=True)
class Feature:
    """One column of a view. `default` is what a reader may put where no value is known; null says none."""

    name: str
    dtype: pl.DataType
    description: str
    unit: str | None = None
    default: bool | int | float | str | None = None


@dataclass(frozen=True)
class FeatureView:
    """Features of one kind of entity, each row true from its event time and knowable from its known time.

    `ttl` is the age, counted from the event time, past which a row is stale; None is never. `upstream`
    names the frames that `compute` reads. A change of meaning needs a new `version`.
    """

    name: str
    version: int
    entity_keys: tuple[str, ...]
    features: tuple[Feature, ...]
    compute: Compute
    upstream: tuple[str, ...]
    owner: str
    description: str
    ttl: timedelta | None = None
    event_time: str = "event_at"
    known_time: str = "known_at"

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, as declared."""
        return [feature.name for feature in self.features]

    @property
    def row_key(self) -> list[str]:
        """What tells one row from another: a correction has the event time of what it corrects, known later."""
        return [*self.entity_keys, self.event_time, self.known_time]

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns and types of a stored row, in order. `day` is the partition that computed it."""
        return pl.Schema(
            {
                **dict.fromkeys(self.entity_keys, pl.Int64()),
                self.event_time: MOMENT,
                self.known_time: MOMENT,
                **{feature.name: feature.dtype for feature in self.features},
                DAY: pl.Date(),
            }
        )

    @cached_property
    def definition_hash(self) -> str:
        """SHA-256 over all that a reader relies on. Prose and owner may change without a new definition."""
        definition: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "entity_keys": self.entity_keys,
            "times": [self.event_time, self.known_time],
            "ttl_seconds": None if self.ttl is None else self.ttl.total_seconds(),
            "upstream": self.upstream,
            "features": [(each.name, str(each.dtype), each.unit, each.default) for each in self.features],
        }
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()

    def validate(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same frame, if it is exactly what the view declares.

        Raises:
            FeatureViewError: names the columns that are missing, undeclared or of another type, a key or
                time that is null, or a row key that occurs twice.
        """
        if frame.schema != self.schema:
            raise FeatureViewError(f"{self.name}: {_difference(self.schema, frame.schema)}")
        nulls = [name for name in (*self.row_key, DAY) if frame[name].null_count()]
        if nulls:
            raise FeatureViewError(f"{self.name}: null in {', '.join(nulls)}, which every row needs")
        doubled = frame.height - frame.select(pl.struct(self.row_key).n_unique()).item()
        if doubled:
            raise FeatureViewError(f"{self.name}: {doubled} rows repeat a key ({', '.join(self.row_key)})")
        return frame

    def materialise(self, inputs: Mapping[str, pl.LazyFrame], window: Window) -> pl.DataFrame:
        """The view's rows of the window, valid and in the order of their key.

        Sums of floats depend on the order of adding, which only the in-memory engine keeps: the same
        inputs give the same bytes, and a range gives what its days give one by one.

        Raises:
            FeatureViewError: when an upstream frame is missing, or the rows do not fit the declaration.
        """
        missing = [name for name in self.upstream if name not in inputs]
        if missing:
            raise FeatureViewError(f"{self.name}: upstream {', '.join(missing)} not given")
        rows = self.compute(inputs, window).collect(engine="in-memory")
        return self.validate(rows).sort(self.row_key)


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
