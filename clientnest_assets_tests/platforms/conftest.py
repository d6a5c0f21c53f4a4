"""The stand-in with a few accounts, a clock that nobody waits for, a lake in a folder and the app's links in PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.simulation.platforms import Shown, ShownAccount, ShownPost, StandIn
from clientnest_assets.sources.landing import quarantine_table, raw_table
from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.collecting import Collector
from clientnest_assets.sources.platforms.connections import Connections
from clientnest_assets.sources.platforms.links import DDL
from clientnest_assets.sources.platforms.outcomes import Collected, Outcome
from clientnest_assets.sources.platforms.registry import PLATFORMS

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@dataclass
class FakeTime:
    """A clock that sleeping moves on."""

    moment: datetime = NOW
    slept: list[float] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.moment += timedelta(seconds=seconds)
            self.slept.append(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.sleep)


@dataclass
class Kit:
    """The stand-in, and collecting from it."""

    stand_in: StandIn
    time: FakeTime
    lake: Lake
    app: str
    folder: Path
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """More keys of the applications, by platform."""
    tokens: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    """The tokens of each account in the connections file."""
    accounts: dict[tuple[str, int], str] = field(default_factory=dict)

    def show(self, platform: str, account_id: int, *posts: ShownPost, link: bool = True, **numbers: int) -> str:
        """Adds an account with its posts, each linked to our post of the number in its external id; gives its external id."""
        external_id = f"{account_id}00"
        shown = ShownAccount(platform, external_id, posts=list(posts), **numbers)
        self.stand_in.desk.shown.accounts[platform, external_id] = shown
        self.accounts[platform, account_id] = external_id
        access, refresh, _ = self.stand_in.tokens.issue(platform, external_id)
        self.tokens[platform, account_id] = {"access_token": access, "refresh_token": refresh}
        if link:
            for post in posts:
                self.link(platform, account_id, post.external_id)
        return external_id

    def link(self, platform: str, account_id: int, external_id: str) -> None:
        """Links an external post to the post of ours whose id is the number at its end."""
        with psycopg.connect(self.app) as connection:
            connection.execute(
                "insert into platform_posts (post_id, account_id, platform, external_id) values (%s, %s, %s, %s)",
                (int(external_id.rpartition(":")[2]), account_id, platform, external_id),
            )

    @property
    def connections(self) -> Connections:
        return Connections.model_validate(
            {
                "applications": {
                    platform: {
                        "client_id": "us",
                        "client_secret": "secret",
                        "base_url": self.stand_in.base_url(platform),
                        **self.settings.get(platform, {}),
                    }
                    for platform in PLATFORMS
                },
                "accounts": [
                    {
                        "platform": platform,
                        "account_id": account_id,
                        "external_id": external_id,
                        **self.tokens[platform, account_id],
                    }
                    for (platform, account_id), external_id in self.accounts.items()
                ],
            }
        )

    def collector(self, **options: Any) -> Collector:
        return Collector(self.connections, self.lake, self.app, self.folder, clock=self.time.clock, **options)

    def collect(self, platform: str, *, collector: dict[str, Any] | None = None, **options: Any) -> Collected:
        return self.collector(**(collector or {})).collect(PLATFORMS[platform], **options)

    def outcome(self, platform: str, **options: Any) -> Outcome:
        """Of a collection of one account."""
        (outcome,) = self.collect(platform, **options).outcomes
        return outcome

    def raw(self, table: str) -> pl.DataFrame:
        contract = CONTRACTS[table]
        entity = {"post_metrics": "post_id", "account_metrics": "account_id"}[table]
        return raw_table(self.lake, contract).scan().collect().sort(contract.cursor, entity)

    def quarantine(self, table: str) -> pl.DataFrame:
        return quarantine_table(self.lake, CONTRACTS[table]).scan().collect().sort("row")

    def asked(self, part: str = "") -> list[str]:
        """The data requests so far whose address holds the part."""
        return [address for _, address in self.stand_in.desk.asked if part in address]


def post(number: int | str, *, hours_old: float = 1, **numbers: Any) -> ShownPost:
    """A post whose external id ends in our post's id."""
    return ShownPost(str(number), NOW - timedelta(hours=hours_old), **numbers)


@pytest.fixture
def make_post() -> Callable[..., ShownPost]:
    return post


@pytest.fixture(scope="module")
def links(databases) -> str:
    """The URL of a database with the app's links and nothing else."""
    url = databases.create()
    with psycopg.connect(url) as connection:
        connection.execute(DDL)
    return url


@pytest.fixture
def kit(links: str, tmp_path: Path) -> Iterator[Kit]:
    with psycopg.connect(links) as connection:
        connection.execute("truncate platform_posts")
    time = FakeTime()
    with StandIn(Shown(), time.now) as stand_in:
        yield Kit(stand_in, time, Lake(str(tmp_path / "lake")), links, tmp_path / "platforms")
