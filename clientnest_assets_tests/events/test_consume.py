"""`clientnest consume` as a person runs it: both ways in, stopped, asked, given wrong settings, and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clientnest_assets.cli import consume
from clientnest_assets.cli.consume import Way, consumer_of
from clientnest_assets.cli.session import CommandError, console
from clientnest_assets.installation import Installation
from clientnest_assets.settings import Settings
from clientnest_assets.sources.events.avro import AvroSchemaError
from clientnest_assets.sources.events.feed import FeedError
from clientnest_assets.sources.events.inbox import inbox_table
from clientnest_assets.sources.events.spool_writer import SpoolWriter

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "clientnest"
MOST_SECONDS = 90


@pytest.fixture
def home(tmp_path, kafka, quick_group, monkeypatch):
    monkeypatch.setenv("CLIENTNEST_ENVIRONMENT", "test")
    monkeypatch.setenv("CLIENTNEST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTNEST_KAFKA_BROKERS", kafka.brokers)
    monkeypatch.setenv("CLIENTNEST_KAFKA_OPTIONS", json.dumps(quick_group))
    monkeypatch.setenv("COLUMNS", "200")
    return Installation(Settings.load())


def run(*arguments):
    return subprocess.run([COMMAND, "consume", *arguments], capture_output=True, text=True, timeout=MOST_SECONDS)


def recent(make_message, number):
    return make_message(number, occurred_at=(datetime.now(UTC) - timedelta(hours=number % 40)).isoformat())


def sources(installation):
    rows = inbox_table(installation.lake).scan().select("source").collect().to_series()
    return dict(sorted(rows.value_counts().rows()))


def test_both_ways_in_until_told_to_stop(home, kafka, make_message):
    kafka.send([recent(make_message, number) for number in range(90)] + [b"{"])
    spool = SpoolWriter.open(home.spool)
    spool.submit([recent(make_message, number) for number in range(100, 120)]).result(MOST_SECONDS)
    spool.close()
    process = subprocess.Popen(
        [COMMAND, "consume", "--batch-seconds", "0.5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until = time.monotonic() + MOST_SECONDS
    while sources(home) != {"http": 20, "kafka": 90}:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=MOST_SECONDS)

    assert process.returncode == 0, output
    assert "kafka: 91 messages delivered" in output
    assert "90 of them events, 1 to quarantine" in output
    assert "http: 20 messages delivered" in output
    rows = inbox_table(home.lake).scan().select("day").collect().to_series()
    assert (home.calendar.first_day, home.calendar.last_day) == (rows.min(), rows.max())
    told = run("--status").stdout
    assert [line.split() for line in told.splitlines() if "app-events/0" in line] == [
        ["kafka", "app-events/0", "16", "16", "0"]
    ]
    assert sum("spool" in line for line in told.splitlines()) == 1


def test_once_delivers_what_is_there_and_ends(home, kafka, make_message):
    kafka.send([recent(make_message, number) for number in range(30)])
    first = run("--once", "--from", "kafka")
    assert first.returncode == 0, first.stderr
    assert "30 messages delivered" in first.stdout
    again = run("--once", "--from", "kafka")
    assert "0 messages delivered" in again.stdout
    assert sources(home) == {"kafka": 30}


def test_days_delivered_by_a_consumer_that_was_killed_at_once_are_days_of_the_home(home, make_message):
    spool = SpoolWriter.open(home.spool)
    spool.submit([recent(make_message, number) for number in range(40)]).result(MOST_SECONDS)
    spool.close()
    killed = consumer_of(home, Way.HTTP)
    killed.open()
    killed.drain()
    killed.close()
    assert not home.has_data

    done = run("--once", "--from", "http")

    assert done.returncode == 0, done.stderr
    assert "0 messages delivered" in done.stdout
    days = inbox_table(home.lake).scan().select("day").collect().to_series()
    assert (home.calendar.first_day, home.calendar.last_day) == (days.min(), days.max())


def test_nothing_new_is_told_once(consumer, list_feed, make_message, monkeypatch):
    monkeypatch.setattr(consume, "SAID_EVERY_SECONDS", 0)
    one = consumer(list_feed({"t/0": [make_message(1)]}))
    with console.capture() as told, consume._telling([one]) as tell:
        tell()
        tell()
        one.drain()
        for _ in range(5):
            tell()
    lines = told.get().splitlines()
    assert len(lines) == 3
    assert "delivered 0 (0 to quarantine), lag 1 (t/0 1)" in lines[0]
    assert all("delivered 1 (0 to quarantine), lag 0" in line for line in lines[1:])
    assert "kafka: 0 messages/s" in lines[2]


def test_wrong_settings_are_told(home, tmp_path, monkeypatch):
    (tmp_path / "event.avsc").write_text("{}")
    monkeypatch.setenv("CLIENTNEST_EVENT_SCHEMA", str(tmp_path / "event.avsc"))
    with pytest.raises(AvroSchemaError, match=r"event.avsc is no Avro schema"):
        consumer_of(Installation(Settings.load()), Way.KAFKA)
    monkeypatch.delenv("CLIENTNEST_EVENT_SCHEMA")
    monkeypatch.setenv("CLIENTNEST_KAFKA_TOPIC", "no such topic")
    lost = consumer_of(Installation(Settings.load()), Way.KAFKA)
    with pytest.raises(FeedError, match=r"no such topic cannot be read .* CLIENTNEST_KAFKA_TOPIC"):
        lost.open()
    lost.close()
    monkeypatch.delenv("CLIENTNEST_KAFKA_BROKERS")
    with pytest.raises(CommandError, match=r"CLIENTNEST_KAFKA_BROKERS is not set"):
        consumer_of(Installation(Settings.load()), Way.KAFKA)


def test_killed_three_times_beside_another_writer_every_event_is_there_once():
    kills = [sys.executable, "-m", "clientnest_assets_tests.benchmarks.kills", "--kills", "3", "--writers", "1"]
    done = subprocess.run(kills, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each in its place exactly once" in " ".join(done.stdout.split())
