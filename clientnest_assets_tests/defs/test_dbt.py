"""dbt's models as assets: a small project of one's own, a real PostgreSQL, and what Dagster is told of each build."""

import shutil
from datetime import date, timedelta

import dagster as dg
import psycopg
import pytest
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from clientnest_assets.defs import dbt as module
from clientnest_assets.defs.dbt import warehouse_models
from clientnest_assets.defs.partitions import LOOKS_AHEAD, LOOKS_BACK, WINDOWED, Partitions
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets.settings import DBT_PROJECT, Environment, Settings
from clientnest_assets.warehouse import dbt
from clientnest_assets.warehouse.behind import Inputs, current_snapshot, days_behind, note_builds
from clientnest_assets.warehouse.load import create_raw_tables

FIRST = date(2025, 1, 6)
CALENDAR = Calendar(FIRST, FIRST + timedelta(days=9))
PARTITIONS = Partitions.of(CALENDAR)
WINDOWED_MODEL = """
{{ config(materialized='incremental', incremental_strategy='replace_window', on_schema_change='fail',
          meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 3}) }}
select day::date as day, likes, likes * 2 as score
from (values (date '2025-01-06', 1), (date '2025-01-07', -2), (date '2025-01-07', -3), (date '2025-01-08', 4))
    as counted (day, likes)
where {{ in_window('day') }}
"""
MODELS = {
    # A seed and a view below, a fact by day of it, and a mart.
    "staging/stg_likes.sql": "select 1 as one, name from {{ ref('names') }}",
    "facts/fact_likes.sql": WINDOWED_MODEL,
    "dimensions/good.sql": "select one, name, one + 1 as two, count(*) over () as rows from {{ ref('stg_likes') }}",
    "dimensions/bad.sql": "select one / {{ env_var('DIVISOR', '0') }} as one from {{ ref('stg_likes') }}",
    "dimensions/after_bad.sql": "select one from {{ ref('bad') }}",
    "marts/late.sql": "select sum(likes)::bigint as likes from {{ ref('fact_likes') }}",
}
MODELS_YML = """
version: 2
models:
  - name: good
    columns: [{name: two, data_type: integer, description: One more.}]
  - name: fact_likes
    data_tests:
      - always: {name: likes_are_positive, arguments: {condition: likes > 0}}
      - always: {name: likes_are_few, arguments: {condition: likes < 4}, config: {severity: warn}}
      - always: {name: scores_are_doubled, arguments: {condition: score = 2 * likes}}
  - name: late
"""
SUM_TEST = "select 1 from {{ ref('late') }} cross join {{ ref('good') }} where likes is null"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A dbt project with the real one's macros, in place of it."""
    folder = tmp_path / "project"
    for name, sql in MODELS.items():
        (folder / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "models" / name).write_text(sql)
    for name, text in {
        "dbt_project.yml": "name: clientnest\nprofile: clientnest\nseeds: {clientnest: {+schema: reference}}\n"
        "models: {clientnest: {staging: {+schema: staging}, facts: {+schema: facts}, "
        "dimensions: {+schema: dimensions, +materialized: table}, marts: {+schema: marts, +materialized: table}}}\n",
        "models/_models.yml": MODELS_YML,
        "seeds/names.csv": "name\na\nb\n",
        "tests/sums.sql": SUM_TEST,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    shutil.copytree(DBT_PROJECT / "macros", folder / "macros")
    shutil.copytree(DBT_PROJECT / "tests" / "generic", folder / "tests" / "generic")
    shutil.copy(DBT_PROJECT / "profiles.yml", folder)
    monkeypatch.setattr(dbt, "DBT_PROJECT", folder)
    return folder


class Warehouse:
    """A warehouse that nothing was built in yet, and the project's assets over it."""

    def __init__(self, home, url):
        self.installation = Installation(
            Settings(
                environment=Environment.PRODUCTION,
                home=home,
                app_database_url=url,
                warehouse_url=url,
                dagster_database_url=url,
            )
        )
        self.instance = dg.DagsterInstance.ephemeral()
        self.definitions = dg.Definitions(
            assets=warehouse_models(dbt.prepared_manifest(home), PARTITIONS),
            resources={"installation": self.installation},
            executor=dg.in_process_executor,
        )
        self.graph = self.definitions.resolve_asset_graph()

    def run(self, *names, days=None):
        """Materialises assets by their names, over some days."""
        selected = [key for key in self.graph.materializable_asset_keys if key.path[-1] in names]
        tags = {}
        if days:
            tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
        if days and len(days) == 1:
            tags = {"dagster/partition": days[0]}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=self.instance, asset_selection=selected, tags=tags, raise_on_error=False)

    def check(self, name, day=None):
        """The newest result of a check of `fact_likes`, of the window or of one day."""
        found = self.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey(["facts", "fact_likes"]), name),
            limit=1,
            status={Status.SUCCEEDED, Status.FAILED},
            partition_filter=PartitionKeyFilter(key=day),
        )
        return found[0].event.dagster_event.event_specific_data if found else None


