"""What the lake holds of a captured table: the versions of rows, which of them are tombstones, and which rows live."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from clientnest_assets.contracts import DAY, DELETED_AT, SOURCE, Contract
from clientnest_assets.lake import Lake
from clientnest_assets.sources.app_database import SOURCE_NAME
from clientnest_assets.sources.landing import PSEUDONYM, quarantine_table, raw_table

VERSION = "|version"
"""When a version of a row was written: the value of the cursor column."""


@dataclass(frozen=True)
class Held:
    """One table's rows in the lake that came from the app's database, by whichever way."""

    lake: Lake
    contract: Contract

    def versions(self, entities: pl.Series) -> pl.DataFrame:
        """All versions of these rows that are no tombstones, with VERSION."""
        live = pl.col(DELETED_AT).is_null() & pl.col(self.contract.entity_key).is_in(entities.implode())
        found = self._rows().filter(live).drop(DAY, SOURCE, DELETED_AT).collect()
        return found.with_columns(pl.col(self.contract.cursor).alias(VERSION))

    def bad_versions(self, entities: pl.Series, columns: Collection[str], schema: pl.Schema) -> pl.DataFrame:
        """Versions of these rows that are in quarantine: the id, VERSION and the columns (texts, and lists of texts)."""
        key = self.contract.entity_key
        row = pl.col("row")
        values = []
        for name in columns:
            text = row.str.json_path_match(f"$['{name}']").str.strip_prefix(PSEUDONYM)
            if isinstance(schema[name], pl.List):
                text = pl.when(text.str.starts_with("[")).then(text).str.json_decode(schema[name])
            values.append(text.alias(name))
        found = (
            quarantine_table(self.lake, self.contract)
            .scan()
            .filter(pl.col(SOURCE) == SOURCE_NAME)
            .with_columns(row.str.json_path_match(f"$['{key}']").cast(pl.Int64, strict=False).alias(key))
            .filter(pl.col(key).is_in(entities.implode()))
        )
        version = row.str.json_path_match(f"$['{self.contract.cursor}']")
        return found.select(
            key,
            version.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).alias(VERSION),
            *values,
        ).collect()

    def tombstones(self, entities: pl.Series) -> pl.DataFrame:
        """All tombstones of these rows, with VERSION."""
        dead = pl.col(DELETED_AT).is_not_null() & pl.col(self.contract.entity_key).is_in(entities.implode())
        return (
            self._rows()
            .filter(dead)
            .drop(DAY, SOURCE)
            .collect()
            .with_columns(pl.col(self.contract.cursor).alias(VERSION))
        )

    def newest(self) -> pl.DataFrame:
        """Of each row its id, the newest VERSION and, if that is a tombstone, the time of deletion."""
        key, cursor = self.contract.entity_key, self.contract.cursor
        chosen = self._rows().select(key, pl.col(cursor).alias(VERSION), DELETED_AT)
        return chosen.group_by(key).agg(pl.all().sort_by(VERSION).last()).collect()

    def _rows(self) -> pl.LazyFrame:
        return raw_table(self.lake, self.contract).scan().filter(pl.col(SOURCE) == SOURCE_NAME)
