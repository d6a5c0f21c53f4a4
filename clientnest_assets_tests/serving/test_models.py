"""Models as people and programs see them: which is in use and why, how each week did, and what it was made of."""

import html
import re
from datetime import date
from itertools import pairwise
from unittest.mock import patch

import httpx
import pytest

from clientnest_assets.lake.files import write_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.registry import MODELS
from clientnest_assets.serving.app import create_app
from clientnest_assets.serving.catalogue import Catalogue
from clientnest_assets.serving.model_entries import MetricEntry
from clientnest_assets.serving.model_history import UNREADABLE, ModelHistory, tasks
from clientnest_assets.serving.plots import HEIGHT, WIDTH, Dot, histories
from clientnest_assets_tests.serving.model_world import LOST, PAGE, SEARCH_PAGE, SECRET, WEEKS, model_world
from clientnest_assets_tests.serving.served import installed, served

API = "/api/v1/models"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with model_world(tmp_path_factory.mktemp("home")) as installation:
        yield installation


@pytest.fixture(scope="module")
def client(world):
    with served(create_app()) as found:
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("home")), served(create_app()) as found:
        yield found


def text_of(page):
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.split("</style>")[1]).split()))


def box_of(page, name):
    return next(each for each in re.findall(r"<article.*?</article>", page, re.DOTALL) if f'"/models/{name}"' in each)


def test_every_model_is_listed_before_anything_is_trained(empty):
    page = empty.get("/models").text
    for model in MODELS.values():
        assert model.title in text_of(page)
        assert "no model yet" in box_of(page, model.name)
    assert "clientnest backfill --select 'group:models'" in text_of(page)
    for name in tasks():
        assert "It has no model yet" in empty.get(f"/models/{name}").text
    assert [each["newest"] for each in empty.get(API).json()["models"]] == [None] * len(MODELS)


def test_the_list_tells_which_is_in_use_how_good_it_is_and_why_the_newest_is_not(client):
    box = box_of(client.get("/models").text, "churn")
    assert f'href="/models/churn/{WEEKS[1]}"' in box
    words = text_of(f"</style>{box}")
    assert f"in use week from {WEEKS[1]} , churn-" in words
    assert "log loss 0.4 ; the best naive rule, tier rate: 0.5 (lower is better)" in words
    assert f"newest week from {WEEKS[2]} : not promoted its loss on 1,000 examples" in words
    assert "Loss against the champion's: -0.0200, 95 % interval -0.0300 to -0.0100; on 1,000 examples." in words


def test_a_model_that_was_taken_back_is_not_in_use(client):
    words = text_of(client.get("/models/budget").text)
    assert "in use none: nothing is predicted" in words
    assert "Week from 2026-11-09: taken back by hand" in words
    assert "taken back: far off" in words


def test_a_models_page_has_each_week_newest_first_with_the_one_in_use_marked(client):
    page = client.get("/models/churn").text
    rows = re.findall(r'<tr[^>]*><th scope="row">.*?</tr>', page, re.DOTALL)
    assert [re.search(r"\d{4}-\d\d-\d\d", row)[0] for row in rows] == [str(week) for week in reversed(WEEKS)]
    assert ["in use" in row for row in rows] == [False, True, False]
    assert ["not promoted" in row for row in rows] == [True, False, False]
    for week in WEEKS:
        assert f'href="/models/churn/{week}"' in page
        assert f"/assets/models/churn?view=partitions&amp;partition={week}" in page
    for key in ("models/churn", "models/churn_promotion", "predictions/churn"):
        assert f'href="http://127.0.0.1:3000/assets/{key}"' in page


def test_each_metric_is_drawn_by_week_beside_the_best_rule(client):
    page = client.get("/models/churn").text
    plots = re.findall(r'<figure class="history">.*?</figure>', page, re.DOTALL)
    assert len(plots) == len(MODELS["churn"].metrics)
    told = "log loss by week from 2026-11-02 to 2026-11-16: the model's 0.45, 0.4, 0.41; the best naive rule's 0.5, 0.5, 0.5"
    assert f'aria-label="{told}"' in html.unescape(plots[0])
    assert plots[0].count('class="dot"') == 3
    assert plots[0].count('class="ring"') == 1


def test_findings_and_reasons_are_told_as_texts(client):
    page = client.get("/models/churn").text
    assert html.escape(LOST) in page
    assert "✗ is calibrated : Slope <b>2</b>." in text_of(page)
    assert "<b>" not in page
    assert "<i>" not in page


