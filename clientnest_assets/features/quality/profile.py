"""What one day of a view's rows looks like, feature by feature: nulls, values ruled out, moments and quantiles.

Comparing days with each other is in `drift.py`.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.store import CATEGORY, LIST, NUMBER, QUANTILES
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.partitions import Window

KINDS: Final[dict[type[pl.DataType], str]] = {pl.String: CATEGORY, pl.Boolean: CATEGORY, pl.List: LIST}


def kind_of(feature: Feature) -> str:
    """NUMBER, CATEGORY or LIST."""
    return KINDS.get(type(feature.dtype), NUMBER)


def as_measured(feature: Feature) -> pl.Expr:
    """What is measured of a feature: a number (of a list its length), or a category as text."""
    column = pl.col(feature.name)
    if kind_of(feature) == LIST:
        return column.list.len().cast(pl.Float64).alias(feature.name)
    return column.cast(pl.String if kind_of(feature) == CATEGORY else pl.Float64)


def profile(view: FeatureView, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
    """One row for each day of the window and each feature, a day without rows among them.

    Columns: `day`, `feature`, `kind`, `rows`, `nulls`, `null_share`, `outside`, `outside_example`,
    `mean`, `std`, `quantiles`, as `store.QUALITY_SCHEMA` says. Quantiles are interpolated, the standard deviation is of a sample.
    """
    days = pl.LazyFrame({DAY: window.days()}, schema={DAY: pl.Date()})
    kinds = {feature.name: kind_of(feature) for feature in view.features}
    grid = days.join(pl.LazyFrame({"feature": list(kinds), "kind": list(kinds.values())}), how="cross")
    counts = days.join(rows.lazy().group_by(DAY).len("rows"), on=DAY, how="left").select(
        DAY, pl.col("rows").fill_null(0).cast(pl.Int64)
    )
    measured = pl.concat([_profile_of(feature, rows.lazy()) for feature in view.features])
    return (
        grid.join(counts, on=DAY, how="left", maintain_order="left")
        .join(measured, on=[DAY, "feature"], how="left", maintain_order="left")
        .with_columns(pl.col("nulls", "outside").fill_null(0))
        .with_columns(null_share=pl.when(pl.col("rows") > 0).then(pl.col("nulls") / pl.col("rows")))
        .collect(engine="in-memory")
    )


def is_outside(feature: Feature) -> pl.Expr:
    """True where a value is ruled out by the feature's declaration, or is no finite number. Null is not outside."""
    column = pl.col(feature.name)
    if kind_of(feature) == CATEGORY:
        return ~column.is_in(feature.values) if feature.values else pl.lit(value=False)
    number = as_measured(feature)
    outside = ~number.is_finite()
    if feature.minimum is not None:
        outside |= number < feature.minimum
    if feature.maximum is not None:
        outside |= number > feature.maximum
    return outside


def _profile_of(feature: Feature, rows: pl.LazyFrame) -> pl.LazyFrame:
    number, outside = as_measured(feature), is_outside(feature)
    figures = [
        pl.col(feature.name).null_count().cast(pl.Int64).alias("nulls"),
        outside.sum().cast(pl.Int64).alias("outside"),
        number.filter(outside).min().cast(pl.String).alias("outside_example"),
    ]
    nothing = pl.lit(None, pl.List(pl.Float64))
    if kind_of(feature) == CATEGORY:
        figures += [nothing.alias("values"), nothing.alias("quantiles")]
    else:
        finite = number.filter(number.is_finite()).sort()
        quantiles = pl.concat_list([finite.quantile(share, "linear") for share in QUANTILES])
        figures += [finite.implode().alias("values"), pl.when(finite.len() > 0).then(quantiles).alias("quantiles")]
    # Sums of floats depend on the order of adding, and a group's sum on the other groups: a sorted list's does not.
    return (
        rows.group_by(DAY)
        .agg(figures)
        .select(
            DAY,
            pl.lit(feature.name).alias("feature"),
            "nulls",
            "outside",
            "outside_example",
            pl.col("values").list.mean().alias("mean"),
            pl.col("values").list.std().alias("std"),
            "quantiles",
        )
    )
