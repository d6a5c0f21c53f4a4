"""The generated files of the dbt project agree with the contracts, and say what the contracts say."""

import pytest
import yaml

from clientnest_assets.contracts import DELETED_AT, WAREHOUSE_TABLES
from clientnest_assets.contracts.dbt_sources import DBT_PROJECT, generated_files, render_sources, staged_name


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_files_are_those_in_the_repository(path):
    kept = (DBT_PROJECT / path).read_text(encoding="utf-8")

    assert kept == generated_files()[path], "run `python -m clientnest_assets.contracts.dbt_sources`"


def test_sources_hold_every_table_of_the_warehouse_with_its_landed_columns():
    tables = {
        table["name"]: table for source in yaml.safe_load(render_sources())["sources"] for table in source["tables"]
    }

    assert list(tables) == [contract.name for contract in WAREHOUSE_TABLES]
    for contract in WAREHOUSE_TABLES:
        assert [column["name"] for column in tables[contract.name]["columns"]] == list(contract.landed_schema)


def test_units_value_sets_and_personal_data_are_told_as_metadata():
    tables = {table["name"]: table for table in yaml.safe_load(render_sources())["sources"][0]["tables"]}
    columns = {(name, column["name"]): column for name, table in tables.items() for column in table["columns"]}

    assert columns["user_sessions", "duration"]["config"]["meta"] == {"unit": "seconds"}
    assert columns["sentiment_analysis", "sentiment"]["config"]["meta"]["values"] == ["positive", "neutral", "negative"]
    assert columns["auth_user", "email"]["config"]["meta"] == {"personal": True}
    assert columns["auth_user", "email"]["data_type"] == "text"
    assert columns["social_posts", "hashtags"]["data_type"] == "text[]"
    assert columns["subscription_events", "mrr"]["data_type"] == "numeric(12,2)"


def test_every_column_is_described():
    for source in yaml.safe_load(render_sources())["sources"]:
        for table in source["tables"]:
            assert all(column["description"].strip() for column in table["columns"]), table["name"]


def test_staging_names_each_column_of_a_table_once():
    for contract in WAREHOUSE_TABLES:
        staged = [staged_name(contract, column) for column in contract.landed_schema if column != DELETED_AT]
        assert len(set(staged)) == len(staged), contract.name
