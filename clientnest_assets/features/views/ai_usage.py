"""The `ai_usage` view: a user's AI requests, what they consumed, what came of them, and the share of the plan's quota.

What a request asked for in its text is nowhere here; posts that AI wrote are in `content`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl
import polars.selectors as cs

from clientnest_assets.contracts import DAY
from clientnest_assets.contracts.app import AI_REQUEST_TYPES
from clientnest_assets.features.daily import AGE, MOST_UNKNOWN, day_by_day, last_days, sum_of, trend, trend_feature
from clientnest_assets.features.upstream import RAW, Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import ONE_DAY, Window, midnight

DAYS: Final = 30
LONGEST_MONTH: Final = 31
SCORE_DIGITS: Final = 1e6
"""Scores are added as whole millionths: such sums are the same in any order."""


def _sum(name: str, what: str, unit: str, *, moves_with_time: bool = False) -> Feature:
    return Feature(name, pl.Int64(), what, unit, 0, minimum=0, max_null_share=0.0, moves_with_time=moves_with_time)


def _cost(name: str, what: str) -> Feature:
    return Feature(name, pl.Float64(), what, "USD", 0.0, minimum=0, max_null_share=0.0)


FEATURES: Final = (
    _sum("requests_1d", "Requests asked on the day.", "requests"),
    _sum("requests_7d", "Requests of the last 7 days.", "requests"),
    _sum("requests_30d", "Requests of the last 30 days.", "requests"),
    trend_feature("requests_trend", "requests"),
    Feature(
        "request_types_30d",
        pl.Int64(),
        "Different kinds of requests in the last 30 days.",
        "request types",
        0,
        minimum=0,
        maximum=len(AI_REQUEST_TYPES),
        max_null_share=0.0,
    ),
    Feature(
        "days_since_last_request",
        pl.Int64(),
        "Days since the last request, 0 with one on the day; null without any in the last 30 days.",
        "days",
        minimum=0,
        maximum=DAYS - 1,
    ),
    _sum("tokens_1d", "Tokens consumed on the day, whenever they were asked for.", "tokens"),
    _sum("tokens_7d", "Tokens consumed in the last 7 days.", "tokens"),
    _sum("tokens_30d", "Tokens consumed in the last 30 days.", "tokens"),
    _sum(
        "tokens_month_to_date",
        "Tokens consumed since the first of the day's UTC month.",
        "tokens",
        moves_with_time=True,
    ),
    Feature(
        "quota_share",
        pl.Float64(),
        "tokens_month_to_date / the monthly tokens of the plan at the day's end, over 1 beyond them; null without a "
        "known plan.",
        "ratio",
        0.0,
        minimum=0,
        max_null_share=MOST_UNKNOWN,
        moves_with_time=True,
    ),
    _cost("cost_1d", "What the day's tokens cost ClientNest."),
    _cost("cost_7d", "What the tokens of the last 7 days cost ClientNest."),
    _cost("cost_30d", "What the tokens of the last 30 days cost ClientNest."),
    Feature(
        "completed_share_30d",
        pl.Float64(),
        "Of the requests of the last 30 days, the share completed by the day's end; null without requests.",
        "ratio",
        minimum=0,
        maximum=1,
    ),
    Feature(
        "mean_quality_score_30d",
        pl.Float64(),
        "Mean quality of the texts rated by the day's end, of the completed requests of the last 30 days; null without "
        "any.",
        "score",
        minimum=0,
        maximum=1,
    ),
)


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """One row per user and day of the window, for each that fact_users_daily has, with or without AI use.

    So a user who asked nothing is told from one about whom nothing is known yet, and a last row never lives on after
    the use has ended.
    """
    users = inputs["fact_users_daily"].join(
        inputs["dim_subscription_tier"], on="subscription_tier", how="left", validate="m:1"
    )

    def rows_of(day: date) -> pl.LazyFrame:
        completed = _completed_by(inputs["fact_ai_requests"], day)
        rated = _rated_by(inputs["content_generations"], completed, day)
        return (
            users.filter(pl.col(DAY) == day)
            .join(_used_by(inputs["fact_ai_daily"], day), on="user_id", how="left", validate="1:1")
            .join(completed.group_by("user_id").agg(completed=pl.len()), on="user_id", how="left", validate="1:1")
            .join(rated, on="user_id", how="left", validate="1:1")
            .with_columns(cs.starts_with("completed", "requests_", "request_types_", "tokens_", "cost_").fill_null(0))
            .with_columns(
                quota_share=pl.col("tokens_month_to_date") / pl.col("monthly_ai_tokens"),
                completed_share_30d=pl.when(pl.col("requests_30d") > 0).then(
                    pl.col("completed") / pl.col("requests_30d")
                ),
                requests_trend=trend("requests"),
            )
        )

    return day_by_day(window, rows_of).select(
        "user_id", "event_at", "known_at", *(feature.name for feature in FEATURES), DAY
    )


def _used_by(ai_days: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """What each user asked and consumed up to a day's end; who did not within a month has no row."""
    is_recent = pl.col(AGE) < DAYS
    is_asked = is_recent & (pl.col("requests") > 0)
    return (
        last_days(ai_days, day, LONGEST_MONTH)
        .group_by("user_id")
        .agg(
            *(sum_of(name, days).alias(f"{name}_{days}d") for name in ("requests", "tokens") for days in (1, 7, 30)),
            *(sum_of("cost", days).cast(pl.Float64).alias(f"cost_{days}d") for days in (1, 7, 30)),
            sum_of("requests", 21, before=7).alias("requests_21d"),
            sum_of("tokens", day.day).alias("tokens_month_to_date"),
            pl.when(is_asked).then("request_type").drop_nulls().n_unique().cast(pl.Int64).alias("request_types_30d"),
            pl.when(is_asked).then(AGE).min().alias("days_since_last_request"),
        )
    )


