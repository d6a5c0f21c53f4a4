"""A company's year, made nasty at its source, through the product's own way and held against the recomputation.

Stages: the year arrives window by window; then much happens at the app that is told of days long gone; then a
little. After each the product builds the days that it says are behind, and no other. In the end the warehouse is
built once more, from the lake alone and in other windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg

from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.simulation import World, write_world
from clientnest_assets_tests.recomputation.auditor import Recomputed, recompute
from clientnest_assets_tests.recomputation.comparing import Comparison, with_moments
from clientnest_assets_tests.recomputation.journal import Journal
from clientnest_assets_tests.recomputation.product import Product

DISTURBANCES = Path(__file__).with_name("disturbances")
LAST_DAY = date(2026, 4, 19)
"""The disturbances are told in days of the year that ends with it."""
LOOKS_AHEAD = timedelta(days=29)
"""So many days before the newest are built again with it: they were not final."""
GONE = "was"
"""Schema of the app's database in which `later.sql` keeps the rows from which it deletes."""
MART = "marts"
FACT = "facts"
EVENTS = "made of the app's events, which are not in its database"
KEYS_OF_OTHERS = {"post_key": "the post's id, or that of the unknown post"}
COMPARISONS = (
    Comparison(
        "dimensions", "dim_user", ("user_id", "valid_from"), {"user_key": "made of the two", "is_known": "true"}
    ),
    Comparison(FACT, "fact_users_daily", ("user_id", "day"), {}),
    Comparison(FACT, "fact_sessions", ("session_id",), {}),
    Comparison(FACT, "fact_posts", ("post_id",), KEYS_OF_OTHERS),
    Comparison(FACT, "fact_content_daily", ("post_id", "day"), KEYS_OF_OTHERS),
    Comparison(FACT, "fact_social_daily", ("account_id", "day"), {}),
    Comparison(FACT, "fact_ai_daily", ("user_id", "request_type", "day"), {}),
    Comparison(FACT, "fact_ai_requests", ("request_id",), {}),
    Comparison(FACT, "fact_subscription_events", ("subscription_event_id",), {}),
    Comparison(MART, "active_users", ("period_key",), {"users_with_events": EVENTS, "is_events_missing": EVENTS}),
    Comparison(MART, "cohort_retention", ("cohort_week", "week_number"), {}),
    Comparison(MART, "activation_funnel", ("sign_up_week", "step_number"), {}),
    Comparison(MART, "mrr_movements", ("day",), {}),
    Comparison(MART, "experiment_results", ("experiment_id", "variant"), {}),
    Comparison(MART, "platform_performance", ("platform", "day"), {}),
    Comparison(MART, "follower_growth", ("account_id", "week_start"), {}),
    Comparison(MART, "daily_kpis", ("day",), {}),
    Comparison(MART, "hourly_metrics", ("hour_at",), {"app_events": EVENTS, "app_errors": EVENTS}),
    Comparison(MART, "ai_efficiency", ("day", "request_type", "subscription_tier"), {}),
    Comparison(MART, "executive_overview", ("day",), {}),
)
DELETED = {
    "social_posts": "id % 97 = 5",
    "social_media_accounts": "id in (select id from social_media_accounts order by updated_at limit 3)",
    "auth_user": (
        "date_joined < updated_at and id in ("
        "(select id from auth_user where subscription_tier = 'free' order by updated_at limit 3) union all "
        "(select id from auth_user where subscription_tier <> 'free' order by updated_at limit 2))"
    ),
}
"""Which rows of mutable tables are deleted, as change capture sees it: a minute after they last changed."""


@dataclass
class Trial:
    """One company, its product and its auditor, and what was found."""

    world: World
    product: Product
    journal: Journal

    @classmethod
    def begin(cls, home: Path, create_database: Callable[[], str], *, users: int, days: int = 365) -> Trial:
        """A simulated company whose app's database holds what nobody expects."""
        world = World(users=users, days=days, seed=3, last_day=LAST_DAY)
        product = Product(home, Lake(str(home / "lake")), create_database(), create_database())
        write_world(world, product.app_url, home / "truth", lambda _day, _days: None)
        trial = cls(world, product, Journal(product.app_url))
        trial.disturb("at_the_start.sql")
        return trial

    @property
    def span(self) -> Window:
        """All days of the world."""
        return Window.of_days(self.world.first_day, self.world.last_day)

    def disturb(self, name: str) -> None:
        """Runs one of the scripts on the app's database."""
        with psycopg.connect(self.product.app_url, options="-c timezone=UTC") as app:
            app.execute((DISTURBANCES / name).read_bytes())

    def arrive(self, days: int) -> None:
        """The year arrives in windows of so many days, each landed, loaded and built before the next is there."""
        for window in self.span.chunks(days):
            self.product.land(window)
            self.product.load(window)
            self.product.build(Window(max(self.span.start, window.start - LOOKS_AHEAD), window.end))
        self.catch_up()

    def arrive_again(self, days: int) -> None:
        """All of it is landed and loaded once more, as a backfill does, and what is behind is built."""
        for window in self.span.chunks(days):
            self.product.land(window)
            self.product.load(window)

    def delete(self) -> None:
        """Rows of mutable tables are deleted at the source."""
        self.journal.look()
        with psycopg.connect(self.product.app_url, options="-c timezone=UTC", autocommit=True) as app:
            for table, condition in DELETED.items():
                gone = app.execute(
                    f"delete from {table} where {condition} returning id, updated_at + interval '1 minute'".encode()
                ).fetchall()
                for row, at in gone:
                    self.note_deletion(table, row, at.astimezone(UTC))

    def note_deletion(self, table: str, row: int, at: datetime) -> None:
        """A row's deletion is seen, by the product's change capture and by the auditor."""
        self.journal.note_deletion(table, row, at)
        self.product.load(self.product.land_deletion(table, row, at), [table])

    def gone(self, table: str) -> list[int]:
        """Ids of rows that the table had after the first disturbance and has no more."""
        with psycopg.connect(self.product.app_url) as app:
            asked = f"select id from {GONE}.{table} except select id from {table}"
            return [row for (row,) in app.execute(asked.encode())]

    def catch_up(self) -> Mapping[str, list[date]]:
        """Builds the days that the product says are behind, and no other; returns them by model."""
        behind = self.product.days_behind()
        self.product.build_days(behind)
        return behind

    def differences(self) -> list[str]:
        """What the warehouse has otherwise than the recomputation, in words."""
        self.journal.look()
        recomputed = recompute(self.journal, self.world.first_day, self.world.last_day)
        return list(self._differences(recomputed))

    def _differences(self, recomputed: Recomputed) -> Iterator[str]:
        users = self.product.table("dimensions", "dim_user").filter(pl.col("is_known"))
        accounts = self.product.table("dimensions", "dim_social_account").filter(pl.col("is_known"))
        for comparison in COMPARISONS:
            ours, theirs = self.product.table(comparison.schema, comparison.table), recomputed.table(comparison.table)
            if comparison.table == "dim_user":
                ours, theirs = users, theirs.drop("ends_at")
            else:
                ours = with_moments(ours, "user_key", users, "user_valid_from")
                ours = with_moments(ours, "account_key", accounts, "account_valid_from")
            yield from comparison.differences(ours, theirs)
