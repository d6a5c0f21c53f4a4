"""Where the quality of features is kept, and how it is read: a lake table a view's version, a row a feature and day.

How a row comes about is in `measure.py`; what counts as broken is in `checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import FeatureView
from clientnest_assets.lake import Commit, Lake, LakeTable, with_fresh_input
from clientnest_assets.partitions import Window

LAYER: Final = "feature_quality"
SERIES_DAYS: Final = 90

NUMBER, CATEGORY, LIST = "number", "category", "list"
"""Kinds of features. Text and booleans are categories; of lists the length is measured, and the members are counted."""

STABLE, DRIFTED, MOVES_WITH_TIME = "stable", "drifted", "moves with time"
TOO_FEW, NO_REFERENCE, NOT_FILLED = "too few entities", "no reference", "reference looks back on too few days"
"""Verdicts on drift. Those of the second line: it could not be judged."""

MODERATE, MAJOR = "moderate", "major"
"""How severe a drift is, by its population stability index."""

QUANTILES: Final = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""What the column `quantiles` holds, in this order."""

QUALITY_SCHEMA: Final = pl.Schema(
    {
        "feature": pl.String(),
        "kind": pl.String(),
        # The day's rows. Numbers: of the values that are finite; lists: of their lengths.
        "rows": pl.Int64(),
        "nulls": pl.Int64(),
        "null_share": pl.Float64(),
        "outside": pl.Int64(),
        "outside_example": pl.String(),
        "mean": pl.Float64(),
        "std": pl.Float64(),
        "quantiles": pl.List(pl.Float64()),
        # The last seven days against the reference, one row an entity.
        "recent_entities": pl.Int64(),
        "reference_entities": pl.Int64(),
        "reference_first_day": pl.Date(),
        "reference_last_day": pl.Date(),
        "edges": pl.List(pl.Float64()),
        "recent_histogram": pl.List(pl.Int64()),
        "reference_histogram": pl.List(pl.Int64()),
        "categories": pl.List(pl.String()),
        "recent_shares": pl.List(pl.Float64()),
        "reference_shares": pl.List(pl.Float64()),
        "psi": pl.Float64(),
        "test": pl.String(),
        "statistic": pl.Float64(),
        "p_value": pl.Float64(),
        "verdict": pl.String(),
        "drifted": pl.Boolean(),
        "severity": pl.String(),
        "since": pl.Date(),
        DAY: pl.Date(),
    }
)
"""A row of quality: one feature on one day.

- `rows`, `nulls`, `null_share`: all of the day's rows; NaN is no null.
- `outside`: values that the declaration rules out (bounds, closed set), NaN and infinite ones among them;
  `outside_example`: the least of them, as text.
- `mean`, `std`, `quantiles` (those of QUANTILES): of numbers, and of the lengths of lists; null for categories.
- `edges`, `recent_histogram`, `reference_histogram`: for a plot. Bin i counts values from edges[i] up to edges[i + 1];
  the first and the last bin also hold what lies beyond. Null for categories. The edges are the reference's where there
  is one, else those of the last seven days.
- `categories`, `recent_shares`, `reference_shares`: the most frequent values of categories, or members of lists, and
  the share of rows that have each (for categories the rest is other or null; for lists they do not add up to 1).
- `reference_*` is null, and the lists with it, where the store holds nothing of the reference window.
- `psi`, `statistic` of the `test`, `p_value` (adjusted for the features tested together): null where entities are too
  few to tell.
- `drifted`, `severity` (MODERATE, MAJOR or null), `since`: the first day of the unbroken run of days on which it was
  drifted, up to this one; null if it is not drifted.
"""

