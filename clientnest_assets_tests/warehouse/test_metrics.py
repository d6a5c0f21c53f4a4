"""The metric dictionary out of a manifest, and the SQL of its metrics; whether it is right, `dbt_project/test_metrics.py` asks."""

import copy
import json
from datetime import date

import pytest

from clientnest_assets.warehouse.metrics import Additivity, MetricError, Reading, metric_sql, read_metrics

TIME = {"name": "date", "type": "time", "expr": "published_date", "type_params": {"time_granularity": "day"}}
CONTENT = {
    "semantic_models": {
        "semantic_model.clientnest.posts": {
            "unique_id": "semantic_model.clientnest.posts",
            "node_relation": {"schema_name": "facts", "alias": "fact_posts"},
            "defaults": {"agg_time_dimension": "date"},
            "entities": [{"name": "post_id", "expr": None}],
            "dimensions": [TIME, {"name": "platform", "type": "categorical", "expr": None}],
            "measures": [
                {"name": "posts", "agg": "count", "expr": "post_id", "non_additive_dimension": None},
                {"name": "clicks", "agg": "sum", "expr": None, "non_additive_dimension": None},
                {"name": "reach", "agg": "max", "expr": None, "non_additive_dimension": None},
                {"name": "followers", "agg": "sum", "expr": None, "non_additive_dimension": {"name": "date"}},
                {"name": "cost", "agg": "percentile", "expr": None, "non_additive_dimension": None},
            ],
        },
        "semantic_model.clientnest.weeks": {
            "unique_id": "semantic_model.clientnest.weeks",
            "node_relation": {"schema_name": "marts", "alias": "cohorts"},
            "defaults": {"agg_time_dimension": "cohort"},
            "entities": [],
            "dimensions": [
                {"name": "cohort", "type": "time", "expr": None, "type_params": {"time_granularity": "week"}}
            ],
            "measures": [{"name": "users", "agg": "sum", "expr": None, "non_additive_dimension": None}],
        },
    },
    "metrics": {},
}


def simple(name, **meta):
    meta = {"unit": "things", "additivity": "sum", "owner": "data@clientnest.example", **meta}
    return {
        "name": name,
        "label": name.title(),
        "description": "Words.",
        "type": "simple",
        "type_params": {"measure": {"name": name}},
        "config": {"meta": meta},
    }


def ratio(name, numerator, denominator):
    sides = {"numerator": {"name": numerator}, "denominator": {"name": denominator}}
    return {**simple(name, additivity="none"), "type": "ratio", "type_params": sides}


@pytest.fixture
def read(tmp_path):
    def read(*metrics):
        content = copy.deepcopy(CONTENT)
        content["metrics"] = {f"metric.clientnest.{metric['name']}": metric for metric in metrics}
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps(content))
        return read_metrics(manifest)

    return read


def test_a_metric_tells_its_words_unit_additivity_owner_validity_and_where_to_read_it(read):
    where = {"column": "active_users.active_users", "by": {"period_start": "week"}, "where": "period_type = 'week'"}
    meta = {"unit": "posts", "valid_from": "2025-04-21", "reads": [where, {"column": "daily_kpis.total_posts"}]}
    metric = read(simple("posts", **meta))["posts"]

    assert (metric.label, metric.description, metric.unit, metric.owner) == (
        "Posts",
        "Words.",
        "posts",
        "data@clientnest.example",
    )
    assert metric.additivity is Additivity.SUM
    assert (metric.valid_from, metric.valid_to) == (date(2025, 4, 21), None)
    assert metric.readings == (
        Reading("active_users", "active_users", {"period_start": "week"}, "period_type = 'week'"),
        Reading("daily_kpis", "total_posts"),
    )
    assert metric.grains == ("day", "week", "month", "quarter", "year")


def test_the_query_groups_by_time_and_dimensions(read):
    metrics = read(simple("posts"), simple("clicks"), ratio("clicks_per_post", "clicks", "posts"))

    assert metric_sql(metrics["posts"]) == "select\n    count(post_id) as posts\nfrom facts.fact_posts"
    assert metric_sql(metrics["clicks_per_post"], ["week", "platform"]).splitlines() == [
        "select",
        "    date_trunc('week', published_date)::date as week,",
        "    platform as platform,",
        "    sum(clicks)::double precision / nullif(count(post_id), 0)::double precision as clicks_per_post",
        "from facts.fact_posts",
        "group by 1, 2",
        "order by 1, 2",
    ]


@pytest.mark.parametrize(
    ("metric", "by", "message"),
    [
        (simple("followers", additivity="sum over entities, not over days"), [], "group by day too"),
        (simple("followers", additivity="sum over entities, not over days"), ["month"], "group by day too"),
        (ratio("followers_per_post", "followers", "posts"), ["week"], "group by day too"),
        (simple("reach", additivity="none", only_by=["post_id"]), ["day", "platform"], "group by post_id too"),
    ],
)
def test_what_does_not_add_up_is_refused_across_days_or_posts(read, metric, by, message):
    metrics = read(simple("posts"), simple("followers"), metric)

    with pytest.raises(MetricError, match=message):
        metric_sql(metrics[metric["name"]], by)


def test_what_does_not_add_up_is_given_where_nothing_is_summed(read):
    metrics = read(
        simple("followers", additivity="sum over entities, not over days"),
        simple("reach", additivity="none", only_by=["post_id"]),
    )

    assert "sum(followers)" in metric_sql(metrics["followers"], ["platform", "day"])
    assert "max(reach)" in metric_sql(metrics["reach"], ["post_id"])


@pytest.mark.parametrize("by", [["country"], ["day", "week"], ["platform", "platform"], ["platform; drop table x"]])
def test_a_group_that_is_not_there_is_refused_with_those_that_are(read, by):
    with pytest.raises(MetricError, match=r"posts cannot be grouped by .* any of post_id, platform, each once"):
        metric_sql(read(simple("posts"))["posts"], by)


def test_a_weekly_mart_is_not_asked_by_day(read):
    users = read(simple("users"))["users"]

    assert "cohort as week" in metric_sql(users, ["week"])
    with pytest.raises(MetricError, match="take at most one of week, month, quarter, year"):
        metric_sql(users, ["day"])


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (simple("posts", unit=None) | {"config": {"meta": {"unit": "posts"}}}, "posts is incomplete or wrong"),
        (simple("posts", additivity="sometimes"), "posts is incomplete or wrong: 'sometimes'"),
        (simple("cost"), "cost aggregates by percentile, which is none of average, count"),
        (ratio("users_per_post", "users", "posts"), "mixes the models .*posts, .*weeks"),
        (simple("posts") | {"type": "derived"}, "posts is neither simple nor a ratio"),
    ],
)
def test_a_definition_that_is_not_understood_is_named(read, metric, message):
    with pytest.raises(MetricError, match=message):
        read(simple("users"), simple("posts"), metric)
