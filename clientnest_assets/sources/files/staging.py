"""A file's records as typed rows of our tables, spilled to disk batch by batch: files larger than memory come through.

Each staged row still knows its record: number, original values and what could not be read. Which rows keep
their contract is found in `checking.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from clientnest_assets.contracts import DAY, Contract
from clientnest_assets.contracts.validation import RULES
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources.files.expressions import Reading, never, reading, texts
from clientnest_assets.sources.files.mapping import Mapping, MappingError
from clientnest_assets.sources.files.reading import UNDECODED
from clientnest_assets.sources.files.records import BROKEN, RECORD, Records
from clientnest_assets.sources.files.specs import FILE_NAME, When

ORIGINAL = "#original"
"""The values of the record as they stand in the file: those that the table's columns are made from."""
MADE = "#made "
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nothing that this platform is about is older. What seems to be has a misread date, and would stretch the calendar."""
CLOCK_TOLERANCE = timedelta(days=1)
UNKNOWN_DAY = datetime(1970, 1, 1, tzinfo=UTC).date()
"""The day in quarantine of the rows of a file in which no row has a day."""


@dataclass(frozen=True)
class Staged:
    """One table's rows in a folder of Parquet files.

    Columns: the contract's, `day` (null where the cursor cannot be read), `#record`, `#original`, and `rules`,
    the list of what makes the row unfit already (empty: nothing).
    """

    contract: Contract
    folder: Path
    left_out: int
    """Records that the mapping's `when` has no row of this table for."""

    def scan(self) -> pl.LazyFrame:
        """All rows, in no order."""
        return pl.scan_parquet(self.folder / "*.parquet")


@dataclass(frozen=True)
class _Plan:
    """How the rows of one table are made from records."""

    contract: Contract
    readings: dict[str, Reading]
    values: dict[str, Reading]
    originals: list[str]
    wanted: pl.Expr
    """Which records become a row of the table."""


def stage(records: Records, mapping: Mapping, folder: Path, key: bytes, now: datetime) -> list[Staged]:
    """Reads all records and stages each table of the mapping under the folder.

    Args:
        records: of the file, not yet taken.
        mapping: what to make of them.
        folder: an empty one, on a disk with room for the file.
        key: of the pseudonyms. Personal data does not reach the folder.
        now: a row from after it (and a day) is not plausible.

    Raises:
        MappingError: if a constant does not fit its column, or a time's format is none.
        FileError: if the file turns out to be unreadable further on.
    """
    plans = [_plan(mapping, contract, key) for contract in mapping.contracts.values()]
    left_out = dict.fromkeys(mapping.contracts, 0)
    for table in mapping.contracts:
        (folder / table).mkdir()
    for number, batch in enumerate(records.batches):
        made = batch.with_columns(texts(spec)[1].alias(name) for name, spec in mapping.values.items())
        for plan in plans:
            table = plan.contract.name
            wanted = made.filter(plan.wanted)
            left_out[table] += made.height - wanted.height
            rows = _rows(wanted, plan, mapping, key, now)
            rows.write_parquet(folder / table / f"{number:06}.parquet", compression="lz4")
    return [Staged(plan.contract, folder / plan.contract.name, left_out[plan.contract.name]) for plan in plans]


def _plan(mapping: Mapping, contract: Contract, key: bytes) -> _Plan:
    table = mapping.tables[contract.name]
    specs, read = table.columns, table.reads
    empty = pl.DataFrame(schema=dict.fromkeys([*mapping.file_columns, *mapping.values, FILE_NAME], pl.String))
    personal = {*mapping.personal_columns, *_made_from(mapping, mapping.personal_columns)}
    readings: dict[str, Reading] = {}
    for name, dtype in contract.source_schema.items():
        if name not in specs:
            readings[name] = Reading(pl.lit(None, dtype), never)
            continue
        try:
            readings[name] = reading(specs[name], dtype, mapping.file, personal=personal, key=key)
            empty.select(readings[name].value.alias(name))
        except (ValueError, pl.exceptions.PolarsError) as error:
            raise MappingError(
                f"mapping {mapping.source!r}, tables.{contract.name}.columns.{name}: "
                f"{str(error).partition(chr(10) * 2 + 'This error')[0]}"
            ) from None
    values = {name: reading(spec, pl.String(), mapping.file) for name, spec in mapping.values.items() if name in read}
    originals = sorted(mapping.columns_behind(read) - {FILE_NAME})
    return _Plan(contract, readings, values, originals, _wanted(table.when))


def _wanted(when: When | None) -> pl.Expr:
    """Broken records always: nobody knows which table they are for, and in quarantine they are seen."""
    if when is None:
        return pl.lit(value=True)
    filled = (pl.col(name).is_not_null() for name in when.not_empty)
    equal = (pl.col(name).is_in(list(values)).fill_null(value=False) for name, values in when.equals.items())
    return pl.col(BROKEN).is_not_null() | pl.all_horizontal(*filled, *equal)


def _made_from(mapping: Mapping, columns: frozenset[str]) -> set[str]:
    return {name for name, spec in mapping.values.items() if spec.reads & columns}


def _rows(records: pl.DataFrame, plan: _Plan, mapping: Mapping, key: bytes, now: datetime) -> pl.DataFrame:
    contract = plan.contract
    whole = pl.col(BROKEN).is_null()
    # Beside the records, each under a name that no column of a file has, so that nothing is read twice.
    read = {name: (f"{MADE}{name}", each) for name, each in plan.readings.items()}
    records = records.with_columns(each.value.alias(made) for made, each in read.values())
    failures = {f"{name}|cast": each.failed(each.value) for name, each in plan.values.items()}
    failures |= {f"{name}|cast": each.failed(pl.col(made)) for name, (made, each) in read.items()}
    for name in plan.originals:
        failures[f"{name}|encoding"] = pl.col(name).str.contains(UNDECODED, literal=True)
        failures[f"{name}|nul_byte"] = pl.col(name).str.contains("\0", literal=True)
    failures["malformed_line"] = ~whole
    rules = pl.concat_list(
        [pl.when(failed.fill_null(value=False)).then(pl.lit(rule)) for rule, failed in failures.items()]
    ).list.drop_nulls()
    private = [name for name in plan.originals if name in mapping.personal_columns]
    # A broken record is the text of all its columns, whichever of them this table is made from.
    if mapping.personal_columns:
        private.append(BROKEN)
    originals = pseudonymise(records.select(RECORD, BROKEN, *plan.originals), private, key)
    rows = records.select(
        *(pl.col(made).alias(name) for name, (made, _) in read.items()),
        pl.col(RECORD),
        rules.alias(RULES),
        originals.to_struct(ORIGINAL),
    )
    cursor = pl.col(contract.cursor)
    plausible = cursor.is_between(EARLIEST, now + CLOCK_TOLERANCE)
    return pseudonymise(rows, contract.personal_columns, key).with_columns(
        pl.when(plausible).then(cursor.dt.date()).alias(DAY),
        pl.when(~plausible)
        .then(pl.col(RULES).list.concat(pl.lit([f"{contract.cursor}|plausible"])))
        .otherwise(RULES)
        .alias(RULES),
    )
