"""How far a platform's collection has come, kept so that a killed one goes on where it stopped.

A collection has one moment, `collected_at`, and with it its rows' ids: what a kill left half done is asked again and lands
as the same rows. After a while the numbers are no more of that moment, and a new collection begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.kept import read_json, write_json
from clientnest_assets.sources.platforms.client import PostponedError

RESUMED_WITHIN = timedelta(minutes=45)
"""Less than from one hourly collection to the next: that has to ask all accounts, if the one before postponed any."""


class CollectingError(ClientNestError):
    """Another collection of the platform is under way."""


@dataclass
class Progress:
    """One collection: its moment, the accounts that are done or have failed, and those that are to be left alone."""

    file: Path
    collected_at: datetime
    accounts: set[int]
    """All that it began with."""
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    postponed: dict[int, datetime] = field(default_factory=dict)
    """By account: not to be asked before."""

    is_kept: bool = True
    """Whether it is written down, to be resumed."""

    @classmethod
    def resumed(
        cls, file: Path, accounts: set[int], now: datetime, at: datetime | None, *, resumable: bool = True
    ) -> Progress:
        """The collection that was left unfinished, or a new one.

        Args:
            file: where progress is kept.
            accounts: all that are to be collected.
            now: the moment it is.
            at: the moment that the rows are of; by default `now`.
            resumable: False for a collection that neither goes on with another nor is kept itself.
        """
        kept = read_json(file)
        fresh = cls(file, at or now, accounts, is_kept=resumable)
        if not kept:
            return fresh
        postponed = {int(account): datetime.fromisoformat(until) for account, until in kept["postponed"].items()}
        fresh.postponed = {account: until for account, until in postponed.items() if until > now}
        before = cls(
            file,
            datetime.fromisoformat(kept["collected_at"]),
            set(kept["accounts"]),
            set(kept["done"]),
            set(kept["failed"]),
            fresh.postponed,
        )
        is_of_now = before.collected_at == at if at else now - RESUMED_WITHIN < before.collected_at <= now
        # Accounts may have been disconnected since; and one connected since is no reason to go on with what is finished.
        is_finished = before.accounts & accounts <= before.done | before.failed
        return before if resumable and is_of_now and not is_finished else fresh

    def settle(self, account_id: int, stopped: Exception | None) -> None:
        """Notes what became of an account whose rows have landed."""
        self.failed.discard(account_id)
        self.postponed.pop(account_id, None)
        if stopped is None:
            self.done.add(account_id)
        elif isinstance(stopped, PostponedError):
            self.postponed[account_id] = stopped.until
        else:
            self.failed.add(account_id)

    def keep(self) -> None:
        """Writes it down, if it is to be resumed. Call it after rows have landed, never before."""
        if not self.is_kept:
            return
        content = {
            "collected_at": self.collected_at.isoformat(),
            "accounts": sorted(self.accounts),
            "done": sorted(self.done),
            "failed": sorted(self.failed),
            "postponed": {str(account): until.isoformat() for account, until in self.postponed.items()},
        }
        write_json(self.file, content)


@dataclass(frozen=True)
class Untold:
    """The days that rows have landed on and that nobody downstream was told of: marked before the first row lands."""

    file: Path

    def days(self) -> set[date]:
        """The days marked and not cleared, by a run that was killed among others."""
        return {date.fromisoformat(day) for day in read_json(self.file).get("days", [])}

    def mark(self, day: date) -> None:
        """Keeps the day until `clear`."""
        write_json(self.file, {"days": sorted(str(each) for each in {*self.days(), day})})

    def clear(self) -> None:
        """Everybody was told."""
        self.file.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path, platform: str) -> Iterator[None]:
    """Holds the platform's lock: one collection at a time, as tokens are refreshed and progress is kept by one.

    Raises:
        CollectingError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{platform}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CollectingError(f"another collection of {platform} is under way in {folder}; wait for it.") from None
    try:
        yield
    finally:
        lock.release()
