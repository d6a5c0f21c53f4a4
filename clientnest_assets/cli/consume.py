"""`clientnest consume`: carries application events from Kafka and from the HTTP collector's spool into the lake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console, stopping
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import PREFIX

if TYPE_CHECKING:
    from clientnest_assets.installation import Installation
    from clientnest_assets.sources.events.consuming import Consumer, Limits
    from clientnest_assets.sources.events.decoding import Days
    from clientnest_assets.sources.events.feed import Feed

SAID_EVERY_SECONDS = 10.0
LIVE_EVERY_SECONDS = 2.0
POLL_SECONDS = 0.2
PARTITIONS_TOLD = 6
DAYS_BACK = 31
"""So far back may an event make the days of an embedded home reach."""


class Way(StrEnum):
    """A way in for events."""

    HTTP = "http"
    KAFKA = "kafka"


def consume(
    ways: Annotated[
        list[Way] | None,
        typer.Option(
            "--from",
            help=(
                "http: what the collector has safe on disk. kafka: the topic of CLIENTNEST_KAFKA_TOPIC. May be given "
                "twice. Default: http, and kafka if CLIENTNEST_KAFKA_BROKERS is set."
            ),
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Deliver what is there by now, and stop.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show position and lag of each partition; consume nothing.")
    ] = False,
    batch_rows: Annotated[int, typer.Option(min=1, help="Deliver a batch once it has so many messages.")] = 50_000,
    batch_seconds: Annotated[float, typer.Option(min=0, help="Deliver a batch once it is so old.")] = 10.0,
    skip_lost: Annotated[
        bool,
        typer.Option(
            "--skip-lost", help="Read on behind messages that Kafka's retention removed before they were delivered."
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Carry application events into the lake, each message exactly once.

    Runs until Ctrl-C (or SIGTERM) and then delivers what it has read. Any number may run side by side: Kafka shares
    the partitions out among them. How far each partition is delivered stands in the lake, in the same commits as the
    events: killed at any moment, the next one goes on where it ended.

    What is no valid event goes to quarantine with the reason, its topic, partition and offset, and stops nothing.

    [bold]Examples[/]

    clientnest consume

    clientnest consume --from kafka --batch-seconds 30

    clientnest consume --once

    clientnest consume --status

    [bold]Then[/]

    clientnest sql "select day, source, count(*) from inbox.app_events group by all order by all"

    clientnest quarantine list --table app_events
    """
    from clientnest_assets.sources.events.consuming import Limits

    installation = Session.open(home).installation
    chosen = list(dict.fromkeys(ways or [])) or _configured(installation)
    with ExitStack() as held:
        held.enter_context(installation.lake_service())
        limits = Limits(rows=batch_rows, seconds=batch_seconds)
        consumers = [consumer_of(installation, way, limits, skip_lost=skip_lost) for way in chosen]
        for consumer in consumers:
            held.callback(consumer.close)
        if status:
            console.print(_status(consumers))
            return
        for consumer in consumers:
            consumer.open()
        _run(installation, consumers, once=once)


def consumer_of(
    installation: Installation, way: Way, limits: Limits | None = None, *, skip_lost: bool = False
) -> Consumer:
    """The consumer of one way in, as the settings have it; not yet opened.

    Raises:
        CommandError: if its settings are missing.
    """
    from clientnest_assets.contracts import CONTRACTS
    from clientnest_assets.sources.events.avro import avro_records
    from clientnest_assets.sources.events.consuming import Consumer
    from clientnest_assets.sources.events.consuming import Limits as Defaults
    from clientnest_assets.sources.events.decoding import Decoder

    contract, schema = CONTRACTS["app_events"], installation.settings.event_schema
    is_avro = way is Way.KAFKA and schema is not None
    decoder = Decoder(contract, avro_records(schema, contract) if is_avro and schema else None)
    feed = _feed(installation, way, skip_lost=skip_lost)
    return Consumer(installation.lake, feed, decoder, lambda: event_days(installation), limits or Defaults())


def event_days(installation: Installation) -> Days:
    """The days that events may be of now: those of the calendar, which in an embedded home reaches back some weeks."""
    from clientnest_assets.sources.events.decoding import Days

    now = datetime.now(UTC)
    span = installation.calendar.span()
    weeks_ago = now.date() - timedelta(days=DAYS_BACK)
    first = span.start if installation.settings.first_day else min(span.start, weeks_ago)
    return Days(first, max(now, span.end_at) if installation.has_data else now)


def extend_calendar(installation: Installation, delivered: Iterable[date]) -> None:
    """Makes the days of delivered events days of an embedded home, up to today."""
    if not installation.settings.is_embedded or installation.settings.first_day:
        return
    today = datetime.now(UTC).date()
    days = {min(day, today) for day in delivered}
    if not days:
        return
    first, last = min(days), max(days)
    before = installation.calendar if installation.has_data else Calendar(first, last)
    after = before.extended(first, last)
    if after != before or not installation.has_data:
        installation.keep_calendar(after)


