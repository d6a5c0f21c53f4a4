"""Keyed pseudonyms: the same text gives the same pseudonym, and without the key nobody gets back or compares."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

import polars as pl

DIGEST_BYTES = 16
"""128 bits of HMAC-SHA-256 (RFC 2104; truncation as in its section 5): no collisions among any real population."""


def pseudonymise(frame: pl.DataFrame, columns: Iterable[str], key: bytes) -> pl.DataFrame:
    """The frame with each text column replaced by its pseudonyms (32 hex digits); null stays null."""
    return frame.with_columns(_pseudonyms(frame.get_column(name), key) for name in columns)


def _pseudonyms(texts: pl.Series, key: bytes) -> pl.Series:
    distinct = texts.drop_nulls().unique()
    digest = hmac.digest
    hashed = [digest(key, text.encode(), "sha256")[:DIGEST_BYTES].hex() for text in distinct]
    if not hashed:
        return texts
    return texts.replace_strict(distinct, pl.Series(hashed), return_dtype=pl.String)