def _completed_by(requests: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The requests of the last 30 days that were completed by a day's end."""
    return last_days(requests, day, DAYS).filter(pl.col("completed_at") < midnight(day + ONE_DAY))


def _rated_by(generations: pl.LazyFrame, completed: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """Each user's mean score of what these requests wrote and was rated by a day's end."""
    score = (pl.col("quality_score") * SCORE_DIGITS).round().cast(pl.Int64)
    return (
        last_days(generations, day, DAYS)
        .drop_nulls("quality_score")
        .join(completed.select("request_id", "user_id"), left_on="ai_request_id", right_on="request_id", validate="m:1")
        .group_by("user_id")
        .agg(mean_quality_score_30d=score.sum() / pl.len() / SCORE_DIGITS)
    )


USERS: Final = Upstream(
    "facts",
    "fact_users_daily",
    columns=(
        ("user_id", pl.Int64()),
        (DAY, pl.Date()),
        ("user_tenure_days", pl.Int64()),
        ("subscription_tier", pl.String()),
    ),
)
TIERS: Final = Upstream(
    "dimensions",
    "dim_subscription_tier",
    columns=(("subscription_tier", pl.String()), ("monthly_ai_tokens", pl.Int64())),
    moment="",
)
AI_DAYS: Final = Upstream(
    "facts",
    "fact_ai_daily",
    columns=(
        ("user_id", pl.Int64()),
        ("request_type", pl.String()),
        (DAY, pl.Date()),
        ("requests", pl.Int64()),
        ("tokens", pl.Int64()),
        ("cost", pl.Decimal(18, 6)),
    ),
    days_back=LONGEST_MONTH - 1,
)
REQUESTS: Final = Upstream(
    "facts",
    "fact_ai_requests",
    columns=(
        ("request_id", pl.Int64()),
        ("user_id", pl.Int64()),
        (DAY, pl.Date()),
        ("completed_at", MOMENT),
    ),
    days_back=DAYS - 1,
    where="status = 'completed' and completed_at is not null",
)
GENERATIONS: Final = Upstream(
    RAW,
    "content_generations",
    columns=(("ai_request_id", pl.Int64()), ("quality_score", pl.Float64()), (DAY, pl.Date())),
    days_back=DAYS - 1,
)
AI_USAGE: Final = FeatureView(
    name="ai_usage",
    version=1,
    entity_keys=("user_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(USERS, TIERS, AI_DAYS, REQUESTS, GENERATIONS),
    owner="data@clientnest.example",
    ttl=timedelta(days=3),
    description=(
        "One row per user and day, with or without AI use: requests, tokens, cost, quality and the share of the month's "
        "quota up to the day's end."
    ),
)
