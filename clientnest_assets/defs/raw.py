"""Raw assets: one Delta table per table of the app's database, made by a factory from the contracts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg
import polars as pl

from clientnest_assets.contracts import APP_TABLES, DAY, SOURCE, Contract
from clientnest_assets.contracts.contract import tag
from clientnest_assets.defs.partitions import CHUNKED, Partitions, by_day, window_of
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Window
from clientnest_assets.sources import app_database
from clientnest_assets.sources.landing import (
    NO_LIMIT,
    Batch,
    Landed,
    Limit,
    land_window,
    prepare,
    quarantine_table,
    raw_table,
)

GROUP = "raw"
OWNERS = ["team:data"]
NOTHING_LOST = "nothing_lost"
COLUMNS_KNOWN = "columns_known"


class LandingConfig(dg.Config):
    """How a raw asset is landed."""

    allow_empty: bool = False
    """Let a window that held rows become empty, because the rows really are gone at the source."""
    allow_bad_rows: bool = False
    """Let a day be landed whatever the share of its rows that go to quarantine; else CLIENTNEST_MAX_BAD_SHARE holds."""


def raw_key(table: str) -> dg.AssetKey:
    """The asset key of a raw table."""
    return dg.AssetKey([GROUP, table])


def raw_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset per table of the app's database."""
    return [_raw_asset(contract, partitions) for contract in APP_TABLES]


def _raw_asset(contract: Contract, partitions: Partitions) -> dg.AssetsDefinition:
    key = raw_key(contract.name)

    @dg.asset(
        key=key,
        partitions_def=partitions.daily,
        backfill_policy=CHUNKED,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "deltalake"},
        code_version="1",
        description=f"{contract.description}\n\n{_landing_words(contract)}",
        metadata={"dagster/column_schema": column_schema(contract)},
        check_specs=[
            dg.AssetCheckSpec(
                NOTHING_LOST,
                asset=key,
                blocking=True,
                description="Each day's rows in the app's database stand in raw or in quarantine.",
            ),
            dg.AssetCheckSpec(
                COLUMNS_KNOWN,
                asset=key,
                description="The contract knows every column that the app's table has.",
            ),
        ],
    )
    def raw(
        context: dg.AssetExecutionContext, config: LandingConfig, installation: dg.ResourceParam[Installation]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        window = window_of(context)
        limit = NO_LIMIT if config.allow_bad_rows else Limit(installation.settings.max_bad_share)
        landed: list[Landed] = []
        read: list[pl.DataFrame] = []
        unknown: list[str] = []
        for part in app_database.parts(installation.app_database_url, contract, window):
            landing = _Landing(installation, contract, part)
            landed.append(
                land_window(
                    installation.lake,
                    contract,
                    part,
                    landing.read,
                    source=app_database.SOURCE_NAME,
                    allow_empty=config.allow_empty,
                    limit=limit,
                )
            )
            read.append(landing.rows_by_day)
            unknown = landing.unknown_columns
        days = _days(installation, contract, window, pl.concat(read))
        by_day(
            context,
            {
                day: {"dagster/partition_row_count": held, "rows_read_of_day": read, "rows_quarantined_of_day": bad}
                for day, held, bad, read in days.iter_rows()
            },
            key,
        )
        check = _nothing_lost(contract, days)
        yield check
        if not check.passed:
            # Not materialised, then: the same command lands it again, and nothing is built on it meanwhile.
            raise dg.Failure(f"{contract.name}: rows of the app are missing in the lake", allow_retries=False)
        yield dg.AssetCheckResult(
            passed=not unknown,
            check_name=COLUMNS_KNOWN,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"columns_not_in_contract": unknown},
        )
        yield dg.MaterializeResult(
            metadata={
                "window": str(window),
                "rows_read": sum(each.rows_read for each in landed),
                "rows_written": sum(each.rows_written for each in landed),
                "rows_already_held": sum(each.rows_already_held for each in landed),
                "rows_quarantined": sum(each.rows_quarantined for each in landed),
                "delta_version": landed[-1].raw.version,
                "bytes": sum(each.raw.bytes for each in landed),
                "columns_not_in_contract": unknown,
                "location": raw_table(installation.lake, contract).location,
            }
        )

    return raw