SERIES_SCHEMA: Final = pl.Schema(
    {name: QUALITY_SCHEMA[name] for name in ("feature", DAY, "rows", "null_share", "mean", "psi", "drifted")}
)
CURRENT_DRIFT_SCHEMA: Final = pl.Schema(
    {
        "view": pl.String(),
        **{
            name: QUALITY_SCHEMA[name]
            for name in (
                "feature",
                DAY,
                "severity",
                "since",
                "psi",
                "test",
                "statistic",
                "p_value",
                "reference_first_day",
                "reference_last_day",
            )
        },
    }
)


@dataclass(frozen=True)
class CatalogueProfiles:
    """What the catalogue shows of a view's features.

    Attributes:
        newest: rows of QUALITY_SCHEMA of the newest day that has rows: one a feature, as declared; empty before there
            is any.
        series: rows of SERIES_SCHEMA, by feature and day, of the last days up to that one.
    """

    newest: pl.DataFrame
    series: pl.DataFrame


def quality_table(lake: Lake, view: FeatureView) -> LakeTable:
    """The lake table with the quality of a view's version."""
    return lake.table(LAYER, view.table_name, QUALITY_SCHEMA, partition_by=(DAY,))


def store_quality(lake: Lake, view: FeatureView, rows: pl.DataFrame, window: Window) -> Commit:
    """Makes the view's quality of the window be exactly these rows."""
    table = quality_table(lake, view)
    return with_fresh_input(lambda: table.replace_window(table.open(), rows, window, allow_empty=True))


def catalogue_profiles(lake: Lake, view: FeatureView, *, days: int = SERIES_DAYS) -> CatalogueProfiles:
    """The newest profile of each feature of a view, and the series of its null share, mean and PSI over some days.

    Reads so many small files as days; the whole rows of one day only.
    """
    measured = newest_day(lake, view)
    if measured is None:
        return CatalogueProfiles(pl.DataFrame(schema=QUALITY_SCHEMA), pl.DataFrame(schema=SERIES_SCHEMA))
    table = quality_table(lake, view)
    window = Window.of_days(measured - timedelta(days=days - 1), measured)
    series = table.scan(window).select(SERIES_SCHEMA.names()).collect().sort("feature", DAY)
    newest = series.filter(pl.col("rows") > 0)[DAY].max() or measured
    rows = table.scan(window).filter(pl.col(DAY) == newest).select(QUALITY_SCHEMA.names()).collect()
    declared = pl.DataFrame({"feature": view.feature_names})
    return CatalogueProfiles(declared.join(rows, on="feature", maintain_order="left").select(rows.columns), series)


def current_drift(lake: Lake, views: Iterable[FeatureView] = tuple(VIEWS.values())) -> pl.DataFrame:
    """The features that are drifted on the newest day measured of their view, worst first: CURRENT_DRIFT_SCHEMA."""
    found = [pl.DataFrame(schema=CURRENT_DRIFT_SCHEMA)]
    for view in views:
        measured = newest_day(lake, view)
        if measured is not None:
            rows = quality_table(lake, view).scan(Window.of_days(measured, measured)).filter("drifted")
            found.append(
                rows.with_columns(pl.lit(view.name).alias("view")).select(CURRENT_DRIFT_SCHEMA.names()).collect()
            )
    return pl.concat(found).sort("psi", "view", "feature", descending=[True, False, False])


def drift_judged(lake: Lake, views: Iterable[FeatureView] = tuple(VIEWS.values())) -> tuple[int, int]:
    """Of how many features drift could be judged on the newest day measured of their view, and how many were measured."""
    judged = measured = 0
    for view in views:
        newest = newest_day(lake, view)
        if newest is not None:
            rows = quality_table(lake, view).scan(Window.of_days(newest, newest)).select("verdict").collect()
            judged += int(rows["verdict"].is_in([STABLE, DRIFTED]).sum())
            measured += rows.height
    return judged, measured


def newest_day(lake: Lake, view: FeatureView) -> date | None:
    """The newest day of which the view's quality is measured, from the table's log alone."""
    newest = quality_table(lake, view).row_counts()[DAY].max()
    return newest if isinstance(newest, date) else None
