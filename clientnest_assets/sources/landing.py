"""Landing: from a batch of one source to the raw table and its quarantine, the same for every way in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from clientnest_assets.contracts import DAY, DELETED_AT, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import Commit, Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise

RAW = "raw"
QUARANTINE = "quarantine"
QUARANTINE_SCHEMA = pl.Schema(
    {DAY: pl.Date(), SOURCE: pl.String(), RULES: pl.List(pl.String()), "reason": pl.String(), "row": pl.String()}
)
"""One row per bad row: the rules it broke, the same in words, and its values as JSON (personal ones as pseudonyms)."""
QUARANTINED_AT = "quarantined_at"
"""When the row was first put into quarantine. Landed again, it keeps the time."""
PSEUDONYM = "pseudonym:"
"""Stands in a quarantined row before a text that nobody has said of yet whether it is personal: what was it is gone."""


class TooManyBadRowsError(ClientNestError):
    """So many of a day's rows are bad that the source or the contract must be wrong. Nothing was written."""


@dataclass(frozen=True)
class Limit:
    """A day fails when more than `share` of its rows and more than `rows` of them are bad."""

    share: float = 0.2
    rows: int = 100

    def require(self, contract: Contract, batch: Batch) -> None:
        """Raises a TooManyBadRowsError that names each day and the commonest reasons, if a day is over the limit."""
        good, bad = (
            part.group_by(DAY).agg(pl.len().alias(name))
            for part, name in ((batch.raw, "good"), (batch.quarantine, "bad"))
        )
        days = bad.join(good, on=DAY, how="left").with_columns(pl.col("good").fill_null(0))
        over = days.filter(
            (pl.col("bad") > self.rows) & (pl.col("bad") > self.share * (pl.col("bad") + pl.col("good")))
        )
        if over.is_empty():
            return
        told = [
            f"{day}: {bad} of {bad + good}"
            for day, bad, good in over.sort(DAY).head(5).select(DAY, "bad", "good").rows()
        ]
        reasons = batch.quarantine.join(over, on=DAY, how="semi").get_column("reason").value_counts(sort=True)
        raise TooManyBadRowsError(
            f"too many rows of {contract.name} are bad ({', '.join(told)}; allowed is a share of {self.share:g}). Mostly: "
            f"{'; '.join(reasons.get_column('reason').head(3))}. Nothing was written. Mend the source or the contract; or "
            "run again with --allow-bad-rows, or raise CLIENTNEST_MAX_BAD_SHARE, if it is to be so."
        )


NO_LIMIT = Limit(share=1.0)


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
    days_changed: list[date]
    """The days that have other rows in raw now, if only some were added; else those of the window."""


def raw_table(lake: Lake, contract: Contract) -> LakeTable:
    """The lake table of a contract's good rows."""
    return lake.table(RAW, contract.name, contract.landed_schema)


def quarantine_table(lake: Lake, contract: Contract) -> LakeTable:
    """The lake table of a contract's bad rows."""
    return lake.table(
        QUARANTINE, contract.name, pl.Schema({**QUARANTINE_SCHEMA, QUARANTINED_AT: pl.Datetime("us", "UTC")})
    )


def prepare(contract: Contract, frame: pl.DataFrame, source: str, pseudonym_key: bytes) -> Batch:
    """Checks the rows against the contract, replaces personal data in both parts, and adds day and source.

    Columns beyond the contract come along. Nobody has said yet whether they are personal, so their text is
    replaced too, until the contract knows them.

    Raises:
        ContractError: if a column is missing or of another type.
    """
    checked = validate(contract, frame)
    strange = [name for name in unknown_columns(contract, frame) if not _is_plain(frame.schema[name])]
    private = contract.personal_columns + strange
    raw = pseudonymise(checked.valid, private, pseudonym_key)
    bad = pseudonymise(checked.invalid, private, pseudonym_key)
    return Batch(
        landed(contract, raw, source),
        quarantined(contract, bad.with_columns((PSEUDONYM + pl.col(name)).alias(name) for name in strange), source),
    )


