"""Settling: from the inbox, which holds every delivery, to raw, which holds every event once.

Of the deliveries of one event (its UUID, in whatever case) the one received first wins. The others go to quarantine:
as `duplicate_event` if they say the same, else as `conflicting_event`. Whatever the day, a run reads only what the
inbox holds, so it can be repeated, and rows in the inbox = rows in raw + rows quarantined, to the row.

Copies are found wherever they fall on the same day, and on different days (a sender that changed the time) if they were
received within `RECEIVED_APART` of each other. Further apart they are two events: to compare with all of the past would
mean to read all of it, every five minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.contracts.events import APP_EVENTS
from clientnest_assets.contracts.validation import RULES, reason
from clientnest_assets.lake import EmptyWindowError, Lake, LakeTable, with_fresh_input
from clientnest_assets.lake.parts import replace_in_parts
from clientnest_assets.partitions import Window
from clientnest_assets.sources.events.decoding import DELIVERY
from clientnest_assets.sources.events.inbox import event_quarantine, inbox_table
from clientnest_assets.sources.events.slices import between, inside, rows_by_day, spans
from clientnest_assets.sources.landing import QUARANTINED_AT, raw_table

SETTLED = "inbox"
"""The source of what settling quarantines, so that it never touches what the consumers put there."""
RECEIVED_APART = timedelta(days=1)
_EVENT = pl.col("event_id").str.to_lowercase()
_RECEIPT = ("received_at", DELIVERY, SOURCE)
"""What differs between deliveries of one event. All other columns are what the event says."""
_DELIVERED = ["event_id", DELIVERY, "occurred_at", "received_at"]
"""What tells one row of the inbox from all others, but for a message that was read again, by a group of another name."""
_READING = "reading"
"""Numbers the rows that are alike in `_DELIVERED`, so that one of them can win."""
_ROW = [*_DELIVERED, _READING]


@dataclass(frozen=True)
class Settled:
    """What settling a window did."""

    days: pl.DataFrame
    """One row a day: `day`, rows `in_inbox`, `in_raw` of them, and `quarantined` of them, as the lake now holds them."""
    version: int
    """Of the raw table."""
    outdated: list[date]
    """Days outside the window whose raw rows lost to rows of this window since: to be settled again."""


def settle_window(lake: Lake, window: Window, *, allow_empty: bool = False) -> Settled:
    """Makes the window of raw and of the quarantined copies follow from the inbox. Memory is that of some events at a time.

    Rows of raw from other sources than the inbox, such as imported files, stay; an event they already hold goes to
    quarantine.

    Args:
        lake: where.
        window: the days. Each is written as a whole.
        allow_empty: let days of raw that hold events become empty.

    Raises:
        EmptyWindowError: if the inbox has no row of a day of which raw holds some; see `allow_empty`.
    """
    return with_fresh_input(lambda: _settle(lake, window, allow_empty=allow_empty))


def behind(lake: Lake) -> list[date]:
    """The days of which the inbox has other rows than raw and quarantine account for. From the tables' logs alone."""
    inbox = inbox_table(lake).row_counts()
    sources = inbox.get_column(SOURCE).unique().to_list()
    settled = pl.concat(_settled_rows(lake, sources)).group_by(DAY).agg(pl.col("rows").sum().alias("settled"))
    days = inbox.group_by(DAY).agg(pl.col("rows").sum()).join(settled, on=DAY, how="full", coalesce=True)
    found: list[date] = days.filter(pl.col("rows").ne_missing(pl.col("settled"))).get_column(DAY).sort().to_list()
    return found


def _settle(lake: Lake, window: Window, *, allow_empty: bool) -> Settled:
    inbox, raw, quarantine = inbox_table(lake), raw_table(lake, APP_EVENTS), event_quarantine(lake)
    raw.open()
    # One snapshot for all that follows: the consumers go on delivering.
    deliveries = inbox.scan()
    raw.widen(pl.Schema({name: kind for name, kind in deliveries.collect_schema().items() if name != DELIVERY}))
    raw_handle, quarantine_handle = raw.open(), quarantine.open()
    sources = inbox.row_counts().get_column(SOURCE).unique().to_list()
    rows = rows_by_day(deliveries, window)
    if not allow_empty:
        _require_rows(raw, rows, sources)
    copies, outdated = _copies(inbox, deliveries, window)
    copies = pl.concat([copies, _held_elsewhere(raw, deliveries, window, sources, copies)])
    replace_in_parts(quarantine, quarantine_handle, _rejects(deliveries, rows, copies), window, sources=[SETTLED])
    version = replace_in_parts(raw, raw_handle, _winners(deliveries, rows, copies), window, sources=sources)
    return Settled(_days(lake, rows, sources), version, _standing(raw, outdated))


