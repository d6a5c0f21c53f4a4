"""From tables to what the churn model learns from and is asked: users at moments, with what is no feature of the store.

Visits and truth are told in `moments.py`; the store's features are joined by whoever calls.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.features.upstream import RAW, Inputs, Upstream
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.churn.moments import at_end_of_day, at_ends_of_days, at_week_ends, day_before
from clientnest_assets.models.churn.spec import (
    CHURN_RISK,
    ENTITY,
    FAILED_POSTS,
    SINCE_FIRST_VISIT,
    TENURE,
    TIER,
    UNKNOWN,
    Definition,
)
from clientnest_assets.partitions import Window

USER_DAYS: Final = Upstream(
    "facts",
    "fact_users_daily",
    columns=(
        (ENTITY, pl.Int64()),
        (DAY, pl.Date()),
        ("sessions", pl.Int64()),
        ("session_seconds", pl.Int64()),
        (TIER, pl.String()),
        (TENURE, pl.Int64()),
        (CHURN_RISK, pl.Float64()),
    ),
    days_back=None,
    # Beside the days with a visit only those that end at a moment looked from: Sundays, and the window's own.
    where="sessions > 0 or extract(isodow from day) = 7 or day >= {start}",
)
POSTS: Final = Upstream(
    RAW,
    "social_posts",
    columns=(("id", pl.Int64()), (ENTITY, pl.Int64()), ("status", pl.String()), ("updated_at", MOMENT)),
    days_back=None,
)
FAILED: Final = "failed"
DEFINITION: Final = Definition()


def examples(inputs: Inputs, until: datetime, definition: Definition = DEFINITION) -> pl.DataFrame:
    """Users at the Sundays at whose end they were active, and whether they were gone then.

    Grain: one row per user and Sunday, ordered by `as_of` and user_id: VISITS, FAILED_POSTS, plan, tenure and
    churn_risk at the moment, LABEL, and LABEL_KNOWN_AT, before `until` in every row.

    Args:
        inputs: USER_DAYS and POSTS, up to `until`.
        until: the end of what is known, a midnight.
        definition: who is judged, and what being gone is.
    """
    user_days = _user_days(inputs)
    return _described(at_week_ends(user_days, until, definition), user_days, inputs)


def examples_of_days(inputs: Inputs, known: Window, definition: Definition = DEFINITION) -> pl.DataFrame:
    """As `examples`, at the end of each day whose truth came to be known in the window: what requests of a day became.

    Args:
        inputs: USER_DAYS and POSTS, up to the window's end, USER_DAYS whole from the horizon before the window on.
        known: the days on which truth came to be known.
        definition: who is judged, and what being gone is.
    """
    user_days = _user_days(inputs)
    return _described(at_ends_of_days(user_days, known, definition), user_days, inputs)


def requests(inputs: Inputs, until: datetime, definition: Definition = DEFINITION) -> pl.DataFrame:
    """Users who are active at the end of a day, ordered by user_id, described as examples are."""
    user_days = _user_days(inputs)
    return _described(at_end_of_day(user_days, until, definition), user_days, inputs)


def _user_days(inputs: Inputs) -> pl.DataFrame:
    return inputs[USER_DAYS.table].select(name for name, _ in USER_DAYS.columns).collect()


def _described(active: pl.DataFrame, user_days: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The rows, in their order, with what the day before the moment and failed posts say."""
    failures = failed_posts(inputs[POSTS.table], active)
    return (
        active.with_columns(day_before(AS_OF).alias(DAY))
        .join(
            user_days.select(ENTITY, DAY, TIER, TENURE, CHURN_RISK),
            on=[ENTITY, DAY],
            how="left",
            validate="m:1",
            maintain_order="left",
        )
        .join(failures, on=[ENTITY, AS_OF], how="left", validate="1:1", maintain_order="left")
        .with_columns(
            pl.col(TIER).fill_null(UNKNOWN),
            pl.coalesce(TENURE, SINCE_FIRST_VISIT).alias(TENURE),
            pl.col(FAILED_POSTS).fill_null(0),
        )
        .drop(DAY, SINCE_FIRST_VISIT)
    )


def failed_posts(versions: pl.LazyFrame, active: pl.DataFrame) -> pl.DataFrame:
    """How many posts had failed in the last 7 and 30 days at each of the moments; who has none has no row.

    A post fails when a version of it first says so, and has failed then, whatever becomes of it later: only those still
    failed today would be those that nobody came back to mend.
    """
    week, month = FAILED_POSTS
    failed = (
        versions.filter(pl.col("status") == FAILED)
        .group_by("id")
        .agg(pl.col(ENTITY).first(), pl.col("updated_at").min().alias("failed_at"))
        .collect()
    )
    age = pl.col(AS_OF) - pl.col("failed_at")
    return (
        active.select(ENTITY, AS_OF)
        .join(failed, on=ENTITY)
        .filter(pl.col("failed_at") < pl.col(AS_OF), age <= pl.duration(days=30))
        .group_by(ENTITY, AS_OF)
        .agg(
            (age <= pl.duration(days=7)).sum().cast(pl.Int64).alias(week),
            pl.len().cast(pl.Int64).alias(month),
        )
    )
