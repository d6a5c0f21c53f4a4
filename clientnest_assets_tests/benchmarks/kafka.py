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
"""The most memory of a consumer's second half, as a multiple of that of its first."""
MOST_MEGABYTES = 700
PARTITIONS = 48
"""Each keeps 5 MB, compressed."""
GIVE_UP_SECONDS = 900
LOOK_SECONDS = 0.2


@dataclass
class Watched:
    """A consumer process and its memory over time, in MB; its CPU seconds as last seen."""

    process: subprocess.Popen[bytes]
    memory: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def look(self) -> None:
        """Takes note, if it lives."""
        try:
            found = psutil.Process(self.process.pid)
            times = found.cpu_times()
            self.memory.append(found.memory_info().rss / 1e6)
            self.cpu_seconds = times.user + times.system
        except psutil.Error:
            return


def main(messages: Annotated[int, typer.Option(help="How many.")] = 1_000_000) -> None:
    """Fill a topic, consume it with disturbances, count, and compare with the limits."""
    with trial(LakeKind.FOLDER, PARTITIONS) as each:
        each.send(messages, **{"compression.type": "zstd"})
        began = time.monotonic()
        seconds, watched = consume(each)
        stop(each)
        each.check_whole(set())
        cpu = sum(consumer.cpu_seconds for consumer in watched)
        peak = max(max(consumer.memory, default=0) for consumer in watched)
        growth = max(_growth(consumer.memory) for consumer in watched)
    rate = messages / seconds
    console.print(
        f"{messages:,} messages, each in its place exactly once, with a reader joining, one killed and one stopped"
    )
    console.print(f"{rate:,.0f} messages/s in {seconds:.1f} s (at least {LEAST_MESSAGES_A_SECOND:,})")
    console.print(f"{cpu / messages * 1e6:.1f} CPU microseconds a message, start of the processes included")
    console.print(
        f"memory of a consumer: at most {peak:.0f} MB (at most {MOST_MEGABYTES}), second half {growth:.2f} times the first "
        f"(at most {MOST_GROWTH})"
    )
    console.print(f"{time.monotonic() - began:.0f} s in all, load {os.getloadavg()[0]:.1f}")
    if rate < LEAST_MESSAGES_A_SECOND or peak > MOST_MEGABYTES or growth > MOST_GROWTH:
        raise typer.Exit(1)


def consume(each: Trial) -> tuple[float, list[Watched]]:
    """Has the topic consumed, disturbing it on the way. Seconds from the first delivery to the last, and the consumers."""
    watched = [Watched(each.start_consumer()) for _ in range(2)]
    each.consumers = [consumer.process for consumer in watched]
    disturbances = [
        (0.2, lambda: _join(each, watched)),
        (0.4, lambda: _kill(each, watched)),
        (0.7, each.consumers[1].terminate),
    ]
    began = time.monotonic()
    first = last = 0.0
    while not last:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        done = _delivered(each) / each.sent
        if done and not first:
            first = now
        if done == 1:
            last = now
        while disturbances and done >= disturbances[0][0]:
            disturbances.pop(0)[1]()
        for consumer in watched:
            consumer.look()
        if now - began > GIVE_UP_SECONDS:
            raise BrokenPromiseError(f"{done:.0%} delivered after {GIVE_UP_SECONDS} s")
    return last - first, watched


def _join(each: Trial, watched: list[Watched]) -> None:
    watched.append(Watched(each.start_consumer()))
    each.consumers.append(watched[-1].process)


def _kill(each: Trial, watched: list[Watched]) -> None:
    each.consumers[0].kill()
    each.consumers[0].wait()
    watched.append(Watched(each.start_consumer()))
    each.consumers[0] = watched[-1].process


def _delivered(each: Trial) -> int:
    """How many of the messages, by the positions that the lake has."""
    feed = ListFeed({}, name=f"kafka:{each.installation.settings.kafka_group}")
    reached = positions(each.lake, feed, [f"{TOPIC}/{number}" for number in range(PARTITIONS)])
    return sum(position or 0 for position in reached.values())


def _growth(memory: list[float]) -> float:
    """Of what is left when the first third, in which modules are imported and buffers filled, is cut off."""
    settled = memory[len(memory) // 3 :]
    half = len(settled) // 2
    return max(settled[half:]) / max(settled[:half]) if half > 2 else 1.0


if __name__ == "__main__":
    typer.run(main)
