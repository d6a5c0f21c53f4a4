"""Limits: what the headers say, waiting as long as is reasonable, and postponing what would take longer."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from clientnest_assets.simulation.platforms.faults import Limit
from clientnest_assets.sources.platforms.limits import META_USUAL_WAIT, meta_usage, retry_after, window_reset
from clientnest_assets.sources.platforms.registry import PLATFORMS

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
POSTS = {"linkedin": "urn:li:share:1"}


def answer(**headers):
    return httpx.Response(200, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("90", LATER),
        ("Tue, 10 Mar 2026 12:31:30 GMT", LATER),
        ("Tue, 10 Mar 2026 14:31:30 +0200", LATER),
        ("soon", None),
        ("9" * 30, NOW + timedelta(days=366)),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said, expected):
    assert retry_after(answer(retry_after=said), NOW) == expected


def test_the_window_of_x_counts_once_nothing_remains():
    reset = str(int(LATER.timestamp()))

    assert window_reset(answer(x_rate_limit_remaining="0", x_rate_limit_reset=reset), NOW) == LATER
    assert window_reset(answer(x_rate_limit_remaining="1", x_rate_limit_reset=reset), NOW) is None
    assert window_reset(answer(x_rate_limit_remaining="0", x_rate_limit_reset="?"), NOW) is None


@pytest.mark.parametrize(
    ("header", "usage", "expected"),
    [
        ("x_app_usage", {"call_count": 99, "total_time": 1, "total_cputime": 1}, None),
        ("x_app_usage", {"call_count": 1, "total_time": 100, "total_cputime": 1}, NOW + META_USUAL_WAIT),
        (
            "x_business_use_case_usage",
            {"1": [{"call_count": 101, "estimated_time_to_regain_access": 7}], "2": [{"call_count": 1}]},
            NOW + timedelta(minutes=7),
        ),
        ("x_business_use_case_usage", {"1": [{"call_count": 3, "estimated_time_to_regain_access": 0}]}, None),
        ("x_business_use_case_usage", ["?"], None),
        ("x_app_usage", {"estimated_time_to_regain_access": 1e15}, NOW + timedelta(days=366)),
    ],
)
def test_meta_tells_usage_in_per_cent_and_the_minutes_until_access_is_regained(header, usage, expected):
    assert meta_usage(answer(**{header: json.dumps(usage)}), NOW) == expected


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("says_when", ["seconds", "date"])
def test_a_refusal_is_waited_out_as_told(kit, make_post, platform, says_when):
    kit.show(platform, 12, make_post(POSTS.get(platform, 1), likes=4))
    kit.stand_in.faults.limits[platform] = Limit(1, timedelta(minutes=2))
    kit.stand_in.faults.says_when = says_when

    outcome = kit.outcome(platform, collector={"longest_wait": timedelta(minutes=10)})

    questions = 3 if platform == "linkedin" else 2
    waited = sum(kit.time.slept)
    assert outcome.status == "done"
    assert kit.raw("post_metrics").get_column("likes_count").to_list() == [4]
    assert 120 * (questions - 1) <= waited <= 124 * (questions - 1)


def test_x_is_not_asked_in_vain_once_nothing_remains(kit, make_post):
    kit.show("twitter", 12, *[make_post(n, hours_old=n) for n in range(1, 151)])
    kit.stand_in.faults.limits["twitter"] = Limit(2, timedelta(minutes=3))

    assert kit.outcome("twitter").rows == 151
    # The account, the first page, and after the window's reset the second: nothing was refused.
    assert len(kit.asked()) == 3
    assert 180 <= sum(kit.time.slept) <= 182


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_pause_too_long_postpones_the_account_until_then(kit, make_post, platform):
    kit.show(platform, 12, make_post(POSTS.get(platform, 1), likes=4))
    limit = kit.stand_in.faults.limits[platform] = Limit(1, timedelta(minutes=40))
    kit.stand_in.faults.says_when = "seconds"

    first = kit.outcome(platform)
    asked = len(kit.asked())
    second = kit.outcome(platform)
    kit.time.sleep(40 * 60 + 1)
    limit.requests = 100
    third = kit.outcome(platform)

    assert (first.status, first.rows, second.status, second.rows) == ("postponed", 1, "postponed", 0)
    assert "2026-03-10 13:10:0" in first.reason
    assert first.reason == second.reason
    assert asked == len(kit.asked()) - (3 if platform == "linkedin" else 2), "the postponed account was left alone"
    assert (third.status, third.rows) == ("done", 2)
    assert kit.raw("post_metrics").get_column("likes_count").to_list() == [4]
    assert sum(kit.time.slept) == 40 * 60 + 1


def test_linkedins_limits_are_over_at_midnight(kit, make_post):
    kit.show("linkedin", 12, make_post("urn:li:share:1"))
    kit.stand_in.faults.limits["linkedin"] = Limit(1, timedelta(hours=30))

    assert kit.outcome("linkedin").reason == "to be asked again from 2026-03-11 00:00:00 UTC on"


def test_tiktok_may_refuse_for_the_rate_with_status_200(kit, make_post):
    kit.show("tiktok", 12, make_post(1, likes=4))
    kit.stand_in.faults.limits["tiktok"] = Limit(1, timedelta(minutes=1))
    kit.stand_in.faults.limited_with_success = True

    assert kit.outcome("tiktok").status == "done"
    assert sum(kit.time.slept) == pytest.approx(60, abs=1)


def test_a_limit_of_the_application_postpones_all_its_accounts_with_one_refusal(kit):
    for account in range(1, 31):
        kit.show("facebook", account)
    kit.stand_in.faults.limits["facebook"] = Limit(20, timedelta(hours=2))

    collected = kit.collect("facebook")

    refused = len(kit.asked()) - 20
    # Those that were under way when the first refusal came.
    assert 1 <= refused <= 8
    assert len(collected.with_status("postponed")) >= 20
    assert len(collected.outcomes) == 30
