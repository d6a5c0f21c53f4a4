"""What is not additive is never summed; and the metric dictionary agrees with the columns and rows of the warehouse."""

import json
from dataclasses import replace
from datetime import date

import pytest

from clientnest_assets.warehouse.metrics import Additivity, metric_sql, read_metrics
from clientnest_assets_tests.dbt_project.additivity import Column, breaches, documented_tables, outputs
from clientnest_assets_tests.dbt_project.conftest import WINDOW

SUM, ENTITIES, NONE = Additivity.SUM, Additivity.SUM_OVER_ENTITIES, Additivity.NONE

MEANT = {
    ("platform_performance", "AVG(CAST(fact_posts.engagement_rate AS DECIMAL))"): (
        "The mean of the posts' rates, and called so: the rate of all of them together would need their common reach."
    ),
    ("int_experiment_outcomes", "AVG(beyond_the_usual.log_beyond)"): "A user's posts count alike, and users do.",
    ("experiment_results", "SUM(int_experiment_outcomes.value)"): "What a test of two means is computed from.",
    ("experiment_results", "SUM(int_experiment_outcomes.value * int_experiment_outcomes.value)"): "The same.",
    ("experiment_results", "AVG(int_experiment_outcomes.value)"): "The mean for people.",
    ("experiment_results", "AVG(int_experiment_outcomes.compared_value)"): "The mean that the test is about.",
}
"""Aggregates over what does not add up that are right all the same, by model and aggregate, with the reason."""
ADDS_UP_ALL_THE_SAME = {
    ("mrr_movements", "new_users"): "Who pays for the first time does so once.",
    ("platform_performance", "active_accounts"): "An account is on one platform.",
    ("experiment_results", "value_sum"): "Sums over users, each of whom has one value in one variant.",
    ("experiment_results", "value_square_sum"): "The same.",
}
"""Columns that are computed as a distinct count, a mean or a quotient and add up, with the reason."""


@pytest.fixture(scope="module")
def target(warehouse, tmp_path_factory):
    """dbt's artefacts with every model's SQL as it runs."""
    compiled = replace(warehouse, target=tmp_path_factory.mktemp("compiled"))
    succeeded, events = compiled.dbt("compile", window=WINDOW)
    assert succeeded, "\n".join(event.info.msg for event in events if event.info.level == "error")
    return compiled.target


@pytest.fixture(scope="module")
def manifest(target):
    return json.loads((target / "manifest.json").read_text())


@pytest.fixture(scope="module")
def tables(manifest):
    return documented_tables(manifest)


@pytest.fixture(scope="module")
def metrics(target):
    return read_metrics(target / "manifest.json")


@pytest.fixture(scope="module")
def models(manifest):
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def test_no_model_sums_what_does_not_add_up(models, tables):
    found = {
        (name, breach.aggregate): str(breach)
        for name, model in models.items()
        for breach in breaches(model["compiled_code"], tables)
    }

    assert {where: what for where, what in found.items() if where not in MEANT} == {}
    assert MEANT.keys() <= found.keys(), "an exception is listed that nothing needs any more"


def test_no_column_is_said_to_add_up_that_is_a_quotient_a_mean_or_a_distinct_count(models, tables):
    wrong = {
        (name, column)
        for name, model in models.items()
        for column, additivity in outputs(model["compiled_code"], tables).items()
        if additivity is NONE and model["columns"][column]["config"]["meta"].get("additivity", NONE) != NONE
    }

    assert wrong == ADDS_UP_ALL_THE_SAME.keys()


FACT = {
    ("facts", "fact"): {
        "day": Column("date", SUM, is_day=True),
        "user_id": Column("bigint", SUM, is_day=False),
        "cost": Column("numeric", SUM, is_day=False),
        "followers": Column("bigint", ENTITIES, is_day=False),
        "reach": Column("bigint", NONE, is_day=False),
    }
}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("select day, sum(reach) from facts.fact group by 1", id="reach"),
        pytest.param(
            "with seen as (select user_id, coalesce(reach, 0)::int as people from facts.fact) "
            "select user_id, sum(people) from seen group by user_id",
            id="reach under another name",
        ),
        pytest.param(
            "with all_of_it as (select cost as n from facts.fact union all select reach from facts.fact) "
            "select sum(n) from all_of_it",
            id="reach in half of a union",
        ),
        pytest.param("select sum(case when user_id = 1 then reach else 0 end) from facts.fact", id="reach in a case"),
        pytest.param("select sum(fact.reach) filter (where cost > 0) from facts.fact as fact", id="reach, filtered"),
        pytest.param("select sum(followers) from facts.fact", id="followers over all days"),
        pytest.param(
            "select date_trunc('week', day) as day, sum(followers) from facts.fact group by 1", id="followers by week"
        ),
        pytest.param(
            "select sum(followers) over (partition by user_id order by day) from facts.fact", id="running sum"
        ),
        pytest.param(
            "with days as (select day, count(distinct user_id) as users from facts.fact group by day) "
            "select sum(users) from days",
            id="distinct users of several days",
        ),
        pytest.param(
            "select own.user_id, sum(last.people) from facts.fact as own cross join lateral "
            "(select fact.reach as people from facts.fact where fact.user_id = own.user_id limit 1) as last group by 1",
            id="reach in a lateral join",
        ),
        pytest.param(
            "select sum(told.amount) from facts.fact cross join lateral (values (1, cost), (2, reach)) as told (n, amount)",
            id="reach in one of several values",
        ),
        pytest.param("select avg(cost / nullif(followers, 0)) from facts.fact", id="mean of ratios"),
        pytest.param(
            "with days as (select day, avg(cost) as mean_cost from facts.fact group by day) "
            "select avg(mean_cost) from days",
            id="mean of means",
        ),
    ],
)
def test_a_planted_sum_of_what_does_not_add_up_is_found(query):
    assert len(breaches(query, FACT)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "select user_id, sum(cost) from facts.fact group by user_id",
        "select day as published, sum(followers) from facts.fact group by 1",
        "with days as (select day, user_id, followers from facts.fact) select day, sum(followers) from days group by day",
        "select sum(followers) over (partition by day) from facts.fact",
        "with days as (select day, sum(cost) as cost from facts.fact group by day) select sum(cost) from days",
        "select sum(case when reach > 0 then cost else 0 end) from facts.fact",
        "select avg(followers) from facts.fact",
        "select day, count(distinct user_id), max(reach) from facts.fact group by day",
    ],
)
def test_what_adds_up_may_be_summed(query):
    assert breaches(query, FACT) == []


