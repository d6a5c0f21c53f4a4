"""The mutable tables as the app's database has them now, and their changes in the contract's columns and types.

Here personal data ends: what leaves `arranged` holds pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from psycopg import Connection

from clientnest_assets.contracts import APP_TABLES, Contract, ContractError
from clientnest_assets.contracts.postgres import quote
from clientnest_assets.contracts.validation import RULES
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources.app_database import arriving_type, names_in_lake, require_table
from clientnest_assets.sources.change_capture.pgoutput import (
    COMMITTED_AT,
    META,
    OLD_KEY,
    POSITION,
    TRANSACTION,
    UNCHANGED,
    Relation,
)
from clientnest_assets.sources.change_capture.values import typed
from clientnest_assets.sources.landing import PSEUDONYM

CAPTURED = tuple(contract for contract in APP_TABLES if contract.kind == "mutable")
"""What is captured. Rows of append tables do not change: reading them by window misses nothing."""

ENTITY, OLD_ENTITY = "|entity", "|old_entity"
"""The row's id after the change, and before it where that was another."""
DELETED = "|deleted"
ORIGINAL = "|original"
"""Of a row with a value that has not the contract's type: the row as JSON, that value as it came."""
CHANGE = pl.Schema(
    {
        POSITION: pl.Int64(),
        TRANSACTION: pl.Int64(),
        COMMITTED_AT: META[COMMITTED_AT],
        ENTITY: pl.Int64(),
        OLD_ENTITY: pl.Int64(),
        DELETED: pl.Boolean(),
        RULES: pl.List(pl.String()),
        ORIGINAL: pl.String(),
    }
)
"""What is known of a change beside the row's values; what is null everywhere may be missing. A change of a key is two
changes: positions are those of the stream times two, so that there is room for both."""


@dataclass
class Tables:
    """The captured tables by their oid in one database."""

    connection: Connection
    contracts: Mapping[int, Contract]
    _kinds: dict[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def found(cls, connection: Connection) -> Tables:
        """The tables of the database.

        Raises:
            ContractError: if one is missing, or if the server would not tell which row was changed or deleted.
        """
        contracts = {}
        for contract in CAPTURED:
            row = connection.execute(
                "select c.oid::bigint, c.relreplident = 'f' or exists (select from pg_index i join pg_attribute a "
                "on a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = c.oid and a.attname = %s "
                "and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end) "
                "from pg_class c where c.oid = to_regclass(%s)",
                (contract.entity_key, quote(contract.name)),
            ).fetchone()
            if row is None:
                require_table(contract, {})
            oid, is_identified = row or (0, False)
            if not is_identified:
                raise ContractError(
                    f"the server would not tell which row of {contract.name} was changed or deleted, and with a "
                    "publication it would refuse the app's updates. Nothing was done. Give the table its key: "
                    f"alter table {contract.name} add primary key ({contract.entity_key});"
                )
            contracts[oid] = contract
        return cls(connection, contracts)

    @property
    def keys(self) -> dict[int, str]:
        """The key column of each table, by oid."""
        return {oid: contract.entity_key for oid, contract in self.contracts.items()}

    def schema(self, relation: Relation) -> dict[str, pl.DataType]:
        """The types of the table's columns: the contract's, and those in which unknown columns arrive.

        Raises:
            ContractError: if a column of the contract is missing or has another type; names each.
        """
        contract = self.contracts[relation.oid]
        kinds = dict(zip(relation.columns, map(self._kind, relation.types), strict=True))
        require_table(contract, kinds)
        return {name: contract.source_schema.get(name, arriving_type(kind)) for name, kind in kinds.items()}

    def _kind(self, type_: tuple[int, int]) -> str:
        """The type's name as PostgreSQL writes it, with its length or precision; of an enumeration: text."""
        if type_ not in self._kinds:
            row = self.connection.execute(
                "select case typtype when 'e' then 'text' else format_type(oid, %s) end from pg_type where oid = %s",
                (type_[1], type_[0]),
            ).fetchone()
            self._kinds[type_] = row[0] if row else f"a type that is gone ({type_[0]})"
        return self._kinds[type_]


def arranged(contract: Contract, frame: pl.DataFrame, schema: Mapping[str, pl.DataType], key: bytes) -> pl.DataFrame:
    """Decoded changes as CHANGE, the columns of the lake, and flags of unchanged ones.

    Args:
        contract: the table's.
        frame: of `pgoutput.Rows`.
        schema: of `Tables.schema`.
        key: of the pseudonyms.
    """
    entity, old = pl.col(contract.entity_key).cast(pl.Int64), pl.col(OLD_KEY).cast(pl.Int64)
    meta = [pl.col(TRANSACTION), pl.col(COMMITTED_AT)]
    is_gone = pl.col(OLD_KEY).is_not_null()
    if contract.entity_key in frame.columns:
        is_gone &= pl.col(OLD_KEY) != pl.col(contract.entity_key)
    deleted = frame.filter(is_gone).select(
        pl.col(POSITION) * 2, *meta, old.alias(ENTITY), pl.lit(value=True).alias(DELETED)
    )
    if contract.entity_key not in frame.columns:
        return deleted
    unknown = [name for name in schema if name not in contract.source_schema]
    renamed = dict(zip(unknown, names_in_lake(contract, unknown), strict=True))
    flags = {UNCHANGED + name: UNCHANGED + new for name, new in renamed.items() if UNCHANGED + name in frame.columns}
    frame = frame.rename(renamed | flags)
    schema = {renamed.get(name, name): dtype for name, dtype in schema.items()}
    frame = pseudonymise(frame, _private(contract, schema), key)
    values = typed(frame, schema)
    without_day = pl.col(contract.cursor).is_null() & pl.col(RULES).is_null()
    values = values.with_columns(
        pl.when(without_day).then(pl.lit([f"{contract.cursor}|nullability"])).otherwise(pl.col(RULES)).alias(RULES)
    )
    upserted = frame.select(
        pl.col(POSITION) * 2 + 1,
        *meta,
        entity.alias(ENTITY),
        pl.when(old != entity).then(old).alias(OLD_ENTITY),
        pl.lit(value=False).alias(DELETED),
        _original(contract, frame, values).alias(ORIGINAL),
        *(UNCHANGED + name for name in unchanged(frame)),
    )
    return pl.concat([deleted, upserted.hstack(values)], how="diagonal")


def written_rows(contract: Contract, rows: pl.DataFrame, at: datetime, key: bytes) -> pl.DataFrame:
    """Rows of the table as changes, as if all of them had been written at one moment."""
    meta = rows.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(POSITION),
        pl.lit(0, pl.Int64).alias(TRANSACTION),
        pl.lit(at, CHANGE[COMMITTED_AT]).alias(COMMITTED_AT),
        pl.col(contract.entity_key).alias(ENTITY),
        pl.lit(value=False).alias(DELETED),
    )
    return meta.hstack(pseudonymise(rows, _private(contract, rows.schema), key))


