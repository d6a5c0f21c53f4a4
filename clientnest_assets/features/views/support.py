"""The `support` view: a user's tickets at each day's end: open ones by priority, how many came, how long they took.

No text of a ticket is kept by the platform. A ticket's category is free text of the app, and no feature.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import polars as pl
import polars.selectors as cs

from clientnest_assets.contracts import DAY, DELETED_AT, SOURCE
from clientnest_assets.features.daily import day_by_day, trend, trend_feature
from clientnest_assets.features.upstream import RAW, Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import ONE_DAY, Window, midnight

HOUR_US: Final = timedelta(hours=1) / timedelta(microseconds=1)
DAY_US: Final = timedelta(days=1) / timedelta(microseconds=1)


def _count(name: str, what: str, *, moves_with_time: bool = False) -> Feature:
    return Feature(name, pl.Int64(), what, "tickets", 0, minimum=0, max_null_share=0.0, moves_with_time=moves_with_time)


FEATURES: Final = (
    _count("open_tickets", "Tickets opened and not resolved by the day's end."),
    _count("open_urgent_tickets", "Those of them with the priority urgent."),
    _count("open_high_tickets", "Those of them with the priority high."),
    Feature(
        "oldest_open_age_days",
        pl.Float64(),
        "Age of the oldest open ticket at the day's end; null without one.",
        "days",
        minimum=0,
    ),
    _count("opened_7d", "Tickets opened in the last 7 days."),
    _count("opened_30d", "Tickets opened in the last 30 days."),
    trend_feature("opened_trend", "tickets opened"),
    _count("resolved_30d", "Tickets resolved in the last 30 days."),
    Feature(
        "mean_resolution_hours_90d",
        pl.Float64(),
        "Mean time from opening to resolution of the tickets resolved in the last 90 days; null without any.",
        "hours",
        minimum=0,
    ),
    Feature(
        "days_since_last_ticket",
        pl.Float64(),
        "Time from the opening of the newest ticket to the day's end; null before the first.",
        "days",
        minimum=0,
        moves_with_time=True,
    ),
    _count("tickets_total", "Tickets ever opened by the day's end.", moves_with_time=True),
)


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per user and day of the window, for each that fact_users_daily has, with or without tickets.

    So a user without a ticket is told from one about whom nothing is known yet.
    """
    users, versions = inputs["fact_users_daily"], _versions(inputs["support_tickets"])

    def rows_of(day: date) -> pl.LazyFrame:
        return (
            users.filter(pl.col(DAY) == day)
            .join(_tickets_at(versions, midnight(day + ONE_DAY)), on="user_id", how="left", validate="1:1")
            .with_columns(cs.starts_with("open_", "opened_", "resolved_", "tickets_").fill_null(0))
            .with_columns(opened_trend=trend("opened"))
        )

    return day_by_day(window, rows_of).select(
        "user_id", "event_at", "known_at", *(feature.name for feature in FEATURES), DAY
    )


def _versions(tickets: pl.LazyFrame) -> pl.LazyFrame:
    """Every captured version, with the span from `held_from` on and before `held_to` in which it was the newest.

    The first one captured stands for the ticket from its creation on: earlier ones were written over before anyone saw
    them, and the ticket's own times tell its past.
    """
    held_from = (
        pl.when(pl.col("updated_at") == pl.col("updated_at").min())
        .then("created_at")
        .otherwise("updated_at")
        .over("id")
    )
    return (
        tickets.sort("id", "updated_at", SOURCE)
        .unique(["id", "updated_at"], keep="first", maintain_order=True)
        .with_columns(held_from=held_from, held_to=pl.col("updated_at").shift(-1).over("id"))
    )


def _tickets_at(versions: pl.LazyFrame, moment: datetime) -> pl.LazyFrame:
    """What each user's tickets were just before a moment; who had none has no row."""
    opened, resolved = pl.col("created_at"), pl.col("resolved_at")
    is_resolved = resolved < moment
    is_open = is_resolved.not_().fill_null(value=True)

    def since(time: pl.Expr, days: int) -> pl.Expr:
        return time >= moment - timedelta(days=days)

    def count(condition: pl.Expr) -> pl.Expr:
        return condition.sum().cast(pl.Int64)

    took = pl.when(is_resolved & since(resolved, 90)).then((resolved - opened).dt.total_microseconds())
    return (
        versions.filter(
            pl.col("held_from") < moment,
            (pl.col("held_to") >= moment).fill_null(value=True),
            (pl.col(DELETED_AT) >= moment).fill_null(value=True),
        )
        .group_by("user_id")
        .agg(
            count(is_open).alias("open_tickets"),
            count(is_open & (pl.col("priority") == "urgent")).alias("open_urgent_tickets"),
            count(is_open & (pl.col("priority") == "high")).alias("open_high_tickets"),
            (moment - pl.when(is_open).then(opened).min())
            .dt.total_microseconds()
            .truediv(DAY_US)
            .alias("oldest_open_age_days"),
            count(since(opened, 7)).alias("opened_7d"),
            count(since(opened, 28) & ~since(opened, 7)).alias("opened_21d"),
            count(since(opened, 30)).alias("opened_30d"),
            count(is_resolved & since(resolved, 30)).alias("resolved_30d"),
            (took.sum() / took.count() / HOUR_US).fill_nan(None).alias("mean_resolution_hours_90d"),
            (moment - opened.max()).dt.total_microseconds().truediv(DAY_US).alias("days_since_last_ticket"),
            pl.len().cast(pl.Int64).alias("tickets_total"),
        )
    )


USERS: Final = Upstream(
    "facts",
    "fact_users_daily",
    columns=(("user_id", pl.Int64()), (DAY, pl.Date()), ("user_tenure_days", pl.Int64())),
)
TICKETS: Final = Upstream(
    RAW,
    "support_tickets",
    columns=(
        ("id", pl.Int64()),
        ("user_id", pl.Int64()),
        ("priority", pl.String()),
        ("created_at", MOMENT),
        ("resolved_at", MOMENT),
        ("updated_at", MOMENT),
        (DELETED_AT, MOMENT),
        (SOURCE, pl.String()),
    ),
    # Of a ticket that was captured once it was resolved, the days on which it was open are told by that later version.
    moment="",
    days_back=None,
)
SUPPORT: Final = FeatureView(
    name="support",
    version=1,
    entity_keys=("user_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(USERS, TICKETS),
    owner="data@clientnest.example",
    ttl=timedelta(days=3),
    description="One row per user and day, with or without tickets: open ones, recent ones, and how long they took.",
)