def test_a_variant_is_shown_beside_its_model_and_without_decisions(client):
    engagement = client.get("/models/engagement").text
    assert 'href="/models/engagement_lean"' in engagement
    assert f'href="/models/engagement_comparison/{WEEKS[2]}"' in engagement
    page = client.get("/models/engagement_lean").text
    assert 'A variant of <a href="/models/engagement">' in page
    assert "not decided" not in page
    assert "in use" not in text_of(page)
    told = client.get(f"{API}/engagement_lean").json()
    assert (told["variant_of"], told["champion"]) == ("engagement", None)


def test_the_page_of_a_week_is_served_as_it_was_written_and_runs_nothing(client):
    answer = client.get(f"/models/churn/{WEEKS[0]}")
    assert answer.text == PAGE
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; img-src data:;")
    assert client.get(f"/models/engagement_comparison/{WEEKS[2]}").text == PAGE


@pytest.mark.parametrize(
    "path",
    [
        "/models/nope", "/models/churn/2026-11-23", "/models/churn/newest", "/models/nope/2026-11-16",
        "/models/..churn/2026-11-16", "/models/%3Cscript%3E/2026-11-16",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_words_with_what_there_is(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no " in text_of(answer.text)
    assert all(f'href="/models/{name}"' in answer.text for name in MODELS)
    assert "<script>" not in answer.text


def test_a_search_for_parameters_has_its_page_and_the_model_leads_to_it(client):
    assert f'href="/models/churn/tuning/{WEEKS[1]}"' in client.get("/models/churn").text
    assert client.get(f"{API}/churn").json()["searched_week"] == str(WEEKS[1])
    newest = client.get("/models/churn/tuning")
    assert (newest.status_code, newest.headers["location"]) == (307, f"/models/churn/tuning/{WEEKS[1]}")
    answer = client.get(newest.headers["location"])
    assert answer.text == SEARCH_PAGE
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; img-src data:;")
    assert "/tuning" not in client.get("/models/budget").text
    assert client.get(f"{API}/budget").json()["searched_week"] is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/models/budget/tuning", "There is no search for parameters of the model budget"),
        ("/models/nope/tuning", "There is no search for parameters of the model nope"),
        ("/models/churn/tuning/2026-11-16", "of the model churn of the week from 2026-11-16"),
        ("/models/churn/tuning/newest", "of the model churn of the week from newest"),
        ("/models/nope/tuning/2026-11-09", "of the model nope of the week from 2026-11-09"),
    ],
)
def test_a_search_that_is_not_there_is_said_in_words(client, path, words):
    answer = client.get(path)
    assert answer.status_code == 404
    assert words in text_of(answer.text)
    assert 'href="/models/churn"' in answer.text


def test_links_of_kept_pages_lead_on_to_dagster(client):
    answer = client.get("/dagster/assets/models/churn?view=partitions&partition=2026-11-16")
    assert answer.status_code == 307
    assert (
        answer.headers["location"] == "http://127.0.0.1:3000/assets/models/churn?view=partitions&partition=2026-11-16"
    )
    assert client.get("/dagster/assets//evil.example").headers["location"].startswith("http://127.0.0.1:3000/assets/")


def test_links_lead_to_where_dagster_is_said_to_be(tmp_path):
    settings = {"CLIENTNEST_DAGSTER_UI_URL": "https://dagster.example/"}
    with installed(tmp_path, **settings), served(create_app()) as found:
        answer = found.get("/dagster/assets/models/churn")
    assert answer.headers["location"] == "https://dagster.example/assets/models/churn"


def test_nothing_on_a_page_comes_from_elsewhere_and_headings_are_in_order(client):
    for path in ("/models", "/models/churn", "/models/budget", "/models/nope"):
        page = client.get(path).text
        assert not re.findall(r'(?:src|<link[^>]*href)="(?!data:)', page)
        levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert page.count("<th") - page.count("<thead") == len(re.findall(r'<th scope="(?:row|col)"', page))


def test_models_are_there_as_data_and_need_no_key(client):
    told = {each["name"]: each for each in httpx.get(client.base_url.join(API)).json()["models"]}
    assert list(told) == list(MODELS)
    churn = told["churn"]
    assert churn["champion"]["week"] == str(WEEKS[1])
    assert churn["champion"]["is_champion"]
    assert churn["newest"]["decision"]["outcome"] == "not promoted"
    assert churn["newest"]["decision"]["comparison"]["champion"] == "churn-before"
    assert churn["metrics"][0] == {
        "name": "log_loss", "description": MODELS["churn"].metrics[0].description, "better": "lower",
    }  # fmt: skip
    assert "undeclared" not in churn["newest"]["metrics"]["model"]


def test_one_model_is_told_with_its_weeks_and_a_week_with_what_it_was_made_of(client, world):
    weeks = client.get(f"{API}/churn").json()["weeks"]
    assert [each["week"] for each in weeks] == [str(week) for week in WEEKS]
    assert [each["metrics"]["model"]["log_loss"] for each in weeks] == [0.45, 0.4, 0.41]
    told = client.get(f"{API}/churn/{WEEKS[2]}")
    made = told.json()["made_of"]
    assert (made["asset"], made["partition"], made["until"]) == ("models/churn", "2026-11-16", "2026-11-23T00:00:00Z")
    assert made["feature_set"] == "churn/standard"
    assert made["inputs"] == ["facts/fact_users_daily", "raw/social_posts"]
    assert made["training_set"]["tables"][1] == {"layer": "features", "name": "content_v2", "version": 41}
    assert made["fingerprint"] == store.read_card(world.lake, "churn", WEEKS[2])["fingerprint"]
    assert SECRET not in told.text


def test_an_unknown_model_or_week_is_not_found_and_the_api_says_what_there_is(client):
    answer = client.get(f"{API}/nope")
    assert (answer.status_code, answer.json()["detail"][:45]) == (404, "There is no model 'nope'. There are: engageme")
    answer = client.get(f"{API}/churn/2026-11-23")
    assert (answer.status_code, answer.json()["detail"][:50]) == (
        404,
        "There is no model churn of the week from 2026-11-2",
    )
    assert client.get(f"{API}/churn/newest").status_code == 422


def test_the_api_is_documented(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {path for path in paths if path.startswith(API)} == {API, f"{API}/{{model}}", f"{API}/{{model}}/{{week}}"}
    assert client.get("/api/v1").json()["models"] == API


def test_the_model_in_use_is_the_one_that_predicts(world):
    found = ModelHistory(world)
    for name in MODELS:
        week = promotion.champion_week(world.lake, name, WEEKS[2] + (WEEKS[1] - WEEKS[0]))
        champion = found.model(name).champion
        assert (champion.week if champion else None) == week
        assert found.summary(name).champion == champion


def test_what_was_gathered_is_shown_again_for_a_while(world):
    found = ModelHistory(world)
    first = found.model("churn")
    assert found.model("churn") is first
    with patch("time.monotonic", lambda: float("inf")):
        assert found.model("churn") is not first


def test_a_damaged_week_is_told_and_hides_nothing_else(tmp_path):
    with model_world(tmp_path) as installation:
        for week in WEEKS[1:]:
            write_files(installation.lake, f"models/churn/{week}", {"card.json": b"{not JSON"})
        with served(create_app()) as found:
            page = found.get("/models/churn")
            assert page.status_code == 200
            assert UNREADABLE in text_of(page.text)
            assert "in use not known" in text_of(page.text)
            assert "cannot be read" in page.text
            assert f'href="/models/churn/{WEEKS[0]}"' in page.text
            listed = found.get("/models").text
            assert "not known: The files" in box_of(listed, "churn")
            assert "taken back" in box_of(listed, "budget")
            answer = found.get(f"{API}/churn/{WEEKS[2]}")
            assert (answer.status_code, answer.json()) == (503, {"detail": UNREADABLE})
            assert found.get(f"/models/churn/{WEEKS[2]}").text == PAGE
        assert "churn" not in [model.task for model in Catalogue(installation).models()]
        assert "budget" in [model.task for model in Catalogue(installation).models()]


@pytest.mark.parametrize(
    ("better", "best"), [("lower", ("a", -2.0)), ("higher", ("b", 1.0)), ("nearer to 0", ("b", 1.0))]
)
def test_the_best_rule_is_the_one_that_is_hardest_to_beat(better, best):
    metric = MetricEntry(name="m", description="", better=better)
    assert metric.best({"a": -2.0, "none": None, "b": 1.0}) == best
    assert metric.best({"none": None}) is None


def test_weeks_are_drawn_as_far_apart_as_they_lie():
    weeks = [date(2026, 11, 2), date(2026, 11, 9), date(2026, 11, 30)]
    drawn = histories(weeks, [1.0, None, 3.0], [2.0, 2.0, None])
    assert drawn.series[0] == [Dot(0.0, HEIGHT, weeks[0], 1.0), Dot(WIDTH, 0.0, weeks[2], 3.0)]
    assert [dot.x for dot in drawn.series[1]] == [0.0, WIDTH / 4]
    assert (drawn.low, drawn.high) == (1.0, 3.0)
    assert histories(weeks[:1], [5.0]).series == [[Dot(WIDTH / 2, HEIGHT / 2, weeks[0], 5.0)]]
    assert histories(weeks, [None] * 3) is None
