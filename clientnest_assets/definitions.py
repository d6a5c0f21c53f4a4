"""What Dagster loads: every layer's definitions, put together for one installation."""

import warnings

import dagster as dg

from clientnest_assets.defs.change_capture import (
    change_capture_assets,
    change_capture_checks,
    change_capture_jobs,
    change_capture_schedules,
)
from clientnest_assets.defs.dbt import warehouse_models
from clientnest_assets.defs.events import event_assets, event_jobs, event_sensors
from clientnest_assets.defs.experiments import experiment_assets
from clientnest_assets.defs.features import feature_assets
from clientnest_assets.defs.jobs import jobs
from clientnest_assets.defs.landing_folder import land_file_job, landing_folder_sensor
from clientnest_assets.defs.maintenance import maintain_lake, maintenance_schedule
from clientnest_assets.defs.model_comparison import comparison_asset
from clientnest_assets.defs.models import model_assets
from clientnest_assets.defs.online import online_assets, online_checks, online_jobs, online_schedules
from clientnest_assets.defs.pages import with_pages
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.defs.performance import performance_assets, performance_jobs, performance_sensors
from clientnest_assets.defs.platforms import platform_assets, platform_jobs, platform_schedules
from clientnest_assets.defs.predictions import prediction_assets
from clientnest_assets.defs.raw import raw_assets
from clientnest_assets.defs.schedules import schedules
from clientnest_assets.defs.tuning import tuning_assets
from clientnest_assets.defs.warehouse import warehouse_assets
from clientnest_assets.installation import Installation
from clientnest_assets.warehouse.dbt import prepared_manifest


def build_definitions(installation: Installation) -> dg.Definitions:
    """The same graph for every installation; only its days and its addresses differ."""
    partitions = Partitions.of(installation.calendar)
    with warnings.catch_warnings():
        # Backfill policies are marked beta; the versions are pinned.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            *raw_assets(partitions),
            *event_assets(partitions),
            *warehouse_assets(partitions),
            *warehouse_models(prepared_manifest(installation.home), partitions),
            *feature_assets(partitions),
            *online_assets(),
            *with_pages(
                [
                    *model_assets(partitions),
                    comparison_asset(partitions),
                    *prediction_assets(partitions),
                    *performance_assets(partitions),
                    *tuning_assets(partitions),
                ],
                installation,
            ),
            *experiment_assets(),
            *platform_assets(installation),
            *change_capture_assets(installation),
        ]
    running = installation.settings.schedules_run
    daily_jobs, platforms = (
        [*jobs(partitions), *event_jobs(partitions), *performance_jobs(partitions)],
        platform_jobs(installation),
    )
    capturing, publishing = change_capture_jobs(installation), online_jobs()
    publishing_schedules, publishing_sensors = online_schedules([*daily_jobs, *publishing], running=running)
    daily_schedules, daily_sensors = schedules(partitions, daily_jobs, running=running)
    return dg.Definitions(
        assets=assets,
        asset_checks=[*change_capture_checks(installation), *online_checks()],
        jobs=[*daily_jobs, *publishing, *platforms, *capturing, land_file_job, maintain_lake],
        schedules=[
            *daily_schedules,
            *publishing_schedules,
            *platform_schedules(platforms, running=running),
            *change_capture_schedules(capturing, running=running),
            maintenance_schedule(running=running),
        ],
        sensors=[
            *daily_sensors,
            *publishing_sensors,
            *event_sensors(partitions, daily_jobs, running=running),
            *performance_sensors(partitions, daily_jobs, running=running),
            landing_folder_sensor(running=running),
        ],
        resources={"installation": installation},
        # A step as a process of its own costs seconds of imports; the work itself is done by engines.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the installation that the environment describes."""
    return build_definitions(Installation.load())
