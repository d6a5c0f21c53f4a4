"""What Dagster loads, against a list in a file: no refactoring drops an asset, a job or a check in silence.

If a change is meant: `pytest clientnest_assets_tests/test_definitions.py --rewrite-snapshots`, and look at the diff.
"""

from datetime import date
from pathlib import Path

import pytest

from clientnest_assets.definitions import build_definitions
from clientnest_assets.defs.events import INBOX_KEY
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings

SNAPSHOT = Path(__file__).with_name("definitions.txt")


@pytest.fixture(scope="module")
def installation(parsed_project, tmp_path_factory):
    home = tmp_path_factory.mktemp("definitions") / "home"
    parsed_project(home)
    installation = Installation(Settings(environment=Environment.TEST, home=home))
    installation.keep_calendar(Calendar(date(2025, 1, 6), date(2025, 3, 9)))
    return installation


@pytest.fixture(scope="module")
def definitions(installation):
    return build_definitions(installation)


def partitioning(partitions_def):
    return type(partitions_def).__name__.removesuffix("PartitionsDefinition").lower() if partitions_def else "none"


def test_assets_checks_jobs_schedules_and_sensors_are_those_of_the_snapshot(definitions, compare_snapshot):
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    assets = [
        f"asset {key.to_user_string()} | group {graph.get(key).group_name} | {partitioning(graph.get(key).partitions_def)} "
        f"| from {', '.join(sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)) or '-'}"
        for key in graph.get_all_asset_keys()
    ]
    checks = [f"check {check.asset_key.to_user_string()} {check.name}" for check in graph.asset_check_keys]
    jobs = [
        f"job {job.name} | {partitioning(job.partitions_def)}"
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    ]
    schedules = [
        f"schedule {each.name} | {each.cron_schedule} {each.execution_timezone} | {each.job_name} | {each.default_status.value}"
        for each in repository.schedule_defs
    ]
    sensors = [f"sensor {each.name} | {each.default_status.value}" for each in repository.sensor_defs]

    compare_snapshot(
        SNAPSHOT, "".join(f"{line}\n" for part in (assets, checks, jobs, schedules, sensors) for line in sorted(part))
    )


def test_every_asset_has_a_group_an_owner_and_a_description(definitions):
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.group_name == key.path[0], key
        assert node.owners, key
        assert node.description, key


def test_assets_of_models_lead_to_their_pages_where_people_reach_them(installation):
    installation = Installation(installation.settings.model_copy(update={"web_url": "https://analytics.example/"}))
    graph = build_definitions(installation).resolve_asset_graph()
    told = {key.to_user_string(): graph.get(key).metadata for key in graph.materializable_asset_keys}
    pages = {key: each["pages"].url for key, each in told.items() if "pages" in each}
    assert pages["models/engagement_lean"] == "https://analytics.example/models/engagement_lean"
    assert pages["models/churn_promotion"] == "https://analytics.example/models/churn"
    assert pages["predictions/churn"] == pages["performance/churn"] == pages["models/churn"]
    assert pages["tuning/churn"] == "https://analytics.example/models/churn/tuning"
    assert {key.split("/")[0] for key in pages} == {"models", "predictions", "performance", "tuning"}


def test_lineage_runs_unbroken_from_every_raw_table_to_the_marts_and_the_predictions(definitions):
    graph = definitions.resolve_asset_graph()
    raw = {key for key in graph.materializable_asset_keys if key.path[0] == "raw"}
    ends = {key for key in graph.materializable_asset_keys if key.path[0] in ("marts", "predictions")}

    for end in ends:
        above, waiting = set(), [end]
        while waiting:
            parents = graph.get(waiting.pop()).parent_keys - above
            above |= parents
            waiting += parents
        # The inbox is where events come from; reference data is part of the project itself.
        roots = {key for key in above if not graph.get(key).parent_keys}
        assert {key for key in roots if key.path[0] != "reference"} <= raw | {INBOX_KEY}
        assert len(above & raw) > 2, end
    # The inbox is filled by consumers; all else is made by assets.
    external = {key for key in graph.get_all_asset_keys() if not graph.get(key).is_materializable}
    assert external == {INBOX_KEY}


def test_all_daily_assets_share_one_partitions_object(definitions):
    graph = definitions.resolve_asset_graph()
    found = {graph.get(key).partitions_def for key in graph.materializable_asset_keys} - {None}

    assert sorted(partitioning(each) for each in found) == ["daily", "weekly"]


def test_the_definitions_are_the_same_in_production_but_for_their_schedules(installation, definitions):
    settings = Settings(
        environment=Environment.PRODUCTION,
        home=installation.home,
        app_database_url="postgresql://nobody@127.0.0.1:1/app",
        warehouse_url="postgresql://nobody@127.0.0.1:1/warehouse",
        dagster_database_url="postgresql://nobody@127.0.0.1:1/dagster",
        lake_url="s3://bucket/lake",
        pseudonym_key="k" * 32,
        first_day=date(2025, 1, 6),
    )
    # Nothing is asked of any of these addresses: they do not answer.
    production = build_definitions(Installation(settings))

    assert (
        production.resolve_asset_graph().get_all_asset_keys() == definitions.resolve_asset_graph().get_all_asset_keys()
    )
    statuses = {schedule.default_status.value for schedule in production.get_repository_def().schedule_defs}
    assert statuses == {"RUNNING"}
