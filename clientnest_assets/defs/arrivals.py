"""What Dagster is told of rows that reached raw tables outside of their assets' runs: by files, collectors, capture.

A day that was materialised and has other rows now is materialised anew, so that what is made from it is behind
and the next backfill carries the rows on. A day that was never materialised is made by any backfill anyway.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from clientnest_assets.defs.raw import raw_key


@dataclass(frozen=True)
class Arrival:
    """Rows of one source that were added to, changed in or removed from one raw table."""

    table: str
    source: str
    days: Iterable[date]
    """The days that have other rows now."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What is worth knowing about it, such as the counts of rows."""


def tell(instance: dg.DagsterInstance, arrivals: Iterable[Arrival], description: str) -> None:
    """Reports each arrival: one observation of its raw table, and the days of it that Dagster held for materialised.

    Args:
        instance: of the installation.
        arrivals: at most one a table and source.
        description: what happened, in words, such as "posts.csv was imported".
    """
    for arrival in arrivals:
        key = raw_key(arrival.table)
        days = sorted({str(day) for day in arrival.days})
        metadata = {"source": arrival.source, **arrival.metadata, "days_changed": len(days)}
        instance.report_runless_asset_event(dg.AssetObservation(key, description=description, metadata=metadata))
        materialised = instance.get_materialized_partitions(key) if days else set()
        for day in days:
            if day in materialised:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key, partition=day, description=description, metadata={"source": arrival.source}
                    )
                )
