"""What of a view's measured quality is not as it should be: nulls, values ruled out, drift; by day and feature.

How bad each is, and who is told, is decided where the checks are attached.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.comparison import LEAST_ENTITIES
from clientnest_assets.features.quality.drift import LEVEL, MAJOR_INDEX, MODERATE_INDEX
from clientnest_assets.features.quality.store import MAJOR, NO_REFERENCE, NOT_FILLED, TOO_FEW
from clientnest_assets.features.view import Feature, FeatureView

FAILED_SCHEMA: Final = pl.Schema(
    {DAY: pl.Date(), "feature": pl.String(), "value": pl.Float64(), "limit": pl.Float64(), "detail": pl.String()}
)
"""A row for each day and feature that fails, by day: what was found, the most that is allowed, and words on it."""


def failing_nulls(view: FeatureView, quality: pl.DataFrame) -> pl.DataFrame:
    """Where the share of nulls is above what the declaration allows. A thin day is not held to it more than chance is.

    A day fails if its rows, each null with the allowed probability, had so many nulls once in 1 / LEVEL days.
    """
    from scipy.special import bdtrc

    limits = pl.DataFrame(
        {"feature": view.feature_names, "limit": [each.max_null_share for each in view.features]},
        schema_overrides={"limit": pl.Float64},
    )
    over = quality.join(limits, on="feature", maintain_order="left").filter(pl.col("null_share") > pl.col("limit"))
    chance = bdtrc(over["nulls"].to_numpy() - 1.0, over["rows"].to_numpy(), over["limit"].to_numpy())
    return _failed(
        over.filter(pl.Series(chance, dtype=pl.Float64) < LEVEL),
        value=pl.col("null_share"),
        limit=pl.col("limit"),
        detail=pl.format("{} of {} rows are null", "nulls", "rows"),
    )


def failing_ranges(view: FeatureView, quality: pl.DataFrame) -> pl.DataFrame:
    """Where values are ruled out by the declaration, or are no finite numbers."""
    allowed = pl.DataFrame({"feature": view.feature_names, "allowed": [_allowed(each) for each in view.features]})
    return _failed(
        quality.join(allowed, on="feature", maintain_order="left").filter(pl.col("outside") > 0),
        value=pl.col("outside").cast(pl.Float64),
        limit=pl.lit(0.0),
        detail=pl.format("{} of {} rows, such as {}; allowed: {}", "outside", "rows", "outside_example", "allowed"),
    )


def drifting(quality: pl.DataFrame, severity: str) -> pl.DataFrame:
    """Where the last seven days have drifted from what models learned from: MODERATE or MAJOR drift."""
    return _failed(
        quality.filter(pl.col("severity") == severity),
        value=pl.col("psi"),
        limit=pl.lit(MAJOR_INDEX if severity == MAJOR else MODERATE_INDEX),
        detail=pl.format(
            f"{{}} since {{}}, against {{}} to {{}}; {{}} test {{}}, p below {LEVEL}",
            "severity",
            "since",
            "reference_first_day",
            "reference_last_day",
            "test",
            pl.col("statistic").round(3),
        ),
    )


def unjudged_drift(quality: pl.DataFrame) -> str | None:
    """Why the drift of some days could not be judged, in words; None if it was for all."""
    days = (
        quality.filter(pl.col("verdict").is_in([NO_REFERENCE, NOT_FILLED, TOO_FEW]))
        .group_by("verdict")
        .agg(pl.col(DAY).n_unique().alias("days"))
    )
    if days.is_empty():
        return None
    told = ", ".join(
        f"{count} {'day' if count == 1 else 'days'}: {verdict}" for verdict, count in days.sort("verdict").rows()
    )
    return f"not judged: {told} (at least {LEAST_ENTITIES} entities are needed on both sides)"


def _failed(rows: pl.DataFrame, *, value: pl.Expr, limit: pl.Expr, detail: pl.Expr) -> pl.DataFrame:
    columns = {"value": value, "limit": limit, "detail": detail}
    return rows.select(DAY, "feature", **columns).sort(DAY, maintain_order=True)


def _allowed(feature: Feature) -> str:
    if feature.values:
        return ", ".join(feature.values)
    if feature.minimum is None and feature.maximum is None:
        return "finite numbers"
    low = "any" if feature.minimum is None else f"{feature.minimum:g}"
    return f"{low} to {'any' if feature.maximum is None else f'{feature.maximum:g}'}"
