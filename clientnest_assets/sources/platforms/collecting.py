"""Collects one platform: all its accounts, landed in batches, resumed where a kill left it.

Rows of `post_metrics` and `account_metrics` land as the source `platform:<name>`, beside what the app's database says. One
account's failure is its own: the others go on, and the report tells its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.sources.landing import Batch, Landed, land_window
from clientnest_assets.sources.platforms.asking import ACCOUNTS, POSTS, Answers
from clientnest_assets.sources.platforms.client import PostponedError
from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.connections import Connection, Connections
from clientnest_assets.sources.platforms.links import linked_posts, require_links
from clientnest_assets.sources.platforms.outcomes import Collected, Outcome
from clientnest_assets.sources.platforms.pool import ask_all
from clientnest_assets.sources.platforms.rows import Row, batch_of
from clientnest_assets.sources.platforms.spec import Platform
from clientnest_assets.sources.platforms.state import Progress, Untold, alone

Answered = tuple[Connection, Answers]
ROWS_PER_COMMIT = 50_000
ACCOUNTS_PER_COMMIT = 500
LONGEST_WAIT = timedelta(minutes=5)
"""An account whose limits ask for more waiting than this is postponed."""
ENTITIES = {POSTS: "post_id", ACCOUNTS: "account_id"}


@dataclass(frozen=True)
class Collector:
    """What a collection needs of its installation."""

    connections: Connections
    lake: Lake
    app_database_url: str
    folder: Path
    """Where tokens, progress and locks are kept. It has to outlive the process."""
    clock: Clock = field(default_factory=Clock)
    longest_wait: timedelta = LONGEST_WAIT

    def collect(
        self,
        platform: Platform,
        *,
        account_id: int | None = None,
        at: datetime | None = None,
        dry_run: bool = False,
        advance: Callable[[Outcome], None] = lambda _: None,
    ) -> Collected:
        """Asks every connected account of the platform, and lands what came.

        Args:
            platform: which.
            account_id: this account only. Such a run is not resumed.
            at: the moment that the rows are of; by default when the collection began.
            dry_run: ask and check, and land nothing.
            advance: told of each account when its rows have landed.

        Raises:
            LinksError: if the app's database does not tell which post is which.
            CollectingError: if another process collects the platform.
        """
        require_links(self.app_database_url)
        with alone(self.folder, platform.name):
            chosen = self.connections.of(platform, account_id)
            progress = Progress.resumed(
                self.folder / f"{platform.name}.json",
                {each.account_id for each in chosen},
                self.clock.now(),
                at,
                resumable=account_id is None and not dry_run,
            )
            collected = Collected(platform.name, progress.collected_at)
            # Before the first row lands: whoever goes on after a kill must know the moment, and that rows came.
            progress.keep()
            if not dry_run:
                self._expect_changes(platform, collected)
            with closing(self._batches(platform, chosen, progress)) as batches:
                for answered in batches:
                    outcomes = self._land(platform, answered, collected, dry_run=dry_run)
                    for connection, answers in answered:
                        progress.settle(connection.account_id, answers.stopped)
                    progress.keep()
                    collected.outcomes += outcomes
                    for each in outcomes:
                        advance(each)
        return collected

    def told(self, platform: Platform) -> None:
        """To be called once everybody downstream knows of the days that `collect` told."""
        self._untold(platform).clear()

    def _untold(self, platform: Platform) -> Untold:
        return Untold(self.folder / f"{platform.name}-untold.json")

    def _expect_changes(self, platform: Platform, collected: Collected) -> None:
        untold = self._untold(platform)
        for each in collected.tables.values():
            each.days_changed |= untold.days()
        untold.mark(collected.collected_at.date())

    def _batches(self, platform: Platform, chosen: list[Connection], progress: Progress) -> Generator[list[Answered]]:
        """The accounts that are not done yet with their answers, as many at a time as make one commit."""
        waiting = [each for each in chosen if each.account_id not in progress.done]
        shut = {each.account_id: until for each in waiting if (until := progress.postponed.get(each.account_id))}
        batch = [
            (each, Answers(stopped=PostponedError(shut[each.account_id])))
            for each in waiting
            if each.account_id in shut
        ]
        asking = ask_all(
            platform,
            self.connections.application(platform),
            [each for each in waiting if each.account_id not in shut],
            tokens=self.folder / f"{platform.name}-tokens.json",
            collected_at=progress.collected_at,
            clock=self.clock,
            longest_wait=self.longest_wait,
        )
        with closing(asking) as answered:
            for each in answered:
                batch.append(each)
                if len(batch) >= ACCOUNTS_PER_COMMIT or sum(answers.rows for _, answers in batch) >= ROWS_PER_COMMIT:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _land(
        self, platform: Platform, answered: list[Answered], collected: Collected, *, dry_run: bool
    ) -> list[Outcome]:
        """Lands the accounts' rows, one commit a table."""
        good, bad = (dict.fromkeys((each.account_id for each, _ in answered), 0) for _ in range(2))
        for table, rows in self._rows(platform, answered).items():
            if not rows:
                continue
            contract = CONTRACTS[table]
            batch, by_account = batch_of(contract, ENTITIES[table], rows, platform.name, collected.collected_at)
            for account_id, fit, unfit in by_account.iter_rows():
                good[account_id] += fit
                bad[account_id] += unfit
            if not dry_run:
                landed = self._add(contract, batch, collected)
                into = collected.tables[table]
                into.rows_written += landed.rows_written
                into.rows_already_held += landed.rows_already_held
                into.rows_quarantined += landed.rows_quarantined
                into.days_changed.update(landed.days_changed)
        return [Outcome.of(each, answers, good[each.account_id], bad[each.account_id]) for each, answers in answered]

    def _add(self, contract: Contract, batch: Batch, collected: Collected) -> Landed:
        day = collected.collected_at.date()
        return land_window(
            self.lake, contract, Window.of_days(day, day), lambda: batch, source=collected.source, adds=True
        )

    def _rows(self, platform: Platform, answered: list[Answered]) -> dict[str, list[Row]]:
        posts = [(connection.account_id, each) for connection, answers in answered for each in answers.posts]
        links = linked_posts(
            self.app_database_url, platform.name, [(account_id, each.external_id) for account_id, each in posts]
        )
        return {
            POSTS: [Row(account, links.get((account, each.external_id)), each) for account, each in posts],
            ACCOUNTS: [
                Row(connection.account_id, connection.account_id, answers.account)
                for connection, answers in answered
                if answers.account
            ],
        }