def _copies(inbox: LakeTable, deliveries: pl.LazyFrame, window: Window) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The window's rows that lose, with the rule each breaks; and rows of other days that lose to another day's."""
    own = deliveries.filter(inside(window))
    first, last = own.select(pl.min("received_at"), pl.max("received_at").alias("last")).collect().row(0)
    if first is None:
        return _NO_COPIES, _NO_COPIES
    near = deliveries.filter(
        pl.col(DAY).is_in(_days_received(inbox, window, first - RECEIVED_APART, last + RECEIVED_APART))
        & pl.col("received_at").is_between(first - RECEIVED_APART, last + RECEIVED_APART)
    )
    both = pl.concat([own, near])
    # First by hash, in 8 bytes an event: only ids that stand more than once are then looked at in full.
    hashes = both.select(_EVENT.hash()).collect(engine="streaming").to_series().sort()
    repeated = hashes.filter(hashes == hashes.shift(1)).unique()
    if repeated.is_empty():
        return _NO_COPIES, _NO_COPIES
    said = [name for name in deliveries.collect_schema() if name not in ("event_id", *_RECEIPT)]
    family = both.filter(_EVENT.hash().is_in(repeated.implode())).select(
        *_DELIVERED, DAY, _EVENT.alias("event"), pl.struct(said).hash().alias("said")
    )
    ordered = family.collect(engine="streaming").sort("event", "received_at", DELIVERY)
    since = pl.col("received_at") - pl.col("received_at").shift(1).over("event")
    of_day = ["event", DAY]
    judged = ordered.with_columns(
        _NUMBER,
        pl.struct(of_day).is_first_distinct().alias("leads_day"),
        (since <= RECEIVED_APART).fill_null(value=False).alias("follows"),
        (pl.col("said") == pl.col("said").first().over(of_day)).alias("repeats"),
    ).filter(~pl.col("leads_day") | pl.col("follows"))
    rule = pl.when(~pl.col("leads_day") & pl.col("repeats")).then(pl.lit("duplicate_event"))
    losing = judged.with_columns(rule.otherwise(pl.lit("conflicting_event")).alias("rule"))
    columns = _NO_COPIES.columns
    return (
        losing.filter(inside(window)).select(columns),
        losing.filter(~inside(window) & pl.col("leads_day")).select(columns),
    )


def _days_received(inbox: LakeTable, window: Window, first: datetime, last: datetime) -> list[date]:
    """The days outside the window of which files may hold rows received in that time, by the table's log."""
    files = pl.DataFrame(inbox.open().get_add_actions(flatten=True))
    is_near = (pl.col("max.received_at") >= first) & (pl.col("min.received_at") <= last)
    days = files.filter(is_near.fill_null(value=True)).get_column(f"partition.{DAY}").unique()
    return [day for day in days.sort().to_list() if not window.start <= day < window.end]


def _held_elsewhere(
    raw: LakeTable, deliveries: pl.LazyFrame, window: Window, sources: Collection[str], copies: pl.DataFrame
) -> pl.DataFrame:
    """The window's rows of which another way in, such as an imported file, has already brought the event."""
    others = raw.row_counts().filter(inside(window) & ~pl.col(SOURCE).is_in(list(sources)))
    if others.is_empty():
        return _NO_COPIES
    held = raw.scan(window).filter(~pl.col(SOURCE).is_in(list(sources))).select(DAY, _EVENT.alias("event"))
    found = (
        deliveries.filter(inside(window)).with_columns(_EVENT.alias("event")).join(held, on=[DAY, "event"], how="semi")
    )
    ruled = found.with_columns(_NUMBER, pl.lit("held_elsewhere").alias("rule")).select(_NO_COPIES.columns)
    return ruled.collect(engine="streaming").join(copies, on=_ROW, how="anti")


