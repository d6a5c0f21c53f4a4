"""Training sets: entity rows with what was known of each, and a record by which the same bytes can be made again.

The entity rows are kept in the lake, a table a task and a window a partition; the views are read at the version that
was current, and the record names each. Upkeep keeps those versions for as long as the record is there. What a model
makes of the rows is its own business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.errors import ClientNestError
from clientnest_assets.features.canonical import sha256_of
from clientnest_assets.features.point_in_time import AS_OF, get_historical_features
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.store import require_same_definition, view_table
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.features.view import Feature, FeatureView, FeatureViewError
from clientnest_assets.lake import Lake, with_fresh_input
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.handle import open_handle
from clientnest_assets.lake.records import TABLES, read_record, reference, write_record
from clientnest_assets.partitions import Window

if TYPE_CHECKING:
    from deltalake import DeltaTable

LAYER: Final = "training_sets"
ROW: Final = "row"
"""The column of a stored entity row that tells its place."""
FORM: Final = 1
"""Raised with each change of what a record says or of how rows are made from it."""


class TrainingSetError(ClientNestError):
    """A training set cannot be made as it was recorded."""


@dataclass(frozen=True)
class TrainingDataset:
    """The rows to train on, in the order of the entity rows, and the record of what they are made of."""

    rows: pl.DataFrame
    record: dict[str, Any]


def training_dataset(
    lake: Lake,
    task: str,
    partition: date,
    entity_rows: pl.DataFrame,
    views: Sequence[FeatureView] | FeatureSet,
    *,
    as_of: str = AS_OF,
) -> TrainingDataset:
    """Keeps the entity rows, joins to each what the views knew at its moment, and records what was read.

    A partition made again takes the place of its record; the older one can still be handed to `rebuild` for as long as
    upkeep has not removed its versions.

    Args:
        lake: where the views are, and where entity rows and record are kept.
        task: the model's task.
        partition: the first day of the partition.
        entity_rows: entity keys, the moment `as_of`, labels, whatever else the model needs; in the order wanted.
        views: what is joined; of a set, only its features, and each view's status and age.
        as_of: the column with the moment to look from.

    Raises:
        FeatureViewError: the entity rows do not fit the views.
        DefinitionChangedError: a view's stored rows are of another definition.
        SchemaMismatchError: an earlier partition of the task has a column of the same name and of another type.
    """
    if taken := sorted({ROW, DAY}.intersection(entity_rows.columns)):
        raise FeatureViewError(f"entity rows of a training set cannot have columns named {' or '.join(taken)}")
    features = (
        {view: list(views.features[view.name]) for view in views.views}
        if isinstance(views, FeatureSet)
        else {view: view.feature_names for view in views}
    )
    record: dict[str, Any] = {
        "form": FORM,
        "task": task,
        "partition": partition.isoformat(),
        "as_of": as_of,
        "entity_columns": entity_rows.columns,
        "views": [_declaration(view, names) for view, names in features.items()],
        TABLES: [_keep(lake, task, partition, entity_rows), *(_current(lake, view) for view in features)],
    }
    rows = _rows(lake, record)
    record |= {"columns": {name: str(dtype) for name, dtype in rows.schema.items()}, "rows": rows.height}
    record |= {"sha256": sha256_of(rows)}
    write_record(lake, _name(task, partition), record)
    return TrainingDataset(rows, record)


def rebuild(lake: Lake, record: Mapping[str, Any]) -> TrainingDataset:
    """Makes the rows again from what the record names: the same bytes, whatever became of tables and views since.

    Raises:
        TrainingSetError: names the table of which the recorded version is not kept any more, or says that the rows
            differ from those recorded.
    """
    if record["form"] != FORM:
        raise TrainingSetError(
            f"the record of {record['task']} {record['partition']} is of form {record['form']}, and this version of "
            f"ClientNest rebuilds form {FORM}: rebuild it with the version that made it"
        )
    for table in record[TABLES]:
        _require_files(lake, table)
    rows = _rows(lake, record)
    found = sha256_of(rows)
    if found != record["sha256"]:
        raise TrainingSetError(
            f"the rows of {record['task']} {record['partition']} come out otherwise than recorded: SHA-256 {found} "
            f"instead of {record['sha256']}. The tables are those recorded, so the code that joins them has changed: "
            "rebuild with the version that made the record"
        )
    return TrainingDataset(rows, dict(record))


def recorded(lake: Lake, task: str, partition: date) -> dict[str, Any] | None:
    """The record of the partition as it was made last; None if it never was."""
    return read_record(lake, _name(task, partition))


def _name(task: str, partition: date) -> str:
    return f"{LAYER}/{task}/{partition}"


def _keep(lake: Lake, task: str, partition: date, entity_rows: pl.DataFrame) -> dict[str, Any]:
    """Writes the entity rows as the partition's; returns the table at the version that holds them."""
    rows = entity_rows.with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64), pl.lit(partition).alias(DAY))
    table = lake.table(LAYER, task, rows.schema, partition_by=(DAY,))

    def replace() -> dict[str, Any]:
        handle = table.open()
        table.replace_window(handle, rows, Window.of_days(partition, partition), allow_empty=True)
        return reference(LAYER, task, handle)

    return with_fresh_input(replace)


