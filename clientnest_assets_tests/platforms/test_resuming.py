"""Collections that are killed: the same again, and each row is there once, of one moment."""

import json
import pickle
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from clientnest_assets.sources.platforms import collecting, pool
from clientnest_assets.sources.platforms.collecting import Collector
from clientnest_assets.sources.platforms.registry import PLATFORMS
from clientnest_assets.sources.platforms.state import CollectingError, alone

KILLED = """
import os, pickle, signal, sys
from clientnest_assets.sources.platforms import collecting
from clientnest_assets.sources.platforms.registry import PLATFORMS

parts, at, name, last = pickle.load(sys.stdin.buffer)
collecting.ACCOUNTS_PER_COMMIT = 2
owner = collecting if name == "land_window" else collecting.Progress
real, calls = getattr(owner, name), []

def killing(*arguments, **options):
    result = real(*arguments, **options)
    calls.append(name)
    if len(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, killing)
collecting.Collector(*parts).collect(PLATFORMS["tiktok"], at=at)
"""


@pytest.fixture(autouse=True)
def _small_commits(monkeypatch):
    monkeypatch.setattr(collecting, "ACCOUNTS_PER_COMMIT", 2)
    monkeypatch.setattr(pool, "ACCOUNTS_AT_ONCE", 2)


def show_accounts(kit, make_post, count=6):
    for account in range(1, count + 1):
        posts = [make_post(1000 * account + n, hours_old=n, likes=n) for n in range(1, 31)]
        kit.show("tiktok", account, *posts)


def expected(count=6):
    return sorted(1000 * account + n for account in range(1, count + 1) for n in range(1, 31))


class Killed(BaseException):
    pass


def kill_at(monkeypatch, place, after):
    owner, name = (collecting, "land_window") if place == "land_window" else (collecting.Progress, "keep")
    real, calls = getattr(owner, name), []

    def killing(*arguments, **options):
        result = real(*arguments, **options)
        calls.append(1)
        if len(calls) == after:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, killing)


