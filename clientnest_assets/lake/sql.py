"""SQL over the lake: DuckDB with every Delta table as `layer.table`. Reads only."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from clientnest_assets.contracts.postgres import literal, quote
from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    import duckdb


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in which each table of the lake is a view, in a schema named after its layer."""
    import duckdb

    connection = duckdb.connect()
    for extension in ("delta",) if lake.is_local else ("delta", "httpfs"):
        connection.load_extension(str(_extension(extension)))
    connection.execute("set timezone = 'UTC'")
    if not lake.is_local:
        _allow_s3(connection, lake)
    for layer, name in tables(connection, lake):
        connection.execute(f"create schema if not exists {quote(layer)}")
        connection.execute(
            f"create view {quote(layer)}.{quote(name)} as "
            f"select * from delta_scan({literal(lake.location(layer, name))})"
        )
    return connection


def tables(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[tuple[str, str]]:
    """Layer and name of each table of the lake, sorted."""
    found = connection.execute(f"select file from glob({literal(lake.root + '/*/*/_delta_log/*.json')})").fetchall()
    return sorted({(path.parts[-4], path.parts[-3]) for (file,) in found for path in [PurePosixPath(file)]})


def _extension(name: str) -> Path:
    """The extension as it lies in its wheel: nothing is fetched at run time, nothing copied to the user's home."""
    return next(Path(str(files(f"duckdb_extension_{name}"))).glob(f"extensions/*/{name}.duckdb_extension"))


def _allow_s3(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    options = lake.storage_options
    endpoint = options.get("AWS_ENDPOINT_URL", "")
    secret = {
        "key_id": options.get("AWS_ACCESS_KEY_ID", ""),
        "secret": options.get("AWS_SECRET_ACCESS_KEY", ""),
        "session_token": options.get("AWS_SESSION_TOKEN", ""),
        "region": options.get("AWS_REGION", ""),
        "endpoint": endpoint.split("://")[-1],
        "url_style": "path" if endpoint else "",
        "use_ssl": "false" if endpoint.startswith("http://") else "",
    }
    given = ", ".join(f"{name} {literal(value)}" for name, value in secret.items() if value)
    connection.execute(f"create secret lake (type s3{', ' if given else ''}{given})")
