"""A fitted early signal at work: how engagement grows on its platform, corrected by trees, between bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import polars as pl

from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.early_signal.examples import AGE, OBSERVED
from clientnest_assets.models.encoding import Encoder, ModelColumns
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.spread import Spread, bands
from clientnest_assets.models.engagement.trees import Trees

AS_IS: Final = "observed_as_is"
GROWN: Final = "platform_growth"
DECIMALS: Final = 6


def columns_of(features: FeatureSet) -> ModelColumns:
    """What the trees read: all of the set but lists, the early observation, and the post's slot."""
    types = {
        f"{view.name}__{feature.name}": feature.dtype
        for view in features.views
        for feature in view.features
        if feature.name in features.features[view.name]
    }
    numbers = tuple(name for name, dtype in types.items() if dtype.is_numeric() or dtype == pl.Boolean)
    texts = tuple(name for name, dtype in types.items() if dtype == pl.String)
    return ModelColumns((OBSERVED, AGE, *numbers, *spec.SLOT, *spec.REQUEST_NUMBERS), ("platform", *texts))


@dataclass(frozen=True)
class Predictor:
    """Growth from the early observation to maturity: what it is on the platform, and how the trees differ from that.

    Attributes:
        growth: mean of log mature less log observed engagement, by platform.
        overall: over all posts, for a platform without any.
        encoder: from rows to the numbers that the trees read.
        trees: of the difference from the platform's growth.
        spread: what moves the bounds until they cover, calibrated as the engagement model's are.
        followers: the column of log followers, if there is one.
    """

    growth: Mapping[str, float]
    overall: float
    encoder: Encoder
    trees: Trees
    spread: Spread
    followers: str | None

    @classmethod
    def fit(cls, rows: pl.DataFrame, features: FeatureSet, *, threads: int) -> Self:
        """Learns from labelled rows, ordered by `as_of` and post_id."""
        growth, overall = growth_of(rows)
        encoder = Encoder.fit(rows, columns_of(features), min_count=spec.MIN_COUNT)
        followers = spec.FOLLOWERS if spec.FOLLOWERS in features.columns else None
        matrix = encoder.encode(rows)
        target = (rows[spec.LABEL] - grown(rows, growth, overall)).to_numpy()
        first, unseen = Trees.said_unseen(encoder, matrix, target, threads=threads)
        judged = rows.slice(first).select("platform", bands(rows.slice(first), followers))
        spread = Spread.fit(judged, unseen, target[first:])
        return cls(growth, overall, encoder, Trees.fit(encoder, matrix, target, threads=threads), spread, followers)

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """The predictor that an artefact holds."""
        learned = artefact.learned
        return cls(
            learned["growth"],
            learned["overall"],
            Encoder.from_json(learned["encoder"]),
            Trees(artefact.boosters),
            Spread.from_json(learned["spread"]),
            learned["followers"],
        )

    def to_json(self) -> dict[str, Any]:
        """What was learned beside the trees."""
        return {
            "growth": dict(self.growth),
            "overall": self.overall,
            "encoder": self.encoder.to_json(),
            "followers": self.followers,
            "spread": self.spread.to_json(),
        }

    def groups(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Platform and follower band of each row."""
        return rows.select("platform", bands(rows, self.followers))

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, in their order, with PREDICTED, LOW and HIGH and what the naive rules say."""
        if rows.is_empty():
            names = (spec.PREDICTED, spec.LOW, spec.HIGH, AS_IS, GROWN)
            return rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
        start = grown(rows, self.growth, self.overall)
        said = self.trees.said(self.encoder.encode(rows), start.to_numpy())
        bounds = self.spread.bounds(self.groups(rows), said).above_zero()
        return rows.with_columns(
            pl.Series(spec.PREDICTED, bounds.point),
            pl.Series(spec.LOW, bounds.low),
            pl.Series(spec.HIGH, bounds.high),
            pl.col(OBSERVED).alias(AS_IS),
            start,
        )


def growth_of(rows: pl.DataFrame) -> tuple[dict[str, float], float]:
    """The mean of log mature less log observed engagement of labelled rows: by platform, and over all."""
    grew = (rows[spec.LABEL] - rows[OBSERVED]).to_numpy()
    platform = rows["platform"].to_numpy()
    by_platform = {
        name: round(float(grew[platform == name].mean()), DECIMALS) for name in sorted(rows["platform"].unique())
    }
    return by_platform, round(float(grew.mean()), DECIMALS)


def grown(rows: pl.DataFrame, growth: Mapping[str, float], overall: float) -> pl.Series:
    """The observed engagement grown as its platform's posts do, as GROWN."""
    factor = pl.col("platform").replace_strict(
        list(growth), list(growth.values()), default=overall, return_dtype=pl.Float64
    )
    return rows.select((pl.col(OBSERVED) + factor).alias(GROWN)).to_series()
