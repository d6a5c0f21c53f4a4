"""Tokens: refreshed when they expire, kept before they are used, rotated once however many threads want one."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.tokens import Tokens

POSTS = {"linkedin": "urn:li:share:1"}
REFRESHABLE = ["twitter", "linkedin", "tiktok"]


def kept(kit, platform):
    return json.loads((kit.folder / f"{platform}-tokens.json").read_text())[f"{platform}/12"]


@pytest.mark.parametrize("platform", REFRESHABLE)
def test_an_expired_token_is_refreshed_and_the_fresh_one_kept(kit, make_post, platform):
    external_id = kit.show(platform, 12, make_post(POSTS.get(platform, 1), likes=4))
    kit.stand_in.tokens.expire_all()

    assert kit.outcome(platform).status == "done"
    assert kit.stand_in.tokens.refreshes[platform, external_id] == 1
    assert kit.raw("post_metrics").get_column("likes_count").to_list() == [4]
    token = kept(kit, platform)["access_token"]
    assert kit.stand_in.tokens.access[token][:2] == (platform, external_id)
    assert stat.S_IMODE((kit.folder / f"{platform}-tokens.json").stat().st_mode) == 0o600
    assert kit.tokens[platform, 12]["refresh_token"] not in kit.stand_in.tokens.refresh or platform == "linkedin"

    kit.collect(platform)
    assert kit.stand_in.tokens.refreshes[platform, external_id] == 1, "the next collection uses the kept one"


@pytest.mark.parametrize("platform", ["facebook", "instagram"])
def test_meta_exchanges_a_token_while_it_is_still_good(kit, platform):
    external_id = kit.show(platform, 12)
    kit.tokens[platform, 12]["expires_at"] = (kit.time.now() + timedelta(days=6)).isoformat()

    assert kit.outcome(platform).status == "done"
    assert kit.stand_in.tokens.refreshes[platform, external_id] == 1

    kit.stand_in.tokens.expire_all()
    assert kit.outcome(platform).reason.startswith("access was revoked: ")


def test_a_token_about_to_expire_is_refreshed_before_it_is_used(kit):
    external_id = kit.show("twitter", 12)
    kit.tokens["twitter", 12]["expires_at"] = (kit.time.now() + timedelta(minutes=2)).isoformat()

    kit.collect("twitter")

    assert kit.stand_in.tokens.refreshes["twitter", external_id] == 1
    assert len(kit.asked()) == 2, "no question was asked with the old one"


def test_tokens_replaced_in_the_connections_file_count_more_than_those_kept(kit):
    external_id = kit.show("twitter", 12)
    kit.stand_in.tokens.expire_all()
    kit.collect("twitter")

    access, refresh, _ = kit.stand_in.tokens.issue("twitter", external_id)
    kit.tokens["twitter", 12] = {"access_token": access, "refresh_token": refresh}
    del kit.stand_in.tokens.access[kept(kit, "twitter")["access_token"]]

    assert kit.outcome("twitter").status == "done"
    assert kit.stand_in.tokens.refreshes["twitter", external_id] == 1


def test_threads_that_want_a_fresh_token_at_once_get_the_same_by_one_refresh(kit):
    external_id = kit.show("twitter", 12)
    kit.stand_in.tokens.expire_all()
    (connection,) = kit.connections.accounts
    application = kit.connections.application(PLATFORMS["twitter"])
    with httpx.Client() as http:
        tokens = Tokens(PLATFORMS["twitter"], application, kit.folder / "tokens.json", http, kit.time.clock)
        spent = tokens.current(connection).access
        with ThreadPoolExecutor(8) as pool:
            fresh = set(pool.map(lambda _: tokens.refreshed(connection, spent).access, range(16)))

    assert len(fresh) == 1
    assert kit.stand_in.tokens.refreshes["twitter", external_id] == 1


def test_a_fresh_token_is_on_disk_before_it_is_used(kit):
    kit.show("tiktok", 12)
    kit.stand_in.tokens.expire_all()
    (connection,) = kit.connections.accounts
    application = kit.connections.application(PLATFORMS["tiktok"])
    with httpx.Client() as http:
        tokens = Tokens(PLATFORMS["tiktok"], application, kit.folder / "tiktok-tokens.json", http, kit.time.clock)
        tokens.refreshed(connection, tokens.current(connection).access)
    # Killed here. The old refresh token is spent: without the kept one the account would be lost.

    assert kit.tokens["tiktok", 12]["refresh_token"] not in kit.stand_in.tokens.refresh
    assert kit.outcome("tiktok").status == "done"


@pytest.mark.parametrize("platform", REFRESHABLE)
def test_a_refresh_token_that_is_not_accepted_means_that_access_was_revoked(kit, platform):
    kit.show(platform, 12)
    kit.tokens[platform, 12] = {"access_token": "gone", "refresh_token": "gone too"}

    outcome = kit.outcome(platform)

    assert outcome.status == "failed"
    assert outcome.reason.startswith("access was revoked: no new token: invalid_grant")


def test_without_a_refresh_token_the_account_fails_and_says_so(kit):
    kit.show("linkedin", 12)
    kit.tokens["linkedin", 12]["refresh_token"] = ""
    kit.stand_in.tokens.expire_all()

    assert "there is none to refresh it" in kit.outcome("linkedin").reason
