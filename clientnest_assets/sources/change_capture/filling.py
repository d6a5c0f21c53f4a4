"""Values that the server did not send because they did not change: large ones, which it stores apart (TOAST).

They are what the row's change before had, in the same batch or else in the lake.
"""

from __future__ import annotations

import polars as pl

from clientnest_assets.contracts.validation import RULES
from clientnest_assets.sources.change_capture.held import VERSION, Held
from clientnest_assets.sources.change_capture.pgoutput import POSITION, UNCHANGED
from clientnest_assets.sources.change_capture.tables import DELETED, ENTITY, OLD_ENTITY, ORIGINAL, unchanged, values_of

NOT_CAPTURED = "not_captured"
"""Rule: a value was not sent, because it did not change, and no version with it was ever captured."""
LINEAGE = "|lineage"
"""The id that a row had when the batch began, whatever its id is now."""
ROW = [POSITION, ENTITY]
"""A change of one row; a truncation changes many at one position."""
BOUND = "|bound"
"""The version before a change is no later than this moment."""
INDEX = "|index"
NEW_LINEAGE = -(2**62)


def filled(changes: pl.DataFrame, held: Held) -> pl.DataFrame:
    """The changes, in their order, with values in place of those that were not sent.

    A row of which such a value is nowhere to be found gets the rule `<column>|not_captured`.
    """
    names = unchanged(changes)
    if not names:
        return changes
    rows = changes.with_columns(_lineage(changes).alias(LINEAGE)).with_row_index(INDEX)
    for name in names:
        is_sent = ~pl.col(DELETED) & ~pl.col(UNCHANGED + name).fill_null(value=False)
        known_at = pl.when(is_sent).then(INDEX).forward_fill().over(LINEAGE)
        lost = pl.col(RULES).list.contains(f"{name}|cast").fill_null(value=False)
        rows = rows.with_columns(
            pl.col(name).gather(known_at),
            (~pl.col(DELETED) & (known_at.is_null() | (lost.gather(known_at) & ~is_sent))).alias(UNCHANGED + name),
        )
    wanted = rows.filter(pl.any_horizontal(pl.col(UNCHANGED + name) for name in names))
    if not wanted.is_empty():
        rows = _from_lake(rows, wanted, names, held)
    return rows.drop(LINEAGE, INDEX, *(UNCHANGED + name for name in names))


def latest(versions: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """For each wanted change its row's latest version up to BOUND; if there is none, the latest of all.

    Args:
        versions: with ENTITY and VERSION.
        wanted: POSITION, ENTITY and BOUND; without a bound the latest is meant.
    """
    found = wanted.join(versions, on=ENTITY)
    is_before = (pl.col(VERSION) <= pl.col(BOUND)).fill_null(value=True)
    return found.sort(POSITION, is_before, VERSION).unique(ROW, keep="last", maintain_order=True)


def _from_lake(rows: pl.DataFrame, wanted: pl.DataFrame, names: list[str], held: Held) -> pl.DataFrame:
    contract = held.contract
    wanted = wanted.select(POSITION, pl.col(LINEAGE).alias(ENTITY), pl.col(contract.cursor).alias(BOUND))
    entities = wanted.get_column(ENTITY).unique()
    versions = [held.versions(entities), held.bad_versions(entities, names, rows.schema)]
    captured = pl.concat(
        [
            each.select(pl.col(contract.entity_key).alias(ENTITY), VERSION, *(n for n in names if n in each.columns))
            for each in versions
        ],
        how="diagonal",
    )
    before = latest(captured, wanted)
    rows = rows.join(
        before.select(POSITION, pl.col(n for n in names if n in before.columns).name.prefix("|before|")),
        on=POSITION,
        how="left",
        maintain_order="left",
    )
    for name in names:
        found = pl.col(f"|before|{name}") if f"|before|{name}" in rows.columns else pl.lit(None, rows.schema[name])
        # A null is never stored apart, so a null before is not the value.
        is_lost = pl.col(UNCHANGED + name) & found.is_null()
        rule = pl.when(is_lost).then(pl.lit([f"{name}|{NOT_CAPTURED}"])).otherwise(pl.lit([], pl.List(pl.String)))
        rows = rows.with_columns(
            pl.when(pl.col(UNCHANGED + name)).then(found).otherwise(pl.col(name)).alias(name),
            pl.when(is_lost).then(pl.col(RULES).fill_null([]).list.concat(rule)).otherwise(pl.col(RULES)).alias(RULES),
        )
    json = pl.struct(values_of(rows)).struct.json_encode()
    return rows.with_columns(
        pl.when(pl.col(RULES).is_not_null()).then(pl.coalesce(ORIGINAL, json)).alias(ORIGINAL)
    ).select(pl.exclude(r"^\|before\|.*$"))


def _lineage(changes: pl.DataFrame) -> pl.Series:
    """By which changes of the batch are told to be of one row, through changes of its id."""
    if changes.get_column(OLD_ENTITY).is_null().all():
        return changes.get_column(ENTITY)
    current: dict[int, int] = {}
    lineage = []
    for position, entity, old in changes.select(POSITION, ENTITY, OLD_ENTITY).iter_rows():
        if old is not None:
            current[entity] = current.get(old, old)
            # Whatever has the old id from now on is another row.
            current[old] = NEW_LINEAGE + position
        lineage.append(current.get(entity, entity))
    return pl.Series(lineage, dtype=pl.Int64)
