"""Landing: from a batch of one source to the raw table and its quarantine, the same for every way in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.lake import Commit, Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise

RAW = "raw"
QUARANTINE = "quarantine"
QUARANTINE_SCHEMA = pl.Schema(
    {DAY: pl.Date(), SOURCE: pl.String(), RULES: pl.List(pl.String()), "reason": pl.String(), "row": pl.String()}
)
"""One row per bad row: the rules it broke, the same in words, and its values as JSON (personal ones as pseudonyms)."""


@dataclass(frozen=True)
class Batch:
    """Rows of one window, checked and without personal data: what goes to raw and what to quarantine."""

    raw: pl.DataFrame
    quarantine: pl.DataFrame

    @property
    def rows(self) -> int:
        """Rows of both parts."""
        return self.raw.height + self.quarantine.height


@dataclass(frozen=True)
class Landed:
    """What landing one window did.

    `rows_read = rows_written + rows_quarantined + rows_already_held`; the last only for mutable tables.
    """

    window: Window
    rows_read: int
    rows_written: int
    rows_already_held: int
    rows_quarantined: int
    raw: Commit


def raw_table(lake: Lake, contract: Contract) -> LakeTable:
    """The lake table of a contract's good rows."""
    return lake.table(RAW, contract.name, contract.landed_schema)


def quarantine_table(lake: Lake, contract: Contract) -> LakeTable:
    """The lake table of a contract's bad rows."""
    return lake.table(QUARANTINE, contract.name, QUARANTINE_SCHEMA)


def prepare(contract: Contract, frame: pl.DataFrame, source: str, pseudonym_key: bytes) -> Batch:
    """Checks the rows against the contract, replaces personal data in both parts, and adds day and source.

    Raises:
        ContractError: if a column is missing or of another type.
    """
    checked = validate(contract, frame)
    landing = (pl.col(contract.cursor).dt.date().alias(DAY), pl.lit(source).alias(SOURCE))
    raw = pseudonymise(checked.valid, contract.personal_columns, pseudonym_key)
    invalid = pseudonymise(checked.invalid, contract.personal_columns, pseudonym_key)
    quarantine = invalid.select(
        *landing,
        pl.col(RULES),
        reason(pl.col(RULES)).alias("reason"),
        pl.struct(contract.source_schema.names()).struct.json_encode().alias("row"),
    )
    return Batch(
        raw.with_columns(landing).select(contract.landed_schema.names()).sort(DAY, *contract.key),
        quarantine.sort(DAY, "row"),
    )


def land_window(
    lake: Lake,
    contract: Contract,
    window: Window,
    read: Callable[[], Batch],
    *,
    source: str,
    allow_empty: bool = False,
    is_whole: bool = False,
    replace_versions: bool = False,
) -> Landed:
    """Reads a window's batch and writes it: append tables hold it then exactly, mutable ones in addition.

    Quarantine is written first: killed in between, the run is not done and writes both again.

    Args:
        lake: where to.
        contract: the table.
        window: the days. Every row of the batch lies in them.
        read: gives the batch; asked again if another writer was quicker.
        source: the way in that brought the rows. Rows of other sources are not touched.
        allow_empty: let the window of an append table lose all its rows.
        is_whole: the batch is all that the source will ever say of the window, as a file's is. Then quarantine
            holds exactly its bad rows, for mutable tables too.
        replace_versions: let a mutable table, too, hold exactly the batch: what this source landed before is gone.

    Raises:
        EmptyWindowError: if the window of an append table would lose all its rows; see `allow_empty`.
    """

    def work() -> Landed:
        raw, quarantine = raw_table(lake, contract), quarantine_table(lake, contract)
        raw_handle, quarantine_handle = raw.open(), quarantine.open()
        batch = read()
        if contract.kind == "mutable" and not is_whole:
            quarantine.add_versions(quarantine_handle, batch.quarantine, window, key=["row"], source=source)
        else:
            quarantine.replace_window(quarantine_handle, batch.quarantine, window, source=source, allow_empty=True)
        if contract.kind == "mutable" and not replace_versions:
            commit, written = raw.add_versions(raw_handle, batch.raw, window, key=contract.key, source=source)
        else:
            commit = raw.replace_window(raw_handle, batch.raw, window, source=source, allow_empty=allow_empty)
            written = batch.raw.height
        return Landed(
            window=window,
            rows_read=batch.rows,
            rows_written=written,
            rows_already_held=batch.raw.height - written,
            rows_quarantined=batch.quarantine.height,
            raw=commit,
        )

    return with_fresh_input(work)
