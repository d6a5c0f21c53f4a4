"""`kill -9` of consumers at random moments, with other writers beside them: every event exactly once, tables always readable.

    python -m clientnest_assets_tests.benchmarks.kills --kills 25 --writers 20
    python -m clientnest_assets_tests.benchmarks.kills --kills 25 --writers 20 --lake s3

The consumers are `clientnest consume` itself, two at a time in one group, on a topic of a real protocol cluster; each
killed one is replaced. The writers are processes that deliver batches of feeds of their own into the same tables. Ends
with 1, and says what is wrong, if an event is missing or stands twice, or a table cannot be read.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from clientnest_assets.cli.consume import event_days
from clientnest_assets.cli.session import console
from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.installation import LAKE_KIND_FILE, Installation, LakeKind
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.settings import Settings
from clientnest_assets.sources.events.decoding import Decoder
from clientnest_assets.sources.events.feed import Stretch
from clientnest_assets.sources.events.inbox import deliver, event_quarantine, inbox_table
from clientnest_assets_tests.events.conftest import QUICK, TOPIC, KafkaCluster, ListFeed, message

COMMAND = Path(sys.executable).parent / "clientnest"
POISON = b"{no event"
POISON_EVERY = 50
SENT_AT_ONCE = 500
WAIT_SECONDS = 120
SMALL_BATCHES = ("--batch-rows", "100", "--batch-seconds", "0.3")
"""So that a kill is likely to fall into a delivery."""
WRITER_ROWS = 40
MOST_SECONDS_TO_KILL = 1.5


class BrokenPromiseError(Exception):
    """What must hold does not."""


@dataclass
class Trial:
    """One home with a topic, and what was sent to it."""

    installation: Installation
    kafka: KafkaCluster
    sent: int = 0
    consumers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        """The lake that all write to."""
        return self.installation.lake

    def send(self, count: int, **options: str) -> None:
        """Sends so many more messages, every fiftieth of them no event. Options are those of the producer."""
        numbers = range(self.sent, self.sent + count)
        self.kafka.send([POISON if is_poison(number) else message_of(number) for number in numbers], **options)
        self.sent += count

    def start_consumer(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more `clientnest consume`."""
        command = [COMMAND, "consume", "--from", "kafka", *arguments]
        with (self.installation.home / "consumers.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def delivered(self, table: Callable[[Lake], LakeTable]) -> pl.Series:
        """Which messages a table holds, by name."""
        return table(self.lake).scan().select("delivery").collect().to_series()

    def check_readable(self) -> None:
        """Reads both tables whole.

        Raises:
            BrokenPromiseError: if a message stands twice.
        """
        found = pl.concat([self.delivered(table) for table in (inbox_table, event_quarantine)])
        if found.is_duplicated().any():
            raise BrokenPromiseError(f"in the lake twice: {found.filter(found.is_duplicated()).head(5).to_list()}")

    def check_whole(self, deliveries_of_writers: set[str]) -> None:
        """Checks that every message sent is in its one place.

        Raises:
            BrokenPromiseError: if not.
        """
        self.check_readable()
        rows = inbox_table(self.lake).scan().select("event_id", "delivery").collect()
        own = rows.filter(pl.col("delivery").str.starts_with(f"{TOPIC}/"))
        found = {int(text.replace("-", ""), 16) for text in own.get_column("event_id")}
        expected = {number for number in range(self.sent) if not is_poison(number)}
        _same("events", found, expected)
        if own.height != len(expected):
            raise BrokenPromiseError(f"{own.height} rows of {len(expected)} events")
        poisoned = self.delivered(event_quarantine).filter(
            self.delivered(event_quarantine).str.starts_with(f"{TOPIC}/")
        )
        if poisoned.len() != self.sent - len(expected):
            raise BrokenPromiseError(
                f"{poisoned.len()} messages in quarantine, of {self.sent - len(expected)} that are no events"
            )
        others = set(rows.get_column("delivery")) - set(own.get_column("delivery"))
        _same("deliveries of writers", others, deliveries_of_writers)


def main(
    kills: Annotated[int, typer.Option(help="How many consumers to kill.")] = 10,
    writers: Annotated[int, typer.Option(help="Processes that deliver into the same tables meanwhile.")] = 4,
    lake: Annotated[LakeKind, typer.Option(help="Where the lake is.")] = LakeKind.FOLDER,
    seed: Annotated[int, typer.Option(help="Of the moments to kill at.")] = 1,
    write_as: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Kill consumers at random moments, and count afterwards."""
    if write_as:
        write_until_told(Installation.load(), write_as)
        return
    began = time.monotonic()
    chance = random.Random(seed)
    with trial(lake) as each, writing(each, writers) as deliveries:
        each.consumers = [each.start_consumer(*SMALL_BATCHES) for _ in range(2)]
        for kill in range(kills):
            kill_one(each, chance)
            console.print(f"kill {kill + 1} of {kills}: {each.sent:,} messages sent, tables readable")
        stop(each)
        drain(each)
        each.check_whole(deliveries())
        rows = inbox_table(each.lake).scan().select(pl.len()).collect().item()
    console.print(
        f"{kills} kills, {writers} writers, lake in {lake}: {each.sent:,} messages sent, each in its place exactly once; "
        f"{rows:,} rows in all; {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}"
    )


@contextmanager
def trial(lake: LakeKind, partitions: int = 6) -> Iterator[Trial]:
    """A new home in a folder of its own, with a topic; all of it gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="clientnest-kills-") as folder, ExitStack() as held:
        home = Path(folder) / "home"
        home.mkdir()
        (home / LAKE_KIND_FILE).write_text(lake)
        kafka = KafkaCluster(partitions)
        held.callback(kafka.close)
        os.environ.update(
            {
                "CLIENTNEST_ENVIRONMENT": "test",
                "CLIENTNEST_HOME": str(home),
                "CLIENTNEST_KAFKA_BROKERS": kafka.brokers,
                "CLIENTNEST_KAFKA_OPTIONS": json.dumps(QUICK),
            }
        )
        installation = Installation(Settings.load())
        each = Trial(installation, kafka)
        if lake is LakeKind.S3:
            held.callback(installation.object_store.stop)
            held.enter_context(installation.lake_service())
        # Made before anybody reads them.
        inbox_table(each.lake).open()
        event_quarantine(each.lake).open()
        try:
            yield each
        finally:
            for consumer in each.consumers:
                consumer.kill()
                consumer.wait()


def kill_one(each: Trial, chance: random.Random) -> None:
    """Sends messages, waits until they begin to come in, and kills a consumer some time later; another takes its place.

    Raises:
        BrokenPromiseError: if nothing comes in any more, or a table cannot be read afterwards.
    """
    before = _messages(each)
    each.send(SENT_AT_ONCE)
    _wait_until(lambda: _messages(each) > before, "no message comes in", each)
    time.sleep(chance.uniform(0, MOST_SECONDS_TO_KILL))
    killed = chance.randrange(len(each.consumers))
    if (code := each.consumers[killed].poll()) is not None:
        raise BrokenPromiseError(f"a consumer ended by itself with {code}; see {_log(each)}")
    each.consumers[killed].kill()
    each.consumers[killed].wait()
    each.check_readable()
    each.consumers[killed] = each.start_consumer(*SMALL_BATCHES)


def stop(each: Trial) -> None:
    """Ends the consumers as a supervisor does.

    Raises:
        BrokenPromiseError: if one of them does not end well.
    """
    for consumer in each.consumers:
        consumer.terminate()
    for consumer in each.consumers:
        # The last one may not have come so far as to listen to signals.
        if (code := consumer.wait(WAIT_SECONDS)) not in (0, -signal.SIGTERM):
            raise BrokenPromiseError(f"a consumer told to stop ended with {code}: {_log(each)}")


def drain(each: Trial) -> None:
    """Delivers all that is left.

    Raises:
        BrokenPromiseError: if that fails.
    """
    if code := each.start_consumer("--once").wait(WAIT_SECONDS):
        raise BrokenPromiseError(f"clientnest consume --once ended with {code}: {_log(each)}")


@contextmanager
def writing(each: Trial, count: int) -> Iterator[Callable[[], set[str]]]:
    """Writers at work. Gives a function that ends them and tells what they delivered."""
    folder = each.installation.home / "writers"
    folder.mkdir()
    module = [sys.executable, "-m", "clientnest_assets_tests.benchmarks.kills", "--write-as"]
    processes = [subprocess.Popen([*module, str(folder / f"writer{number}")]) for number in range(count)]

    def end() -> set[str]:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(WAIT_SECONDS)
        # Told to stop, a writer finishes its batch; the last line says how far it is.
        found: set[str] = set()
        for file in folder.iterdir():
            done = [int(line) for line in file.read_text().split()]
            found |= {f"{file.name}/0@{offset}" for offset in range(max(done, default=0))}
        return found

    try:
        yield end
    finally:
        for process in processes:
            process.kill()
            process.wait()


def write_until_told(installation: Installation, file: str) -> None:
    """Delivers one batch after the other of a feed of its own, noting how far it is, until SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    name, decoder, days = Path(file).name, Decoder(CONTRACTS["app_events"]), event_days(installation)
    feed = ListFeed({}, name=f"kafka:{name}")
    start: int | None = None
    with Path(file).open("w") as notes:
        while not stopping:
            first = start or 0
            end = first + WRITER_ROWS
            payloads: list[bytes | None] = [message_of(number) for number in range(first, end)]
            received = [time.time_ns() // 1000] * WRITER_ROWS
            stretch = Stretch(start, end, list(range(first, end)), payloads, received)
            deliver(installation.lake, feed, {f"{name}/0": stretch}, decoder, days)
            start = end
            print(end, file=notes, flush=True)
            time.sleep(0.5)


def message_of(number: int) -> bytes:
    """An event of one of the last days."""
    at = datetime.now(UTC) - timedelta(hours=number % 72, seconds=1)
    return message(number, occurred_at=at.isoformat())


def is_poison(number: int) -> bool:
    """Every fiftieth message is no event."""
    return number % POISON_EVERY == POISON_EVERY - 1


def _messages(each: Trial) -> int:
    own = [each.delivered(table).str.starts_with(f"{TOPIC}/").sum() for table in (inbox_table, event_quarantine)]
    return sum(own)


def _wait_until(reached: Callable[[], bool], problem: str, each: Trial) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not reached():
        if time.monotonic() > end:
            raise BrokenPromiseError(f"{problem} for {WAIT_SECONDS} s: {_log(each)}")
        time.sleep(0.1)


def _log(each: Trial) -> str:
    return (each.installation.home / "consumers.log").read_text()[-3000:]


def _same(what: str, found: set[str] | set[int], expected: set[str] | set[int]) -> None:
    if found != expected:
        missing, strange = sorted(expected - found)[:5], sorted(found - expected)[:5]  # type: ignore[operator]
        raise BrokenPromiseError(f"{what}: missing {missing}, not sent {strange}")


if __name__ == "__main__":
    typer.run(main)
