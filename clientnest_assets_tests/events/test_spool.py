"""The spool: what was acknowledged is read exactly once, whatever kills, disks and readers do in between."""

import json
import os
import random
import resource
import subprocess
import sys
import time

import pytest

from clientnest_assets.sources.events.feed import FeedError
from clientnest_assets.sources.events.spool import Partition, Segment, partitions, waiting
from clientnest_assets.sources.events.spool_feed import SpoolFeed
from clientnest_assets.sources.events.spool_writer import Limits, SpoolFullError, SpoolWriteError, SpoolWriter

SECONDS = 30


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def events(*numbers):
    return [json.dumps({"n": number}).encode() for number in numbers]


def write(spool, *batches, limits=None):
    """One process' life: each batch in a commit of its own."""
    writer = SpoolWriter.open(spool, limits)
    for batch in batches:
        writer.submit(batch).result(SECONDS)
    writer.close()
    return writer.partition


def reader(spool, position=None, **options):
    feed = SpoolFeed(spool, **options)
    feed.open(lambda names: dict.fromkeys(names, position))
    return feed


def read(feed, most=1_000_000):
    """All there is, as (offset, payload)."""
    found = []
    while stretches := feed.poll(most, 0):
        for stretch in stretches.values():
            assert stretch.end == stretch.offsets[-1] + 1
            found += zip(stretch.offsets, stretch.payloads, strict=True)
    return found


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def damage(path, byte):
    content = bytearray(path.read_bytes())
    content[byte] ^= 0xFF
    path.write_bytes(content)


def test_what_was_written_is_read_in_order_with_offsets_and_the_time_of_receipt(spool):
    before = time.time_ns() // 1000
    write(spool, events(0, 1), events(2), events(3, 4, 5))
    feed = reader(spool)
    (stretch,) = feed.poll(100, 0).values()
    assert stretch.start is None
    assert stretch.offsets == [0, 1, 2, 3, 4, 5]
    assert stretch.payloads == events(0, 1, 2, 3, 4, 5)
    assert before <= min(stretch.received_at) <= max(stretch.received_at) <= time.time_ns() // 1000
    assert feed.poll(100, 0) == {}


def test_reading_goes_on_from_a_position_inside_a_commit(spool):
    write(spool, events(0, 1), events(2, 3, 4))
    (stretch,) = reader(spool, position=3).poll(100, 0).values()
    assert (stretch.start, stretch.offsets, stretch.payloads) == (3, [3, 4], events(3, 4))


def test_stretches_follow_each_other(spool):
    write(spool, events(0, 1), events(2), events(3))
    feed = reader(spool)
    name = Partition(next(spool.iterdir())).name
    first, second = feed.poll(1, 0)[name], feed.poll(100, 0)[name]
    assert (first.start, first.end, second.start, second.end) == (None, 2, 2, 4)
    feed.resume(name, 1)
    assert [offset for offset, _ in read(feed)] == [1, 2, 3]


def test_a_new_process_goes_on_behind_what_the_one_before_wrote(spool):
    write(spool, events(0, 1))
    partition = write(spool, events(2))
    write(spool)
    write(spool, events(3))
    assert read(reader(spool)) == list(enumerate(events(0, 1, 2, 3)))
    assert partitions(spool) == [partition]


def test_two_processes_at_a_time_write_partitions_of_their_own(spool):
    one, other = SpoolWriter.open(spool), SpoolWriter.open(spool)
    one.submit(events(1)).result(SECONDS)
    other.submit(events(2)).result(SECONDS)
    assert one.partition != other.partition
    assert sorted(payload for _, payload in read(reader(spool))) == events(1, 2)
    one.close()
    again = SpoolWriter.open(spool)
    assert again.partition == one.partition
    again.close()
    other.close()


def test_a_reader_sees_events_and_partitions_as_they_come(spool):
    feed = reader(spool)
    assert read(feed) == []
    Partition.create(spool)
    assert (read(feed), waiting(spool).events) == ([], 0)
    writer = SpoolWriter.open(spool, Limits(segment_bytes=100))
    for number in range(20):
        writer.submit(events(number)).result(SECONDS)
        assert read(feed) == [(number, *events(number))]
    writer.close()
    assert len(writer.partition.segments()) > 5