def _current(lake: Lake, view: FeatureView) -> dict[str, Any]:
    """The view's table at its newest version."""
    require_same_definition(lake, view)
    table = view_table(lake, view)
    return reference(table.layer, table.name, table.open())


def _declaration(view: FeatureView, features: list[str]) -> dict[str, Any]:
    """What has to be known of a view to join its stored rows, and to tell what they mean."""
    return {
        "name": view.name,
        "version": view.version,
        "definition": view.definition_hash,
        "entity_keys": list(view.entity_keys),
        "event_time": view.event_time,
        "known_time": view.known_time,
        "ttl_seconds": None if view.ttl is None else view.ttl.total_seconds(),
        "features": features,
    }


def _rows(lake: Lake, record: Mapping[str, Any]) -> pl.DataFrame:
    """The rows that the record describes, from the tables at the versions that it names."""
    of_entities, *of_views = record[TABLES]
    partition = pl.lit(date.fromisoformat(record["partition"]))
    asked = _scan(lake, of_entities).filter(pl.col(DAY) == partition).sort(ROW).select(record["entity_columns"])
    stored = {}
    for each, table in zip(record["views"], of_views, strict=True):
        rows = _scan(lake, table)
        stored[_view(each, rows.collect_schema())] = rows
    return get_historical_features(asked, stored, as_of=record["as_of"]).collect()


def _view(recorded_view: Mapping[str, Any], schema: pl.Schema) -> FeatureView:
    """As much of a view as joining its stored rows takes."""
    seconds = recorded_view["ttl_seconds"]
    return FeatureView(
        name=recorded_view["name"],
        version=recorded_view["version"],
        entity_keys=tuple(recorded_view["entity_keys"]),
        features=tuple(Feature(name, schema[name], "") for name in recorded_view["features"]),
        compute=_is_stored,
        upstream=(),
        owner="",
        description="",
        ttl=None if seconds is None else timedelta(seconds=seconds),
        event_time=recorded_view["event_time"],
        known_time=recorded_view["known_time"],
    )


def _is_stored(_inputs: Inputs, _window: Window) -> pl.LazyFrame:
    raise NotImplementedError("a view out of a record has rows, and is not computed")


def _scan(lake: Lake, table: Mapping[str, Any]) -> pl.LazyFrame:
    return pl.scan_delta(_handle(lake, table))


def _handle(lake: Lake, table: Mapping[str, Any]) -> DeltaTable:
    """The table at the recorded version.

    Raises:
        TrainingSetError: there is no such table any more, or its log does not tell of the version.
    """
    from deltalake.exceptions import DeltaError

    try:
        handle = open_handle(lake.location(table["layer"], table["name"]), lake.storage_options)
        if str(handle.metadata().id) != table["id"]:
            raise _gone(table, "was made anew since")
        handle.load_as_version(table["version"])
    except DeltaError as error:
        raise _gone(table, "does not keep that version any more") from error
    return handle


def _require_files(lake: Lake, table: Mapping[str, Any]) -> None:
    """Raises a TrainingSetError if files of the table's recorded version were removed."""
    actions = pl.DataFrame(_handle(lake, table).get_add_actions(flatten=True))
    there = {file.path for file in Storage(lake.location(table["layer"], table["name"]), lake.storage_options).files()}
    if not there.issuperset(map(unquote, actions.get_column("path"))):
        raise _gone(table, "does not keep that version's files any more")


def _gone(table: Mapping[str, Any], reason: str) -> TrainingSetError:
    return TrainingSetError(
        f"the training set was made from version {table['version']} of {table['layer']}.{table['name']}, which {reason}. "
        "Upkeep keeps the versions that records in the lake name; this one was made before its record, or the record was "
        "replaced. It cannot be rebuilt: make the partition again"
    )
