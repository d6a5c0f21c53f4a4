"""The landing folder in Dagster: a sensor that sees new files, and the job that lands one of them.

What landing a file means is in `waiting_files.py`; what waits, and where it goes, in `sources/files/landing_folder.py`.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg
from filelock import FileLock

from clientnest_assets.defs import arrivals
from clientnest_assets.defs.arrivals import Arrival
from clientnest_assets.defs.file_imports import LOCK_FILE, FileImports
from clientnest_assets.defs.waiting_files import land_waiting, landing_folder
from clientnest_assets.installation import Installation
from clientnest_assets.sources.files.landing_folder import ChangedMeanwhileError, Look, Waiting
from clientnest_assets.sources.files.register import Status

LAND_FILE, LAND = "land_file", "land_waiting_file"
FILE_TAG, DROP_TAG = "clientnest/file", "clientnest/drop"
"""The file's path; and what tells this drop of it from others of the same name."""
LOOK_EVERY_SECONDS = 30
MOST_AT_A_TIME = 50
LONGEST_PAUSE = timedelta(hours=1)
LOCK_SECONDS = 3600
"""How long a run waits for another import. The longest takes minutes."""


class LandFileConfig(dg.Config):
    """The file to land, as the sensor saw it."""

    folder: str
    name: str
    size_bytes: int
    modified_at: str
    etag: str


@dg.op(name=LAND, description="Lands one file of the landing folder, and archives or rejects it.")
def land_file_op(
    context: dg.OpExecutionContext, config: LandFileConfig, installation: dg.ResourceParam[Installation]
) -> None:
    """Fails if the file is rejected, so that somebody sees it."""
    waiting = Waiting(
        config.folder, config.name, config.size_bytes, datetime.fromisoformat(config.modified_at), config.etag
    )

    def report(told: list[Arrival], description: str) -> None:
        arrivals.tell(context.instance, told, description)

    folder = landing_folder(installation)
    installation.home.mkdir(parents=True, exist_ok=True)
    with FileLock(installation.home / LOCK_FILE, timeout=LOCK_SECONDS):
        try:
            imports = FileImports(installation, report)
            result = land_waiting(imports, folder, waiting, folder.mapping(waiting.folder))
        except ChangedMeanwhileError as error:
            context.log.info("%s: nothing was done, and the sensor will see what there is now", error)
            return
    entry = result.entry
    metadata = {
        "status": entry.status.value,
        "message": entry.message,
        "records": entry.records,
        "rows_written": entry.rows_written,
        "rows_quarantined": entry.rows_quarantined,
        "put_away_as": folder.location(entry.archive_path or ""),
    }
    if entry.status is Status.REJECTED:
        raise dg.Failure(entry.message, metadata=metadata, allow_retries=False)
    context.add_output_metadata(metadata)


@dg.job(name=LAND_FILE, description="Lands one file of the landing folder. Started by the sensor landing_folder.")
def land_file_job() -> None:
    """One op."""
    land_file_op()


def landing_folder_sensor(*, running: bool) -> dg.SensorDefinition:
    """The sensor that has each file landed which has come to rest in the landing folder.

    Args:
        running: whether it is on until somebody switches it in the UI.
    """

    @dg.sensor(
        name="landing_folder",
        job=land_file_job,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Sees new files in the landing folder; each gets a run of its own.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, installation: dg.ResourceParam[Installation]
    ) -> dg.SensorResult | dg.SkipReason:
        look = landing_folder(installation).look()
        seen_before = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        ready = [each for each in look.waiting if each.is_settled(now) and seen_before.get(each.path) == each.etag]
        wanted = (request for each in ready if (request := _request(context.instance, each, now)) is not None)
        # One by one, because each asks Dagster's storage.
        requests = list(islice(wanted, MOST_AT_A_TIME))
        for problem in look.problems:
            context.log.warning(problem)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(_why_nothing(look, ready)),
            cursor=json.dumps({each.path: each.etag for each in look.waiting}),
        )

    return sensor


def _why_nothing(look: Look, ready: list[Waiting]) -> str:
    if look.problems:
        return " ".join(look.problems)
    if ready:
        return "the runs of the files that wait are under way, or are tried again later"
    return "what waits may still be growing" if look.waiting else "nothing waits"


def _request(instance: dg.DagsterInstance, waiting: Waiting, now: datetime) -> dg.RunRequest | None:
    """A run for the file; none while one is under way, and none soon after one that failed for another reason than the file."""
    drop = hashlib.sha256(f"{waiting.path}@{waiting.etag}".encode()).hexdigest()[:32]
    records = instance.get_run_records(dg.RunsFilter(job_name=LAND_FILE, tags={DROP_TAG: drop}), limit=100)
    if any(not record.dagster_run.is_finished for record in records):
        return None
    ended = max((record.end_time or 0.0 for record in records), default=0.0)
    pause = min(LONGEST_PAUSE, timedelta(minutes=2 ** min(len(records), 10))) if records else timedelta()
    if now < datetime.fromtimestamp(ended, UTC) + pause:
        return None
    config = LandFileConfig(
        folder=waiting.folder,
        name=waiting.name,
        size_bytes=waiting.size_bytes,
        modified_at=waiting.modified_at.isoformat(),
        etag=waiting.etag,
    )
    return dg.RunRequest(
        # Dagster takes a key once: each attempt is named after the one before it.
        run_key=f"{drop}#{records[0].dagster_run.run_id if records else ''}",
        run_config=dg.RunConfig(ops={LAND: config}),
        tags={FILE_TAG: waiting.path, DROP_TAG: drop},
    )
