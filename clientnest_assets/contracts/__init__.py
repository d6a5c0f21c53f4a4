"""What each source table must look like: the one source of truth for schemas, DDL, checks and docs."""

from clientnest_assets.contracts.app import APP_TABLES
from clientnest_assets.contracts.contract import DAY, DELETED_AT, SOURCE, Contract, ContractError
from clientnest_assets.contracts.events import EVENT_TABLES, ROLLUP_TABLES

CONTRACTS: dict[str, Contract] = {contract.name: contract for contract in (*APP_TABLES, *EVENT_TABLES)}
"""What sources bring, by name."""
WAREHOUSE_TABLES: tuple[Contract, ...] = (*APP_TABLES, *ROLLUP_TABLES)
"""What the warehouse loads from the lake: of events their rollups only."""

__all__ = [
    "APP_TABLES",
    "CONTRACTS",
    "DAY",
    "DELETED_AT",
    "EVENT_TABLES",
    "ROLLUP_TABLES",
    "SOURCE",
    "WAREHOUSE_TABLES",
    "Contract",
    "ContractError",
]