@pytest.fixture
def warehouse(project, databases, tmp_path):
    url = databases.create()
    create_raw_tables(url)
    return Warehouse(tmp_path / "home", url)


def made(result):
    return sorted(event.asset_key.path[-1] for event in result.get_asset_materialization_events())


def days(first, last):
    return [str(FIRST + timedelta(days=number)) for number in range(first, last + 1)]


def test_layers_are_groups_and_the_partition_scheme_is_that_of_the_models_configuration(warehouse):
    found = {
        key.to_user_string(): (
            warehouse.graph.get(key).group_name,
            warehouse.graph.get(key).partitions_def,
            {parent.to_user_string() for parent in warehouse.graph.get(key).parent_keys},
        )
        for key in warehouse.graph.materializable_asset_keys
        if key.path[0] != "docs"
    }

    assert found == {
        "reference/names": ("reference", None, set()),
        "staging/stg_likes": ("staging", None, {"reference/names"}),
        "dimensions/good": ("dimensions", None, {"staging/stg_likes"}),
        "dimensions/bad": ("dimensions", None, {"staging/stg_likes"}),
        "dimensions/after_bad": ("dimensions", None, {"dimensions/bad"}),
        "facts/fact_likes": ("facts", PARTITIONS.daily, set()),
        "marts/late": ("marts", None, {"facts/fact_likes"}),
    }
    tags = warehouse.graph.get(dg.AssetKey(["facts", "fact_likes"])).tags
    assert (tags[WINDOWED], tags[LOOKS_BACK], tags[LOOKS_AHEAD]) == ("", "", "3")
    # A test of two models is a check on the one that is built last.
    assert {check.to_user_string() for check in warehouse.graph.asset_check_keys if check.name == "sums"} == {
        "marts/late:sums"
    }


def test_a_retry_makes_what_failed_and_what_hangs_on_it_and_nothing_else(warehouse, monkeypatch):
    first = warehouse.run("names", "stg_likes", "good", "bad", "after_bad")
    assert not first.success
    assert made(first) == ["good", "names", "stg_likes"]

    run = warehouse.instance.get_run_by_id(first.run_id)
    plan = warehouse.instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    # What Dagster selects for a retry "from asset failure", which the jobs' tags ask for.
    assets, _ = warehouse.instance.run_domain.get_keys_to_reexecute(first.run_id, plan)
    assert sorted(key.path[-1] for key in assets) == ["after_bad", "bad"]

    monkeypatch.setenv("DIVISOR", "1")
    again = warehouse.run(*(key.path[-1] for key in assets))
    assert again.success
    assert made(again) == ["after_bad", "bad"]