def ended_rows(entities: pl.Series, position: int, transaction: int, committed_at: datetime) -> pl.DataFrame:
    """Deletes of these rows by one statement."""
    what = {POSITION: position, TRANSACTION: transaction, COMMITTED_AT: committed_at, DELETED: True}
    return pl.DataFrame({ENTITY: entities, **what}, schema_overrides=CHANGE)


def unchanged(frame: pl.DataFrame) -> list[str]:
    """The columns of which some values were not sent, because they did not change."""
    return [name.removeprefix(UNCHANGED) for name in frame.columns if name.startswith(UNCHANGED)]


def values_of(frame: pl.DataFrame) -> list[str]:
    """The columns of changes that are the row's own, as in the lake."""
    return [name for name in frame.columns if not name.startswith("|") and name != RULES]


def marked(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows for quarantine: pseudonyms of which nobody has said yet whether they had to be are marked as such."""
    return rows.with_columns(PSEUDONYM + pl.col(name) for name in _strange(contract, rows.schema))


def _strange(contract: Contract, schema: Mapping[str, pl.DataType]) -> list[str]:
    """Columns of text that the contract does not know."""
    return [name for name, dtype in schema.items() if dtype == pl.String and name not in contract.source_schema]


def _private(contract: Contract, schema: Mapping[str, pl.DataType]) -> list[str]:
    return contract.personal_columns + _strange(contract, schema)


def _original(contract: Contract, texts: pl.DataFrame, values: pl.DataFrame) -> pl.Series:
    """The rows that break rules as JSON, others null. A column of which a value has no type is given as it came."""
    broken = values.get_column(RULES)
    if broken.is_null().all():
        return pl.Series([None], dtype=pl.String).new_from_index(0, values.height)
    failed = {rule.removesuffix("|cast") for rule in broken.drop_nulls().explode().unique()}
    shown = [(texts if name in failed else values)[name] for name in values.columns if name != RULES]
    json = pl.struct(pl.all()).struct.json_encode()
    return marked(contract, pl.DataFrame(shown)).select(pl.when(pl.lit(broken).is_not_null()).then(json)).to_series()
