"""Records of what was read at which versions: JSON files beside the tables. Upkeep keeps the versions that they name.

What else a record says is the business of whoever writes it. To give versions free, remove the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    from deltalake import DeltaTable

FOLDER = "_records"
TABLES = "tables"


def reference(layer: str, name: str, handle: DeltaTable) -> dict[str, Any]:
    """A table at the version of the handle, as one entry of a record's `tables`.

    The id tells the table from one made anew under its name.
    """
    return {"layer": layer, "name": name, "id": str(handle.metadata().id), "version": handle.version()}


def write_record(lake: Lake, name: str, record: Mapping[str, Any]) -> None:
    """Keeps a record under a name with `/` between its parts, in place of the one that may be there."""
    content = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    Storage.of(lake).write(f"{FOLDER}/{name}.json", content.encode())


def read_record(lake: Lake, name: str) -> dict[str, Any] | None:
    """The record of that name, or None."""
    try:
        content = Storage.of(lake).read(f"{FOLDER}/{name}.json")
    except FileNotFoundError:
        return None
    record: dict[str, Any] = json.loads(content)
    return record


def recorded_versions(lake: Lake) -> dict[str, set[int]]:
    """The versions that any record names, by the id of the table."""
    storage = Storage.of(lake)
    found: dict[str, set[int]] = {}
    for file in storage.files(FOLDER):
        for table in json.loads(storage.read(file.path))[TABLES]:
            found.setdefault(table["id"], set()).add(table["version"])
    return found
