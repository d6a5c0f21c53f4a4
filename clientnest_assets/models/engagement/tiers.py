"""Performance tiers before the fact: where they part, as known when a post is written, and the chance of each.

The warehouse's `performance_tier` says afterwards which one it became, by all of the 90 days' posts; here a post of those
days counts only once its own engagement is known.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.engagement.spec import BOUNDARIES, TIERS

DAYS: Final = 90
MIN_POSTS: Final = 20
"""From fewer posts no quartile is told."""
_DAY: Final = "__day"
_SHARES: Final = (0.25, 0.5, 0.75)


def with_boundaries(rows: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, with the BOUNDARIES of their platform as known when the day of `as_of` began.

    Quartiles, interpolated, of the mature scores of the platform's posts of the 90 days before; null from fewer than
    MIN_POSTS of them.

    Args:
        rows: platform and `as_of`.
        outcomes: fact_posts: platform, published_at, mature_at, mature_engagement_score.
    """
    asked = rows.select("platform", pl.col(AS_OF).dt.truncate("1d").alias(_DAY))
    days = asked.unique().drop_nulls().sort("platform", _DAY)
    known = outcomes.drop_nulls(["mature_at", "mature_engagement_score"])
    found = [_quartiles(known.filter(platform=platform), part) for (platform,), part in days.group_by("platform")]
    schema = {"platform": pl.String(), _DAY: days.schema[_DAY], **dict.fromkeys(BOUNDARIES, pl.Float64())}
    table = pl.concat([pl.DataFrame(schema=schema), *found])
    return rows.hstack(asked.join(table, on=["platform", _DAY], how="left", maintain_order="left").select(BOUNDARIES))


def _quartiles(outcomes: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The days of one platform with their BOUNDARIES, from its outcomes."""
    published, known_at = (outcomes[name].to_numpy() for name in ("published_at", "mature_at"))
    score = outcomes["mature_engagement_score"].to_numpy().astype(np.float64)
    found = np.full((days.height, len(BOUNDARIES)), np.nan)
    # A loop over days, of which there are some hundreds: each has another set of posts.
    for place, day in enumerate(days[_DAY].to_numpy()):
        scores = score[
            (known_at <= day) & (published < day) & (published >= day - np.timedelta64(timedelta(days=DAYS)))
        ]
        if len(scores) >= MIN_POSTS:
            found[place] = np.quantile(scores, _SHARES)
    columns = {name: pl.Series(column).fill_nan(None) for name, column in zip(BOUNDARIES, found.T.copy(), strict=True)}
    return days.with_columns(**columns)


def upper_ends(rows: pl.DataFrame) -> Vector:
    """On the scale of the label, where each tier but the last ends: one line a row, not a number where unknown.

    Scores are whole: what is at most the boundary ends half-way to the next score.
    """
    greatest = rows.select(pl.col(BOUNDARIES).cast(pl.Float64)).to_numpy()
    ends: Vector = np.log1p(np.floor(greatest) + 0.5)
    return ends


def tier_of(label: Vector, ends: Vector) -> Vector:
    """The place in TIERS of each outcome; not a number where the ends are unknown."""
    place = (label[:, None] > ends).sum(axis=1).astype(np.float64)
    return np.where(np.isnan(ends).any(axis=1), np.nan, place)


def chances(below: Vector) -> Vector:
    """The chance of each of TIERS, from those of an outcome below each end; they add up to 1."""
    ones = np.ones((len(below), 1))
    parts: Vector = np.diff(np.hstack([0 * ones, np.maximum.accumulate(below, axis=1), ones]), axis=1)
    return parts


def likeliest(found: Vector) -> pl.Series:
    """The tier with the greatest chance, by row; null where the chances are unknown."""
    best = np.where(np.isnan(found).any(axis=1), np.nan, np.argmax(np.nan_to_num(found), axis=1))
    return pl.Series("tier", [*TIERS, None])[np.nan_to_num(best, nan=len(TIERS)).astype(np.int64)]
