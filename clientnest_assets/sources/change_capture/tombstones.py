"""The end of rows: what stands in a raw table for a row that the app has deleted, and for one that came back.

A tombstone is the row's last captured version, with the commit time of the delete in `deleted_at` and a version of
its own: the newest of the row, so that whoever reads the latest versions sees that the row is gone.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from clientnest_assets.contracts import DELETED_AT
from clientnest_assets.sources.change_capture.filling import BOUND, ROW, latest
from clientnest_assets.sources.change_capture.held import VERSION, Held
from clientnest_assets.sources.change_capture.pgoutput import COMMITTED_AT, POSITION
from clientnest_assets.sources.change_capture.tables import ENTITY

CLOCK_SKEW = timedelta(minutes=1)
"""How far the app's clocks, which write updated_at, may be ahead of the database's, which writes commit times."""
TICK = timedelta(microseconds=1)
AFTER = "|after"
FLOOR = "|floor"


def ended(deletes: pl.DataFrame, good: pl.DataFrame, held: Held, *, by_clock: bool) -> pl.DataFrame:
    """The tombstones of deleted rows. A row of which no version was ever captured has none.

    Args:
        deletes: POSITION, COMMITTED_AT and ENTITY.
        good: the batch's good versions, with POSITION.
        held: what the lake has.
        by_clock: the app's `updated_at` goes by the clock, as commit times do. A tombstone's version is then its
            commit time, or right after the row's last version if that is later. In a simulated world the two times
            have nothing to do with each other, and it always comes right after the last version.
    """
    contract = held.contract
    key, cursor = contract.entity_key, contract.cursor
    if deletes.is_empty():
        return good.clear().with_columns(pl.lit(None, contract.landed_schema[DELETED_AT]).alias(DELETED_AT))
    bound = pl.col(COMMITTED_AT) + CLOCK_SKEW if by_clock else pl.lit(None, pl.Datetime("us", "UTC"))
    wanted = deletes.select(POSITION, COMMITTED_AT, ENTITY, bound.alias(BOUND))
    entities = wanted.get_column(ENTITY).unique()
    # Landed already, by a run that was killed before the slot was moved on: that one stays.
    known = held.tombstones(entities).rename({key: ENTITY, DELETED_AT: COMMITTED_AT})
    known = wanted.drop(BOUND).join(known, on=[ENTITY, COMMITTED_AT]).with_columns(pl.col(ENTITY).alias(key))
    known = known.unique(ROW, keep="first")
    wanted = wanted.join(known, on=ROW, how="anti")

    batch = good.drop(COMMITTED_AT).rename({POSITION: AFTER}).with_columns(pl.col(key).alias(ENTITY))
    here = wanted.join(batch, on=ENTITY).filter(pl.col(AFTER) < pl.col(POSITION)).sort(POSITION, AFTER)
    here = here.with_columns(pl.col(cursor).max().over(ROW).alias(FLOOR))
    here = here.unique(ROW, keep="last", maintain_order=True)

    elsewhere = wanted.join(here, on=ROW, how="anti")
    versions = held.versions(elsewhere.get_column(ENTITY).unique()).with_columns(pl.col(key).alias(ENTITY))
    # In the lake already, by such a run or by a reading of the window: what comes after the delete.
    later = elsewhere.join(batch.select(ENTITY, pl.col(cursor).alias(VERSION), AFTER), on=ENTITY)
    later = later.filter(pl.col(AFTER) > pl.col(POSITION)).select(ENTITY, VERSION)
    there = latest(versions.join(later, on=[ENTITY, VERSION], how="anti"), elsewhere)
    # Unless it is the same version that came back, and there is no other.
    there = pl.concat([there, latest(versions, elsewhere.join(there, on=ROW, how="anti"))])
    there = there.with_columns(pl.col(VERSION).alias(FLOOR))

    version = pl.col(FLOOR) + TICK
    if by_clock:
        version = pl.max_horizontal(version, COMMITTED_AT)
    made = pl.concat([here, there], how="diagonal_relaxed").with_columns(version.alias(cursor))
    found = pl.concat([known, made], how="diagonal_relaxed").with_columns(pl.col(COMMITTED_AT).alias(DELETED_AT))
    return found.drop(ENTITY, BOUND, FLOOR, AFTER, VERSION, strict=False)


def in_order(rows: pl.DataFrame, held: Held) -> pl.DataFrame:
    """The versions and tombstones, each after a row's tombstone newer than what is before it in the stream.

    A row that comes back, restored from a backup for example, may bear the time of long ago; it would stay hidden
    behind its tombstone, so its version is moved right after that.

    Args:
        rows: with POSITION and COMMITTED_AT.
        held: what the lake has.
    """
    key, cursor = held.contract.entity_key, held.contract.cursor
    begins = rows.group_by(key).agg(
        pl.col(COMMITTED_AT).min().alias("|begins"), pl.col(DELETED_AT).count().alias("|dead")
    )
    before = held.tombstones(begins.get_column(key)).join(begins, on=key).filter(pl.col(DELETED_AT) < pl.col("|begins"))
    before = before.sort(VERSION).unique(key, keep="last")
    back = pl.concat([before.select(key), begins.filter(pl.col("|dead") > 0).select(key)]).unique()
    if back.is_empty():
        return rows
    before = before.select(key, pl.col(VERSION).alias(cursor), DELETED_AT, pl.lit(-1, pl.Int64).alias(POSITION))
    chain = pl.concat([rows.join(back, on=key, how="semi"), before], how="diagonal").sort(key, POSITION)
    is_after = pl.col(DELETED_AT).is_not_null().cum_max().over(key)
    place = is_after.cast(pl.Int64).cum_sum().over(key)
    # Strictly rising, each as early as it can be: e(k) = max(own(k), e(k-1) + 1), so e(k) - k is a running maximum.
    moment = pl.when(is_after).then(pl.col(cursor).dt.epoch("us") - place).cum_max().over(key) + place
    chain = chain.with_columns(
        pl.when(is_after)
        .then(moment.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        .otherwise(cursor)
        .alias(cursor)
    )
    return pl.concat([rows.join(back, on=key, how="anti"), chain.filter(pl.col(POSITION) >= 0)])
