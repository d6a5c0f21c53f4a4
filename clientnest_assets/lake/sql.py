"""SQL over the lake: DuckDB with every Delta table as `layer.table`, now or as it stood at a moment. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from clientnest_assets.contracts.postgres import literal, quote
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.handle import MomentNotKeptError, open_handle, version_at
from clientnest_assets.lake.s3 import duckdb_secret
from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    import duckdb

TABLES_AT_ONCE = 8
LOG = "_delta_log"


def connect(lake: Lake, *, query: str = "", as_of: datetime | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in which each table of the lake is a view, in a schema named after its layer.

    Args:
        lake: the lake.
        query: what will be asked, if that is known: then only the tables that it names are looked into.
        as_of: the moment at which the tables are seen; those made later are not there. By default, now.

    Raises:
        MomentNotKeptError: if a table that the query names is not kept back to the moment.
    """
    import duckdb

    connection = duckdb.connect()
    for extension in ("delta",) if lake.is_local else ("delta", "httpfs"):
        connection.load_extension(str(_extension(extension)))
    connection.execute("set timezone = 'UTC'")
    if not lake.is_local:
        parameters = duckdb_secret(lake.root, lake.storage_options)
        given = "".join(f", {name} {literal(value)}" for name, value in parameters.items())
        connection.execute(f"create secret lake (type s3{given})")
    found = tables(lake)
    named = [(layer, name) for layer, name in found if re.search(rf"\b{re.escape(name)}\b", query, re.IGNORECASE)]
    scans = (
        {each: f"delta_scan({literal(lake.location(*each))})" for each in named or found}
        if as_of is None
        else _scans_as_of(lake, named or found, as_of, is_asked=bool(named))
    )
    for (layer, name), scan in scans.items():
        connection.execute(f"create schema if not exists {quote(layer)}")
        connection.execute(f"create view {quote(layer)}.{quote(name)} as select * from {scan}")
    return connection


def tables(lake: Lake) -> list[tuple[str, str]]:
    """Layer and name of each table of the lake, sorted."""
    storage = Storage.of(lake)
    folders = [(layer, name) for layer in storage.children()[1] for name in storage.children(layer)[1]]
    return [(layer, name) for layer, name in folders if any(storage.files(f"{layer}/{name}/{LOG}"))]


def _scans_as_of(
    lake: Lake, named: Iterable[tuple[str, str]], moment: datetime, *, is_asked: bool
) -> dict[tuple[str, str], str]:
    """DuckDB's scan of each table that there was at the moment; one not kept so long is an error if it is asked for."""

    def scan(table: tuple[str, str]) -> tuple[tuple[str, str], str | None]:
        location = lake.location(*table)
        try:
            version = version_at(open_handle(location, lake.storage_options), moment)
        except MomentNotKeptError:
            if is_asked:
                raise
            version = None
        return table, None if version is None else f"delta_scan({literal(location)}, version = {version})"

    with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
        return {table: text for table, text in pool.map(scan, named) if text}


def _extension(name: str) -> Path:
    """The extension as it lies in its wheel: nothing is fetched at run time, nothing copied to the user's home."""
    return next(Path(str(files(f"duckdb_extension_{name}"))).glob(f"extensions/*/{name}.duckdb_extension"))
