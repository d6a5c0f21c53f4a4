"""What a collection reports: each account's outcome, and what landed in each table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from clientnest_assets.sources.platforms.asking import ACCOUNTS, POSTS, Answers
from clientnest_assets.sources.platforms.client import PostponedError
from clientnest_assets.sources.platforms.connections import Connection
from clientnest_assets.sources.platforms.rows import source_name


class Status(StrEnum):
    """What became of an account in a collection."""

    DONE = "done"
    POSTPONED = "postponed"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """One account. `rows = rows_good + rows_quarantined`; the good ones were written, or held already."""

    platform: str
    account_id: int
    status: Status
    reason: str
    """Why it was postponed or failed; empty if it is done."""
    rows: int
    rows_good: int
    rows_quarantined: int
    posts_repeated: int
    """Posts that came on two pages. Counted once in the rows."""
    posts_unanswered: int
    """Posts that the platform lists and has no numbers of. No rows."""

    @classmethod
    def of(cls, connection: Connection, answers: Answers, good: int, bad: int) -> Outcome:
        """The outcome of an account whose answers gave so many good and bad rows."""
        stopped = answers.stopped
        if stopped is None:
            status = Status.DONE
        else:
            status = Status.POSTPONED if isinstance(stopped, PostponedError) else Status.FAILED
        reason = "" if stopped is None else str(stopped)
        return cls(
            *(connection.platform, connection.account_id, status, reason),
            *(answers.rows, good, bad, answers.repeated, answers.unanswered),
        )


@dataclass
class LandedRows:
    """What landed in one raw table."""

    rows_written: int = 0
    rows_already_held: int = 0
    rows_quarantined: int = 0
    days_changed: set[date] = field(default_factory=set)
    """Days that hold other rows than when Dagster was last told, as far as that is known."""


@dataclass
class Collected:
    """One run over a platform's accounts."""

    platform: str
    collected_at: datetime
    outcomes: list[Outcome] = field(default_factory=list)
    """The accounts that were asked in this run, or would have been but for a limit."""
    tables: dict[str, LandedRows] = field(default_factory=lambda: {POSTS: LandedRows(), ACCOUNTS: LandedRows()})

    @property
    def source(self) -> str:
        """The rows' source."""
        return source_name(self.platform)

    def with_status(self, status: str) -> list[Outcome]:
        """The accounts of one status."""
        return [each for each in self.outcomes if each.status == status]

    def total(self, figure: str) -> int:
        """The sum of a figure over the accounts."""
        return sum(getattr(each, figure) for each in self.outcomes)
