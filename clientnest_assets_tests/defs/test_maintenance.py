"""The nightly upkeep as Dagster runs it."""

from datetime import date

import dagster as dg
import polars as pl

from clientnest_assets.defs.maintenance import maintain_lake, maintenance_schedule
from clientnest_assets.installation import Installation
from clientnest_assets.lake.table import Delivery
from clientnest_assets.settings import Environment, Settings

SCHEMA = pl.Schema({"id": pl.Int64(), "day": pl.Date(), "source": pl.String()})


def test_the_job_puts_small_files_together_and_tells_what_it_did(tmp_path):
    installation = Installation(Settings(environment=Environment.TEST, home=tmp_path))
    table = installation.lake.table("inbox", "events", SCHEMA)
    for number in range(6):
        frame = pl.DataFrame([(number, date(2025, 1, 6), "http")], schema=SCHEMA, orient="row")
        table.append_once(frame, {"http": Delivery(number or None, number + 1)})

    result = maintain_lake.execute_in_process(resources={"installation": installation})

    assert result.success
    (output,) = [event for event in result.all_events if event.is_successful_output]
    told = {name: value.value for name, value in output.event_specific_data.metadata.items()}
    assert told == {"tables": 1, "files_before": 6, "files_after": 1, "files_removed": 0, "bytes_freed": 0}
    assert table.scan().collect().get_column("id").sort().to_list() == list(range(6))


def test_the_schedule_is_on_only_where_it_is_said_to_be():
    assert maintenance_schedule(running=True).default_status is dg.DefaultScheduleStatus.RUNNING
    assert maintenance_schedule(running=False).default_status is dg.DefaultScheduleStatus.STOPPED
    assert maintenance_schedule(running=False).job_name == "maintain_lake"
