"""How models fall into steps, and which model a test is about."""

from clientnest_assets.warehouse import layers
from clientnest_assets.warehouse.behind import Inputs


def model(schema, *parents, window=None, **meta):
    return {
        "resource_type": "model",
        "schema": schema,
        "depends_on": {"nodes": list(parents)},
        "config": {"meta": {**({"window_column": window} if window else {}), **meta}},
    }


def a_test(*read, at=None):
    return {"resource_type": "test", "depends_on": {"nodes": list(read)}, "attached_node": at, "config": {}}


def manifest(nodes, sources=()):
    named = {name: {**node, "name": name} for name, node in nodes.items()}
    return {"nodes": named, "sources": {name: {"name": name} for name in sources}}


def told(found):
    return [(step.name, step.is_windowed, *step.models) for step in layers.steps(found)]


def test_a_layer_whose_models_lie_between_others_is_as_many_steps_as_it_needs():
    found = manifest(
        {
            "users": model("staging"),
            "posts": model("staging"),
            "int_users": model("intermediate", "users"),
            "dim_user": model("dimensions", "int_users"),
            "int_posts": model("intermediate", "posts", window="day"),
            "int_weeks": model("intermediate", "fact_posts"),
            "fact_posts": model("facts", "dim_user", "int_posts", window="day"),
            "daily": model("marts", "fact_posts", window="day"),
            "weekly": model("marts", "int_weeks", "daily"),
        }
    )

    assert told(found) == [
        ("dbt_staging", False, "posts", "users"),
        ("dbt_intermediate", True, "int_posts"),
        ("dbt_intermediate_2", False, "int_users"),
        ("dbt_dimensions", False, "dim_user"),
        ("dbt_facts", True, "fact_posts"),
        ("dbt_intermediate_3", False, "int_weeks"),
        ("dbt_marts", True, "daily"),
        ("dbt_marts_2", False, "weekly"),
    ]


def test_a_test_is_about_the_model_that_is_built_last_and_in_one_step_about_the_one_it_is_written_at():
    found = manifest(
        {
            "dim": model("dimensions"),
            "other": model("dimensions", "dim"),
            "fact": model("facts", "dim", window="day"),
            "refers": a_test("fact", "dim", at="fact"),
            "reconciles": a_test("dim", "fact", at="dim"),
            "sibling": a_test("dim", "other", at="dim"),
            "singular": a_test("dim", "other"),
            "of_a_source": a_test("source"),
        },
        sources=["source"],
    )

    assert layers.tested_models(found) == {
        "refers": "fact",
        "reconciles": "fact",
        "sibling": "dim",
        "singular": "other",
    }


def test_a_windowed_model_is_made_of_the_raw_tables_above_it():
    found = manifest(
        {
            "stg": model("staging", "sessions", "users"),
            "dim": model("dimensions", "users"),
            "fact": model("facts", "stg", "dim", window="day", looks_back=True),
            "mart": model("marts", "fact"),
        },
        sources=["sessions", "users", "posts"],
    )

    assert layers.windowed_inputs(found) == {"fact": Inputs(frozenset({"sessions", "users"}), looks_back=True)}