def test_a_failing_test_stops_what_is_downstream_and_says_which_days_fail(warehouse):
    window = days(0, 4)
    result = warehouse.run("fact_likes", "late", days=window)

    assert not result.success
    assert made(result) == []
    whole = warehouse.check("likes_are_positive")
    assert (whole.passed, whole.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert whole.metadata["rows_failing"].value == 2
    assert "Days with rows that fail: 2025-01-07 (2)." in whole.description
    assert "likes > 0" in whole.metadata["sql"].value

    assert warehouse.check("likes_are_positive", "2025-01-06") is None
    of_day = warehouse.check("likes_are_positive", "2025-01-07")
    assert (of_day.passed, of_day.metadata["rows_failing"].value) == (False, 2)
    assert warehouse.check("scores_are_doubled").passed


def test_a_warning_is_seen_and_stops_nothing(warehouse):
    assert warehouse.run("names", "stg_likes", "good").success
    window = days(2, 3)
    assert warehouse.run("fact_likes", days=window).success

    whole = warehouse.check("likes_are_few")
    assert (whole.passed, whole.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2025-01-08 (1)" in whole.description
    of_day = warehouse.check("likes_are_few", "2025-01-08")
    assert (of_day.passed, of_day.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert warehouse.run("late").success


def test_a_test_that_also_reads_a_model_that_was_never_built_waits_until_it_is(warehouse):
    assert warehouse.run("fact_likes", days=days(2, 3)).success

    alone = warehouse.run("late")

    assert alone.success
    assert made(alone) == ["late"]
    assert alone.get_asset_check_evaluations() == []
    assert warehouse.run("names", "stg_likes", "good").success
    # There, though not built along.
    (found,) = warehouse.run("late").get_asset_check_evaluations()
    assert (found.check_name, found.passed) == ("sums", True)


def test_a_run_of_one_day_tells_its_failure_for_the_day_as_for_the_window(warehouse):
    assert not warehouse.run("fact_likes", days=days(1, 1)).success

    for found in (warehouse.check("likes_are_positive", "2025-01-07"), warehouse.check("likes_are_positive")):
        assert (found.passed, found.metadata["rows_failing"].value) == (False, 2)


def test_a_day_that_failed_and_fails_no_more_is_told_and_no_other_day_is(warehouse, project):
    assert not warehouse.run("fact_likes", days=days(0, 4)).success

    model = project / "models" / "facts" / "fact_likes.sql"
    # A failure again is one more result, and not a clash with the one before.
    assert not warehouse.run("fact_likes", days=days(0, 4)).success
    model.write_text(WINDOWED_MODEL.replace("-2", "2").replace("-3", "3"))
    assert warehouse.run("fact_likes", days=days(0, 4)).success

    assert warehouse.check("likes_are_positive").passed
    assert warehouse.check("likes_are_positive", "2025-01-07").passed
    assert warehouse.check("likes_are_positive", "2025-01-06") is None


def test_days_that_are_behind_stay_so_until_a_build_of_them_passes_and_dagster_knows(warehouse, project, monkeypatch):
    url = warehouse.installation.warehouse_url
    note_builds(url, ["fact_likes"], Window.of_days(FIRST, FIRST + timedelta(days=4)), current_snapshot(url))
    with psycopg.connect(url) as late:
        late.execute(
            "insert into raw.table_days (table_name, day, touched_by) "
            "select 'likes', %s::date + number, pg_current_xact_id() from generate_series(1, 2) as number",
            (FIRST,),
        )

    def behind():
        found = days_behind(url, {"fact_likes": Inputs(frozenset({"likes"}), looks_back=False)})
        return [str(day) for day in found.get("fact_likes", [])]

    assert not warehouse.run("fact_likes", days=days(0, 4)).success
    assert behind() == days(1, 2)

    model = project / "models" / "facts" / "fact_likes.sql"
    model.write_text(WINDOWED_MODEL.replace("-2", "2").replace("-3", "3"))
    with monkeypatch.context() as patched:
        patched.setattr(module, "results", killed)
        assert not warehouse.run("fact_likes", days=days(0, 4)).success
    assert behind() == days(1, 2)

    assert warehouse.run("fact_likes", days=days(2, 4)).success
    assert behind() == days(1, 1)


def killed(*_given):
    """In place of what tells Dagster of a build."""
    raise RuntimeError("killed")


def test_rows_are_counted_by_table_and_by_day_and_columns_know_where_they_come_from(warehouse):
    assert warehouse.run("names", "stg_likes", "good").success
    assert warehouse.run("fact_likes", days=days(2, 4)).success

    def newest(*path, day=None):
        records = warehouse.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(path), asset_partitions=[day] if day else None), limit=1
        ).records
        return records[0].asset_materialization.metadata

    assert newest("reference", "names")["dagster/row_count"].value == 2
    assert newest("dimensions", "good")["dagster/row_count"].value == 2
    assert "dagster/row_count" not in newest("staging", "stg_likes")
    counted = [newest("facts", "fact_likes", day=day)["dagster/partition_row_count"].value for day in days(2, 4)]
    assert counted == [1, 0, 0]

    names, view = dg.AssetKey(["reference", "names"]), dg.AssetKey(["staging", "stg_likes"])
    lineage = newest("dimensions", "good")["dagster/column_lineage"].value.deps_by_column
    assert {column: list(sources) for column, sources in lineage.items()} == {
        "one": [dg.TableColumnDep(view, "one")],
        "name": [dg.TableColumnDep(view, "name")],
        "two": [dg.TableColumnDep(view, "one")],
        "rows": [],
    }
    below = newest("staging", "stg_likes")["dagster/column_lineage"].value.deps_by_column
    assert list(below["name"]) == [dg.TableColumnDep(names, "name")]
    # One copy a run, with the newest day, is what the UI asks for.
    assert "dagster/column_lineage" in newest("facts", "fact_likes", day=days(4, 4)[0])
    assert "dagster/column_lineage" not in newest("facts", "fact_likes", day=days(2, 2)[0])
    schema = warehouse.graph.get(dg.AssetKey(["dimensions", "good"])).metadata["dagster/column_schema"]
    assert [(column.name, column.type, column.description) for column in schema.columns] == [
        ("two", "integer", "One more.")
    ]
