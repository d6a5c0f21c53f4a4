"""What goes wrong at a platform: asked again where that helps, and one account's failure is not another's."""

import contextlib
import logging
from datetime import timedelta

import httpx
import pytest

from clientnest_assets.sources.platforms.client import ATTEMPTS
from clientnest_assets.sources.platforms.links import LinksError
from clientnest_assets.sources.platforms.registry import PLATFORMS

POSTS = {"linkedin": "urn:li:share:1"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_that_stumbles_is_asked_again(kit, make_post, platform):
    kit.show(platform, 12, make_post(POSTS.get(platform, 1), likes=4))
    kit.stand_in.faults.fail_next = ATTEMPTS - 1

    assert kit.outcome(platform).status == "done"
    assert kit.raw("post_metrics").get_column("likes_count").to_list() == [4]
    assert 1 <= sum(kit.time.slept) <= 15


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_answer_that_was_cut_is_asked_for_again_and_a_broken_one_given_up(kit, make_post, platform):
    kit.show(platform, 12, make_post(POSTS.get(platform, 1), likes=4))
    kit.stand_in.faults.cut_next = 2
    assert kit.outcome(platform).status == "done"

    kit.time.sleep(1)
    kit.stand_in.faults.cut_next = 1000
    outcome = kit.outcome(platform)

    assert (outcome.status, outcome.rows) == ("failed", 0)
    assert outcome.reason.startswith("the answer cannot be read: ")


REASONS = {
    ("twitter", "revoked"): "access was revoked",
    ("facebook", "revoked"): "access was revoked: /v24.0/1200: (190/458)",
    ("instagram", "revoked"): "access was revoked: /v24.0/1200: (190/458)",
    ("linkedin", "revoked"): "REVOKED_ACCESS_TOKEN",
    ("tiktok", "revoked"): "access was revoked: /v2/user/info/: scope_not_authorized",
    ("twitter", "gone"): "the account is gone: /2/users/1200: Could not find user",
    ("facebook", "gone"): "the account is gone: /v24.0/1200: (100/33)",
    ("instagram", "gone"): "the account is gone: /v24.0/1200: (100/33)",
    ("linkedin", "gone"): "the account is gone: ",
    ("tiktok", "gone"): "the account is gone: /v2/user/info/: user_not_found",
    **{(platform, "failing"): "the platform does not answer" for platform in PLATFORMS},
}


@pytest.mark.parametrize(("platform", "fault"), REASONS)
def test_one_accounts_failure_is_reported_with_its_reason_and_the_others_go_on(kit, make_post, platform, fault):
    ids = [kit.show(platform, account, make_post(f"{account}1", likes=account)) for account in (12, 13, 14)]
    if platform == "linkedin":
        for account in kit.stand_in.desk.shown.accounts.values():
            account.posts = [make_post(f"urn:li:share:{each.external_id}", likes=each.likes) for each in account.posts]
        for account in (12, 13, 14):
            kit.link("linkedin", account, f"urn:li:share:{account}1")
    getattr(kit.stand_in.faults, fault).add((platform, ids[0]))

    collected = kit.collect(platform)

    (failed,) = collected.with_status("failed")
    assert failed.account_id == 12
    assert REASONS[platform, fault] in failed.reason
    assert {each.account_id for each in collected.with_status("done")} == {13, 14}
    assert kit.raw("post_metrics").select("post_id", "likes_count").rows() == [(131, 13), (141, 14)]
    assert kit.raw("account_metrics").get_column("account_id").to_list() == [13, 14]


def test_pages_that_came_before_a_failure_land_and_every_row_is_accounted_for(kit, make_post):
    kit.show("tiktok", 12, *[make_post(n, hours_old=n) for n in range(1, 50)])
    kit.show("tiktok", 13, *[make_post(n, hours_old=n) for n in range(101, 110)], link=False)

    def break_after_first_page(_platform, item):
        return {"id": None} if item.get("id") == "25" else item

    kit.stand_in.faults.alter = break_after_first_page
    collected = kit.collect("tiktok")

    by_account = {each.account_id: each for each in collected.outcomes}
    assert (by_account[12].status, by_account[12].rows, by_account[12].rows_good) == ("failed", 21, 21)
    assert "id is no id" in by_account[12].reason
    assert (by_account[13].status, by_account[13].rows, by_account[13].rows_quarantined) == ("done", 10, 9)
    landed = collected.tables
    assert sum(each.rows for each in collected.outcomes) == 31
    assert sum(each.rows_written + each.rows_quarantined for each in landed.values()) == 31
    assert kit.raw("post_metrics").height == 20
    assert kit.quarantine("post_metrics").height == 9
    assert kit.raw("account_metrics").height == 2


def test_nothing_is_asked_when_nobody_knows_which_post_is_which(kit, databases):
    kit.show("twitter", 12)
    kit.app = databases.create()

    with pytest.raises(LinksError, match=r"platform_posts is not there(.|\n)*create table platform_posts \("):
        kit.collect("twitter")
    assert not kit.asked()


def test_a_platform_that_cannot_be_reached_fails_its_accounts(kit):
    kit.show("linkedin", 12)
    kit.settings["linkedin"] = {"base_url": "http://127.0.0.1:9"}

    outcome = kit.outcome("linkedin")

    assert outcome.status == "failed"
    assert outcome.reason.startswith("the platform does not answer: /rest/networkSizes/")
    assert "ConnectError" in outcome.reason


def test_no_message_and_no_address_holds_a_token(kit, make_post, monkeypatch):
    external_id = kit.show("facebook", 12, *[make_post(n, hours_old=n) for n in range(1, 80)])
    addresses = []
    send = httpx.Client.stream

    def noted(self, method, url, **options):
        addresses.append(str(url))
        return send(self, method, url, **options)

    monkeypatch.setattr(httpx.Client, "stream", noted)
    kit.collect("facebook")
    kit.stand_in.faults.revoked.add(("facebook", external_id))
    outcome = kit.outcome("facebook")

    token = kit.tokens["facebook", 12]["access_token"]
    assert len(addresses) == 4
    assert not [address for address in addresses if token in address or "access_token" in address]
    assert token not in outcome.reason
    assert token not in repr(kit.connections)


class Telling:
    """A platform's answer, whatever is asked."""

    def __init__(self, body, status=400):
        self.body, self.status = body, status

    def __call__(self, method, url, **_options):
        return contextlib.nullcontext(httpx.Response(self.status, json=self.body, request=httpx.Request(method, url)))


def test_a_token_that_the_platform_quotes_is_not_told(kit, monkeypatch):
    kit.show("facebook", 12)
    token = kit.tokens["facebook", 12]["access_token"]
    words = f"Malformed access token {token}"
    monkeypatch.setattr(httpx.Client, "stream", Telling({"error": {"code": 190, "message": words}}))

    reason = kit.outcome("facebook").reason
    assert reason == "access was revoked: /v24.0/1200: (190) Malformed access token (not shown)"


def test_an_error_of_a_strange_shape_fails_the_account_and_no_other(kit, monkeypatch):
    kit.show("instagram", 12)
    monkeypatch.setattr(httpx.Client, "stream", Telling({"error": {"code": ["?"], "error_subcode": {}}}))

    assert kit.outcome("instagram").status == "failed"


def test_the_log_has_no_address_with_secrets(kit, caplog):
    caplog.set_level(logging.INFO)
    external_id = kit.show("facebook", 12)
    kit.tokens["facebook", 12]["expires_at"] = kit.time.now() + timedelta(days=1)

    assert kit.outcome("facebook").status == "done"
    assert kit.stand_in.tokens.refreshes["facebook", external_id] == 1
    assert "secret" not in caplog.text
    assert kit.tokens["facebook", 12]["access_token"] not in caplog.text
