"""The day loop: in which order things happen, and to which table each goes.

Each step is in its own module. A day sees only what came before it, so the first days of a world
are the same however long it lasts; that is what `advance_world` builds on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import polars as pl

from clientnest_assets.simulation import (
    accounts,
    ai,
    churn,
    engagement,
    posts,
    subscriptions,
    support,
    truth_rows,
    users,
    visits,
)
from clientnest_assets.simulation.agenda import Agenda
from clientnest_assets.simulation.effects import draw_effects
from clientnest_assets.simulation.experiments import Trials, experiment_rows
from clientnest_assets.simulation.truth import TruthFiles
from clientnest_assets.simulation.world import World
from clientnest_assets.simulation.writer import Sink
from clientnest_assets.simulation.zones import LocalTime

Progress = Callable[[int, int], None]
"""Called after each day with its index and the number of days."""


class Story:
    """One run of a world, from its first day to its last."""

    def __init__(self, world: World, sink: Sink, truth: TruthFiles) -> None:
        self._world, self._sink, self._truth = world, sink, truth
        self._local_time = LocalTime(world)
        self._drawn = draw_effects(world)
        self._users = users.no_users(world, self._local_time)
        self._accounts = accounts.connect(world, 0, self._users, visits.no_visits())
        self._trials = Trials(world)
        self._last_id: defaultdict[str, int] = defaultdict(int)
        # In flight: mutable rows by the moment of their last step, append rows by their own moment.
        self._posts = Agenda(world, "final_at", keep_later=True)
        self._requests = Agenda(world, "final_at", keep_later=True)
        self._tickets = Agenda(world, "final_at", keep_later=True)
        self._snapshots = Agenda(world, "collected_at")
        self._comments = Agenda(world, "created_at")
        self._judgements = Agenda(world, "created_at")
        self._usage = Agenda(world, "timestamp")
        self._generations = Agenda(world, "created_at")

    def run(self, progress: Progress) -> None:
        """Lives through all days."""
        signups = users.signups_by_day(self._world)
        for day in range(self._world.days):
            self._live(day, int(signups[day]))
            progress(day, self._world.days)
        self._write_standing_rows()

    def _live(self, day: int, signups: int) -> None:
        world, people = self._world, self._users
        departures = churn.leave(world, day, people)
        self._truth.write("user_days", truth_rows.user_days(world, day, departures))
        accounts.grow(world, day, people, self._accounts)

        people.extend(users.sign_up(world, day, signups, self._local_time))
        newcomers = np.arange(len(people) - signups, len(people))
        today = visits.visit(world, day, people, signups, self._local_time)
        self._append("user_sessions", visits.session_rows(world, day, today))
        events = subscriptions.subscription_rows(world, day, people, newcomers, departures, today)
        self._append("subscription_events", events)
        self._append("experiment_assignments", self._trials.assign(day, people, today))

        self._solve_tickets(day)
        self._tickets.file(self._with_ids("support_tickets", support.open_tickets(world, day, people, today)))
        self._write_posts_and_ask_ai(day, today)
        connected = accounts.connect(world, day, people, today)
        self._accounts.extend(connected)
        self._publish(day)
        observed = accounts.ask_platforms(world, day, people, self._accounts, len(connected))
        self._append("account_metrics", observed)
        self._hand_out(day)

    def _write_posts_and_ask_ai(self, day: int, today: visits.Visits) -> None:
        people = self._users
        written = posts.compose(self._world, day, people, self._accounts, today, self._drawn, self._local_time)
        written = self._with_ids("social_posts", written)
        self._posts.file(written)
        requests = self._with_ids("ai_requests", ai.request(self._world, day, people, today, written))
        self._requests.file(requests)
        self._usage.file(ai.usage_rows(requests))
        self._generations.file(ai.generation_rows(requests))

    def _solve_tickets(self, day: int) -> None:
        solved = self._tickets.take(day)
        if solved is not None:
            support.close_tickets(self._users, solved)
            self._sink.write("support_tickets", support.ticket_rows(solved, self._world.end))

    def _publish(self, day: int) -> None:
        """Ends the way of the posts that are due, and draws the success of those that are published."""
        due = self._posts.take(day)
        if due is None:
            return
        self._sink.write("social_posts", posts.post_rows(due, self._world.end))
        failed = due.filter(pl.col("final_status") == "failed")["user"].to_numpy()
        self._users.failed_posts += np.bincount(failed, minlength=len(self._users))
        published = due.filter(pl.col("final_status") == "published")
        if published.is_empty():
            return
        account = published["account"].to_numpy()
        self._accounts.posts_count += np.bincount(account, minlength=len(self._accounts))
        treatment = self._trials.engagement_effect(day, self._users)
        parts = engagement.components(
            published, self._users, self._accounts, self._drawn, day, treatment, self._local_time
        )
        log_expected = engagement.log_expected_score(parts)
        observed, comments = engagement.snapshots(
            self._world, day, published, log_expected, self._accounts.engagement_rate[account]
        )
        self._snapshots.file(observed)
        self._comments.file(comments)
        self._truth.write("posts", truth_rows.posts(published, parts, log_expected))

    def _hand_out(self, day: int) -> None:
        """Writes the rows of this day that were decided earlier."""
        for table, agenda in (
            ("post_metrics", self._snapshots),
            ("ai_usage_logs", self._usage),
            ("content_generations", self._generations),
        ):
            self._append(table, agenda.take(day))
        finished = self._requests.take(day)
        if finished is not None:
            self._sink.write("ai_requests", ai.request_rows(finished, self._world.end))
        comments = self._comments.take(day)
        if comments is not None:
            comments = self._with_ids("social_comments", comments)
            written, judgements = support.write_day_of_comments(self._world, day, comments)
            self._sink.write("social_comments", written)
            self._judgements.file(judgements)
        self._append("sentiment_analysis", self._judgements.take(day))

    def _write_standing_rows(self) -> None:
        """Writes what is still on its way when the world ends, and what lives as long as the world."""
        end, sink = self._world.end, self._sink
        for table, agenda, rows_at in (
            ("social_posts", self._posts, posts.post_rows),
            ("ai_requests", self._requests, ai.request_rows),
            ("support_tickets", self._tickets, support.ticket_rows),
        ):
            in_flight = agenda.rest()
            if in_flight is not None:
                sink.write(table, rows_at(in_flight, end))
        sink.write("auth_user", users.user_rows(self._users))
        sink.write("social_media_accounts", accounts.account_rows(self._users, self._accounts))
        trials = experiment_rows(self._world)
        if not trials.is_empty():
            sink.write("experiments", trials)
        self._truth.write("accounts", truth_rows.accounts(self._users, self._accounts))

    def _append(self, table: str, frame: pl.DataFrame | None) -> None:
        if frame is not None and not frame.is_empty():
            self._sink.write(table, self._with_ids(table, frame))

    def _with_ids(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Numbers the rows on from the table's last id."""
        first = self._last_id[table] + 1
        self._last_id[table] += len(frame)
        return frame.with_columns(pl.Series("id", np.arange(first, first + len(frame))))