def test_waiting_writers_share_one_commit(spool):
    writer = SpoolWriter.open(spool)
    done = [writer.submit(events(number)) for number in range(500)]
    for each in done:
        each.result(SECONDS)
    writer.close()
    with Segment(writer.partition.segment(0)) as segment:
        assert len(list(segment.frames())) < 250
    assert [json.loads(payload)["n"] for _, payload in read(reader(spool))] == list(range(500))


@pytest.mark.parametrize("cut", [1, 20, 31, 32, 35, 40])
def test_the_cut_end_of_an_interrupted_write_is_ignored_and_then_removed(spool, cut):
    path = write(spool, events(0, 1), events(2, 3)).segment(0)
    with Segment(path) as segment:
        start = list(segment.frames())[1].start
    os.truncate(path, start + cut)
    feed = reader(spool)
    assert read(feed) == list(enumerate(events(0, 1)))
    write(spool, events(9))
    assert path.stat().st_size == start
    assert read(feed) == [(2, *events(9))]
    assert waiting(spool).damaged == 0


@pytest.mark.parametrize("byte", [0, 5, 10, 14, 20, 30, 40, 43])
@pytest.mark.parametrize("commits", [1, 2])
def test_damage_is_told_and_set_aside_and_the_rest_is_read(spool, caplog, byte, commits):
    path = write(spool, events(0), *[events(1)] * commits, events(7, 8)).segment(0)
    with Segment(path) as segment:
        second = list(segment.frames())[1].start
        bad = segment.read(second, list(segment.frames())[1].end)
    damage(path, second + byte)
    bad = bad[:byte] + bytes([bad[byte] ^ 0xFF]) + bad[byte + 1 :]
    found = [payload for _, payload in read(reader(spool))]
    assert found == events(0, *[1] * (commits - 1), 7, 8)
    assert f"{path} is damaged from byte {second} to {second + len(bad)}" in caplog.text
    assert [file.read_bytes() for file in path.parent.glob("damaged/*")] == [bad]
    assert waiting(spool).damaged == 1


def test_a_damaged_end_of_an_older_segment_is_set_aside(spool, caplog):
    partition = write(spool, events(0), events(1), limits=Limits(segment_bytes=1))
    damage(partition.segment(0), 40)
    assert read(reader(spool)) == [(1, *events(1))]
    assert "is damaged from byte 0" in caplog.text


def test_damage_in_the_newest_segment_outlasts_a_restart_of_the_writer(spool):
    path = write(spool, events(0), events(1), events(2)).segment(0)
    damage(path, 40)
    write(spool, events(3))
    assert read(reader(spool)) == [(1, *events(1)), (2, *events(2)), (3, *events(3))]


def test_a_position_beyond_the_spool_is_an_error_that_says_what_to_do(spool):
    partition = write(spool, events(0, 1))
    with pytest.raises(FeedError, match=r"up to offset 5, and the spool ends at 2.*another name"):
        reader(spool, position=5)
    partition.folder.rename(spool / "renamed")
    assert len(read(reader(spool))) == 2


def test_events_that_are_gone_before_they_were_delivered_are_an_error_once_those_before_are_read(spool):
    partition = write(spool, events(0), events(1), events(2), limits=Limits(segment_bytes=1))
    partition.segment(1).unlink()
    feed = reader(spool, position=0)
    (stretch,) = feed.poll(100, 0).values()
    assert stretch.payloads == events(0)
    for _ in range(2):
        with pytest.raises(FeedError, match="offsets 1 to 1 are not in the spool"):
            feed.poll(100, 0)


def test_a_new_lake_reads_what_is_left_and_says_so(spool, caplog):
    partition = write(spool, events(0), events(1), limits=Limits(segment_bytes=1))
    partition.segment(0).unlink()
    partition.note_delivered(2)
    assert read(reader(spool)) == [(1, *events(1))]
    assert "read from offset 1" in caplog.text
    assert partition.delivered() == 0


def test_delivered_segments_are_removed_once_old_enough_and_never_the_newest(spool):
    partition = write(spool, *map(events, range(4)), limits=Limits(segment_bytes=1))
    feed = reader(spool, keep_seconds=0)
    read(feed)
    assert (waiting(spool).events, partition.delivered()) == (4, 0)
    feed.acknowledge({partition.name: 3})
    feed._readers[partition.name].remove_delivered(3600)
    assert partition.segments() == [0, 1, 2, 3]
    feed._readers[partition.name].remove_delivered(0)
    assert partition.segments() == [3]
    assert waiting(spool).events == 1
    assert waiting(spool).oldest is not None
    feed.acknowledge({partition.name: 4})
    feed.acknowledge({partition.name: 2})
    assert (waiting(spool).events, waiting(spool).oldest) == (0, None)
    assert feed.ends() == {partition.name: 4}
    write(spool, events(4))
    assert read(reader(spool, position=4)) == [(4, *events(4))]


