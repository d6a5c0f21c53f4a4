"""Checks a batch against its contract and parts the good rows from the bad, losing none.

What becomes of personal data in either part is not decided here but in `sources/landing.py`.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import dataframely as dy
import polars as pl

from clientnest_assets.contracts.contract import Contract, ContractError

RULES = "rules"
REASONS = {
    "nullability": "is missing",
    "primary_key": "the key stands in more than one different row",
    "duplicate_row": "the same row came more than once; one copy was kept",
    "check__allowed_values": "is not one of the allowed values",
    "inner_nullability": "has an empty element",
    "nan": "is not a number (NaN)",
    "inf": "is infinite",
    "min": "is below its minimum",
    "max": "is above its maximum",
    "min_length": "is empty or too short",
    "max_length": "is too long",
    "regex": "has not the expected form",
    "cast": "cannot be read as the contract's type",
    "missing_field": "is not in the platform's answer",
    "encoding": "holds bytes that are not of the file's encoding",
    "nul_byte": "holds a NUL byte",
    "plausible": "lies before 1990 or in the future",
    "malformed_line": "the line is broken: it has more or fewer columns than the header, or is no JSON object",
    "held_elsewhere": "another source has already landed a row with this key",
    "duplicate_event": "the same event came more than once; the one received first was kept",
    "conflicting_event": "another event with the same event_id was received before",
    "version_changed": "this version was landed before with other values",
    "outside_days": "lies before the first day there is data for, or more than a day in the future",
    "not_json": "is no JSON object in UTF-8",
    "not_avro": "is no record of the Avro schema",
    "empty": "has no value",
    "unknown_field": "is not in the contract",
    "not_captured": "was not sent, because it did not change, and no version with it was ever captured",
    "pseudonym": "was new to the contract when the row came, so only its pseudonym was kept",
}


@dataclass(frozen=True)
class Validated:
    """`valid` has the batch's columns; `invalid` those and `rules`, the list of rules each row breaks."""

    valid: pl.DataFrame
    invalid: pl.DataFrame


def validate(contract: Contract, frame: pl.DataFrame) -> Validated:
    """Parts a batch into rows that keep the contract and rows that do not. Columns beyond it are kept, unchecked.

    Of rows alike in every column one is kept. Rows that share a key and differ are all invalid:
    nothing here says which is right.

    Raises:
        ContractError: if a column is missing or has another type; names each.
    """
    require_columns(contract, dict(frame.schema))
    extra = [name for name in frame.columns if name not in contract.source_schema]
    frame = frame.select(*contract.source_schema.names(), *extra)
    copies = frame.clear()
    is_distinct = _has_distinct(frame, contract.key)
    if not is_distinct:
        shared = pl.struct(contract.key).is_duplicated()
        alike, others = frame.filter(shared), frame.filter(~shared)
        first = alike.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        copies, frame = alike.filter(~first), pl.concat([others, alike.filter(first)])
        is_distinct = _has_distinct(frame, contract.key)
    checked = checked_rows(schema_with(contract, extra, keyed=not is_distinct), frame)
    repeated = copies.with_columns(pl.lit(["duplicate_row"], pl.List(pl.String)).alias(RULES))
    return Validated(checked.valid, pl.concat([checked.invalid, repeated]))


def checked_rows(schema: type[dy.Schema], frame: pl.DataFrame) -> Validated:
    """Parts a frame by a schema that knows each of its columns."""
    result, failure = schema.filter(frame)
    details = failure.details()
    rules = [name for name in details.columns if name not in frame.columns]
    broken = pl.concat_list(
        [pl.when(pl.col(rule).cast(pl.String) == "invalid").then(pl.lit(rule)) for rule in rules]
    ).list.drop_nulls()
    return Validated(pl.DataFrame(result), details.select(*frame.columns, broken.alias(RULES)))


def _has_distinct(frame: pl.DataFrame, key: list[str]) -> bool:
    """True only if no two rows share a key. By hashes, a fifth of the time: rows that share a key share its hash."""
    return bool(frame.select(pl.struct(key).hash().n_unique() == pl.len()).item())


def schema_with(contract: Contract, extra: list[str], *, keyed: bool) -> type[dy.Schema]:
    """The contract's schema with further columns, which dataframely would leave out; its key checked only if `keyed`."""
    columns = {}
    for name, column in contract.columns.items():
        columns[name] = copy(column)
        columns[name].primary_key = column.primary_key and keyed
    columns |= {f"extra_{number}": dy.Any(alias=name) for number, name in enumerate(extra)}
    return type(contract.schema.__name__, (dy.Schema,), columns)


def require_columns(contract: Contract, found: dict[str, pl.DataType]) -> None:
    """Raises a ContractError that names every column of the contract that is missing or of another type."""
    missing = [name for name in contract.source_schema if name not in found]
    retyped = [
        f"{name} is {found[name]} instead of {dtype}"
        for name, dtype in contract.source_schema.items()
        if name in found and found[name] != dtype
    ]
    if missing or retyped:
        problems = [f"missing: {', '.join(missing)}"] if missing else []
        problems += [f"of another type: {'; '.join(retyped)}"] if retyped else []
        raise ContractError(
            f"the rows for {contract.name} break its contract as a whole ({'; '.join(problems)}). Nothing was written. "
            "Mend the source, or the contract in clientnest_assets/contracts."
        )


def reason(rules: pl.Expr) -> pl.Expr:
    """The broken rules (a list such as ["likes_count|min"]) in words: "likes_count is below its minimum"."""
    column = pl.element().str.extract(r"^(.*)\|", 1)
    rule = pl.element().str.extract(r"([^|]*)$", 1)
    words = pl.concat_str(column, rule.replace(REASONS), separator=" ", ignore_nulls=True)
    return rules.list.eval(words).list.join("; ")
