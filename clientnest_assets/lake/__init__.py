"""The lake: Delta tables in a folder or a bucket. Every write and every read goes through here."""

from clientnest_assets.lake.schema import SchemaMismatchError
from clientnest_assets.lake.table import (
    Commit,
    DeliveredElsewhereError,
    Delivery,
    EmptyWindowError,
    Lake,
    LakeTable,
    with_fresh_input,
)

__all__ = [
    "Commit",
    "DeliveredElsewhereError",
    "Delivery",
    "EmptyWindowError",
    "Lake",
    "LakeTable",
    "SchemaMismatchError",
    "with_fresh_input",
]
