"""The event collector under load, with the consumer beside it: answers in time, and every acknowledged event in the lake.

    python -m clientnest_assets_tests.benchmarks.collector
    python -m clientnest_assets_tests.benchmarks.collector --seconds 20 --kills 10

Requests are sent at fixed moments whether or not earlier ones are answered, and their time counts from that moment, so
a pause of the server is not hidden. Ends with 1 if a limit is missed; latency counts only without kills.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.table import Table

from clientnest_assets.cli.session import console
from clientnest_assets.installation import Installation
from clientnest_assets.sources.events.inbox import inbox_table

KEY = "the benchmark's key"
NOWHERE = "postgresql://127.0.0.1:1/nowhere"
CONNECTIONS = 32
READY_SECONDS = 60
ANSWER_SECONDS = 10
PROBES = 500
MOST_P99_MILLISECONDS = 50.0
LEAST_SHARE = 0.99
"""Of the wanted events a second."""


@dataclass
class Load:
    """What was sent in one run, and what became of it."""

    seconds: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    refused: int = 0
    unanswered: int = 0

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def main(
    seconds: Annotated[int, typer.Option(help="How long each shape of load lasts.")] = 60,
    rate: Annotated[int, typer.Option(help="Events a second.")] = 2000,
    sizes: Annotated[str, typer.Option(help="Events a request, of each shape of load.")] = "100,10",
    kills: Annotated[int, typer.Option(help="How often the server is killed in each of them.")] = 0,
) -> None:
    """Measure the collector, and count the events behind it."""
    is_missed = False
    with tempfile.TemporaryDirectory(prefix="clientnest-collector-") as folder:
        console.print(f"the disk alone: 99 of 100 small writes are safe within {_disk_p99(Path(folder)):.1f} ms")
    table = Table("events a request", "events/s", "p50 ms", "p99 ms", "max ms", "refused", "in the lake", box=None)
    for size in map(int, sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="clientnest-collector-") as folder:
            load, lasted, cpu, lake = _measure(Path(folder), seconds, rate, size, kills)
        ids, rows = set(lake), len(lake)
        lost, strange = load.acknowledged - ids, ids - load.sent
        is_exact = not lost and not strange and rows == len(ids) and (kills > 0 or ids == load.acknowledged)
        achieved = len(load.acknowledged) / lasted
        table.add_row(
            *(str(size), f"{achieved:,.0f}", *(f"{load.quantile(share):.1f}" for share in (0.5, 0.99, 1))),
            *(str(load.refused), f"{rows:,} of {len(load.acknowledged):,}" + ("" if is_exact else " [red]wrong[/]")),
        )
        console.print(
            f"{size} a request: CPU seconds of server {cpu['web']:.1f}, consumer {cpu['consume']:.1f}; "
            f"{load.unanswered} requests unanswered, {len(lost)} acknowledged events lost, load average {os.getloadavg()[0]:.1f}"
        )
        is_slow = load.quantile(0.99) > MOST_P99_MILLISECONDS or achieved < LEAST_SHARE * rate
        is_missed |= not is_exact or (kills == 0 and (is_slow or load.refused > 0 or load.unanswered > 0))
    console.print(table)
    raise typer.Exit(int(is_missed))


def _measure(
    home: Path, seconds: int, rate: int, size: int, kills: int
) -> tuple[Load, float, dict[str, float], list[str]]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLIENTNEST_")},
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_HOME": str(home),
        "CLIENTNEST_APP_DATABASE_URL": NOWHERE,
        "CLIENTNEST_WAREHOUSE_URL": NOWHERE,
        "CLIENTNEST_DAGSTER_DATABASE_URL": NOWHERE,
        "CLIENTNEST_LAKE_URL": str(home / "lake"),
        "CLIENTNEST_PSEUDONYM_KEY": "a key of the benchmark, long enough for it",
        "CLIENTNEST_FIRST_DAY": "2026-01-01",
        "CLIENTNEST_EVENTS_KEYS": KEY,
    }
    port = _free_port()
    server = [
        *(sys.executable, "-m", "uvicorn", "--factory", "clientnest_assets.serving.app:create_app"),
        *("--port", str(port), "--log-level", "error"),
    ]
    # As `clientnest up` starts it.
    consume = ["nice", "-n", "10", sys.executable, "-m", "clientnest_assets.cli.main", "consume", "--from", "http"]
    consumer = subprocess.Popen([*consume, "--batch-seconds", "5"], env=environment, stdout=subprocess.DEVNULL)
    try:
        load, lasted, web_cpu = asyncio.run(_send(server, environment, port, seconds, rate, size, kills))
        cpu = {"web": web_cpu, "consume": _cpu_seconds(consumer)}
    finally:
        consumer.send_signal(signal.SIGTERM)
        consumer.wait()
    subprocess.run([*consume, "--once"], env=environment, check=True, stdout=subprocess.DEVNULL)
    os.environ.update(environment)
    lake = inbox_table(Installation.load().lake).scan().select("event_id").collect().to_series().to_list()
    return load, lasted, cpu, lake


async def _send(
    command: list[str], environment: dict[str, str], port: int, seconds: int, rate: int, size: int, kills: int
) -> tuple[Load, float, float]:
    load = Load()
    moments = sorted(random.uniform(0.1, 0.9) * seconds for _ in range(kills))
    server = await _serve(command, environment, port)
    due: asyncio.Queue[float | None] = asyncio.Queue()
    senders = [asyncio.create_task(_sender(port, due, size, load)) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for number in range(seconds * rate // size):
        at = began + number * size / rate
        await asyncio.sleep(at - time.perf_counter())
        due.put_nowait(at)
        if moments and at - began > moments[0]:
            moments.pop(0)
            server.kill()
            server.wait()
            server = await _serve(command, environment, port)
    for _ in senders:
        due.put_nowait(None)
    await asyncio.gather(*senders)
    lasted = time.perf_counter() - began
    cpu = _cpu_seconds(server)
    server.send_signal(signal.SIGTERM)
    server.wait()
    return load, lasted, cpu


async def _sender(port: int, due: asyncio.Queue[float | None], size: int, load: Load) -> None:
    """One connection, kept open as long as the server keeps it."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while (at := await due.get()) is not None:
        ids, request = _request(size)
        load.sent.update(ids)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                streams = streams or await asyncio.open_connection("127.0.0.1", port)
                streams[1].write(request)
                status = await _status(streams[0])
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            load.unanswered += 1
            streams = None
            continue
        load.seconds.append(time.perf_counter() - at)
        if status == 202:
            load.acknowledged.update(ids)
        else:
            load.refused += 1
    if streams:
        streams[1].close()


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def _request(size: int) -> tuple[list[str], bytes]:
    ids = [str(uuid.uuid4()) for _ in range(size)]
    now = datetime.now(UTC).isoformat()
    events = [
        {
            "event_id": event_id,
            "user_id": random.randrange(1, 100_000),
            "session_id": "s-" + event_id[:8],
            "event_type": "feature_used",
            "name": "schedule_post",
            "properties": {"platform": "instagram", "screen": "composer", "duration_ms": 182},
            "occurred_at": now,
        }
        for event_id in ids
    ]
    body = json.dumps(events).encode()
    head = (
        "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return ids, head.encode() + body


async def _serve(command: list[str], environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return process
        await asyncio.sleep(0.05)
    raise TimeoutError(f"the server did not answer within {READY_SECONDS} seconds")


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _disk_p99(folder: Path) -> float:
    """Milliseconds of a write of 4 kB until it is safe: what the machine gives, with what else runs on it."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(PROBES):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * sorted(took)[int(0.99 * PROBES)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    typer.run(main)
