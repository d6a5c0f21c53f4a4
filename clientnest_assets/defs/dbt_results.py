"""What a build of dbt tells Dagster: materialisations with rows and column lineage, and test results by day.

A model that failed, or that a failed test is about, is not materialised: the same command makes it again, and
nothing is built on it meanwhile.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from clientnest_assets.defs.checks_by_day import store_by_day
from clientnest_assets.defs.partitions import by_day
from clientnest_assets.defs.warehouse import warehouse_key
from clientnest_assets.partitions import Window
from clientnest_assets.warehouse.by_day import failing_days, rows_by_day
from clientnest_assets.warehouse.dbt import Built, Tested
from clientnest_assets.warehouse.layers import window_column
from clientnest_assets.warehouse.lineage import ColumnLineage

ROW_COUNT, DAY_ROW_COUNT, COLUMN_LINEAGE = (
    "dagster/row_count",
    "dagster/partition_row_count",
    "dagster/column_lineage",
)
DAYS_SHOWN = 31
ROWS_FAILING = "rows_failing"


def check_key(asset: dg.AssetKey, test: Mapping[str, Any]) -> dg.AssetCheckKey:
    """The check that a dbt test of an asset's model is."""
    return dg.AssetCheckKey(asset, test["name"])


def results(
    context: dg.AssetExecutionContext,
    built: Built,
    models: Mapping[str, dg.AssetKey],
    tests: Mapping[str, dg.AssetCheckKey],
    manifest: Mapping[str, Any],
    lineage: ColumnLineage,
    url: str,
    window: Window | None,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """The events of a build.

    Args:
        context: the step's.
        built: what dbt did.
        models: the models that were asked for, with their assets.
        tests: the tests that were asked for, with their checks.
        manifest: dbt's.
        lineage: of the manifest.
        url: the warehouse, to count in.
        window: the days that were built; None for models that have none.
    """
    for unique_id in built.sound:
        model, node, key = built.models[unique_id], manifest["nodes"][unique_id], models[unique_id]
        metadata: dict[str, Any] = {"seconds": round(model.seconds, 3)}
        columns = _column_lineage(context, lineage, unique_id, model.sql, manifest)
        column = window_column(node)
        if window and column:
            days = rows_by_day(url, node["schema"], node["alias"], column, window)
            figures: dict[date, dict[str, object]] = {day: {DAY_ROW_COUNT: rows} for day, rows in days.items()}
            # Who asks for the lineage looks at the newest event: one copy a run, not one a day.
            figures[window.last_day] |= columns
            by_day(context, figures, key)
            metadata |= {"window": str(window), "rows_written": model.rows}
        else:
            metadata |= columns | ({ROW_COUNT: model.rows} if model.rows is not None else {})
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)
    for test, tested in built.tests.items():
        days = failing_days(url, tested.sql, window) if window and tested.rows_failing else {}
        # A test that could not be run says nothing of any day.
        if window and tested.rows_failing is not None:
            store_by_day(
                context,
                tests[test],
                {day: {ROWS_FAILING: rows} for day, rows in days.items()},
                window,
                severity=_severity(tested),
                mended={ROWS_FAILING: 0},
            )
        yield dg.AssetCheckResult(
            asset_key=tests[test].asset_key,
            check_name=tests[test].name,
            passed=tested.passed,
            severity=_severity(tested),
            description=_told(tested, days),
            metadata=_check_metadata(tested, window),
        )


def _column_lineage(
    context: dg.AssetExecutionContext,
    lineage: ColumnLineage,
    unique_id: str,
    sql: str | None,
    manifest: Mapping[str, Any],
) -> dict[str, object]:
    from sqlglot.errors import SqlglotError

    if sql is None:
        return {}
    try:
        found = lineage.of(unique_id, sql)
    except SqlglotError as error:
        context.log.warning("%s: no column lineage, its query cannot be read: %s", unique_id, error)
        return {}

    def asset(source: str) -> dg.AssetKey:
        node = manifest["sources"].get(source) or manifest["nodes"][source]
        is_source = node["resource_type"] == "source"
        return warehouse_key(node["name"]) if is_source else dg.AssetKey([node["schema"], node["name"]])

    return {
        COLUMN_LINEAGE: dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset(source), name) for source, name in sources]
                for column, sources in found.items()
            }
        )
    }


def _severity(tested: Tested) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.WARN if tested.status == "warn" else dg.AssetCheckSeverity.ERROR


def _told(tested: Tested, days: Mapping[date, int]) -> str | None:
    if tested.passed:
        return None
    shown = ", ".join(f"{day} ({rows})" for day, rows in list(days.items())[:DAYS_SHOWN])
    return f"{tested.message.strip()}. Days with rows that fail: {shown}." if days else tested.message.strip()


def _check_metadata(tested: Tested, window: Window | None) -> dict[str, Any]:
    found: dict[str, Any] = {"window": str(window)} if window else {}
    if tested.rows_failing is not None:
        found[ROWS_FAILING] = tested.rows_failing
    if not tested.passed:
        found["sql"] = dg.MetadataValue.md(f"```sql\n{tested.sql.strip()}\n```")
    return found