@pytest.mark.parametrize("place", ["land_window", "keep"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_collection_cut_off_goes_on_and_no_row_is_twice_or_missing(kit, make_post, monkeypatch, place, after):
    show_accounts(kit, make_post)
    began = kit.time.now()
    with monkeypatch.context() as patch:
        kill_at(patch, place, after)
        with pytest.raises(Killed):
            kit.collect("tiktok")
    kit.time.sleep(600)
    asked = len(kit.asked())

    collected = kit.collect("tiktok")

    posts = kit.raw("post_metrics")
    assert posts.get_column("post_id").sort().to_list() == expected()
    assert set(posts.get_column("collected_at")) == {began} == {collected.collected_at}
    assert kit.raw("account_metrics").get_column("account_id").sort().to_list() == [1, 2, 3, 4, 5, 6]
    asked_again = {address.partition("?")[0] for address in kit.asked()[asked:]}
    assert len(asked_again) > 0
    done_before = 6 - len(collected.outcomes)
    assert done_before == {"land_window": (0, 0, 2), "keep": (0, 2, 4)}[place][after - 1]


@pytest.mark.parametrize(("place", "last"), [("land_window", 3), ("keep", 2)])
def test_kill_9_leaves_nothing_that_running_again_does_not_mend(kit, make_post, place, last):
    show_accounts(kit, make_post)
    at = kit.time.now()
    parts = (kit.connections, kit.lake, kit.app, kit.folder)
    process = subprocess.run(
        [sys.executable, "-c", KILLED],
        input=pickle.dumps((parts, at, place, last)),
        timeout=120,
        capture_output=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert len(json.loads((kit.folder / "tiktok.json").read_text())["done"]) == 2

    again = Collector(*parts).collect(PLATFORMS["tiktok"], at=at)

    assert len(again.outcomes) == 4
    assert kit.raw("post_metrics").get_column("post_id").sort().to_list() == expected()
    assert kit.raw("account_metrics").get_column("account_id").sort().to_list() == [1, 2, 3, 4, 5, 6]
    assert again.tables["post_metrics"].days_changed == {at.date()}


def test_the_days_of_a_killed_collection_are_told_by_the_next_one(kit, make_post, monkeypatch):
    show_accounts(kit, make_post, count=2)
    with monkeypatch.context() as patch:
        kill_at(patch, "keep", 2)
        with pytest.raises(Killed):
            kit.collect("tiktok")

    again = kit.collect("tiktok")
    day = again.collected_at.date()
    assert again.tables["post_metrics"].days_changed == {day}

    kit.collector().told(PLATFORMS["tiktok"])
    kit.stand_in.desk.shown.accounts.clear()
    kit.accounts.clear()
    assert kit.collect("tiktok").tables["post_metrics"].days_changed == set()


def test_a_finished_collection_is_followed_by_a_new_one_and_one_left_for_too_long_as_well(kit, make_post, monkeypatch):
    show_accounts(kit, make_post, count=4)
    kit.collect("tiktok")
    kit.time.sleep(60)
    assert kit.collect("tiktok").collected_at == kit.time.now()

    kit.time.sleep(60)
    with monkeypatch.context() as patch:
        kill_at(patch, "keep", 2)
        with pytest.raises(Killed):
            kit.collect("tiktok")
    kit.time.sleep(timedelta(hours=1).total_seconds())
    collected = kit.collect("tiktok")

    assert collected.collected_at == kit.time.now()
    assert len(collected.outcomes) == 4


def test_an_account_connected_since_does_not_reopen_a_finished_collection(kit, make_post):
    show_accounts(kit, make_post, count=2)
    kit.collect("tiktok")
    kit.time.sleep(60)
    kit.show("tiktok", 3)

    collected = kit.collect("tiktok")

    assert collected.collected_at == kit.time.now()
    assert len(collected.outcomes) == 3


def test_the_same_moment_collected_twice_adds_nothing(kit, make_post):
    show_accounts(kit, make_post, count=2)
    at = kit.time.now() - timedelta(hours=0.5)
    first = kit.collect("tiktok", at=at)
    kit.time.sleep(7200)
    second = kit.collect("tiktok", at=at)

    assert [(each.rows_written, each.rows_already_held) for each in first.tables.values()] == [(60, 0), (2, 0)]
    assert [(each.rows_written, each.rows_already_held) for each in second.tables.values()] == [(0, 60), (0, 2)]
    assert second.total("rows_good") == 62


def test_one_account_alone_does_not_disturb_a_collection_under_way(kit, make_post, monkeypatch):
    show_accounts(kit, make_post, count=4)
    with monkeypatch.context() as patch:
        kill_at(patch, "keep", 2)
        with pytest.raises(Killed):
            kit.collect("tiktok")
    before = (kit.folder / "tiktok.json").read_bytes()

    alone_ = kit.collect("tiktok", account_id=3)

    assert [each.account_id for each in alone_.outcomes] == [3]
    assert (kit.folder / "tiktok.json").read_bytes() == before


def test_a_dry_run_asks_and_lands_nothing(kit, make_post):
    show_accounts(kit, make_post, count=2)

    collected = kit.collect("tiktok", dry_run=True)

    assert (collected.total("rows"), collected.total("rows_good")) == (62, 62)
    assert kit.raw("post_metrics").is_empty()
    assert not list(kit.folder.glob("*.json"))


def test_only_one_collects_a_platform_at_a_time(kit):
    kit.show("tiktok", 1)
    with alone(kit.folder, "tiktok"), pytest.raises(CollectingError, match="another collection of tiktok is under way"):
        kit.collect("tiktok")


def test_rows_land_in_batches_of_bounded_size(kit, make_post, monkeypatch):
    show_accounts(kit, make_post, count=6)
    monkeypatch.setattr(collecting, "ROWS_PER_COMMIT", 60)
    monkeypatch.setattr(collecting, "ACCOUNTS_PER_COMMIT", 1000)
    sizes = []
    real = collecting.land_window

    def noted(lake, contract, window, read, **options):
        sizes.append((contract.name, read().rows))
        return real(lake, contract, window, read, **options)

    monkeypatch.setattr(collecting, "land_window", noted)
    kit.collect("tiktok")

    assert [size for table, size in sizes if table == "post_metrics"] == [60, 60, 60]


def test_the_next_hourly_collection_asks_all_accounts_if_the_one_before_postponed_some(kit, make_post):
    kit.show("twitter", 1)
    until = kit.time.now() + timedelta(minutes=30)
    kit.collect("twitter")
    kept = json.loads((kit.folder / "twitter.json").read_text())
    kit.show("twitter", 2)
    postponed = {**kept, "accounts": [1, 2], "postponed": {"2": until.isoformat()}}
    (kit.folder / "twitter.json").write_text(json.dumps(postponed))

    kit.time.sleep(timedelta(minutes=59, seconds=58).total_seconds())

    assert {(each.account_id, each.status) for each in kit.collect("twitter").outcomes} == {(1, "done"), (2, "done")}
