"""The project's shape, as dbt's parsed project tells it: who may read whom, keys, references, units, exposures."""

import json
from collections import Counter, defaultdict

import pytest

from clientnest_assets.contracts.dbt_sources import DBT_PROJECT
from clientnest_assets.warehouse.dbt import prepared_manifest
from clientnest_assets.warehouse.metrics import Additivity

READABLE = ("dimensions", "facts", "marts")
"""The schemas that people read."""
LAYERS = ("staging", "intermediate", *READABLE)
MAY_READ = {
    "staging": (),
    "intermediate": ("staging", "intermediate", "dimensions", "facts"),
    "dimensions": ("staging", "intermediate", "dimensions"),
    "facts": ("staging", "intermediate", "dimensions", "facts"),
    "marts": LAYERS,
}
"""Layers whose models a layer's models may read. Some intermediate models serve dimensions, some facts, some marts."""
MOST_PARENTS = 6
FEWEST_TESTS_A_MODEL = 2.5
REFERENCES = {
    "user_key": "dim_user",
    "account_key": "dim_social_account",
    "post_key": "dim_post",
    "day": "dim_date",
    "published_date": "dim_date",
    "platform": "dim_platform",
    "content_category": "dim_content_category",
    "request_type": "dim_ai_request_type",
    "subscription_tier": "dim_subscription_tier",
}
"""Columns of facts and marts that point to a dimension."""
NUMBERS = ("smallint", "integer", "bigint", "numeric", "double precision", "real")
NO_QUANTITY = ("_id", "_key", "_order")
"""Endings of columns that are numbers and measure nothing."""
CALENDARS = ("dim_date",)
"""Models whose numbers are names of days, weeks and months."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return json.loads(prepared_manifest(tmp_path_factory.mktemp("home")).read_text())


@pytest.fixture(scope="module")
def models(manifest):
    return {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}


@pytest.fixture(scope="module")
def generic_tests(manifest):
    """Generic tests by the model they are about."""
    tests = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            tests[node["attached_node"]].append(node)
    return tests


def parents(model):
    return [parent for parent in model["depends_on"]["nodes"] if not parent.startswith("semantic_model.")]


def layer(model):
    return model["schema"]


def test_every_folder_is_a_layer_and_every_model_has_parents(models):
    for model in models.values():
        assert model["fqn"][1] == layer(model) == model["group"]
        assert layer(model) in LAYERS
        assert parents(model), f"{model['name']} hangs in the air"


def test_only_staging_reads_sources_each_source_once_and_staging_nothing_else(manifest, models):
    readers = Counter(parent for model in models.values() for parent in parents(model) if parent.startswith("source."))

    assert readers == dict.fromkeys(manifest["sources"], 1)
    for model in models.values():
        from_sources = [parent.startswith("source.") for parent in parents(model)]
        assert all(from_sources) if layer(model) == "staging" else not any(from_sources), model["name"]
        assert layer(model) != "staging" or len(from_sources) == 1, f"{model['name']} joins sources"


def test_layers_are_built_downward_only(models):
    for model in models.values():
        above = {layer(models[parent]) for parent in parents(model) if parent in models}
        assert above <= set(MAY_READ[layer(model)]), model["name"]


def test_no_model_joins_too_much_or_rejoins_what_its_parent_was_made_for(manifest, models):
    for key, model in models.items():
        assert len(parents(model)) <= MOST_PARENTS, f"{model['name']} has too many parents"
        for parent in parents(model):
            children = [child for child in manifest["child_map"][parent] if child.startswith(("model.", "exposure."))]
            if parent in models and children == [key]:
                shared = set(parents(models[parent])) & set(parents(model))
                assert not shared, f"{model['name']} and its only parent's child {parent} both read {shared}"


def test_no_model_fans_out_into_leaves(manifest, models):
    def children(key):
        return [child for child in manifest["child_map"][key] if child.startswith("model.")]

    for key, model in models.items():
        leaves = [child for child in children(key) if not children(child)]
        assert len(leaves) < 3, f"{model['name']} is read by {leaves}, which no model reads"


def test_no_query_names_a_schema(models):
    for model in models.values():
        for name in (*LAYERS, "raw", "reference"):
            assert f"from {name}." not in model["raw_code"], model["name"]
            assert f"join {name}." not in model["raw_code"], model["name"]


def test_every_model_has_a_tested_key_and_the_project_tests_enough(models, generic_tests):
    for key, model in models.items():
        tested = defaultdict(set)
        for test in generic_tests[key]:
            tested[test["test_metadata"]["kwargs"].get("column_name")].add(test["test_metadata"]["name"])
        assert any({"unique", "not_null"} <= names for names in tested.values()), f"{model['name']} has no tested key"
    assert sum(map(len, generic_tests.values())) / len(models) >= FEWEST_TESTS_A_MODEL


def test_every_reference_to_a_dimension_is_tested(models, generic_tests):
    missing = []
    for key, model in models.items():
        if layer(model) not in ("facts", "marts"):
            continue
        tested = {
            (test["test_metadata"]["kwargs"]["column_name"], test["test_metadata"]["kwargs"]["to"])
            for test in generic_tests[key]
            if test["test_metadata"]["name"] == "relationships"
        }
        missing += [
            (model["name"], column)
            for column, dimension in REFERENCES.items()
            if column in model["columns"] and (column, f"ref('{dimension}')") not in tested
        ]

    assert missing == []


def test_what_people_read_is_public_under_contract_and_keyed(models):
    for model in models.values():
        is_readable = layer(model) in READABLE
        assert model["access"] == ("public" if is_readable else "protected"), model["name"]
        if is_readable:
            assert model["config"]["contract"]["enforced"], model["name"]
            assert [item["type"] for item in model["constraints"]] == ["primary_key"], model["name"]


def test_every_quantity_has_a_unit_and_says_how_it_adds_up(models):
    missing = [
        (model["name"], name)
        for model in models.values()
        if layer(model) in READABLE and model["name"] not in CALENDARS
        for name, column in model["columns"].items()
        if column["data_type"].split("(")[0] in NUMBERS
        and not name.endswith(NO_QUANTITY)
        and not column["config"]["meta"].keys() >= {"unit", "additivity"}
    ]
    strange = {
        column["config"]["meta"].get("additivity", "none")
        for model in models.values()
        for column in model["columns"].values()
    } - set(Additivity)

    assert missing == []
    assert strange == set()


def test_descriptions_stand_beside_their_models(models):
    for model in models.values():
        described = DBT_PROJECT / model["patch_path"].removeprefix("clientnest://")
        assert described == (DBT_PROJECT / model["original_file_path"]).parent / "_models.yml", model["name"]


def test_every_mart_is_in_an_exposure_and_exposures_are_of_what_people_may_read(manifest, models):
    exposed = {parent for exposure in manifest["exposures"].values() for parent in exposure["depends_on"]["nodes"]}

    assert {key for key, model in models.items() if layer(model) == "marts"} <= exposed
    for exposure in manifest["exposures"].values():
        assert exposure["description"]
        assert exposure["owner"]["email"] == "data@clientnest.example"
        read = exposure["depends_on"]["nodes"]
        assert read
        assert all(models[parent]["access"] == "public" for parent in read if parent.startswith("model."))
        assert all(models[parent]["config"]["materialized"] != "view" for parent in read if parent in models)
