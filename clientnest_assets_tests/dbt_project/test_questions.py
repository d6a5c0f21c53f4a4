"""The ten questions of docs/questions.md and the queries of docs/analyst.md run, and answer what the documents say."""

import json
import re

import psycopg
import pytest
from psycopg.rows import dict_row

from clientnest_assets.contracts.dbt_sources import DBT_PROJECT
from clientnest_assets.warehouse.dbt import prepared_manifest

DOCS = DBT_PROJECT.parent / "docs"
QUESTIONS = DOCS / "questions.md"
SECTION = re.compile(r"(?<=\n)## \d+\. .*?(?=\n## |\Z)", re.DOTALL)
QUERY = re.compile(r"(?<=```sql\n).*?(?=```)", re.DOTALL)
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
SAMPLE = re.compile(r"clientnest warehouse \"(.*?)\"", re.DOTALL)


@pytest.fixture(scope="module")
def manifest(small_company):
    return json.loads(prepared_manifest(small_company.installation.home).read_text())


@pytest.fixture(scope="module")
def ask(small_company):
    with psycopg.connect(small_company.installation.warehouse_url, row_factory=dict_row) as connection:
        yield lambda query: connection.execute(query).fetchall()


def analyses(manifest):
    """Every analysis by name: its node, and its query with tables in place of references."""
    return {
        node["name"]: (node, re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"marts.\1", node["raw_code"]).strip() + "\n")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "analysis"
    }


def as_table(rows):
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([told(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def told(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_there_are_ten_questions_each_of_one_mart(manifest):
    asked = analyses(manifest)

    assert len(asked) == 10
    for name, (node, query) in asked.items():
        (mart,) = node["depends_on"]["nodes"]
        assert f"from marts.{mart.removeprefix('model.clientnest.')}\n" in query, name
    marts = [node["depends_on"]["nodes"][0] for node, _ in asked.values()]
    assert sorted(marts) == sorted(manifest["exposures"]["exposure.clientnest.ten_questions"]["depends_on"]["nodes"])


def test_each_question_has_an_answer_in_the_columns_that_are_described(manifest, ask):
    for name, (node, query) in analyses(manifest).items():
        rows = ask(query)
        assert rows, name
        assert list(rows[0]) == list(node["columns"]), name
        assert all(column["description"] for column in node["columns"].values()), name


def test_the_document_gives_the_queries_and_their_answers(manifest, ask, compare_snapshot):
    asked = analyses(manifest)
    document = QUESTIONS.read_text()

    def answered(section):
        text = section[0]
        (name,) = (name for name in asked if f"`{name}`" in text)
        _, query = asked.pop(name)
        text = QUERY.sub(lambda _: query, text, count=1)
        return TABLE.sub(lambda _: as_table(ask(query)), text, count=1)

    found = SECTION.sub(answered, document)

    assert not asked, f"{QUESTIONS} leaves out {sorted(asked)}"
    compare_snapshot(QUESTIONS, found)


SAMPLES = SAMPLE.findall((DOCS / "analyst.md").read_text())


@pytest.mark.parametrize("query", SAMPLES, ids=lambda query: " ".join(query.split())[:60])
def test_each_sample_query_of_the_analysts_guide_runs(ask, query):
    ask(query)


def test_the_exposure_of_the_analysts_guide_lists_what_its_queries_read(manifest):
    read = {table for query in SAMPLES for table in re.findall(r"(?:marts|facts|dimensions)\.(\w+)", query)}
    exposed = manifest["exposures"]["exposure.clientnest.analyst_guide"]["depends_on"]["nodes"]

    assert {node.removeprefix("model.clientnest.") for node in exposed} == read
