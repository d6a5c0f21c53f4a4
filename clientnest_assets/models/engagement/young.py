"""What is known of an account's posts before they are mature: how they did in their first day.

A week is long for an account that has just begun, or that rises: what its posts of the last days have got is known before
their mature engagement is. As features of the store only tell of mature posts, requests bring this themselves. What a day's
engagement becomes in a week is learned here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.log_engagement import MILLION, millionths
from clientnest_assets.features.point_in_time import column, get_historical_features
from clientnest_assets.features.upstream import Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.encoding import looked_up
from clientnest_assets.models.engagement.spec import LABEL
from clientnest_assets.partitions import Window

EARLIEST, LATEST = timedelta(hours=24), timedelta(hours=48)
"""Ages between which a post's first observation of a day counts as the early one."""
MIN_POSTS: Final = 30
"""From fewer posts with young ones before them a platform's growth is taken to be that of all."""
DECIMALS: Final = 6
YOUNG_POSTS: Final = "young_posts"
YOUNG_LOG: Final = "young_mean_log"
OBSERVATIONS: Final = Upstream(
    "facts",
    "fact_content_daily",
    columns=(
        ("post_id", pl.Int64()),
        (DAY, pl.Date()),
        ("observed_at", MOMENT),
        ("engagement_score", pl.Int64()),
    ),
    days_back=None,
    where="age_days = 1",
)


def early_observations(outcomes: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """What was seen of posts between EARLIEST and LATEST, first: one row a post.

    Columns: post_id, account_id, published_at, mature_at, observed_at, engagement_score.

    Args:
        outcomes: fact_posts: post_id, account_id, published_at, mature_at (null while young).
        observations: fact_content_daily: post_id, observed_at, engagement_score.
    """
    age = pl.col("observed_at") - pl.col("published_at")
    return (
        observations.join(
            outcomes.select("post_id", "account_id", "published_at", "mature_at"), on="post_id", validate="m:1"
        )
        .filter(age >= EARLIEST, age < LATEST, pl.col("engagement_score").is_not_null())
        .sort("post_id", "observed_at")
        .unique("post_id", keep="first", maintain_order=True)
    )


def with_young_posts(rows: pl.DataFrame, early: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, with YOUNG_POSTS and YOUNG_LOG of their account as known at `as_of`.

    A post counts from its early observation until it is mature. YOUNG_LOG is the mean of log1p of what was observed, null
    without any.

    Args:
        rows: account_id and `as_of`.
        early: of `early_observations`.
    """
    seen = early.drop_nulls("account_id").select(
        "account_id", "observed_at", "mature_at", exact=millionths("engagement_score"), one=pl.lit(1, pl.Int64)
    )
    begins = seen.select("account_id", pl.col("observed_at").alias("event_at"), "one", "exact")
    ends = seen.drop_nulls("mature_at").select(
        "account_id", pl.max_horizontal("mature_at", "observed_at").alias("event_at"), -pl.col("one"), -pl.col("exact")
    )
    sums = (
        # One row a moment, of which any order of the posts makes the same.
        pl.concat([begins, ends])
        .group_by("account_id", "event_at")
        .agg(pl.col("one", "exact").sum())
        .sort("account_id", "event_at")
        .select(
            "account_id",
            "event_at",
            pl.col("event_at").alias("known_at"),
            pl.col("one").cum_sum().over("account_id").alias("posts"),
            pl.col("exact").cum_sum().over("account_id").alias("total"),
        )
    )
    known = get_historical_features(rows.select("account_id", "as_of"), {_YOUNG: sums}).collect()
    posts, total = (known[column(_YOUNG, name)].fill_null(0) for name in ("posts", "total"))
    return rows.with_columns(posts.alias(YOUNG_POSTS), total.alias(YOUNG_LOG)).with_columns(
        pl.when(pl.col(YOUNG_POSTS) > 0).then(pl.col(YOUNG_LOG) / (pl.col(YOUNG_POSTS) * MILLION)).alias(YOUNG_LOG)
    )


@dataclass(frozen=True)
class YoungPosts:
    """What young posts say of their account.

    Attributes:
        growth: by platform, log engagement of a post beyond its form, less that of the young posts before it: what a post
            still gets after its first day, and the form of the young ones, which a request does not tell.
        overall: over all platforms.
        weight: a young post counts like so many mature ones, of which the form is known.
    """

    growth: Mapping[str, float]
    overall: float = 0.0
    weight: float = 0.0

    @classmethod
    def fit(cls, rows: pl.DataFrame, effect: Vector) -> Self:
        """Learned from labelled rows, and what the form of each adds; nothing where no row has young posts before it."""
        beyond = rows[LABEL].to_numpy() - effect
        grown = beyond - rows[YOUNG_LOG].fill_null(np.nan).to_numpy()
        has_young, platform = ~np.isnan(grown), rows["platform"].to_numpy()
        if has_young.sum() < MIN_POSTS:
            return cls({})
        growth = {
            name: round(float(grown[chosen].mean()), DECIMALS)
            for name in sorted(rows["platform"].unique())
            for chosen in [has_young & (platform == name)]
            if chosen.sum() >= MIN_POSTS
        }
        _, account, posts = np.unique(rows["account_id"].to_numpy(), return_inverse=True, return_counts=True)
        mean = np.bincount(account, weights=beyond) / posts
        within = float(((beyond - mean[account]) ** 2).sum()) / max(len(beyond) - len(posts), 1)
        weight = within / max(within + float(effect.var()), 1e-9)
        return cls(growth, round(float(grown[has_young].mean()), DECIMALS), round(weight, DECIMALS))

    def level(self, rows: pl.DataFrame) -> Vector:
        """What the young posts before each row let expect of its account, on the scale of LABEL; not a number without any."""
        seen: Vector = rows[YOUNG_LOG].cast(pl.Float64).to_numpy()
        return seen + looked_up(rows["platform"], self.growth, self.overall)

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {"growth": dict(self.growth), "overall": self.overall, "weight": self.weight}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(card["growth"], card["overall"], card["weight"])


def _not_stored(_inputs: Inputs, _window: Window) -> pl.LazyFrame:
    raise NotImplementedError("young posts come with a request, and are not stored")


_YOUNG: Final = FeatureView(
    name="young",
    version=1,
    entity_keys=("account_id",),
    features=(
        Feature("posts", pl.Int64(), "Posts that are not mature and have an early observation.", "posts"),
        Feature("total", pl.Int64(), "Log engagement of these observations.", "millionths"),
    ),
    compute=_not_stored,
    upstream=(),
    owner="data@clientnest.example",
    description="Posts of an account that are not mature.",
)
"""Not a view of the feature store: it has the form to be read by the same join."""
