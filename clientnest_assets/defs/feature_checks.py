"""Checks of feature views: nulls, ranges and drift, evaluated in the run that computes the rows.

What fails is decided in `features/quality/checks.py`. Broken bounds are errors: a declaration or a computation is
wrong. Drift is a warning, the world may have changed: major drift fails, moderate drift is told.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.checks_by_day import store_by_day
from clientnest_assets.defs.metadata import table
from clientnest_assets.features.quality.checks import drifting, failing_nulls, failing_ranges, unjudged_drift
from clientnest_assets.features.quality.drift import MAJOR_INDEX
from clientnest_assets.features.quality.store import MAJOR, MODERATE
from clientnest_assets.features.view import FeatureView
from clientnest_assets.partitions import Window

NULLS, RANGES, DRIFT = "nulls", "ranges", "drift"
DESCRIPTIONS = {
    NULLS: "No feature is null in a larger share of a day's rows than its declaration allows.",
    RANGES: "Every value lies within what its declaration allows, and every number is finite.",
    DRIFT: (
        "The last seven days look like the last four weeks that the newest model learned from: no feature has a "
        f"population stability index of {MAJOR_INDEX} or more that a two-sample test confirms."
    ),
}
SEVERITIES = {
    NULLS: dg.AssetCheckSeverity.ERROR,
    RANGES: dg.AssetCheckSeverity.ERROR,
    DRIFT: dg.AssetCheckSeverity.WARN,
}
ROWS_SHOWN = 100
FEATURES_TOLD = 5


def feature_check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a view's asset."""
    return [dg.AssetCheckSpec(name, asset=key, description=words) for name, words in DESCRIPTIONS.items()]


def feature_check_results(
    context: dg.AssetExecutionContext, key: dg.AssetKey, view: FeatureView, quality: pl.DataFrame, window: Window
) -> Iterator[dg.AssetCheckResult]:
    """The results of the whole window; those of single days are stored beside them."""
    failing = {
        NULLS: failing_nulls(view, quality),
        RANGES: failing_ranges(view, quality),
        DRIFT: drifting(quality, MAJOR),
    }
    moderate = drifting(quality.filter(pl.col(DAY) == window.last_day), MODERATE)
    besides = {DRIFT: [_told(moderate), unjudged_drift(quality)]}
    for name, rows in failing.items():
        store_by_day(
            context,
            dg.AssetCheckKey(key, name),
            _days(rows),
            window,
            severity=SEVERITIES[name],
            mended=_metadata(rows.clear()),
        )
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=name,
            passed=rows.is_empty(),
            severity=SEVERITIES[name],
            description=". ".join(filter(None, [_told(rows), *besides.get(name, [])])) or None,
            metadata={"window": str(window), **_metadata(rows)},
        )


def _days(rows: pl.DataFrame) -> dict[date, dict[str, Any]]:
    return {day: _metadata(rows.filter(pl.col(DAY) == day)) for day in rows[DAY].unique().sort()}


def _metadata(rows: pl.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {"features_failing": rows["feature"].n_unique()}
    return found | ({"failing": table(rows.tail(ROWS_SHOWN))} if rows.height else {})


def _told(rows: pl.DataFrame) -> str | None:
    """The features that fail, each with its newest day that does: those of the newest day first, the worst first."""
    newest = (
        rows.sort(DAY, "value", descending=True)
        .unique("feature", keep="first", maintain_order=True)
        .select(DAY, "feature", "detail")
    )
    told = [f"{feature}: {detail} (on {day})" for day, feature, detail in newest.head(FEATURES_TOLD).iter_rows()]
    more = newest.height - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])]) or None
