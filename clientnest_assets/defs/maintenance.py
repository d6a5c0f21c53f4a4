"""The nightly upkeep of the lake: one job without partitions and its schedule. What it does is in `lake/maintenance.py`."""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from clientnest_assets.installation import Installation

MAINTAIN = "maintain_lake"
NIGHTLY = "30 3 * * *"


class MaintainConfig(dg.Config):
    """How the upkeep is done."""

    retention_hours: int = Field(default=168, ge=3, description="How far back the lake can be seen afterwards.")
    """At least three: files that no log names may belong to a write still under way, and a run may take two hours."""


@dg.op
def maintain_tables(
    context: dg.OpExecutionContext, config: MaintainConfig, installation: dg.ResourceParam[Installation]
) -> None:
    """Puts small files together and removes what is no longer kept, table by table; fails at the end if one failed."""
    from clientnest_assets.lake.maintenance import Failed, Upkeep, maintain
    from clientnest_assets.lake.sql import tables

    lake = installation.lake
    failed: list[str] = []
    done: list[Upkeep] = []
    for each in maintain(lake, tables(lake), retention=timedelta(hours=config.retention_hours)):
        if isinstance(each, Failed):
            failed.append(f"{each.layer}.{each.name}: {each.reason}")
        else:
            done.append(each)
        context.log.info("%s", each)
    context.add_output_metadata(
        {
            "tables": len(done),
            "files_before": sum(each.files_before for each in done),
            "files_after": sum(each.files_after for each in done),
            "files_removed": sum(each.files_removed for each in done),
            "bytes_freed": sum(each.bytes_freed for each in done),
        }
    )
    if failed:
        raise dg.Failure(f"the upkeep of {len(failed)} tables failed; their rows are as before:\n" + "\n".join(failed))


@dg.job(name=MAINTAIN, description="Upkeep of the lake's tables: compaction, checkpoints, the end of old versions.")
def maintain_lake() -> None:
    """One step, in which the tables follow each other."""
    maintain_tables()


def maintenance_schedule(*, running: bool) -> dg.ScheduleDefinition:
    """Every night, after the day before was closed and before people come.

    Args:
        running: whether it is on until somebody switches it in the UI.
    """
    return dg.ScheduleDefinition(
        name="maintain_lake_nightly",
        job=maintain_lake,
        cron_schedule=NIGHTLY,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )
