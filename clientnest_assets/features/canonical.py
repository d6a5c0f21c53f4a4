"""One SHA-256 of a frame's contents, the same on every machine and however the frame came about."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from hashlib import _Hash


def sha256_of(frame: pl.DataFrame) -> str:
    """SHA-256 over names, types and values of the columns, in the order of columns and rows.

    Floats count by their bits. What lies in memory behind a null does not count, nor how the frame is cut into chunks.

    Raises:
        TypeError: for a column of structs, of binary or of Python objects.
    """
    digest = hashlib.sha256()
    for column in frame:
        digest.update(f"{column.name}\0{column.dtype}\0{column.len()}\0".encode())
        _add(digest, column)
    return digest.hexdigest()


def _add(digest: _Hash, values: pl.Series) -> None:
    is_known = values.is_not_null()
    digest.update(is_known.cast(pl.UInt8).to_numpy().tobytes())
    known = values.filter(is_known)
    if isinstance(known.dtype, (pl.List, pl.Array)):
        lists = known.cast(pl.List(known.dtype.inner))
        digest.update(lists.list.len().cast(pl.UInt64).to_numpy().tobytes())
        _add(digest, lists.filter(lists.list.len() > 0).explode())
    elif known.dtype in (pl.String, pl.Categorical, pl.Enum) or known.dtype.is_decimal():
        texts = known.cast(pl.String)
        digest.update(texts.str.len_bytes().cast(pl.UInt64).to_numpy().tobytes())
        digest.update("".join(texts.to_list()).encode())
    elif known.dtype.is_numeric() or known.dtype.is_temporal() or known.dtype in (pl.Boolean, pl.Null):
        digest.update(known.to_physical().to_numpy().tobytes())
    else:
        raise TypeError(f"no canonical bytes for the column {values.name} of {values.dtype}")
