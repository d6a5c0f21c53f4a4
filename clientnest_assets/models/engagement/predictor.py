"""A fitted engagement model at work. Evaluation and scoring both go through here, so that what is measured is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from clientnest_assets.models.additive import PIECE, Parts
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.encoding import Encoder, Matrix
from clientnest_assets.models.engagement import spec, tiers
from clientnest_assets.models.engagement.columns import Columns
from clientnest_assets.models.engagement.level import Level, fit_level
from clientnest_assets.models.engagement.spread import Spread, bands
from clientnest_assets.models.engagement.trees import Trees


@dataclass(frozen=True)
class Predictor:
    """Its account's level and its form say what to expect of a post; the trees say how it will differ, and how far.

    Attributes:
        level: what is expected before any tree.
        encoder: from described rows to the numbers that the trees read.
        trees: of the difference from what is expected.
        spread: what moves the bounds until they cover.
    """

    level: Level
    encoder: Encoder
    trees: Trees
    spread: Spread

    @classmethod
    def fit(cls, rows: pl.DataFrame, columns: Columns, *, threads: int) -> Self:
        """Learns from labelled rows, ordered by `as_of` and post_id.

        Bounds are calibrated on rows that the trees behind them did not see, fold by fold in time (cross-conformal
        prediction: Vovk, "Cross-conformal predictors", 2015), and then belong to trees of all rows. To keep the newest rows
        for calibration alone was tried: trees that lack them err more than those that are shipped, which then cover too
        much, and one odd day among few rows counts too much. What the trees start from is out of sample already
        (`fit_level`). As posts to come are later than all folds, how often the bounds really cover is measured on later
        rows (`evaluation.py`).
        """
        level, described = fit_level(rows, columns.form, columns.followers)
        encoder = Encoder.fit(described, columns.trees, min_count=spec.MIN_COUNT)
        features = encoder.encode(described)
        # The trees learn a difference, not a level: an account that outgrows all it has seen is still followed.
        target = (described[spec.LABEL] - described[spec.EXPECTED]).to_numpy()
        first, unseen = Trees.said_unseen(encoder, features, target, threads=threads)
        spread = Spread.fit(_groups(described.slice(first), columns.followers), unseen, target[first:])
        return cls(level, encoder, Trees.fit(encoder, features, target, threads=threads), spread)

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """The predictor that an artefact holds."""
        learned = artefact.learned
        return cls(
            Level.from_json(learned["level"]),
            Encoder.from_json(learned["encoder"]),
            Trees(artefact.boosters),
            Spread.from_json(learned["spread"]),
        )

    def to_json(self) -> dict[str, Any]:
        """What was learned beside the trees."""
        return {"level": self.level.to_json(), "encoder": self.encoder.to_json(), "spread": self.spread.to_json()}

    def predict(self, rows: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
        """The rows, in their order, described (`Level.describe`), with PREDICTED, LOW, HIGH and CHANCES added.

        The chances are null where the BOUNDARIES of the tiers are.

        Args:
            rows: posts with features.
            past: labelled rows of at least the same users. None is used before its outcome was known.
        """
        return self.prediction(rows, past).rows

    def prediction(self, rows: pl.DataFrame, past: pl.DataFrame) -> Prediction:
        """The same, with what it was made from."""
        own, of_past, form = self.level.effects(rows, past)
        described = self.level.describe(rows, past, effects=(own, of_past))
        features = self.encoder.encode(described)
        said = self.trees.said(features, described[spec.EXPECTED].to_numpy())
        bounds = self.spread.bounds(self.groups(described), said).above_zero()
        chances = tiers.chances(self.spread.below(bounds, tiers.upper_ends(described)))
        added = (spec.PREDICTED, spec.LOW, spec.HIGH, *spec.CHANCES)
        values = (bounds.point, bounds.low, bounds.high, *chances.T.copy())
        columns = [pl.Series(name, value, nan_to_null=True) for name, value in zip(added, values, strict=True)]
        return Prediction(described.hstack(columns), form, features)

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature of the trees adds to the prediction, one line a row; the last column is what all rows have.

        The SHAP values of Lundberg, Erion and Lee (2018), as LightGBM computes them: they add up to the difference.
        """
        return self.trees.run(spec.POINT, features, pred_contrib=True)

    def groups(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Platform and follower band of each row."""
        return _groups(rows, self.level.audience.column)


@dataclass(frozen=True)
class Prediction:
    """Predicted rows, and what their predictions were made from.

    Attributes:
        rows: of `Predictor.predict`.
        form: what each trait of their form adds; None for many rows, of which it would fill the memory.
        features: what the trees read.
    """

    rows: pl.DataFrame
    form: Parts | None
    features: Matrix

    def pieces(self) -> Iterator[Prediction]:
        """The same in pieces of PIECE rows."""
        if self.form is not None:
            yield self
            return
        for start in range(0, self.rows.height, PIECE):
            yield Prediction(self.rows.slice(start, PIECE), None, self.features[start : start + PIECE])


def _groups(rows: pl.DataFrame, followers: str | None) -> pl.DataFrame:
    return rows.select("platform", bands(rows, followers))
