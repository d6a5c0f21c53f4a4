"""Executing plans: what a failure stops, what a lock prevents, and what becomes of a killed command's runs."""

import dagster as dg
import pytest
from filelock import FileLock

from clientnest_assets.cli.execute import COMMAND_TAG, exclusively, execute
from clientnest_assets.cli.plan import PlannedRun
from clientnest_assets.cli.session import BusyError
from clientnest_assets.installation import Installation
from clientnest_assets.settings import Environment, Settings


def key(name):
    return dg.AssetKey(["layer", name])


@dg.asset(key=key("good"), group_name="layer")
def good() -> None: ...


@dg.asset(key=key("bad"), group_name="layer")
def bad() -> None:
    try:
        raise ValueError("the column is missing")
    except ValueError as error:
        raise RuntimeError("while reading") from error


@dg.asset(key=key("doubtful"), group_name="layer", check_specs=[dg.AssetCheckSpec("sure", asset=key("doubtful"))])
def doubtful() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="sure")])


@dg.asset(
    key=key("unfit"), group_name="layer", check_specs=[dg.AssetCheckSpec("fit", asset=key("unfit"), blocking=True)]
)
def unfit() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="fit")])


@dg.asset(key=key("later"), group_name="layer", deps=[key("good")])
def later() -> None: ...


@dg.asset(key=key("below"), group_name="layer", deps=[key("bad")])
def below() -> None: ...


@dg.asset(key=key("far_below"), group_name="layer", deps=[key("below"), key("good")])
def far_below() -> None: ...


@dg.asset(key=key("below_unfit"), group_name="layer", deps=[key("unfit")])
def below_unfit() -> None: ...


WEEKS = dg.WeeklyPartitionsDefinition("2026-10-05", end_date="2026-10-19", day_offset=1)
DAYS = dg.DailyPartitionsDefinition("2026-10-05", end_date="2026-10-19")


@dg.asset(
    key=key("weekly"),
    group_name="layer",
    partitions_def=WEEKS,
    check_specs=[dg.AssetCheckSpec("fit", asset=key("weekly"), blocking=True)],
)
def weekly(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=context.partition_key != "2026-10-05", check_name="fit")]
    )


@dg.asset(key=key("daily"), group_name="layer", partitions_def=DAYS, deps=[key("weekly")])
def daily() -> None: ...


class Session:
    """As much of a session as executing needs."""

    def __init__(self, home):
        (home / "logs").mkdir(parents=True)
        self.installation = Installation(Settings(environment=Environment.TEST, home=home))
        self.instance = dg.DagsterInstance.ephemeral()
        assets = [good, bad, doubtful, unfit, later, below, far_below, below_unfit, weekly, daily]
        self.definitions = dg.Definitions(assets=assets, executor=dg.in_process_executor)


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path / "home")


def run(stage, *names):
    return PlannedRun(stage, tuple(key(name) for name in names), ())


def made(session):
    names = ("good", "bad", "unfit", "later", "below", "far_below", "below_unfit")
    return {name for name in names if session.instance.get_latest_materialization_event(key(name))}


def test_a_failure_holds_what_hangs_on_it_and_nothing_else(session):
    runs = [run(0, "bad"), run(0, "good"), run(1, "later", "below"), run(2, "far_below")]

    done = execute(session, runs, command="test")

    assert [(each.run.assets[0].path[-1], each.succeeded) for each in done] == [
        ("bad", False),
        ("good", True),
        ("later", True),
    ]
    assert done[0].failures == ("layer__bad: ValueError: the column is missing",)
    assert made(session) == {"good", "later"}


def test_a_blocking_check_holds_what_hangs_on_its_asset(session):
    done = execute(session, [run(0, "unfit", "good"), run(1, "below_unfit", "later")], command="test")

    assert [each.succeeded for each in done] == [False, True]
    assert made(session) == {"good", "unfit", "later"}


def test_a_week_that_failed_holds_no_days_back(session):
    weeks = [PlannedRun(0, (key("weekly"),), (week,)) for week in ("2026-10-05", "2026-10-12")]
    done = execute(session, [*weeks, PlannedRun(1, (key("daily"),), ("2026-10-18",))], command="test")

    assert [(each.run.assets[0].path[-1], each.succeeded) for each in done] == [
        ("weekly", False),
        ("weekly", True),
        ("daily", True),
    ]


def test_a_check_that_does_not_pass_is_told(session):
    (done,) = execute(session, [run(0, "doubtful")], command="test")

    assert done.succeeded
    assert done.failed_checks == ("layer/doubtful: sure",)


def test_runs_carry_their_commands_name_and_leave_the_terminal_alone(session, capfd):
    execute(session, [run(0, "good")], command="test")

    (record,) = session.instance.get_runs()
    assert record.tags[COMMAND_TAG] == "test"
    assert "RUN_SUCCESS" not in capfd.readouterr().err


def test_one_command_of_a_home_materialises_at_a_time(session):
    with (
        FileLock(session.installation.home / "backfill.lock"),
        pytest.raises(BusyError, match="another clientnest command"),
        exclusively(session),
    ):
        pass

    with exclusively(session), pytest.raises(BusyError), exclusively(session):
        pass
    with exclusively(session):
        pass


def test_runs_that_a_killed_command_left_are_ended_and_others_are_not(session):
    def unfinished(tags):
        job = session.definitions.resolve_implicit_global_asset_job_def()
        run = session.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        return run.run_id

    killed, of_the_daemon = unfinished({COMMAND_TAG: "backfill"}), unfinished({})

    with exclusively(session):
        statuses = {each.run_id: each.status for each in session.instance.get_runs()}

    assert statuses == {killed: dg.DagsterRunStatus.FAILURE, of_the_daemon: dg.DagsterRunStatus.STARTED}
