"""Upkeep changes no row and loses none, whoever is at work meanwhile, and keeps what time travel promises."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from clientnest_assets.lake import maintenance, with_fresh_input
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.handle import MomentNotKeptError, open_handle
from clientnest_assets.lake.maintenance import Failed, maintain, maintain_table
from clientnest_assets.lake.table import Delivery
from clientnest_assets.partitions import Window

SCHEMA = pl.Schema({"id": pl.Int64(), "text": pl.String(), "day": pl.Date(), "source": pl.String()})
FIRST = date(2025, 1, 6)
SOURCES = ("app", "it's 100% a/file", None)
LONG_AGO = timedelta(days=20)


@pytest.fixture
def table(lake):
    return lake.table("inbox", "events", SCHEMA)


def rows(*numbers, day=FIRST, source="app"):
    return pl.DataFrame([(n, f"text {n}", day, source) for n in numbers], schema=SCHEMA, orient="row")


def append(table, number, **where):
    """One more row, as delivery `number` of its feed."""
    table.append_once(rows(number, **where), {"feed": Delivery(number or None, number + 1)})


def held(table):
    return table.scan().collect().sort("id")


def upkeep(table, **options):
    return maintain_table(table.lake, table.layer, table.name, **options)


def make_older(table, by):
    """Makes what a table on a folder holds so much older, and what its commits say of times."""
    for file in Path(table.location).rglob("*"):
        if not file.is_file():
            continue
        written = file.stat().st_mtime - by.total_seconds()
        if file.suffix == ".json":
            file.write_text(re.sub(r'((?:T|t)imestamp":)(\d+)', lambda found: earlier(found, by), file.read_text()))
        os.utime(file, (written, written))


def earlier(found, by):
    return f"{found[1]}{int(found[2]) - int(by.total_seconds() * 1000)}"


@pytest.fixture
def at_once(monkeypatch):
    """Counts a file as old as soon as it is there: nobody else writes."""
    monkeypatch.setattr(maintenance, "CLOCK_MARGIN", timedelta(0))
    return {"retention": timedelta(0)}


def test_small_files_of_a_partition_are_put_together_and_no_row_changes(table):
    for number in range(18):
        append(table, number, day=FIRST + timedelta(days=number % 2), source=SOURCES[number % 3])
    append(table, 18, day=FIRST + timedelta(days=9))
    before = held(table)

    done = upkeep(table)

    assert (done.files_before, done.files_after, done.partitions_busy) == (19, 19, 0)
    for number in range(19, 37):
        append(table, number, day=FIRST + timedelta(days=number % 2), source=SOURCES[number % 3])
    done = upkeep(table)

    # Six partitions of six files each, and one that is too small to be worth it.
    assert (done.files_before, done.files_after, done.partitions_busy) == (37, 7, 0)
    assert held(table).head(19).equals(before)
    assert held(table).get_column("id").to_list() == list(range(37))


def test_deliveries_are_remembered_through_compaction_checkpoint_and_a_shorter_log(table, at_once):
    for number in range(8):
        append(table, number)
    for _ in range(2):
        upkeep(table, **at_once)

    log = [file.path for file in Storage.of(table.lake).files("inbox/events/_delta_log")]
    assert len([path for path in log if path.endswith(".json")]) == 1
    assert table.delivered(["feed", "other"]) == {"feed": 8, "other": None}
    assert not table.append_once(rows(7), {"feed": Delivery(7, 8)})
    append(table, 8)
    assert held(table).get_column("id").to_list() == list(range(9))


def test_files_of_versions_no_longer_kept_go_and_their_bytes_are_told(table, at_once):
    for number in range(6):
        append(table, number)
    stored = {file.path: file.size_bytes for file in Storage.of(table.lake).files("inbox/events")}
    data = {path: size for path, size in stored.items() if path.endswith(".parquet")}

    done = upkeep(table, **at_once)

    assert (done.files_removed, done.bytes_freed) == (6, sum(data.values()))
    left = [file.path for file in Storage.of(table.lake).files("inbox/events") if "/day=" in file.path]
    assert len(left) == 1
    assert left[0] not in data
    assert held(table).get_column("id").to_list() == list(range(6))


def test_a_second_time_there_is_nothing_to_do_and_nothing_is_committed(table):
    for number in range(5):
        append(table, number)
    upkeep(table)
    version = table.open().version()

    done = upkeep(table)

    assert (done.files_before, done.files_after, done.files_removed) == (1, 1, 0)
    assert table.open().version() == version


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(table, at_once):
    for number in range(5):
        append(table, number)
    stored = sorted((file.path, file.etag) for file in Storage.of(table.lake).files())

    done = upkeep(table, dry_run=True, **at_once)

    assert (done.files_before, done.files_after) == (5, 1)
    assert sorted((file.path, file.etag) for file in Storage.of(table.lake).files()) == stored


@pytest.mark.parametrize("lake", ["folder"], indirect=True)
def test_each_moment_of_the_retention_can_be_seen_and_what_only_earlier_ones_need_is_freed(table):
    states = {}
    for number in range(5):
        append(table, number)
        states[table.open().version()] = list(range(number + 1))
    table.replace_window(table.open(), rows(100), Window.of_days(FIRST, FIRST), source="app")
    states[table.open().version()] = [100]
    make_older(table, LONG_AGO)

    append(table, 5, day=FIRST + timedelta(days=1))
    states[table.open().version()] = [5, 100]
    make_older(table, timedelta(days=3))

    done = upkeep(table)

    # Seven days ago the version of 23 days ago was current: the log begins with it, whatever its own age.
    now = datetime.now(UTC)
    assert done.files_removed == 5
    assert timedelta(days=22) < now - done.kept_since < timedelta(days=24)
    for moment, ids in ((now - timedelta(days=10), [100]), (now - timedelta(days=4), [100]), (now, [5, 100])):
        assert sorted(table.scan(as_of=moment).collect().get_column("id")) == ids
    kept = [each["version"] for each in table.open().history()]
    assert min(kept) == 6
    for version in set(kept) & set(states):
        handle = open_handle(table.location, {})
        handle.load_as_version(version)
        assert sorted(pl.scan_delta(handle).collect().get_column("id")) == states[version]
    with pytest.raises(MomentNotKeptError, match="is kept from"):
        table.scan(as_of=now - timedelta(days=25))
    assert upkeep(table).files_removed == 0


@pytest.mark.parametrize("lake", ["folder"], indirect=True)
def test_what_a_killed_write_left_goes_when_it_is_old_enough(table):
    for number in range(3):
        append(table, number)
    orphans = [Path(table.location) / f"day={FIRST}" / "source=app" / name for name in ("old.parquet", "new.parquet")]
    for orphan in orphans:
        orphan.write_bytes(b"half a file")
    then = time.time() - LONG_AGO.total_seconds()
    os.utime(orphans[0], (then, then))

    done = upkeep(table)

    assert (done.files_removed, done.bytes_freed) == (1, len(b"half a file"))
    assert [orphan.exists() for orphan in orphans] == [False, True]
    assert held(table).get_column("id").to_list() == [0, 1, 2]


def test_writers_and_readers_at_work_meanwhile_lose_nothing_and_see_whole_states(table):
    for number in range(8):
        append(table, number)
    other = FIRST + timedelta(days=1)

    def appends():
        for number in range(8, 38):
            append(table, number)

    def replaces():
        for number in range(10):
            frame, window = rows(1000 + number, 2000 + number, day=other), Window.of_days(other, other)
            with_fresh_input(
                lambda frame=frame, window=window: table.replace_window(table.open(), frame, window, source="app")
            )

    def reads():
        seen = []
        while not all(writer.done() for writer in writers):
            seen.append(held(table).filter(pl.col("day") == FIRST).get_column("id").to_list())
        return seen

    times = 0
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(appends), pool.submit(replaces)]
        reader = pool.submit(reads)
        while not all(writer.done() for writer in writers):
            upkeep(table)
            times += 1
    for writer in writers:
        writer.result()

    assert times > 1
    assert held(table).get_column("id").to_list() == [*range(38), 1009, 2009]
    assert all(ids == list(range(len(ids))) for ids in reader.result())
    assert table.delivered(["feed"]) == {"feed": 38}


def test_each_table_is_kept_up_in_a_process_of_its_own_and_one_that_fails_stops_no_other(table):
    for number in range(5):
        append(table, number)

    missing, done = maintain(table.lake, [("inbox", "missing"), ("inbox", "events")])

    assert isinstance(missing, Failed)
    assert missing.name == "missing"
    assert "TableNotFoundError" in missing.reason
    assert (done.files_before, done.files_after) == (5, 1)
    assert done.kept_since <= datetime.now(UTC)
