"""Loading: each raw table of the lake into the warehouse's `raw` schema, where dbt begins."""

import dagster as dg

from clientnest_assets.contracts import WAREHOUSE_TABLES, Contract
from clientnest_assets.defs.events import rollup_key
from clientnest_assets.defs.partitions import CHUNKED, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS, column_schema, raw_key
from clientnest_assets.installation import Installation
from clientnest_assets.warehouse.behind import SCHEMA
from clientnest_assets.warehouse.load import create_raw_tables, load_window

GROUP = "warehouse"


def warehouse_key(table: str) -> dg.AssetKey:
    """The asset key of a table in the warehouse's raw schema."""
    return dg.AssetKey([GROUP, table])


def warehouse_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset per table of the app's database and per rollup of events."""
    return [_warehouse_asset(contract, partitions) for contract in WAREHOUSE_TABLES]


def _warehouse_asset(contract: Contract, partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        key=warehouse_key(contract.name),
        deps=[rollup_key(contract.name) if contract.origin == "rollup" else raw_key(contract.name)],
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres"},
        code_version="1",
        description=f"`{SCHEMA}.{contract.name}` in the warehouse, equal to the lake's table. {contract.description}",
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": f"{SCHEMA}.{contract.name}",
        },
    )
    def loaded(context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        window = window_of(context)
        create_raw_tables(installation.warehouse_url)
        done = load_window(installation.lake, installation.warehouse_url, contract, window)
        return dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows_loaded": done.rows,
                "rows_replaced": done.rows_replaced,
                "days_touched": len(done.touched),
                **({"touched": f"{done.touched[0]} to {done.touched[-1]}"} if done.touched else {}),
            }
        )

    return loaded
