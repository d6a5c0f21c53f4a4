"""The inbox: every delivered event once a message, with the positions of the feeds in the same commits.

What a message is worth is decided in `decoding.py`; that an event which was sent twice counts once, in `settling.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from clientnest_assets.contracts import CONTRACTS, DAY, SOURCE
from clientnest_assets.contracts.validation import RULES, reason
from clientnest_assets.lake import Delivery, Lake, LakeTable
from clientnest_assets.sources.events.decoding import DELIVERY, Days, Decoder
from clientnest_assets.sources.events.feed import Feed, Stretch
from clientnest_assets.sources.landing import QUARANTINED_AT, quarantine_table

INBOX = "inbox"
CONTRACT = CONTRACTS["app_events"]
INBOX_SCHEMA = pl.Schema({**CONTRACT.source_schema, DELIVERY: pl.String(), DAY: pl.Date(), SOURCE: pl.String()})
"""One row a delivered event: what it says, which message it came in, its UTC day, and the feed's source."""


@dataclass(frozen=True)
class Delivered:
    """What one batch came to. `messages = accepted + quarantined + already_quarantined`."""

    messages: int
    accepted: int
    quarantined: int
    already_quarantined: int
    """Those that a delivery which was cut off had already put into quarantine."""
    days: list[date]
    """The days that have further events in the inbox."""


def inbox_table(lake: Lake) -> LakeTable:
    """The lake table of delivered events."""
    return lake.table(INBOX, CONTRACT.name, INBOX_SCHEMA)


def event_quarantine(lake: Lake) -> LakeTable:
    """The quarantine of events, which also says from which message a row came."""
    table = quarantine_table(lake, CONTRACT)
    return lake.table(table.layer, table.name, pl.Schema({**table.schema, DELIVERY: pl.String()}))


def positions(lake: Lake, feed: Feed, partitions: Collection[str]) -> dict[str, int | None]:
    """Up to where the inbox has each of these partitions of the feed; None if it has nothing of it."""
    reached = inbox_table(lake).delivered([_application(feed, partition) for partition in partitions])
    return {partition: reached[_application(feed, partition)] for partition in partitions}


def deliver(lake: Lake, feed: Feed, stretches: Mapping[str, Stretch], decoder: Decoder, days: Days) -> Delivered:
    """Puts a batch into the inbox, and what is no event into quarantine; all of it, exactly once.

    Quarantine is written first. Killed in between, the batch is delivered again, perhaps cut differently, and what
    quarantine has of it already is left out.

    Raises:
        DeliveredElsewhereError: if another reader has delivered some of it: read on from `positions`.
    """
    decoded = decoder.decode(stretches, days, stamps_receipt=feed.stamps_receipt)
    events, rejects = decoded.events, decoded.rejects
    quarantine = event_quarantine(lake)
    # Asked whether or not there are rejects: what was one when the batch was cut off may be an event by now.
    reached = quarantine.delivered([_application(feed, partition) for partition in stretches])
    held = _held(quarantine, feed, stretches, reached)
    events, rejects = (part.join(held, on=DELIVERY, how="anti", maintain_order="left") for part in (events, rejects))
    if not rejects.is_empty():
        quarantine.append_once(
            _quarantine_rows(rejects, feed), _quarantine_deliveries(feed, stretches, rejects, reached)
        )
    day = pl.col(CONTRACT.cursor).dt.date().alias(DAY)
    inbox_table(lake).append_once(
        events.with_columns(day, pl.lit(feed.source).alias(SOURCE)).sort(DAY, CONTRACT.cursor),
        {_application(feed, partition): Delivery(each.start, each.end) for partition, each in stretches.items()},
    )
    messages = decoded.events.height + decoded.rejects.height
    return Delivered(
        messages=messages,
        accepted=events.height,
        quarantined=rejects.height,
        already_quarantined=messages - events.height - rejects.height,
        days=events.select(day).to_series().unique().sort().to_list(),
    )


def _application(feed: Feed, partition: str) -> str:
    """The name under which Delta keeps a partition's position."""
    return f"{feed.name}:{partition}"


def _held(
    quarantine: LakeTable, feed: Feed, stretches: Mapping[str, Stretch], reached: Mapping[str, int | None]
) -> pl.DataFrame:
    """The deliveries of these stretches that quarantine has: none, unless one of them was cut off before."""
    again = [
        f"{partition}@{offset}"
        for partition, each in stretches.items()
        if (reached[_application(feed, partition)] or 0) > (each.start or 0)
        for offset in each.offsets
    ]
    wanted = pl.DataFrame({DELIVERY: again}, schema={DELIVERY: pl.String})
    if wanted.is_empty():
        return wanted
    rows = quarantine.scan().filter(pl.col(SOURCE) == feed.source).select(DELIVERY)
    return rows.join(wanted.lazy(), on=DELIVERY, how="semi").collect()


def _quarantine_rows(rejects: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    now = datetime.now(UTC)
    return rejects.select(
        # By the day it happened, if that is known and not what is wrong.
        pl.coalesce(pl.col("happened_at").dt.date(), pl.lit(now.date())).alias(DAY),
        pl.lit(feed.source).alias(SOURCE),
        RULES,
        reason(pl.col(RULES)).alias("reason"),
        "row",
        pl.lit(now, pl.Datetime("us", "UTC")).alias(QUARANTINED_AT),
        DELIVERY,
    ).sort(DAY)


def _quarantine_deliveries(
    feed: Feed, stretches: Mapping[str, Stretch], rejects: pl.DataFrame, reached: Mapping[str, int | None]
) -> dict[str, Delivery]:
    """Positions of the quarantine itself, which move on with every write: so of two readers only one can write."""
    partitions = rejects.get_column(DELIVERY).str.extract("^(.*)@").unique().to_list()
    found = {}
    for partition in partitions:
        before = reached[_application(feed, partition)]
        found[_application(feed, partition)] = Delivery(before, max(stretches[partition].end, (before or 0) + 1))
    return found
