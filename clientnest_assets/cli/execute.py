"""Executes planned runs in this process, one after the other, with a progress bar; see `plan.py` for which."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from clientnest_assets.cli.plan import PlannedRun
from clientnest_assets.cli.session import Session, console, materialising

COMMAND_TAG = "clientnest/command"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Done:
    """What became of a run."""

    run: PlannedRun
    run_id: str
    succeeded: bool
    seconds: float
    failures: tuple[str, ...]
    failed_checks: tuple[str, ...]
    unmade: frozenset[dg.AssetKey] = frozenset()


@contextmanager
def exclusively(session: Session) -> Iterator[None]:
    """Holds this home's lock on materialising from the command line, and ends runs that a killed command left.

    Raises:
        BusyError: if another command holds it.
    """
    with materialising(session):
        _end_orphans(session.instance)
        yield


def execute(
    session: Session, runs: Sequence[PlannedRun], *, command: str, config: dict[str, Any] | None = None
) -> list[Done]:
    """Runs them in order. Of later stages nothing is made that hangs on what failed: its inputs are not whole.

    A week that failed holds no days back: each is made of what was there when it began, and again once the week is made.
    """
    done: list[Done] = []
    if not runs:
        return done
    job = session.definitions.resolve_implicit_global_asset_job_def()
    graph = session.definitions.resolve_asset_graph()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("asset partitions"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(run.materialisations for run in runs))
        for run in runs:
            unmade = frozenset[dg.AssetKey]().union(*(each.unmade for each in done if each.run.stage < run.stage))
            lost = {
                key for key in unmade if not isinstance(graph.get(key).partitions_def, dg.WeeklyPartitionsDefinition)
            }
            held = dg.AssetSelection.assets(*lost).downstream().resolve(graph) if lost else frozenset()
            assets = tuple(key for key in run.assets if key not in held)
            if assets:
                begun = replace(run, assets=assets)
                done.append(_execute_one(session.instance, job, begun, command, config or {}, progress, task))
    return done


def _execute_one(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    run: PlannedRun,
    command: str,
    config: dict[str, Any],
    progress: Progress,
    task: TaskID,
) -> Done:
    run_id = str(uuid.uuid4())
    before = progress.tasks[0].completed
    failures: list[str] = []
    checks: list[str] = []
    made: set[dg.AssetKey] = set()
    unfit: set[dg.AssetKey] = set()

    def notice(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type is DagsterEventType.STEP_START:
            progress.update(task, description=f"{run} · {event.step_key}")
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            progress.advance(task)
            if event.asset_key:
                made.add(event.asset_key)
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            failures.append(_failure(event))
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.blocking and evaluation.severity is dg.AssetCheckSeverity.ERROR:
                unfit.add(evaluation.asset_key)
            # Of a window the results of its days are in the description of the whole.
            if not evaluation.passed and evaluation.partition is None:
                told = (evaluation.asset_key.to_user_string(), evaluation.check_name, evaluation.description)
                checks.append(": ".join(part for part in told if part))

    instance.add_event_listener(run_id, notice)
    progress.update(task, description=f"{run}")
    started = time.monotonic()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=list(run.assets),
        tags={**run.tags, COMMAND_TAG: command},
        run_config={**QUIET, **({"ops": config} if config else {})},
        run_id=run_id,
        raise_on_error=False,
    )
    progress.update(task, completed=before + run.materialisations)
    unmade = frozenset() if result.success else (frozenset(run.assets) - made) | unfit
    return Done(run, run_id, result.success, time.monotonic() - started, tuple(failures), tuple(checks), unmade)


def _failure(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    message = error.message.strip() if error else "no reason given"
    return f"{event.step_key}: {message}"


def end_left_over_runs(instance: dg.DagsterInstance) -> None:
    """Fails the runs that services left when they were killed. Only where no service of this instance is up."""
    _fail(instance, [run for run in _unfinished(instance) if COMMAND_TAG not in run.tags])


def _end_orphans(instance: dg.DagsterInstance) -> None:
    """Runs of a command that was killed: the lock is ours, so nobody works on them any more."""
    _fail(instance, [run for run in _unfinished(instance) if COMMAND_TAG in run.tags])


def _unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    begun = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED]
    return list(instance.get_runs(RunsFilter(statuses=begun)))


def _fail(instance: dg.DagsterInstance, runs: list[dg.DagsterRun]) -> None:
    for run in runs:
        instance.report_run_failed(run, "What ran this was killed. Run it again: it goes on from here.")
