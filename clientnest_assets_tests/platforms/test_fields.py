"""What each platform's numbers become: columns by version, nulls for what it does not give, values that do not fit."""

import json

import pytest

from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.spec import ACCOUNT_COLUMNS, POST_COLUMNS

NUMBERS = {"likes": 10, "comments": 4, "shares": 7, "clicks": 3, "reach": 900, "impressions": 1200}
POST = {
    "twitter": (10, 4, 7, 3, None, 1200),
    "facebook": (10, 4, 7, 3, 900, 1200),
    "instagram": (10, 4, 7, None, 900, 1200),
    "linkedin": (10, 4, 7, 3, 900, 1200),
    "tiktok": (10, 4, 7, None, None, 1200),
}
ACCOUNT = {
    "twitter": (500, 60, 70, None),
    "facebook": (500, None, None, None),
    "instagram": (500, 60, 70, None),
    "linkedin": (500, None, None, None),
    "tiktok": (500, 60, 70, None),
}
IDS = {"linkedin": "urn:li:share:1"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_numbers_land_in_their_columns_and_what_a_platform_does_not_give_is_null(kit, make_post, platform):
    kit.show(platform, 12, make_post(IDS.get(platform, 1), **NUMBERS), followers=500, following=60, posts_count=70)

    collected = kit.collect(platform)

    assert kit.raw("post_metrics").select("post_id", *POST_COLUMNS).rows() == [(1, *POST[platform])]
    assert kit.raw("account_metrics").select("account_id", *ACCOUNT_COLUMNS).rows() == [(12, *ACCOUNT[platform])]
    assert set(kit.raw("post_metrics").get_column("source")) == {f"platform:{platform}"}
    assert set(kit.raw("post_metrics").get_column("collected_at")) == {kit.time.now()}
    (outcome,) = collected.outcomes
    assert (outcome.status, outcome.rows, outcome.rows_good, outcome.rows_quarantined) == ("done", 2, 2, 0)
    assert [each.rows_written for each in collected.tables.values()] == [1, 1]


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_every_column_is_either_a_field_of_each_version_or_declared_unsupported(platform):
    for version in platform.versions.values():
        assert set(version.posts) | set(version.account) == {*POST_COLUMNS, *ACCOUNT_COLUMNS} - set(
            platform.unsupported
        )
        assert all(platform.unsupported.values())


@pytest.mark.parametrize(
    ("platform", "version", "name"),
    [
        ("facebook", "v23.0", "post_impressions,post_impressions_unique"),
        ("facebook", "v24.0", "post_media_view,post_total_media_view_unique"),
        ("instagram", "v21.0", "impressions"),
        ("instagram", "v22.0", "views"),
    ],
)
def test_a_renamed_metric_keeps_its_column(kit, make_post, platform, version, name):
    kit.settings[platform] = {"version": version}
    kit.show(platform, 12, make_post(1, **NUMBERS))

    kit.collect(platform)

    assert kit.raw("post_metrics").select("reach", "impressions").rows() == [(900, 1200)]
    (asked,) = kit.asked("insights.metric")
    assert f"/{version}/" in asked
    assert all(each in asked for each in name.split(","))


def test_a_version_that_the_platform_does_not_serve_any_more_fails_the_account_in_its_words(kit, make_post):
    kit.settings["linkedin"] = {"version": "202411"}
    kit.show("linkedin", 12, make_post("urn:li:share:1"))
    kit.collect("linkedin")
    assert kit.raw("post_metrics").height == 1

    from clientnest_assets.simulation.platforms import linkedin

    before, linkedin.VERSIONS = linkedin.VERSIONS, ("209901",)
    try:
        outcome = kit.outcome("linkedin")
    finally:
        linkedin.VERSIONS = before

    assert outcome.status == "failed"
    assert "NONEXISTENT_VERSION: Requested version 202411 is not active" in outcome.reason


def test_an_answer_without_a_field_of_its_version_is_an_error_that_names_it(kit, make_post):
    kit.show("tiktok", 12, make_post(1, likes=10), make_post(2, likes=11))

    def renamed(_platform, item):
        if item.get("id") == "2":
            item["play_count"] = item.pop("view_count")
        return item

    kit.stand_in.faults.alter = renamed
    outcome = kit.outcome("tiktok")

    assert (outcome.status, outcome.rows, outcome.rows_good, outcome.rows_quarantined) == ("failed", 3, 2, 1)
    assert "version v2 should have, and the answers lack: view_count in 1 of 3" in outcome.reason
    assert kit.raw("post_metrics").get_column("post_id").to_list() == [1]
    assert kit.quarantine("post_metrics").get_column("rules").to_list() == [["impressions|missing_field"]]


def test_shares_that_facebook_leaves_out_are_none_and_clicks_that_x_leaves_out_are_unknown(kit, make_post):
    kit.show("facebook", 12, make_post(1, shares=0, clicks=0))
    kit.show("twitter", 13, make_post(2, clicks=None))

    kit.collect("facebook")
    kit.collect("twitter")

    assert kit.raw("post_metrics").select("post_id", "shares_count", "clicks_count").rows() == [(1, 0, 0), (2, 0, None)]


def test_insights_that_meta_does_not_have_yet_are_null_and_not_zero(kit, make_post):
    kit.show("instagram", 12, make_post(1, **NUMBERS))
    kit.stand_in.faults.alter = lambda _, item: {**item, "insights": {"data": []}} if "insights" in item else item

    assert kit.outcome("instagram").status == "done"
    assert kit.raw("post_metrics").select(*POST_COLUMNS).rows() == [(10, 4, None, None, None, None)]


def test_values_that_do_not_fit_are_quarantined_with_what_stood_there(kit, make_post):
    posts = [make_post(number, likes=number, impressions=5) for number in range(1, 7)]
    kit.show("twitter", 12, *posts)
    spoilt = {"1": "many", "2": -3, "3": 1.5, "4": True, "5": 2**63}

    def spoil(_platform, item):
        if item["id"] in spoilt:
            item["public_metrics"]["impression_count"] = spoilt[item["id"]]
        return item

    kit.stand_in.faults.alter = spoil
    outcome = kit.outcome("twitter")

    assert (outcome.status, outcome.rows, outcome.rows_good, outcome.rows_quarantined) == ("done", 7, 2, 5)
    assert kit.raw("post_metrics").get_column("post_id").to_list() == [6]
    found = kit.quarantine("post_metrics")
    rows = {json.loads(row)["external_id"]: json.loads(row) for row in found.get_column("row")}
    assert {number: row["impressions"] for number, row in rows.items()} == spoilt
    assert {row["likes_count"] for row in rows.values()} == {1, 2, 3, 4, 5}
    reasons = {
        json.loads(row)["external_id"]: reason for reason, row in found.select("reason", "row").iter_rows()
    }  # fmt: skip
    assert reasons["1"] == "impressions cannot be read as the contract's type"
    assert reasons["2"] == "impressions is below its minimum"
    assert {reasons[number] for number in "345"} == {reasons["1"]}


def test_an_account_whose_number_does_not_fit_is_quarantined_and_its_posts_land(kit, make_post):
    kit.show("linkedin", 12, make_post("urn:li:ugcPost:2", likes=9))
    kit.stand_in.faults.alter = lambda _, item: {"firstDegreeSize": "12k"} if "firstDegreeSize" in item else item

    outcome = kit.outcome("linkedin")

    assert (outcome.status, outcome.rows_good, outcome.rows_quarantined) == ("done", 1, 1)
    (row,) = kit.quarantine("account_metrics").get_column("row")
    assert json.loads(row)["followers_count"] == "12k"
    assert json.loads(row)["account_id"] == 12
    assert kit.raw("post_metrics").select("post_id", "likes_count").rows() == [(2, 9)]


def test_a_post_that_is_none_of_ours_is_quarantined_with_its_external_id(kit, make_post):
    kit.show("instagram", 12, make_post(1, likes=5), make_post(777, likes=6), link=False)
    kit.link("instagram", 12, "1")

    outcome = kit.outcome("instagram")

    assert (outcome.status, outcome.rows, outcome.rows_good, outcome.rows_quarantined) == ("done", 3, 2, 1)
    (row,) = kit.quarantine("post_metrics").iter_rows(named=True)
    assert row["rules"] == ["post_id|nullability"]
    assert row["reason"] == "post_id is missing"
    original = json.loads(row["row"])
    assert (original["external_id"], original["account_id"], original["likes_count"]) == ("777", 12, 6)
    assert original["collected_at"] == kit.time.now().isoformat()


def test_an_answer_about_another_account_than_the_connections_is_refused(kit, make_post):
    kit.show("tiktok", 12, make_post(1))
    kit.show("tiktok", 13, make_post(2))
    kit.tokens["tiktok", 12] = kit.tokens["tiktok", 13]

    first, second = sorted(kit.collect("tiktok").outcomes, key=lambda each: each.account_id)

    assert (first.status, second.status) == ("failed", "done")
    assert "of another account" in first.reason
    assert kit.raw("account_metrics").get_column("account_id").to_list() == [13]
