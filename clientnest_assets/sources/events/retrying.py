"""Messages in quarantine, decoded anew: those that are events now go to the inbox, each exactly once.

What settling put there, the copies of events, is not tried: it follows from the inbox.
"""

from __future__ import annotations

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.contracts.validation import RULES, reason
from clientnest_assets.lake import DeliveredElsewhereError, Delivery, Lake, with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events.decoding import DELIVERY, Days, Decoder, original_of
from clientnest_assets.sources.events.feed import Stretch
from clientnest_assets.sources.events.inbox import CONTRACT, event_quarantine, inbox_table
from clientnest_assets.sources.quarantine import Retried

ATTEMPTS = 8


def retry_events(
    lake: Lake,
    source: str,
    decoder: Decoder,
    days: Days,
    *,
    feed: str,
    stamps_receipt: bool,
    window: Window | None = None,
    dry_run: bool = False,
) -> Retried:
    """Delivers the quarantined messages of one source that are events now. The others stay, with their reasons as of now.

    The inbox is written first, and a message it has already is not written again. So a retry that was cut off is simply
    given again.

    Args:
        lake: where.
        source: of the rows, "kafka" or "http".
        decoder: of the source's messages.
        days: which days events may be of.
        feed: the name of the feed that brought them.
        stamps_receipt: as that feed has it.
        window: the days in quarantine whose messages are tried; by default all.
        dry_run: find what would become of them, and write nothing.

    Raises:
        DeliveredElsewhereError: if another retry is quicker, again and again.
    """

    def work() -> Retried:
        return _retry(lake, source, decoder, days, feed, window, stamps_receipt=stamps_receipt, dry_run=dry_run)

    for _ in range(ATTEMPTS - 1):
        try:
            return with_fresh_input(work)
        except DeliveredElsewhereError:
            continue
    return with_fresh_input(work)


def _retry(
    lake: Lake,
    source: str,
    decoder: Decoder,
    days: Days,
    feed: str,
    window: Window | None,
    *,
    stamps_receipt: bool,
    dry_run: bool,
) -> Retried:
    inbox, quarantine = inbox_table(lake), event_quarantine(lake)
    # Both before anything is read: what comes in between is a conflict, and all is done again.
    handle, own = quarantine.open(), f"retry:{source}"
    tries = inbox.delivered([own])[own]
    rows = quarantine.scan(window).filter(pl.col(SOURCE) == source).collect()
    # Only a message that the inbox is past: any other is still to be delivered, and would come once more.
    partitions = rows.get_column(DELIVERY).str.extract("^(.*)@").unique().drop_nulls().to_list()
    reached = inbox.delivered([f"{feed}:{partition}" for partition in partitions])
    ends = {partition: reached[f"{feed}:{partition}"] or 0 for partition in partitions}
    decoded = decoder.decode(_stretches(rows, ends), days, stamps_receipt=stamps_receipt)
    events = decoded.events.with_columns(
        pl.col(CONTRACT.cursor).dt.date().alias(DAY), pl.lit(source).alias(SOURCE)
    ).sort(DAY, CONTRACT.cursor, DELIVERY)
    of_days = events.get_column(DAY).unique().sort().to_list()
    held = (
        inbox.scan()
        .filter((pl.col(SOURCE) == source) & pl.col(DAY).is_in(of_days))
        .join(events.lazy().select(DELIVERY), on=DELIVERY, how="semi")
        .select(DELIVERY)
        .collect()
    )
    new = events.join(held, on=DELIVERY, how="anti", maintain_order="left")
    now = decoded.rejects.select(DELIVERY, pl.col(RULES).alias("now"))
    stay = (
        rows.join(events, on=DELIVERY, how="anti", maintain_order="left")
        .join(now, on=DELIVERY, how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("now", RULES).alias(RULES),
            pl.when(pl.col("now").is_null()).then("reason").otherwise(reason(pl.col("now"))).alias("reason"),
        )
        .drop("now")
    )
    if not dry_run and not stay.equals(rows):
        if not new.is_empty():
            inbox.append_once(new, {own: Delivery(tries, (tries or 0) + 1)})
        span = Window.of_days(*rows.select(pl.col(DAY).min(), pl.col(DAY).max().alias("last")).row(0))
        quarantine.replace_window(handle, stay, span, source=source, allow_empty=True)
    return Retried(
        table=CONTRACT.name,
        source=source,
        rows=rows.height,
        rows_landed=new.height,
        rows_held=held.height,
        left=dict(stay.get_column("reason").value_counts(sort=True).iter_rows()),
        days_changed=of_days,
    )


def _stretches(rows: pl.DataFrame, ends: dict[str, int]) -> dict[str, Stretch]:
    """The messages by partition, in the order of their offsets, as far as the inbox is."""
    found: dict[str, Stretch] = {}
    for each in sorted((original_of(row) for row in rows.get_column("row")), key=lambda each: each.offset):
        if each.offset >= ends.get(each.partition, 0):
            continue
        stretch = found.setdefault(each.partition, Stretch(None, ends[each.partition]))
        stretch.offsets.append(each.offset)
        stretch.payloads.append(each.payload)
        stretch.received_at.append(each.received_at)
    return found