def test_each_metric_agrees_with_the_columns_it_is_computed_from(manifest, metrics, models, tables):
    measures = {
        measure["name"]: (model["node_relation"], measure)
        for model in manifest["semantic_models"].values()
        for measure in model["measures"]
    }
    simple = {
        m["name"]: m["type_params"]["measure"]["name"] for m in manifest["metrics"].values() if m["type"] == "simple"
    }
    for name, measure_name in simple.items():
        metric, (relation, measure) = metrics[name], measures[measure_name]
        expression = measure["expr"] or measure_name
        additivity = outputs(f"select {expression} as value from {metric.table}", tables)["value"]
        if measure["agg"] == "sum":
            assert additivity is not NONE, f"{name} sums what does not add up"
            assert additivity is SUM or metric.needs, f"{name} sums over days what does not add up over days"
            assert metric.additivity is additivity, name
        column = models[relation["alias"]]["columns"].get(expression)
        if column and measure["agg"] in ("sum", "max"):
            assert metric.unit == column["config"]["meta"]["unit"], name
            assert measure["agg"] == "sum" or metric.additivity is NONE, name
    for name in metrics.keys() - simple.keys():
        assert metrics[name].additivity is NONE, f"{name} is a ratio"


def test_each_metric_agrees_with_the_columns_in_which_it_is_ready_to_read(metrics, models):
    for metric in metrics.values():
        for reading in metric.readings:
            meta = models[reading.mart]["columns"][reading.column]["config"]["meta"]
            assert meta["unit"] == metric.unit, (metric.name, reading)
            # Where a row is a day, there is nothing left but days to sum over.
            assert meta["additivity"] == metric.additivity or (meta["additivity"], metric.additivity) == (
                NONE,
                ENTITIES,
            ), (metric.name, reading)


def test_the_kpis_are_metrics(metrics, models):
    read = {(reading.mart, reading.column) for metric in metrics.values() for reading in metric.readings}
    measured = {name for name, column in models["daily_kpis"]["columns"].items() if "unit" in column["config"]["meta"]}

    assert {("daily_kpis", name) for name in measured} <= read
    assert measured <= metrics.keys()


def test_each_metric_has_words_an_owner_and_runs(warehouse, metrics):
    labels = [metric.label for metric in metrics.values()]
    assert len(set(labels)) == len(labels)
    for metric in metrics.values():
        assert metric.description.endswith((".", "unknown.")), metric.name
        assert metric.owner == "data@clientnest.example"
        rows = warehouse.rows(metric_sql(metric, sorted(metric.needs)))
        assert all(set(row) == {*metric.needs, metric.name} for row in rows), metric.name


def test_each_mart_holds_what_the_dictionary_computes_from_the_facts(warehouse, metrics, models):
    """Row by row, of the days of which the facts are built: rows without a counterpart hold 0 or nothing."""
    first, end = (date.fromisoformat(WINDOW[name]) for name in ("min_date", "max_date"))

    def values(query, keys, column):
        days = [key for key, grain in keys.items() if grain == "day"]
        return {
            tuple(row[key] for key in keys): row[column]
            for row in warehouse.rows(query)
            if all(first <= row[day] < end for day in days)
        }

    for metric in metrics.values():
        for reading in metric.readings:
            mart = models[reading.mart]
            (key,) = (item["columns"] for item in mart["constraints"] if item["type"] == "primary_key")
            by = dict(reading.by) or {name: name for name in key}
            computed = values(metric_sql(metric, by.values()), {name: name for name in by.values()}, metric.name)
            query = f"select * from {mart['schema']}.{reading.mart} where {reading.where or 'true'}"
            told = values(query, by, reading.column)
            assert told, reading
            assert computed.keys() <= told.keys(), (metric.name, reading)
            for row, value in told.items():
                assert agrees(value, computed.get(row)), (metric.name, reading, row, value, computed.get(row))


def agrees(told, computed):
    """Counts and money exactly, quotients but for rounding. Where there is nothing to count, 0 and null are the same."""
    if not told or not computed:
        return not told and not computed
    return told == (pytest.approx(computed, rel=1e-12) if isinstance(told, float) else computed)