def _rejects(deliveries: pl.LazyFrame, rows: dict[date, int], copies: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What goes to quarantine: each losing row whole, as JSON. It counts as quarantined when it was received."""
    for span in spans(rows):
        losing = _in_days(copies, span)
        if losing.is_empty():
            continue
        found = _numbered(deliveries.filter(between(span, APP_EVENTS.cursor)), losing).join(
            losing.lazy().select(*_ROW, "rule"), on=_ROW, how="inner"
        )
        rules = pl.concat_list("rule")
        whole = [name for name in deliveries.collect_schema() if name != DAY]
        yield (
            found.select(
                DAY,
                pl.lit(SETTLED).alias(SOURCE),
                rules.alias(RULES),
                reason(rules).alias("reason"),
                pl.struct(whole).struct.json_encode().alias("row"),
                pl.col("received_at").alias(QUARANTINED_AT),
                DELIVERY,
            )
            .collect(engine="streaming")
            .sort(DAY, "row")
        )


def _winners(deliveries: pl.LazyFrame, rows: dict[date, int], copies: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What goes to raw: by user and time, because all that reads events reads them so."""
    for span in spans(rows):
        found = deliveries.filter(between(span, APP_EVENTS.cursor))
        losing = _in_days(copies, span)
        if not losing.is_empty():
            found = _numbered(found, losing).join(losing.lazy().select(_ROW), on=_ROW, how="anti").drop(_READING)
        yield found.drop(DELIVERY).collect(engine="streaming").sort(DAY, "user_id", "occurred_at", "event_id")


def _numbered(rows: pl.LazyFrame, losing: pl.DataFrame) -> pl.LazyFrame:
    """The rows with the number of their reading: 0, but where a message was read again, of which a reading then loses."""
    is_read_again = bool((losing.get_column(_READING) > 0).any())
    return rows.with_columns(_NUMBER if is_read_again else pl.lit(0, pl.Int64).alias(_READING))


def _in_days(copies: pl.DataFrame, span: tuple[datetime, datetime]) -> pl.DataFrame:
    return copies.filter(pl.col(DAY).is_between(span[0].date(), span[1].date()))


def _require_rows(raw: LakeTable, rows: dict[date, int], sources: Collection[str]) -> None:
    empty = [day for day, count in rows.items() if not count]
    held = raw.row_counts().filter(
        pl.col(DAY).is_in(empty) & pl.col(SOURCE).is_in(list(sources)) & (pl.col("rows") > 0)
    )
    if not held.is_empty():
        days = ", ".join(str(day) for day in held.get_column(DAY).unique().sort().head(5))
        raise EmptyWindowError(
            f"{raw.full_name} holds {held.get_column('rows').sum()} events of days of which the inbox now has none ({days}). "
            "Nothing was changed. If they really are gone from the inbox, run again with --allow-empty."
        )


def _standing(raw: LakeTable, losing: pl.DataFrame) -> list[date]:
    """The days of which raw still holds losing rows."""
    if losing.is_empty():
        return []
    days = losing.get_column(DAY).unique()
    rows = raw.scan().filter(pl.col(DAY).is_in(days.implode()))
    found = rows.join(losing.lazy(), on=[DAY, "event_id", "received_at"], how="semi").select(DAY).unique().collect()
    return found.get_column(DAY).sort().to_list()


def _days(lake: Lake, rows: dict[date, int], sources: Collection[str]) -> pl.DataFrame:
    days = pl.DataFrame({DAY: list(rows), "in_inbox": list(rows.values())}, schema={DAY: pl.Date, "in_inbox": pl.Int64})
    for held, name in zip(_settled_rows(lake, sources), ("in_raw", "quarantined"), strict=True):
        counted = held.group_by(DAY).agg(pl.col("rows").sum().alias(name))
        days = days.join(counted, on=DAY, how="left").with_columns(pl.col(name).fill_null(0))
    return days.sort(DAY)


def _settled_rows(lake: Lake, sources: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows by day that came out of the inbox: in raw, and in quarantine."""
    raw, quarantine = raw_table(lake, APP_EVENTS).row_counts(), event_quarantine(lake).row_counts()
    columns = [DAY, "rows"]
    return (
        raw.filter(pl.col(SOURCE).is_in(list(sources))).select(columns),
        quarantine.filter(pl.col(SOURCE) == SETTLED).select(columns),
    )


_NUMBER = pl.int_range(pl.len(), dtype=pl.Int64).over(_DELIVERED).alias(_READING)
_NO_COPIES = pl.DataFrame(
    schema={
        "event_id": pl.String,
        DELIVERY: pl.String,
        DAY: pl.Date,
        "occurred_at": pl.Datetime("us", "UTC"),
        "received_at": pl.Datetime("us", "UTC"),
        _READING: pl.Int64,
        "rule": pl.String,
    }
)
