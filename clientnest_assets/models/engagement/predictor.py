"""A fitted engagement model at work. Evaluation and scoring both go through here, so that what is measured is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.boosting import fit
from clientnest_assets.models.encoding import Encoder
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import Columns
from clientnest_assets.models.engagement.level import Level, fit_level

if TYPE_CHECKING:
    import lightgbm

PREDICTED: Final = "predicted_log_engagement"


@dataclass(frozen=True)
class Predictor:
    """Its account's level and its form say what to expect of a post; the trees say how it will differ."""

    level: Level
    encoder: Encoder
    booster: lightgbm.Booster

    @classmethod
    def fit(cls, rows: pl.DataFrame, columns: Columns, *, threads: int) -> Self:
        """Learns from labelled rows, ordered by `as_of` and post_id."""
        level, described = fit_level(rows, columns.form, columns.followers)
        encoder = Encoder.fit(described, columns.trees, min_count=spec.MIN_COUNT)
        # The trees learn a difference, not a level: an account that outgrows all it has seen is still followed.
        target = (described[spec.LABEL] - described[spec.EXPECTED]).to_numpy()
        trees = min(spec.MAX_TREES, max(1, rows.height // spec.ROWS_PER_TREE))
        booster = fit(encoder, encoder.encode(described), target, spec.PARAMETERS, trees=trees, threads=threads)
        return cls(level, encoder, booster)

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """The predictor that an artefact holds."""
        return cls(Level.from_json(artefact.card["level"]), artefact.encoder, artefact.booster)

    def predict(self, rows: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
        """The rows, in their order, with PREDICTED, EXPECTED and the naive rules' predictions added.

        Args:
            rows: posts with features.
            past: labelled rows of at least the same users. None is used before its outcome was known.
        """
        described = self.level.describe(rows, past)
        if described.is_empty():
            return described.with_columns(pl.lit(None, pl.Float64).alias(PREDICTED))
        difference = self.booster.predict(self.encoder.encode(described), num_threads=1)
        return described.with_columns((pl.col(spec.EXPECTED) + pl.Series(difference)).alias(PREDICTED))
