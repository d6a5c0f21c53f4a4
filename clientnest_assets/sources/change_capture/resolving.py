"""What changes mean for a table: which versions its rows went through, and which rows ended. Nothing is written here.

A transaction is seen as a whole, as the app's readers see it: of a row that it changes more than once only the last
state counts. How unchanged values are found is in `filling.py`, how tombstones come to be in `tombstones.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.sources.app_database import SOURCE_NAME
from clientnest_assets.sources.change_capture.filling import filled
from clientnest_assets.sources.change_capture.held import Held
from clientnest_assets.sources.change_capture.pgoutput import COMMITTED_AT, POSITION, TRANSACTION
from clientnest_assets.sources.change_capture.tables import CHANGE, DELETED, ENTITY, ORIGINAL, marked, values_of
from clientnest_assets.sources.change_capture.tombstones import ended, in_order
from clientnest_assets.sources.landing import Batch, landed, quarantined


@dataclass(frozen=True)
class Resolved:
    """What is to be landed, and what became of the other changes.

    `changes + tombstones = superseded + deletes + batch.rows + again.height`; a change of key is two changes.
    """

    batch: Batch
    """Good versions, one a key, and tombstones; and bad versions."""
    again: pl.DataFrame
    """Good versions whose key stands in the batch with an earlier one."""
    changes: int
    superseded: int
    """Changes that a later one of the same transaction made invisible; and deletes of rows that were gone."""
    deletes: int
    tombstones: int
    """Deletes of rows of which a version was captured. Of others there is nothing to end."""


def resolve(changes: pl.DataFrame, held: Held, *, by_clock: bool) -> Resolved:
    """The versions and tombstones that a batch's changes of one table amount to.

    Args:
        changes: of `tables.arranged`: all the changes of some rows.
        held: what the lake has.
        by_clock: see `tombstones.ended`.
    """
    contract = held.contract
    every_column = pl.DataFrame(schema={**CHANGE, **contract.source_schema})
    ordered = filled(pl.concat([every_column, changes], how="diagonal_relaxed").sort(POSITION), held)
    visible = ordered.unique([TRANSACTION, ENTITY], keep="last", maintain_order=True)
    # A truncation ends rows that were deleted before, too.
    visible = visible.filter(~(pl.col(DELETED) & pl.col(DELETED).shift().over(ENTITY).fill_null(value=False)))
    versions, deletes = visible.filter(~pl.col(DELETED)), visible.filter(DELETED)
    broken = versions.filter(pl.col(RULES).is_not_null())
    good, again, bad = _checked(contract, versions.filter(pl.col(RULES).is_null()))
    tombstones = ended(deletes, good, held, by_clock=by_clock)
    together = in_order(pl.concat([good, tombstones], how="diagonal_relaxed"), held)
    return Resolved(
        Batch(
            landed(contract, together.select(values_of(together)), SOURCE_NAME),
            pl.concat([bad, _bad(contract, broken)]),
        ),
        landed(contract, again.select(values_of(again)), SOURCE_NAME),
        changes=changes.height,
        superseded=ordered.height - visible.height,
        deletes=deletes.height,
        tombstones=tombstones.height,
    )


def _checked(contract: Contract, versions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Good versions with their place in the stream: the first of each key, and those after it. Then the bad ones.

    A version is the first good one of its key; so one that is mended without a new time still lands.
    """
    names, places = values_of(versions), [POSITION, COMMITTED_AT]
    rest = versions.select(*names, *places)
    good, again = [rest.clear()], [rest.clear()]
    bad = [versions.select(names).clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(RULES))]
    while not rest.is_empty():
        first = rest.unique(contract.key, keep="first", maintain_order=True)
        checked = validate(contract, first.select(names))
        accepted = checked.valid.join(first.select(*contract.key, *places), on=contract.key)
        good.append(accepted.select(rest.columns))
        bad.append(checked.invalid.select(*names, RULES))
        rest = rest.join(first, on=POSITION, how="anti")
        again.append(rest.join(accepted, on=contract.key, how="semi"))
        rest = rest.join(accepted, on=contract.key, how="anti")
    return pl.concat(good), pl.concat(again), quarantined(contract, marked(contract, pl.concat(bad)), SOURCE_NAME)


def _bad(contract: Contract, broken: pl.DataFrame) -> pl.DataFrame:
    """Versions with values that have not the contract's type, as in quarantine. One without a day gets its commit's."""
    return broken.select(
        pl.coalesce(contract.cursor, COMMITTED_AT).dt.date().alias(DAY),
        pl.lit(SOURCE_NAME).alias(SOURCE),
        RULES,
        reason(pl.col(RULES)).alias("reason"),
        pl.col(ORIGINAL).alias("row"),
    )
