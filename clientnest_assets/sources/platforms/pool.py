"""All accounts of a platform, a few at a time: the threads, the HTTP connections, and the end of both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.sources.platforms.asking import Answers, ask_account
from clientnest_assets.sources.platforms.client import Client, Gates
from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.connections import Application, Connection
from clientnest_assets.sources.platforms.spec import Asked, Platform
from clientnest_assets.sources.platforms.tokens import Tokens

if TYPE_CHECKING:
    import httpx

ACCOUNTS_AT_ONCE = 4
TIMEOUT_SECONDS = 30.0


def ask_all(
    platform: Platform,
    application: Application,
    accounts: Iterable[Connection],
    *,
    tokens: Path,
    collected_at: datetime,
    clock: Clock,
    longest_wait: timedelta,
) -> Generator[tuple[Connection, Answers]]:
    """Each account with its answers, as they come, and only a few ahead of whoever takes them. Close it to stop early.

    Args:
        platform: whom to ask.
        application: as which application, and in which version.
        accounts: for which accounts.
        tokens: the file of refreshed tokens.
        collected_at: posts published up to `RESTATEMENT_DAYS` before are asked for.
        clock: to wait by.
        longest_wait: how long an account may wait for its limits, in all.
    """
    stopping = threading.Event()
    clock = replace(clock, sleep=partial(_sleep, clock.sleep, stopping))
    pool = ThreadPoolExecutor(ACCOUNTS_AT_ONCE, thread_name_prefix=platform.name)
    running: dict[Future[Answers], Connection] = {}
    with _http() as http:
        ask = _asking(
            platform,
            application,
            http,
            Tokens(platform, application, tokens, http, clock),
            collected_at,
            clock,
            longest_wait,
        )
        queue = iter(accounts)
        try:
            while True:
                running |= {pool.submit(ask, each): each for each in islice(queue, 2 * ACCOUNTS_AT_ONCE - len(running))}
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            stopping.set()
            pool.shutdown(cancel_futures=True)


def _asking(
    platform: Platform,
    application: Application,
    http: httpx.Client,
    tokens: Tokens,
    collected_at: datetime,
    clock: Clock,
    longest_wait: timedelta,
) -> Callable[[Connection], Answers]:
    version = application.version or platform.newest_version
    base_url = application.base_url or platform.base_url
    gates = Gates()
    since = collected_at - timedelta(days=RESTATEMENT_DAYS)

    def ask(connection: Connection) -> Answers:
        client = Client(platform, connection, base_url, http, tokens, gates, clock, longest_wait)
        return ask_account(client, platform, Asked(connection.external_id, version, platform.versions[version], since))

    return ask


def _http() -> httpx.Client:
    import httpx

    # It logs the address of each request, and Meta's way to exchange a token has secrets in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    limits = httpx.Limits(max_connections=ACCOUNTS_AT_ONCE, max_keepalive_connections=ACCOUNTS_AT_ONCE)
    # A redirect would carry the token to wherever it points; and the stand-in is not behind the way out.
    direct = {"http://127.0.0.1": None}
    return httpx.Client(timeout=TIMEOUT_SECONDS, limits=limits, follow_redirects=False, mounts=direct)


def _sleep(sleep: Callable[[float], None], stopping: threading.Event, seconds: float) -> None:
    """Sleeps, a second at a time, and ends the thread's work if the collection was interrupted."""
    while seconds > 0:
        if stopping.is_set():
            raise InterruptedError("the collection was interrupted")
        sleep(min(seconds, 1.0))
        seconds -= 1.0
