"""How posts do lately, whoever writes them, against how posts of the same accounts did before.

Engagement rises and falls for all at once: a season, an algorithm that changed. An account's own posts tell of it too late,
where few of them are known; the first days of everybody's posts tell of it soon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.log_engagement import MILLION, millionths
from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.engagement.spec import DRIFT

DAYS: Final = 7
"""A week: weekdays differ."""
MIN_BEFORE: Final = 3
"""A post is compared with its account's posts before from so many of them on."""
MIN_POSTS: Final = 100
"""From fewer posts in the week no drift is told: the median of so many, that spread by 0.8, errs by 0.1."""
PRIOR: Final = 1.0
"""No effect of the drift counts like a hundred posts at a drift of 0.1."""
DECIMALS: Final = 6


def with_drift(rows: pl.DataFrame, early: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, with DRIFT: one number for all rows of a day, as known when the day of `as_of` began.

    The median, over all posts of which an early observation came in the DAYS before, of log1p of what was observed less
    its mean over the account's earlier posts; null from fewer than MIN_POSTS.

    Args:
        rows: `as_of`.
        early: of `young.early_observations`.
    """
    exact, before = pl.col("exact"), pl.col("before")
    apart = (
        early.drop_nulls("account_id")
        .sort("account_id", "observed_at", "post_id")
        .select("observed_at", "account_id", exact=millionths("engagement_score"))
        .with_columns(before=pl.int_range(pl.len()).over("account_id"), sum=exact.cum_sum().over("account_id") - exact)
        .filter(before >= MIN_BEFORE)
        .select("observed_at", apart=exact / MILLION - pl.col("sum") / (before * MILLION))
        .sort("observed_at")
    )
    days = rows.select(pl.col(AS_OF).dt.truncate("1d").alias("day")).unique().drop_nulls().sort("day")
    observed, values = apart["observed_at"], apart["apart"].to_numpy()
    first = observed.search_sorted(days["day"] - timedelta(days=DAYS), side="left").to_numpy()
    end = observed.search_sorted(days["day"], side="left").to_numpy()
    # A loop over days, of which there are some hundreds: each has another set of posts.
    drift = [
        round(float(np.median(values[start:stop])), DECIMALS) if stop - start >= MIN_POSTS else None
        for start, stop in zip(first, end, strict=True)
    ]
    table = days.with_columns(pl.Series(DRIFT, drift, dtype=pl.Float64))
    asked = rows.select(pl.col(AS_OF).dt.truncate("1d").alias("day"))
    return rows.with_columns(asked.join(table, on="day", how="left", maintain_order="left")[DRIFT])


@dataclass(frozen=True)
class Drift:
    """What of the drift the level of accounts lacks.

    Attributes:
        share: between 0 and 1.
        usual: the mean drift: accounts that grow do better than before, and their level knows.
    """

    share: float = 0.0
    usual: float = 0.0

    @classmethod
    def fit(cls, drift: Vector, left: Vector) -> Self:
        """Learned by least squares, drawn towards no share by PRIOR.

        Args:
            drift: of each row, not a number where unknown.
            left: what the level left unexplained.
        """
        known = ~np.isnan(drift)
        if not known.any():
            return cls()
        usual = float(drift[known].mean())
        beyond = drift[known] - usual
        share = float((beyond * left[known]).sum() / ((beyond**2).sum() + PRIOR))
        return cls(round(float(np.clip(share, 0, 1)), DECIMALS), round(usual, DECIMALS))

    def adds(self, rows: pl.DataFrame) -> Vector:
        """What the drift adds to what is expected of each row: nothing where it is unknown."""
        added: Vector = np.nan_to_num((rows[DRIFT].cast(pl.Float64).to_numpy() - self.usual) * self.share)
        return added

    def to_json(self) -> dict[str, float]:
        """For the model's card."""
        return {"share": self.share, "usual": self.usual}

    @classmethod
    def from_json(cls, card: Mapping[str, float]) -> Self:
        """Back from the card."""
        return cls(card["share"], card["usual"])