def _run(installation: Installation, consumers: list[Consumer], *, once: bool) -> None:
    from clientnest_assets.contracts import DAY
    from clientnest_assets.sources.events.inbox import inbox_table

    # First for what a consumer delivered that was killed before it came to this.
    extend_calendar(installation, inbox_table(installation.lake).row_counts().get_column(DAY))
    with stopping() as stop, _telling(consumers) as tell:
        for consumer in consumers if once else []:
            consumer.drain(stop.is_set)
        while not (once or stop.is_set()):
            for consumer in consumers:
                consumer.step(stop.is_set, POLL_SECONDS / len(consumers))
            extend_calendar(installation, _days(consumers))
            tell()
        for consumer in consumers:
            consumer.flush(stop.is_set)
        extend_calendar(installation, _days(consumers))
    for consumer in consumers:
        done = consumer.progress
        console.print(
            f"{consumer.feed.source}: {done.messages:,} messages delivered in {done.batches:,} batches, "
            f"{done.accepted:,} of them events, {done.quarantined:,} to quarantine"
        )


def _days(consumers: Iterable[Consumer]) -> set[date]:
    return {day for consumer in consumers for day in consumer.progress.days}


@contextmanager
def _telling(consumers: list[Consumer]) -> Iterator[Callable[[], None]]:
    """Gives a function that tells how things stand, now and then: one live text in a terminal, else lines if they changed."""
    said, told = time.monotonic(), ""
    counted = [0] * len(consumers)
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def tell() -> None:
        nonlocal said, told, counted
        seconds = time.monotonic() - said
        if seconds < (LIVE_EVERY_SECONDS if live else SAID_EVERY_SECONDS):
            return
        now = [consumer.progress.messages for consumer in consumers]
        text = "\n".join(
            _line(consumer, (after - before) / seconds)
            for consumer, before, after in zip(consumers, counted, now, strict=True)
        )
        if live:
            live.update(text, refresh=True)
        elif text != told:
            console.print(text, soft_wrap=True)
        said, told, counted = time.monotonic(), text, now

    with live or nullcontext():
        yield tell


def _line(consumer: Consumer, rate: float) -> str:
    from clientnest_assets.sources.events.feed import FeedError

    done = consumer.progress
    told = f"{consumer.feed.source}: {rate:,.0f} messages/s, delivered {done.messages:,} ({done.quarantined:,} to quarantine)"
    try:
        standing = _standing(consumer)
    except FeedError as error:
        return f"{told}, lag unknown: {escape(str(error))}"
    lags = {name: lag for name, (_, _, lag) in sorted(standing.items(), key=lambda each: -each[1][2]) if lag}
    most = ", ".join(f"{escape(name)} {lag:,}" for name, lag in list(lags.items())[:PARTITIONS_TOLD])
    return f"{told}, lag {sum(lags.values()):,}{f' ({most})' if most else ''}"


def _status(consumers: Iterable[Consumer]) -> Table:
    table = Table("feed", "partition", box=None)
    for name in ("delivered up to", "newest", "lag"):
        table.add_column(name, justify="right")
    for consumer in consumers:
        for partition, (position, end, lag) in _standing(consumer).items():
            reached = "nothing yet" if position is None else f"{position:,}"
            table.add_row(consumer.feed.source, escape(partition), reached, f"{end:,}", f"{lag:,}")
    return table


def _standing(consumer: Consumer) -> dict[str, tuple[int | None, int, int]]:
    """Of each partition its position in the lake, its end, and how many offsets lie between."""
    from clientnest_assets.sources.events.inbox import positions

    ends = consumer.feed.ends()
    reached = positions(consumer.lake, consumer.feed, ends)
    return {name: (reached[name], end, max(0, end - (reached[name] or 0))) for name, end in ends.items()}


def _configured(installation: Installation) -> list[Way]:
    return [Way.HTTP, Way.KAFKA] if installation.settings.kafka_brokers else [Way.HTTP]


def _feed(installation: Installation, way: Way, *, skip_lost: bool) -> Feed:
    settings = installation.settings
    if way is Way.HTTP:
        from clientnest_assets.sources.events.spool_feed import SpoolFeed

        return SpoolFeed(installation.spool)
    if not settings.kafka_brokers:
        raise CommandError(f"{PREFIX}KAFKA_BROKERS is not set. Set it to some of the brokers, such as broker-1:9092.")
    from clientnest_assets.sources.events.kafka import KafkaFeed

    return KafkaFeed(
        settings.kafka_brokers, settings.kafka_topic, settings.kafka_group, settings.kafka_options, skip_lost=skip_lost
    )
