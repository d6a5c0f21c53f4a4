"""Reads the warehouse's facts and dimensions into Polars frames, over ADBC."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from clientnest_assets.contracts.postgres import quote


def read_table(
    url: str, schema: str, table: str, columns: Mapping[str, pl.DataType], *, where: str = ""
) -> pl.DataFrame:
    """The named columns of a table, in exactly the given types. `where` is a condition in SQL, of our own making.

    Numbers of the type numeric may be asked for as floats or as decimals.
    """
    import adbc_driver_postgresql.dbapi as adbc

    selected = ", ".join(f"{quote(name)}{_cast(dtype)} as {quote(name)}" for name, dtype in columns.items())
    condition = f" where {where}" if where else ""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {selected} from {quote(schema)}.{quote(table)}{condition}")
        frame: pl.DataFrame = cursor.fetch_polars()
    return frame.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def _cast(dtype: pl.DataType) -> str:
    """ADBC gives numeric in a type that Polars cannot cast."""
    if dtype == pl.Float64:
        return "::double precision"
    return "::text" if dtype.is_decimal() else ""
