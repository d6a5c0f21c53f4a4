"""The docs tell every model and column that is there, their links lead somewhere, and dbt has nothing to complain of."""

import json
import re

import pytest

from clientnest_assets.contracts.dbt_sources import DBT_PROJECT
from clientnest_assets.warehouse.metrics import read_metrics

DICTIONARY = DBT_PROJECT / "models" / "metrics" / "dictionary.md"
LAYERS = ("reference", "staging", "intermediate", "dimensions", "facts", "marts")


@pytest.fixture(scope="module")
def manifest(warehouse):
    return json.loads((warehouse.target / "manifest.json").read_text())


def models(manifest, *others):
    return [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", *others)]


def test_every_column_of_every_model_is_described_and_no_other(warehouse, manifest):
    columns = warehouse.rows(
        f"""
        select table_schema as layer, table_name as model, array_agg(column_name::text) as columns
        from information_schema.columns where table_schema in {LAYERS} group by 1, 2
        """
    )
    built = {(row["layer"], row["model"]): set(row["columns"]) for row in columns}
    described = {
        (model["schema"], model["name"]): {
            name for name, column in model["columns"].items() if column["description"].strip()
        }
        for model in models(manifest, "seed")
    }

    assert described == built


def test_every_model_begins_with_its_grain_and_has_an_owner(manifest):
    for model in models(manifest, "seed"):
        assert model["description"].startswith("One row per "), model["name"]
        assert manifest["groups"][f"group.clientnest.{model['group']}"]["owner"]["email"] == "data@clientnest.example"


def test_every_link_of_the_front_page_leads_to_something(manifest):
    page = (DBT_PROJECT / "models" / "overview.md").read_text()
    linked = dict(re.findall(r"\[(\w+)\]\(#!/\w+/([\w.]+)\)", page))

    assert linked.keys() >= {model["name"] for model in models(manifest) if model["schema"] in ("marts", "facts")}
    for words, target in linked.items():
        assert manifest["nodes"][target]["name"] == words


def test_the_page_of_metrics_tells_the_dictionary(warehouse, compare_snapshot):
    metrics = read_metrics(warehouse.target / "manifest.json").values()
    rows = [
        (
            f"[{metric.name}](#!/metric/metric.clientnest.{metric.name})",
            metric.unit,
            metric.additivity,
            ", ".join(dict.fromkeys(reading.mart for reading in metric.readings)) or "-",
            f"`{metric.expression} from {metric.table}`",
            ", ".join(sorted(metric.needs)) or "-",
        )
        for metric in metrics
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = DICTIONARY.read_text()
    head = text[: text.index("| --- |")]

    compare_snapshot(DICTIONARY, f"{head}{'| --- ' * len(rows[0])}|\n{table}\n{{% enddocs %}}\n")


def test_dbt_parses_the_project_without_a_deprecation(warehouse):
    succeeded, events = warehouse.dbt("parse", "--no-partial-parse", "--show-all-deprecations")

    assert succeeded
    assert [event.info.msg for event in events if event.info.level in ("warn", "error")] == []
