"""The asset of experiments' effects: the mart's rows in, a Delta table, metadata and the check of the splits out."""

from __future__ import annotations

from datetime import UTC, date, datetime

import adbc_driver_postgresql.dbapi as adbc
import dagster as dg
import polars as pl
import pytest

from clientnest_assets.defs.experiments import EXPERIMENTS, KEY, SCHEMA, SPLITS_AS_MEANT, experiment_assets
from clientnest_assets.insights.experiments.effects import RESULTS
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings

TODAY = date(2026, 4, 19)


def rows(treatment_users=100):
    of_both = {
        "experiment_id": 1,
        "experiment_key": "coach",
        "experiment_name": "Coach",
        "started_at": datetime(2026, 3, 1, tzinfo=UTC),
        "ended_at": datetime(2026, 4, 1, tzinfo=UTC),
        "metric": "sessions",
        "metric_type": "mean",
        "scale": "linear",
        "better_when": "higher",
        "compared_variance": 4.0,
    }
    variants = {"control": (100, 10.0), "treatment": (treatment_users, 11.0)}
    return pl.DataFrame(
        [
            {**of_both, "variant": name, "users": users, "measured_users": users, "mean": mean, "compared_mean": mean}
            for name, (users, mean) in variants.items()
        ],
        schema=RESULTS,
    )


@pytest.fixture
def installation(databases, tmp_path):
    url = databases.create()
    made = Installation(
        Settings(
            environment=Environment.TEST,
            home=tmp_path / "home",
            app_database_url=url,
            lake_url=str(tmp_path / "lake"),
            warehouse_url=url,
            dagster_database_url=url,
            pseudonym_key="k" * 32,
        )
    )
    made.keep_calendar(Calendar(date(2026, 1, 1), TODAY))
    return made


def materialise(installation, results):
    with adbc.connect(installation.warehouse_url) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists marts")
        cursor.adbc_ingest("experiment_results", results.to_arrow(), mode="replace", db_schema_name="marts")
        connection.commit()
    done = dg.materialize(experiment_assets(), resources={"installation": installation})
    (materialised,), (checked,) = (
        done.asset_materializations_for_node("experiments__effects"),
        (done.get_asset_check_evaluations()),
    )
    return materialised.metadata, checked


def kept(installation):
    return installation.lake.table(EXPERIMENTS, KEY.path[-1], SCHEMA, partition_by=("day",)).scan().collect()


def test_effects_are_kept_and_shown(installation):
    metadata, checked = materialise(installation, rows())

    (told,) = kept(installation).iter_rows(named=True)
    assert (told["experiment_key"], told["variant"], told["verdict"], told["day"]) == (
        "coach",
        "treatment",
        "works",
        TODAY,
    )
    assert told["lift"] == pytest.approx(0.1)
    assert checked.passed
    assert checked.check_name == SPLITS_AS_MEANT
    assert metadata["rows"].value == 1
    assert metadata["verdicts"].value == {"works": 1}
    assert metadata["effects"].value.records[0].data["experiment_key"] == "coach"
    assert "data:image/png" in metadata["plot_intervals"].value


def test_a_day_computed_again_is_replaced(installation):
    materialise(installation, rows())
    materialise(installation, rows())
    assert kept(installation).height == 1
    materialise(installation, rows().clear())
    assert kept(installation).is_empty()


def test_a_broken_split_fails_the_check_and_names_the_experiment(installation):
    _, checked = materialise(installation, rows(treatment_users=300))

    assert not checked.passed
    assert checked.severity == dg.AssetCheckSeverity.WARN
    assert checked.metadata["broken"].value == ["coach"]
    assert "100 users in the control and 300" in checked.description
    assert kept(installation)["verdict"].to_list() == ["broken split"]
