"""The docs tell every model and column that is there, and dbt has nothing to complain of."""

import json

import pytest


@pytest.fixture(scope="module")
def manifest(warehouse):
    return json.loads((warehouse.target / "manifest.json").read_text())


def models(manifest):
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def test_every_column_of_every_model_is_described_and_no_other(warehouse, manifest):
    columns = warehouse.rows(
        """
        select table_schema as layer, table_name as model, array_agg(column_name::text) as columns
        from information_schema.columns
        where table_schema in ('staging', 'dimensions', 'facts', 'marts') group by 1, 2
        """
    )
    built = {(row["layer"], row["model"]): set(row["columns"]) for row in columns}
    described = {
        (model["schema"], model["name"]): {
            name for name, column in model["columns"].items() if column["description"].strip()
        }
        for model in models(manifest)
    }

    assert described == built


def test_every_model_begins_with_its_grain_and_has_an_owner(manifest):
    for model in models(manifest):
        assert model["description"].startswith("One row per "), model["name"]
        assert manifest["groups"][f"group.clientnest.{model['group']}"]["owner"]["email"] == "data@clientnest.example"


def test_what_people_read_has_an_enforced_contract_a_key_and_units(manifest):
    for model in models(manifest):
        if model["schema"] == "staging":
            continue
        assert model["config"]["contract"]["enforced"], model["name"]
        assert [item["type"] for item in model["constraints"]] == ["primary_key"], model["name"]
        assert any(
            node["attached_node"] == model["unique_id"] and node["test_metadata"]["name"] == "unique_key"
            for node in manifest["nodes"].values()
            if node["resource_type"] == "test"
        ), model["name"]
        for column in model["columns"].values():
            if column["data_type"].startswith(("numeric", "double")):
                assert column["config"]["meta"].keys() >= {"unit", "additivity"}, (model["name"], column["name"])


def test_dbt_parses_the_project_without_a_deprecation(warehouse):
    succeeded, events = warehouse.dbt("parse", "--no-partial-parse", "--show-all-deprecations")

    assert succeeded
    assert [event.info.msg for event in events if event.info.level in ("warn", "error")] == []
