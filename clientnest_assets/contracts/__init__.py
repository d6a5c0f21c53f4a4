"""What each source table must look like: the one source of truth for schemas, DDL, checks and docs."""

from clientnest_assets.contracts.app import APP_TABLES
from clientnest_assets.contracts.contract import DAY, DELETED_AT, SOURCE, Contract, ContractError
from clientnest_assets.contracts.events import EVENT_TABLES

CONTRACTS: dict[str, Contract] = {contract.name: contract for contract in (*APP_TABLES, *EVENT_TABLES)}

__all__ = ["APP_TABLES", "CONTRACTS", "DAY", "DELETED_AT", "EVENT_TABLES", "SOURCE", "Contract", "ContractError"]
