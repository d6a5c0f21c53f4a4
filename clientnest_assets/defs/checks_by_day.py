"""Results of asset checks by day, beside the one of the whole run: Dagster stores that without a partition.

A day without a result of its own passed with its window: one event for each check and day would be most of the event
log. So a day has one if it failed, or if it failed before and does so no more.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.events import DagsterEvent
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from clientnest_assets.partitions import Window

MOST_FAILURES = 1000


def store_by_day(
    context: dg.AssetExecutionContext,
    key: dg.AssetCheckKey,
    failing: Mapping[date, Mapping[str, Any]],
    window: Window,
    *,
    severity: dg.AssetCheckSeverity,
    mended: Mapping[str, Any],
) -> None:
    """Stores a result for each day of the window that fails, and for each whose newest result failed and that passes now.

    Args:
        context: the step's.
        key: the check.
        failing: the days that fail, with the metadata of their results.
        window: the days that were checked.
        severity: of each result.
        mended: the metadata of a day's result that passes again.
    """
    for day, metadata in failing.items():
        _store(context, key, day, metadata, passed=False, severity=severity)
    storage = context.instance.event_log_storage
    once = storage.get_asset_check_execution_history(key, limit=MOST_FAILURES, status={Status.FAILED})
    failed = {date.fromisoformat(record.partition) for record in once if record.partition}
    for day in sorted(failed.intersection(window.days()) - failing.keys()):
        (newest,) = storage.get_asset_check_execution_history(
            key, limit=1, status={Status.FAILED, Status.SUCCEEDED}, partition_filter=PartitionKeyFilter(key=str(day))
        )
        if newest.status is Status.FAILED:
            _store(context, key, day, mended, passed=True, severity=severity)


def _store(
    context: dg.AssetExecutionContext,
    key: dg.AssetCheckKey,
    day: date,
    metadata: Mapping[str, Any],
    *,
    passed: bool,
    severity: dg.AssetCheckSeverity,
) -> None:
    evaluation = dg.AssetCheckEvaluation(
        key.asset_key, key.name, passed, metadata, severity=severity, blocking=False, partition=str(day)
    )
    # Making the event stores it, as an event of this run. Without a run a second result of the same day would clash.
    DagsterEvent.asset_check_evaluation(context.op_execution_context.get_step_execution_context(), evaluation)
