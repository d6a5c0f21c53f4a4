"""What a night's sensors ask for."""

from datetime import date, timedelta

import dagster as dg
import pytest

from clientnest_assets.defs import schedules as module
from clientnest_assets.defs.jobs import CLOSE, CORRECT, LAND, jobs
from clientnest_assets.defs.partitions import Partitions
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings

FIRST = date(2025, 1, 1)
PARTITIONS = Partitions.of(Calendar(FIRST, date(2025, 6, 30)))
FACT, MART = dg.AssetKey(["facts", "fact_users_daily"]), dg.AssetKey(["marts", "active_users"])


@pytest.fixture
def after_landing(tmp_path, monkeypatch):
    """What is asked for after a day was landed, while some days are behind: the job, the first and the last day."""
    installation = Installation(Settings(environment=Environment.TEST, home=tmp_path))
    _, sensors = module.schedules(PARTITIONS, jobs(PARTITIONS), running=False)
    sensor = next(each for each in sensors if each.name == "close_window_after_landing")

    @dg.job(name=LAND)
    def landing() -> None: ...

    def ask(landed, behind):
        monkeypatch.setattr(module, "models_behind", lambda _: behind)
        instance = dg.DagsterInstance.ephemeral()
        result = landing.execute_in_process(instance=instance, tags={"dagster/partition": str(landed)})
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_event=result.get_run_success_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            resources={"installation": installation},
        )
        requests = sensor(context)
        assert len({request.run_key for request in requests}) == len(requests)
        return [
            (
                request.job_name,
                *(date.fromisoformat(request.tags[tag]) for tag in (module.RANGE_START, module.RANGE_END)),
            )
            for request in requests
        ]

    return ask


def test_a_night_without_late_rows_closes_the_days_that_may_still_change(after_landing):
    assert after_landing(date(2025, 5, 30), {}) == [(CLOSE, date(2025, 5, 1), date(2025, 5, 30))]
    # Near the beginning there are fewer.
    assert after_landing(date(2025, 1, 3), {}) == [(CLOSE, FIRST, date(2025, 1, 3))]


def test_days_long_closed_that_late_rows_are_about_are_asked_for_as_spans_of_a_month_at_most(after_landing):
    behind = {
        FACT: [date(2025, 1, 5), date(2025, 1, 6), date(2025, 5, 2)],
        MART: [date(2025, 1, 7), *(date(2025, 3, 1) + timedelta(days=number) for number in range(40))],
    }

    assert after_landing(date(2025, 5, 30), behind) == [
        (CORRECT, date(2025, 1, 5), date(2025, 1, 7)),
        (CORRECT, date(2025, 3, 1), date(2025, 3, 31)),
        (CORRECT, date(2025, 4, 1), date(2025, 4, 9)),
        # The 2nd of May is among these.
        (CLOSE, date(2025, 5, 1), date(2025, 5, 30)),
    ]
