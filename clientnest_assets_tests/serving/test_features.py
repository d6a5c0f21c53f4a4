"""`/api/v1/features`: what it answers, to whom, and what it refuses and how."""

import json
import threading
from unittest.mock import patch

import httpx
import polars as pl
import pytest

from clientnest_assets.features.online import OnlineStoreError
from clientnest_assets.features.online.postgres import PostgresStore
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.views.content import REQUEST, content_features
from clientnest_assets.serving.features import MOST_BODY_BYTES, MOST_ENTITIES
from clientnest_assets_tests.serving.feature_world import ACTIVITY, LAST

PATH = "/api/v1/features"
READ, DRAFT = f"{PATH}/read", f"{PATH}/draft"
EMPTY = {"sessions": None, "ratio": None, "tier": None}


def read(served, *entities, **more):
    answer = served.client.post(READ, json={"entities": entities, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_catalogue_is_there_as_data_and_needs_no_key(stored):
    answer = httpx.get(stored.client.base_url.join(PATH)).json()
    assert [each["name"] for each in answer["views"]] == ["activity", "silent", "content"]
    activity = answer["views"][0]
    assert activity["stored"]["newest_day"] == str(LAST)
    assert [each["name"] for each in activity["features"]] == ACTIVITY.feature_names
    assert activity["features"][0]["drift"]["drifted"]
    assert answer["sets"][0]["models"][0]["task"] == "churn_lean"
    assert answer["models"][0]["metrics"] == {"mae": 0.25}


def test_one_view_is_described(stored):
    assert stored.client.get(f"{PATH}/activity").json()["description"] == ACTIVITY.description


def test_an_unknown_view_is_not_found_and_those_there_are_are_named(stored):
    answer = stored.client.get(f"{PATH}/nope")
    assert (answer.status_code, answer.json()) == (
        404, {"detail": "There is no feature view 'nope'. There are: activity, silent, content."},
    )  # fmt: skip


def test_features_of_entities_come_in_the_order_asked_for_with_age_and_status(stored):
    answer = read(stored, {"user_id": 13, "platform": "twitter"}, {"user_id": 10}, {"user_id": 9999}, {})
    assert answer["as_of"] == "2026-04-20T00:00:00Z"
    assert [each["entity"] for each in answer["entities"]] == [
        {"user_id": 13, "platform": "twitter"}, {"user_id": 10}, {"user_id": 9999}, {},
    ]  # fmt: skip
    found = [each["views"]["activity"] for each in answer["entities"]]
    assert found[0] == {
        "status": "PRESENT",
        "age_seconds": 0,
        "event_at": "2026-04-20T00:00:00Z",
        "values": {"sessions": 16, "ratio": 0.13, "tier": "free"},
    }
    assert found[1]["values"] == {"sessions": 13, "ratio": None, "tier": "<script>alert(1)</script>"}
    missing = {"status": "MISSING", "age_seconds": None, "event_at": None, "values": EMPTY}
    assert found[2:] == [missing, missing]
    assert answer["entities"][0]["views"]["silent"]["status"] == "MISSING"


def test_only_the_views_asked_for_are_read(stored):
    assert list(read(stored, {"user_id": 1}, views=["activity"])["entities"][0]["views"]) == ["activity"]


@pytest.mark.parametrize("path", [READ, DRAFT])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer old key, new key", "Basic dXNlcjpwYXNz"])
def test_without_a_key_nothing_is_told(stored, path, header):
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.post(stored.client.base_url.join(path), json={"entities": [{"user_id": 1}]}, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert list(answer.json()) == ["detail"]


def test_each_of_several_keys_counts(stored):
    for key in ("old key", "new key"):
        answer = stored.client.post(READ, json={"entities": []}, headers={"Authorization": f"Bearer {key}"})
        assert answer.json()["entities"] == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "entities: Field required"),
        ({"entities": [{"user": 1}]}, "entities.0.user: Extra inputs are not permitted"),
        ({"entities": [{"user_id": "1"}]}, "entities.0.user_id: Input should be a valid integer"),
        ({"entities": [{"user_id": True}]}, "entities.0.user_id: Input should be a valid integer"),
        ({"entities": [{"user_id": 2**63}]}, "entities.0.user_id: Input should be less than"),
        ({"entities": [{"platform": "a\0"}]}, "entities.0.platform: String should match pattern"),
        ({"entities": [{}] * (MOST_ENTITIES + 1)}, f"at most {MOST_ENTITIES} items"),
        ({"entities": [], "views": ["nope"]}, "views: there is no 'nope'. There are: activity, silent, content."),
        ({"entities": [], "view": ["activity"]}, "view: Extra inputs are not permitted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_declared_is_refused_and_the_place_is_named(stored, body, said):
    answer = stored.client.post(READ, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_what_is_no_json_is_refused_in_the_same_shape(stored):
    answer = stored.client.post(READ, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "body: not JSON from character 1 on"


@pytest.mark.parametrize("is_told", [True, False], ids=["length told", "in pieces"])
def test_a_body_past_the_limit_is_refused_before_all_of_it_is_read(stored, is_told):
    body = b" " * (MOST_BODY_BYTES + 1)
    answer = stored.client.post(
        READ,
        content=body if is_told else iter([body[:1000], body[1000:]]),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert "1,000 entities" in answer.json()["detail"]


def test_an_online_store_that_does_not_answer_is_told(stored):
    with patch.object(PostgresStore, "read", side_effect=OnlineStoreError("the warehouse does not answer")):
        answer = stored.client.post(READ, json={"entities": [{"user_id": 1}]})
    assert (answer.status_code, answer.json()) == (503, {"detail": "the warehouse does not answer"})


def test_many_may_ask_at_once(stored):
    found = []
    threads = [
        threading.Thread(
            target=lambda user=user: found.append((user, read(stored, {"user_id": user}, views=["activity"])))
        )
        for user in range(1, 17)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = {user: answer["entities"][0]["views"]["activity"]["values"]["sessions"] for user, answer in found}
    assert values == {user: user % 7 + 10 for user in range(1, 17)}


def test_a_draft_has_the_features_that_a_stored_post_of_the_same_text_has(stored):
    draft = {"content": "Tips? See www.example.com #Growth", "media_type": "image", "ai_generated": True}
    schema = {feature.name: feature.dtype for feature in REQUEST}
    row = {**dict.fromkeys(schema), **draft}
    stored_post = content_features(pl.LazyFrame([row], schema=schema)).collect().row(0, named=True)
    answer = stored.client.post(DRAFT, json=draft).json()
    assert answer == {"views": {"content": {name: stored_post[name] for name in VIEWS["content"].feature_names}}}
    assert answer["views"]["content"]["hashtags"] == ["growth"]


def test_an_empty_draft_has_features_too(stored):
    assert stored.client.post(DRAFT, json={}).json()["views"]["content"]["content_length"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"contents": "x"}, "contents: Extra inputs are not permitted"),
        ({"content": 5}, "content: Input should be a valid string"),
        ({"hashtags": "growth"}, "hashtags: Input should be a valid list"),
        ({"ai_generated": "yes"}, "ai_generated: Input should be a valid boolean"),
        ({"ai_generated": None}, "ai_generated: Input should be a valid boolean"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_draft_that_is_not_as_declared_is_refused_and_the_field_is_named(stored, body, said):
    answer = stored.client.post(DRAFT, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_the_schema_of_requests_is_what_the_views_declare(stored):
    described = stored.client.get("/api/v1/openapi.json").json()
    schemas = described["components"]["schemas"]
    draft = schemas["Draft"]
    assert not draft["additionalProperties"]
    assert {name: told["description"] for name, told in draft["properties"].items()} == {
        feature.name: feature.description for feature in REQUEST
    }
    assert schemas["Entity"]["properties"].keys() >= {"user_id", "account_id", "platform"}
    assert "HTTPValidationError" not in json.dumps(described["paths"][READ])
    assert described["paths"][READ]["post"]["security"] == [{"FeaturesKey": []}]