@dataclass
class _Landing:
    """Reads a window as often as it is asked to, and remembers of the last time what is told of it."""

    installation: Installation
    contract: Contract
    window: Window
    rows_by_day: pl.DataFrame = field(default_factory=pl.DataFrame)
    unknown_columns: list[str] = field(default_factory=list)

    def read(self) -> Batch:
        """The window's rows, checked."""
        extract = app_database.read_window(self.installation.app_database_url, self.contract, self.window)
        self.unknown_columns = extract.unknown_columns
        self.rows_by_day = extract.rows.group_by(pl.col(self.contract.cursor).dt.date().alias(DAY)).len("read")
        return prepare(self.contract, extract.rows, app_database.SOURCE_NAME, self.installation.pseudonym_key)


def _days(installation: Installation, contract: Contract, window: Window, read: pl.DataFrame) -> pl.DataFrame:
    """One row a day of the window: rows held in raw, rows in quarantine, rows the app had. The first two by the lake's log."""

    def counts(frame: pl.DataFrame, name: str) -> pl.DataFrame:
        mine = frame.filter(pl.col(SOURCE) == app_database.SOURCE_NAME)
        return mine.select(DAY, pl.col("rows").alias(name))

    days = pl.DataFrame({DAY: window.days()}, schema={DAY: pl.Date()})
    held = counts(raw_table(installation.lake, contract).row_counts(), "held")
    bad = counts(quarantine_table(installation.lake, contract).row_counts(), "quarantined")
    joined = days.join(held, on=DAY, how="left").join(bad, on=DAY, how="left").join(read, on=DAY, how="left")
    return joined.with_columns(pl.col("held", "quarantined", "read").fill_null(0).cast(pl.Int64)).sort(DAY)


def _nothing_lost(contract: Contract, days: pl.DataFrame) -> dg.AssetCheckResult:
    # A mutable table also holds versions that the app has overwritten since: at least as many, then.
    together = pl.col("held") + pl.col("quarantined")
    wrong = days.filter(together != pl.col("read") if contract.kind == "append" else together < pl.col("read"))
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        check_name=NOTHING_LOST,
        metadata={
            "days": days.height,
            "days_that_differ": [str(day) for day in wrong.get_column(DAY)],
            "rows_in_app": int(days.get_column("read").sum()),
            "rows_in_raw": int(days.get_column("held").sum()),
            "rows_in_quarantine": int(days.get_column("quarantined").sum()),
        },
    )


def column_schema(contract: Contract) -> dg.TableSchema:
    """The landed columns as Dagster shows them."""
    columns = [
        dg.TableColumn(
            name,
            str(dtype),
            description=contract.columns[name].description if name in contract.columns else "Added on landing.",
            constraints=dg.TableColumnConstraints(
                nullable=name in contract.columns and contract.columns[name].nullable
            ),
            tags={"personal": "pseudonym"} if name in contract.personal_columns else {},
        )
        for name, dtype in contract.landed_schema.items()
    ]
    return dg.TableSchema(columns)


def _landing_words(contract: Contract) -> str:
    units = {name: tag(column, "unit") for name, column in contract.columns.items() if tag(column, "unit")}
    words = (
        f"Partition: UTC day of `{contract.cursor}`. "
        + (
            "Every captured version of a row is kept."
            if contract.kind == "mutable"
            else "A day landed again replaces itself."
        )
        + (f" Pseudonymised: {', '.join(contract.personal_columns)}." if contract.personal_columns else "")
    )
    return words + (f" Units: {', '.join(f'{name} in {unit}' for name, unit in units.items())}." if units else "")