def _is_plain(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean


def unknown_columns(contract: Contract, frame: pl.DataFrame) -> list[str]:
    """The frame's columns that are neither the contract's nor landing's own."""
    return [name for name in frame.columns if name not in contract.landed_schema and name != RULES]


def landed(contract: Contract, rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Good rows with the columns of the raw table, and those beyond the contract, in the order of their cursor."""
    if contract.kind == "mutable" and DELETED_AT not in rows.columns:
        rows = rows.with_columns(pl.lit(None, contract.landed_schema[DELETED_AT]).alias(DELETED_AT))
    columns = [*contract.landed_schema.names(), *unknown_columns(contract, rows)]
    return rows.with_columns(_landing(contract, source)).select(columns).sort(*_order(contract))


def quarantined(contract: Contract, rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Bad rows, each with the rules it breaks, with the columns of the quarantine table but the time."""
    kept = [name for name in rows.columns if name not in (RULES, DAY, SOURCE)]
    # JSON has no NaN and no infinity; as text they stay what they were.
    floats = [name for name in kept if rows.schema[name].is_float()]
    as_text = [pl.col(name).cast(pl.String) for name in floats if not rows.get_column(name).is_finite().all()]
    original = pl.struct(kept).struct.json_encode().alias("row")
    words = reason(pl.col(RULES)).alias("reason")
    found = rows.with_columns(as_text).select(*_landing(contract, source), pl.col(RULES), words, original)
    return found.sort(DAY, "row")


def _landing(contract: Contract, source: str) -> list[pl.Expr]:
    return [pl.col(contract.cursor).dt.date().alias(DAY), pl.lit(source).alias(SOURCE)]


def _order(contract: Contract) -> list[str]:
    """Rows come and are asked for by time, so that little is moved; the key makes the order the only one."""
    return [contract.cursor, *(name for name in contract.key if name != contract.cursor)]


def land_window(
    lake: Lake,
    contract: Contract,
    window: Window,
    read: Callable[[], Batch],
    *,
    source: str,
    adds: bool = False,
    allow_empty: bool = False,
    is_whole: bool = False,
    replace_versions: bool = False,
    limit: Limit = NO_LIMIT,
) -> Landed:
    """Reads a window's batch and writes it: append tables hold it then exactly, mutable ones in addition.

    Quarantine is written first: killed in between, the run is not done and writes both again.

    Args:
        lake: where to.
        contract: the table.
        window: the days. Every row of the batch lies in them.
        read: gives the batch; asked again if another writer was quicker.
        source: the way in that brought the rows. Rows of other sources are not touched.
        adds: the batch is only a part of what the source says of the window: rows whose key is not held are added and
            none is removed, in append tables too.
        allow_empty: let the window of an append table lose all its rows.
        is_whole: the batch is all that the source will ever say of the window, as a file's is. Then quarantine
            holds exactly its bad rows, for mutable tables too.
        replace_versions: let a mutable table, too, hold exactly the batch: what this source landed before is gone.
        limit: how many of a day's rows may be bad.

    Raises:
        EmptyWindowError: if the window of an append table would lose all its rows; see `allow_empty`.
        TooManyBadRowsError: if a day has more bad rows than the limit allows.
    """

    def work() -> Landed:
        raw, quarantine = raw_table(lake, contract), quarantine_table(lake, contract)
        raw_handle, quarantine_handle = raw.open(), quarantine.open()
        batch = read()
        limit.require(contract, batch)
        if raw.widen(batch.raw.schema):
            # The handle is of before, and what it conflicts with must be what came after reading.
            raw_handle, batch = raw.open(), read()
        bad = _with_time(quarantine, batch.quarantine, window, source)
        if adds or (contract.kind == "mutable" and not is_whole):
            quarantine.add_missing(quarantine_handle, bad, window, key=["row"], source=source)
        else:
            quarantine.replace_window(quarantine_handle, bad, window, source=source, allow_empty=True)
        if adds or (contract.kind == "mutable" and not replace_versions):
            commit, new = raw.add_missing(raw_handle, batch.raw, window, key=contract.key, source=source)
            written, changed = new.height, new.get_column(DAY).unique().sort().to_list()
        else:
            commit = raw.replace_window(raw_handle, batch.raw, window, source=source, allow_empty=allow_empty)
            written, changed = batch.raw.height, window.days()
        return Landed(
            window=window,
            rows_read=batch.rows,
            rows_written=written,
            rows_already_held=batch.raw.height - written,
            rows_quarantined=batch.quarantine.height,
            raw=commit,
            days_changed=changed,
        )

    return with_fresh_input(work)


def _with_time(table: LakeTable, rows: pl.DataFrame, window: Window, source: str) -> pl.DataFrame:
    """The rows with the time they were first quarantined: of those held already, that time."""
    held = table.scan(window).filter(pl.col(SOURCE) == source).select(DAY, "row", QUARANTINED_AT)
    first = held.group_by(DAY, "row").agg(pl.col(QUARANTINED_AT).min()).collect()
    now = pl.lit(datetime.now(UTC), table.schema[QUARANTINED_AT])
    return rows.join(first, on=[DAY, "row"], how="left", maintain_order="left").with_columns(
        pl.col(QUARANTINED_AT).fill_null(now)
    )
