"""What each kind of write leaves, what it refuses, and what two writers do to each other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.lake import (
    DeliveredElsewhereError,
    Delivery,
    EmptyWindowError,
    Lake,
    SchemaMismatchError,
    with_fresh_input,
)
from clientnest_assets.partitions import Window

SCHEMA = pl.Schema(
    {"id": pl.Int64(), "version": pl.Int64(), "text": pl.String(), "day": pl.Date(), "source": pl.String()}
)
FIRST = date(2025, 1, 6)
KEY = ["id", "version"]


def day(number):
    return FIRST + timedelta(days=number)


def window(first, last):
    return Window.of_days(day(first), day(last))


def rows(*keys, source="app"):
    """Rows of (id, day number), their text telling both."""
    return pl.DataFrame(
        [(number, 1, f"{number}/{on}", day(on), source) for number, on in keys], schema=SCHEMA, orient="row"
    )


@pytest.fixture
def table(lake):
    return lake.table("raw", "things", SCHEMA)


def held(table, over=None):
    return sorted(table.scan(over).select("id", "day", "source").collect().iter_rows())


def test_replacing_a_window_leaves_exactly_its_new_rows_and_the_days_beside_it(table):
    table.replace_window(table.open(), rows((1, 0), (2, 1), (3, 2), (4, 3)), window(0, 3), source="app")

    commit = table.replace_window(table.open(), rows((5, 1), (6, 2)), window(1, 2), source="app")

    assert held(table) == [(1, day(0), "app"), (4, day(3), "app"), (5, day(1), "app"), (6, day(2), "app")]
    assert (commit.version, commit.rows) == (2, 2)
    assert commit.bytes > 0


def test_the_same_window_written_again_is_the_same(table):
    frame = rows((1, 0), (2, 0), (3, 1))
    for _ in range(3):
        table.replace_window(table.open(), frame, window(0, 1), source="app")

    assert table.scan().collect().sort("id").equals(frame)


def test_sources_do_not_remove_each_others_rows(table):
    table.replace_window(table.open(), rows((1, 0)), window(0, 0), source="app")
    table.replace_window(table.open(), rows((2, 0), source="it's a file"), window(0, 0), source="it's a file")
    commit = table.replace_window(table.open(), rows(), window(0, 0), source="app", allow_empty=True)

    assert held(table) == [(2, day(0), "it's a file")]
    assert commit.rows == 0


def test_a_window_is_not_emptied_by_accident(table):
    table.replace_window(table.open(), rows((1, 0)), window(0, 0), source="app")

    # One day of the window that would lose all its rows is enough.
    with pytest.raises(EmptyWindowError, match=r"raw\.things holds 1 rows of days .* \(2025-01-06\)"):
        table.replace_window(table.open(), rows((2, 1)), window(0, 1), source="app")
    assert held(table) == [(1, day(0), "app")]

    # Where there was nothing, nothing is no surprise, and needs no commit.
    assert table.replace_window(table.open(), rows(), window(1, 1), source="app").version == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.with_columns(pl.col("id").cast(pl.Float64)), "id is Float64 instead of Int64"),
        (lambda frame: frame.with_columns(pl.col("id").cast(pl.String)), "id is String instead of Int64"),
        (lambda frame: frame.drop("text"), "text is missing"),
        (lambda frame: frame.with_columns(new=1), "new is not in the table"),
    ],
)
def test_rows_of_another_schema_are_refused_before_anything_is_cast(table, change, message):
    for write in (
        lambda frame: table.replace_window(table.open(), frame, window(0, 0), source="app"),
        lambda frame: table.add_missing(table.open(), frame, window(0, 0), key=KEY, source="app"),
    ):
        with pytest.raises(SchemaMismatchError, match=message):
            write(change(rows((1, 0))))
    assert held(table) == []


def test_a_table_on_disk_with_another_schema_is_not_written_to(table):
    table.open()
    changed = table.lake.table("raw", "things", pl.Schema({**SCHEMA, "id": pl.String()}))

    with pytest.raises(SchemaMismatchError, match="id is Int64 instead of String"):
        changed.open()


def test_rows_outside_the_window_of_no_day_or_of_another_source_are_refused(table):
    of_no_day = rows((1, 0)).with_columns(pl.lit(None, pl.Date).alias("day"))
    for frame, message in (
        (rows((1, 0), (2, 1)), "1 rows for raw.things lie outside"),
        (of_no_day, "1 rows for raw.things lie outside"),
        (rows((1, 0), source="other"), "must all come from 'app'"),
    ):
        with pytest.raises(ValueError, match=message):
            table.replace_window(table.open(), frame, window(0, 0), source="app")
    assert held(table) == []


def test_versions_are_added_and_none_is_removed(table):
    first, second = rows((1, 0), (2, 0)), rows((2, 0), (3, 0)).with_columns(text=pl.lit("changed"))

    _, new = table.add_missing(table.open(), first, window(0, 0), key=KEY, source="app")
    assert new.height == 2
    commit, new = table.add_missing(table.open(), second, window(0, 0), key=KEY, source="app")

    assert (new.height, commit.rows) == (1, 3)
    # What was captured stays as it was captured.
    texts = dict(table.scan().select("id", "text").collect().iter_rows())
    assert texts == {1: "1/0", 2: "2/0", 3: "changed"}


def test_adding_what_is_held_or_nothing_commits_nothing(table):
    frame = rows((1, 0), (2, 1))
    table.add_missing(table.open(), frame, window(0, 1), key=KEY, source="app")

    for again in (frame, rows()):
        commit, new = table.add_missing(table.open(), again, window(0, 1), key=KEY, source="app")
        assert (commit.version, commit.rows, new.height) == (1, 2, 0)


@pytest.mark.parametrize("write", ["replace", "add"])
def test_of_two_writers_of_one_day_the_later_starts_again(table, write):
    def put(handle, number):
        if write == "replace":
            return table.replace_window(handle, rows((number, 0)), window(0, 0), source="app")
        return table.add_missing(handle, rows((number, 0)), window(0, 0), key=KEY, source="app")

    put(table.open(), 1)
    early, late = table.open(), table.open()
    put(early, 2)
    with pytest.raises(CommitFailedError):
        put(late, 3)

    attempts = []

    def work():
        handle = table.open()
        if not attempts:
            put(table.open(), 4)
        attempts.append(handle.version())
        return put(handle, 5)

    with_fresh_input(work)
    assert len(attempts) == 2
    expected = [5] if write == "replace" else [1, 2, 4, 5]
    assert [number for number, _, _ in held(table)] == expected


def test_writers_of_different_days_do_not_disturb_each_other(table):
    table.open()
    early, late = table.open(), table.open()
    table.replace_window(early, rows((1, 0)), window(0, 0), source="app")
    table.replace_window(late, rows((2, 1)), window(1, 1), source="app")

    assert [number for number, _, _ in held(table)] == [1, 2]


def test_a_conflict_that_never_ends_is_told():
    attempts = []

    def work():
        attempts.append(1)
        raise CommitFailedError("again")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("clientnest_assets.lake.table.time.sleep", lambda _seconds: None)
        with pytest.raises(CommitFailedError):
            with_fresh_input(work)
    assert len(attempts) == 24


def test_a_table_nobody_wrote_has_no_rows(table):
    assert table.scan().collect().schema == SCHEMA
    assert table.scan(window(0, 3)).collect().is_empty()
    assert table.row_counts().is_empty()
    assert not table.exists()


def test_row_counts_come_by_day_and_source(table):
    table.replace_window(table.open(), rows((1, 0), (2, 0), (3, 1)), window(0, 1), source="app")
    table.replace_window(table.open(), rows((4, 1), source="file"), window(1, 1), source="file")

    counts = table.row_counts()
    assert counts.select("day", "source", "rows").rows() == [
        (day(0), "app", 2),
        (day(1), "app", 1),
        (day(1), "file", 1),
    ]


replacements = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), st.sampled_from(["app", "file"]), st.lists(st.integers(0, 9), max_size=4)
    ),
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(replacements)
def test_any_sequence_of_replacements_leaves_what_a_dictionary_would_hold(tmp_path_factory, steps):
    table = Lake(str(tmp_path_factory.mktemp("lake"))).table("raw", "things", SCHEMA)
    model = {}
    for first, length, source, offsets in steps:
        over = window(first, first + length)
        keys = {(number, first + number % (length + 1)) for number in offsets}
        frame = rows(*sorted(keys), source=source)
        commit = table.replace_window(table.open(), frame, over, source=source, allow_empty=True)
        model.update({(on, source): [] for on in range(first, first + length + 1)})
        for number, on in keys:
            model[on, source].append(number)
        assert commit.rows == len(keys)

    expected = sorted((number, day(on), source) for (on, source), numbers in model.items() for number in numbers)
    assert held(table) == expected
    assert held(table, window(1, 2)) == [row for row in expected if day(1) <= row[1] <= day(2)]


NEW = pl.Schema({**SCHEMA, "mood": pl.String()})


def test_a_new_column_comes_in_as_a_nullable_one_and_later_rows_may_lack_it(table):
    table.replace_window(table.open(), rows((1, 0)), window(0, 0), source="app")
    with_mood = rows((2, 1)).with_columns(mood=pl.lit("good"))

    assert table.widen(with_mood.schema)
    assert not table.widen(with_mood.schema)
    table.replace_window(table.open(), with_mood, window(1, 1), source="app")
    table.replace_window(table.open(), rows((3, 2)), window(2, 2), source="app")
    table.add_missing(table.open(), rows((4, 1)), window(0, 2), key=KEY, source="app")

    found = table.scan().collect().sort("id")
    assert found.schema.names() == [*SCHEMA.names(), "mood"]
    assert found.select("id", "mood").rows() == [(1, None), (2, "good"), (3, None), (4, None)]


def test_a_new_column_that_changes_its_type_later_is_refused_by_name(table):
    table.open()
    table.widen(NEW)

    with pytest.raises(SchemaMismatchError, match="mood is String instead of Int64"):
        table.widen(pl.Schema({**SCHEMA, "mood": pl.Int64()}))
    with pytest.raises(SchemaMismatchError, match="mood is Int32 instead of String"):
        table.replace_window(table.open(), rows((1, 0)).with_columns(mood=1), window(0, 0), source="app")


def test_a_table_of_an_earlier_version_gains_the_columns_it_lacks(table):
    table.replace_window(table.open(), rows((1, 0)), window(0, 0), source="app")
    newer = table.lake.table("raw", "things", NEW)

    assert newer.scan().select("id", "mood").collect().rows() == [(1, None)]
    newer.replace_window(newer.open(), rows((2, 1)).with_columns(mood=pl.lit("good")), window(1, 1), source="app")
    assert sorted(newer.scan().select("id", "mood").collect().rows()) == [(1, None), (2, "good")]


def test_deliveries_are_appended_once_however_often_they_are_repeated(table):
    first, second = rows((1, 0), (2, 0)), rows((3, 1))

    assert table.delivered(["topic/0"]) == {"topic/0": None}
    assert table.append_once(first, {"topic/0": Delivery(None, 10)})
    for _ in range(2):
        assert not table.append_once(first, {"topic/0": Delivery(None, 10)})
    table.append_once(second, {"topic/0": Delivery(10, 12), "topic/1": Delivery(None, 5)})

    assert [number for number, _, _ in held(table)] == [1, 2, 3]
    assert table.delivered(["topic/0", "topic/1", "topic/2"]) == {"topic/0": 12, "topic/1": 5, "topic/2": None}


def test_a_delivery_that_another_writer_overtook_is_refused_whole(table):
    table.append_once(rows((1, 0)), {"topic/0": Delivery(None, 10)})

    for deliveries in (
        {"topic/0": Delivery(None, 15)},
        {"topic/0": Delivery(5, 15)},
        {"topic/0": Delivery(12, 15)},
        {"topic/1": Delivery(None, 3), "topic/0": Delivery(None, 10)},
    ):
        with pytest.raises(DeliveredElsewhereError, match="another writer has delivered"):
            table.append_once(rows((2, 0)), deliveries)
    assert [number for number, _, _ in held(table)] == [1]
    assert table.delivered(["topic/1"]) == {"topic/1": None}


def test_twenty_writers_at_once_deliver_each_row_once(table):
    def deliver(number):
        for step in range(3):
            frame = rows((number * 10 + step, number % 4))
            table.append_once(frame, {f"topic/{number}": Delivery(step or None, step + 1)})

    table.open()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(deliver, range(20)))

    assert [number for number, _, _ in held(table)] == [n * 10 + step for n in range(20) for step in range(3)]
    assert set(table.delivered([f"topic/{n}" for n in range(20)]).values()) == {3}


def test_of_two_writers_of_one_feed_one_wins_and_the_other_is_told(table):
    def deliver(number):
        try:
            return table.append_once(rows((number, 0)), {"topic/0": Delivery(None, 10 + number)})
        except DeliveredElsewhereError:
            return False

    table.open()
    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(deliver, range(6)))

    assert [number for number, _, _ in held(table)] == [won.index(True)]


def test_the_table_reads_as_it_stood_at_a_moment(table):
    table.replace_window(table.open(), rows((1, 0)), window(0, 0), source="app")
    then = datetime.now(UTC)
    table.replace_window(table.open(), rows((2, 0)), window(0, 0), source="app")

    assert table.scan(window(0, 0), as_of=then).collect().get_column("id").to_list() == [1]
    assert table.scan().collect().get_column("id").to_list() == [2]
