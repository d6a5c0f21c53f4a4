"""The generated files of the dbt project agree with the contracts, and say what the contracts say."""

import polars as pl
import pytest
import yaml

from clientnest_assets.contracts import DELETED_AT, WAREHOUSE_TABLES
from clientnest_assets.contracts.app import AI_REQUEST_TYPES, PLATFORMS, TIERS
from clientnest_assets.contracts.dbt_sources import (
    DBT_PROJECT,
    SOURCES,
    WITH_DELETED,
    generated_files,
    render_sources,
    render_staging,
    staged_name,
)


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_files_are_those_in_the_repository(path):
    kept = (DBT_PROJECT / path).read_text(encoding="utf-8")

    assert kept == generated_files()[path], "run `python -m clientnest_assets.contracts.dbt_sources`"


def raw_tables():
    """Every table of the sources by name, in order."""
    return {
        table["name"]: table
        for origin in SOURCES
        for source in yaml.safe_load(render_sources(origin))["sources"]
        for table in source["tables"]
    }


def test_sources_hold_every_table_of_the_warehouse_with_its_landed_columns():
    tables = raw_tables()

    assert list(tables) == [contract.name for contract in WAREHOUSE_TABLES]
    for contract in WAREHOUSE_TABLES:
        assert [column["name"] for column in tables[contract.name]["columns"]] == list(contract.landed_schema)


def test_units_value_sets_and_personal_data_are_told_as_metadata():
    columns = {(name, column["name"]): column for name, table in raw_tables().items() for column in table["columns"]}

    assert columns["user_sessions", "duration"]["config"]["meta"] == {"unit": "seconds"}
    assert columns["sentiment_analysis", "sentiment"]["config"]["meta"]["values"] == ["positive", "neutral", "negative"]
    assert columns["auth_user", "email"]["config"]["meta"] == {"personal": True}
    assert columns["auth_user", "email"]["data_type"] == "text"
    assert columns["social_posts", "hashtags"]["data_type"] == "text[]"
    assert columns["subscription_events", "mrr"]["data_type"] == "numeric(12,2)"


def test_every_column_is_described():
    for name, table in raw_tables().items():
        assert all(column["description"].strip() for column in table["columns"]), name


def test_every_source_table_has_one_view_and_says_when_it_is_stale():
    staged = [
        model["name"].split("__")[1].removesuffix("_versions")
        for origin in SOURCES
        for model in yaml.safe_load(render_staging(origin))["models"]
    ]

    assert staged == [contract.name for contract in WAREHOUSE_TABLES]
    assert all(table["config"]["freshness"]["warn_after"] for table in raw_tables().values())


def test_staging_tells_deletions_where_a_model_must_tell_deleted_from_not_arrived():
    models = {model["name"]: model for origin in SOURCES for model in yaml.safe_load(render_staging(origin))["models"]}
    with_deleted = {
        name for name, model in models.items() if DELETED_AT in {column["name"] for column in model["columns"]}
    }

    assert {name.split("__")[1].removesuffix("_versions") for name in with_deleted} == set(WITH_DELETED)


@pytest.mark.parametrize(
    ("seed", "column", "values"),
    [
        ("platforms", "platform", PLATFORMS),
        ("ai_request_types", "request_type", AI_REQUEST_TYPES),
        ("subscription_tiers", "subscription_tier", TIERS),
    ],
)
def test_seeds_hold_the_values_that_the_contracts_allow(seed, column, values):
    assert pl.read_csv(DBT_PROJECT / "seeds" / f"{seed}.csv")[column].to_list() == list(values)


def test_staging_names_each_column_of_a_table_once():
    for contract in WAREHOUSE_TABLES:
        staged = [staged_name(contract, column) for column in contract.landed_schema if column != DELETED_AT]
        assert len(set(staged)) == len(staged), contract.name
