"""A million events from Kafka into the lake, with consumers that come, go and are killed: exactly once, at speed.

    python -m clientnest_assets_tests.benchmarks.kafka
    python -m clientnest_assets_tests.benchmarks.kafka --messages 200000

The topic is filled first and read by `clientnest consume` in two processes. On the way a third joins, one is killed
with `kill -9` and started anew, and one is told to stop. The rate is from the first delivery to the last, all that
included. Ends with 1 if a limit is missed or a message is not in its place exactly once.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import psutil
import typer

from clientnest_assets.cli.session import console
from clientnest_assets.installation import LakeKind
from clientnest_assets.sources.events.inbox import positions
from clientnest_assets_tests.benchmarks.kills import BrokenPromiseError, Trial, stop, trial
from clientnest_assets_tests.events.conftest import TOPIC, ListFeed

LEAST_MESSAGES_A_SECOND = 50_000
MOST_GROWTH = 1.25
"""The largest consumer while the second half is delivered, as a multiple of the largest before."""
MOST_MEGABYTES = 700
PARTITIONS = 48
"""Each keeps 5 MB, compressed."""
GIVE_UP_SECONDS = 900
LOOK_SECONDS = 0.2


@dataclass
class Watched:
    """Consumer processes: their CPU seconds as last seen, and the largest one's memory, in MB, by the half delivered."""

    cpu_seconds: dict[int, float] = field(default_factory=dict)
    megabytes: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})

    def look(self, processes: list[subprocess.Popen[bytes]], done: float) -> None:
        """Takes note of those that live."""
        for process in processes:
            with suppress(psutil.Error):
                found = psutil.Process(process.pid)
                times, memory = found.cpu_times(), found.memory_info().rss / 1e6
                self.cpu_seconds[process.pid] = times.user + times.system
                self.megabytes[done >= 0.5] = max(self.megabytes[done >= 0.5], memory)


def main(messages: Annotated[int, typer.Option(help="How many.")] = 1_000_000) -> None:
    """Fill a topic, consume it with disturbances, count, and compare with the limits."""
    with trial(LakeKind.FOLDER, PARTITIONS) as each:
        each.send(messages, **{"compression.type": "zstd"})
        began = time.monotonic()
        seconds, watched = consume(each)
        stop(each)
        each.check_whole(set())
    cpu, peak = sum(watched.cpu_seconds.values()), max(watched.megabytes.values())
    growth = watched.megabytes[True] / watched.megabytes[False]
    rate = messages / seconds
    console.print(
        f"{messages:,} messages, each in its place exactly once, with a reader joining, one killed and one stopped"
    )
    console.print(f"{rate:,.0f} messages/s in {seconds:.1f} s (at least {LEAST_MESSAGES_A_SECOND:,})")
    console.print(f"{cpu / messages * 1e6:.1f} CPU microseconds a message, start of the processes included")
    console.print(
        f"the largest consumer: {peak:.0f} MB (at most {MOST_MEGABYTES}); in the second half {growth:.2f} times the first "
        f"(at most {MOST_GROWTH})"
    )
    console.print(f"{time.monotonic() - began:.0f} s in all, load {os.getloadavg()[0]:.1f}")
    if rate < LEAST_MESSAGES_A_SECOND or peak > MOST_MEGABYTES or growth > MOST_GROWTH:
        raise typer.Exit(1)


def consume(each: Trial) -> tuple[float, Watched]:
    """Has the topic consumed, disturbing it on the way. Seconds from the first delivery to the last, and what was seen."""
    watched = Watched()
    each.consumers = [each.start_consumer() for _ in range(2)]
    disturbances = [
        (0.2, lambda: each.consumers.append(each.start_consumer())),
        (0.4, lambda: _kill_and_replace(each)),
        (0.7, each.consumers[1].terminate),
    ]
    began = time.monotonic()
    first = last = 0.0
    while not last:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        done = _delivered(each) / each.sent
        watched.look(each.consumers, done)
        if done and not first:
            first = now
        if done == 1:
            last = now
        while disturbances and done >= disturbances[0][0]:
            disturbances.pop(0)[1]()
        if now - began > GIVE_UP_SECONDS:
            raise BrokenPromiseError(f"{done:.0%} delivered after {GIVE_UP_SECONDS} s")
    return last - first, watched


def _kill_and_replace(each: Trial) -> None:
    each.consumers[0].kill()
    each.consumers[0].wait()
    each.consumers[0] = each.start_consumer()


def _delivered(each: Trial) -> int:
    """How many of the messages, by the positions that the lake has."""
    feed = ListFeed({}, name=f"kafka:{each.installation.settings.kafka_group}")
    reached = positions(each.lake, feed, [f"{TOPIC}/{number}" for number in range(PARTITIONS)])
    return sum(position or 0 for position in reached.values())


if __name__ == "__main__":
    typer.run(main)