def test_an_idle_writer_leaves_an_old_segment_so_that_it_can_be_removed(spool):
    writer = SpoolWriter.open(spool, Limits(segment_seconds=0))
    writer.submit(events(0)).result(SECONDS)
    wait_until(lambda: writer.partition.segments() == [0, 1])
    writer.close()


def test_too_much_that_waits_for_the_consumer_is_refused_until_it_is_delivered(spool):
    partition = write(spool, *map(events, range(4)), limits=Limits(segment_bytes=1))
    writer = SpoolWriter.open(spool, Limits(undelivered_bytes=100))
    wait_until(lambda: writer._undelivered_bytes > 100)
    with pytest.raises(SpoolFullError, match="clientnest consume") as refused:
        writer.submit(events(9))
    assert refused.value.retry_after_seconds == 30
    end = writer.partition.end()
    reader(spool, position=end, keep_seconds=0)
    wait_until(lambda: writer._undelivered_bytes < 100)
    writer.submit(events(10)).result(SECONDS)
    writer.close()
    assert partition.end() == end + 1


def test_too_much_that_waits_for_the_disk_is_refused_at_once(spool):
    writer = SpoolWriter.open(spool, Limits(queue_bytes=10))
    with pytest.raises(SpoolFullError, match="wait for the disk") as refused:
        writer.submit(events(1))
    assert refused.value.retry_after_seconds == 1
    writer.close()
    with pytest.raises(SpoolFullError, match="stopping"):
        writer.submit(events(1))


def test_a_full_disk_refuses_and_later_takes_events_and_none_is_lost_or_given_an_old_offset(spool):
    writer = SpoolWriter.open(spool)
    writer.submit(events(0)).result(SECONDS)
    feed = reader(spool)
    assert len(read(feed)) == 1
    full = writer.partition.segment(0).stat().st_size + 50
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, before[1]))
    try:
        with pytest.raises(SpoolWriteError, match="File too large"):
            writer.submit(events(*range(100))).result(SECONDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.submit(events(1)).result(SECONDS)
    writer.close()
    assert read(feed) == [(101, *events(1))]
    assert read(reader(spool, position=1)) == [(101, *events(1))]
    assert waiting(spool).damaged == 0


WRITE = """
import sys, threading
from pathlib import Path
from clientnest_assets.sources.events.spool_writer import Limits, SpoolWriter
writer = SpoolWriter.open(Path(sys.argv[1]), Limits(segment_bytes=20_000))
def send(sender):
    for number in range(1_000_000):
        name = f"{sys.argv[2]}.{sender}.{number}"
        writer.submit([f'{{"id":"{name}.{part}"}}'.encode() for part in range(5)]).result()
        sys.stdout.write(name + "\\n"); sys.stdout.flush()
for sender in range(4):
    threading.Thread(target=send, args=(sender,)).start()
"""


def test_what_a_killed_writer_had_acknowledged_is_read_exactly_once(spool):
    """Three lives, each killed at a random moment while a reader follows."""
    acknowledged, seen = set(), []
    feed = reader(spool)
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(spool), str(life)], stdout=subprocess.PIPE, text=True
        )
        kill_at = len(acknowledged) + random.randint(20, 200)
        for line in process.stdout:
            acknowledged.add(line.strip())
            if len(acknowledged) % 50 == 0:
                seen += read(feed)
            if len(acknowledged) == kill_at:
                process.kill()
        process.wait()
    seen += read(feed)
    offsets = [offset for offset, _ in seen]
    assert offsets == list(range(len(offsets)))
    ids = [json.loads(payload)["id"] for _, payload in seen]
    assert len(set(ids)) == len(ids)
    assert {f"{name}.{part}" for name in acknowledged if name.count(".") == 2 for part in range(5)} <= set(ids)
    assert len(acknowledged) >= 60


def test_a_feed_is_drained_once_it_has_read_what_there_was(spool):
    feed = reader(spool)
    assert feed.drained(feed.ends())
    write(spool, events(0, 1), events(2))
    ends = feed.ends()
    assert not feed.drained(ends)
    feed.poll(1, 0)
    assert not feed.drained(ends)
    read(feed)
    assert feed.drained(ends)
