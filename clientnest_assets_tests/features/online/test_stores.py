"""What both stores do with publications: exactly the rows, only what changed, the newer wins, old states go."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import polars as pl
import psycopg
import pytest

from clientnest_assets.features.online import postgres
from clientnest_assets.features.online.postgres import PostgresStore
from clientnest_assets.features.online.redis import RedisStore
from clientnest_assets.features.online.store import OnlineStoreError, state_name
from clientnest_assets.features.view import MOMENT, Feature, FeatureViewError
from clientnest_assets_tests.features.online.conftest import NOW, make_view, position, simple_rows, simple_view

USERS = [{"user_id": user} for user in range(1, 6)]


def values(store, view, users=USERS):
    """The held value of each user; None where there is no row."""
    (rows,) = store.read([view], users)
    return [None if row is None else row.values[0] for row in rows]


def counts(published):
    return published.written, published.unchanged, published.removed


def test_every_type_comes_back_as_it_went_in(store):
    view = make_view(keys=("user_id", "platform"))
    rows = pl.DataFrame(
        [
            (1, "twitter", NOW, 2**63 - 1, 0.1 + 0.2, True, "Geschäft 🚀 'x'", ["a", None, 'b"{,}']),
            (-(2**63), "", NOW - timedelta(microseconds=1), -(2**63), float("inf"), False, "", []),
            (3, "linked in", NOW, None, None, None, None, None),
            (4, "x", NOW, 0, 5e-324, None, "NULL", [""]),
        ],
        {
            "user_id": pl.Int64(),
            "platform": pl.String(),
            "event_at": MOMENT,
            **{each.name: each.dtype for each in view.features},
        },
        orient="row",
    )

    store.publish(view, rows, position(1))

    (held,) = store.read([view], rows.select("user_id", "platform").to_dicts())
    assert [(row.event_at, *row.values) for row in held] == rows.drop("user_id", "platform").rows()


def test_not_a_number_stays_and_counts_as_equal(store):
    view = make_view(features=(Feature("rate", pl.Float64(), "A number."),))
    rows = simple_rows([1]).select("user_id", "event_at", pl.lit(float("nan")).alias("rate"))

    store.publish(view, rows, position(1))

    assert str(values(store, view, USERS[:1])[0]) == "nan"
    assert counts(store.publish(view, rows, position(2))) == (0, 1, 0)


def test_nothing_was_published_and_nothing_is_found(store):
    view = simple_view()

    assert store.generation(view) is None
    assert store.read([view], USERS) == [[None] * 5]
    assert store.read([view], []) == [[]]
    assert store.read([], USERS) == []
    assert store.clean([view]) == []


def test_keys_that_are_missing_or_null_find_nothing(store):
    pairs, users = make_view("pairs", ("user_id", "platform")), simple_view("users")
    store.publish(users, simple_rows([10]), position(1))

    found = store.read(
        [pairs, users], [{"user_id": 1}, {"user_id": None, "platform": "x"}, {}, {"user_id": 1, "more": 2}]
    )

    assert found[0] == [None] * 4
    assert [row and row.values[0] for row in found[1]] == [10, None, None, 10]


def test_a_publication_writes_what_changed_and_removes_what_is_gone(store):
    view = simple_view()

    assert counts(store.publish(view, simple_rows([1, 2, 3, None]), position(1))) == (3, 0, 0)
    assert counts(store.publish(view, simple_rows([1, 20, None, 4]), position(2))) == (2, 1, 1)
    assert values(store, view) == [1, 20, None, 4, None]
    assert counts(store.publish(view, simple_rows([1, 20, None, 4]), position(3))) == (0, 3, 0)
    assert counts(store.publish(view, simple_rows([1, 20, None, 4], NOW + timedelta(days=1)), position(4))) == (3, 0, 0)
    assert counts(store.publish(view, simple_rows([]), position(5))) == (0, 0, 3)
    assert values(store, view) == [None] * 5


def test_a_generation_tells_how_far_it_is(store):
    view = simple_view()
    store.publish(view, simple_rows([1, 2, 3]), position(7))

    held = store.generation(view)

    assert (held.position, held.rows, held.newest_event_at) == (position(7), 3, NOW)
    assert store.publish(view, simple_rows([]), position(8)).generation.newest_event_at is None
    assert store.generation(view).newest_event_at is None


@pytest.mark.parametrize(
    "older",
    [position(4), position(9, created_ms=999), position(5, as_of=NOW - timedelta(seconds=1))],
    ids=["version before", "table before", "moment before"],
)
def test_an_older_publication_loses_whole(store, older):
    view = simple_view()
    newer = store.publish(view, simple_rows([1, 2]), position(5))

    lost = store.publish(view, simple_rows([7, 8, 9]), older)

    assert not lost.is_current
    assert counts(lost) == (0, 0, 0)
    assert lost.generation == newer.generation == store.generation(view)
    assert values(store, view) == [1, 2, None, None, None]


def test_a_publication_of_the_same_position_mends(store):
    view = simple_view()
    store.publish(view, simple_rows([1, 2]), position(5))

    assert store.publish(view, simple_rows([1, 3]), position(5)).is_current
    assert values(store, view) == [1, 3, None, None, None]


def test_of_publications_at_once_the_newest_stands(store):
    view = simple_view()
    with ThreadPoolExecutor(4) as pool:
        for attempt in range(3):
            first = 4 * attempt
            positions = [first + 2, first + 4, first + 1, first + 3]
            done = list(pool.map(lambda each: store.publish(view, simple_rows([each] * 5), position(each)), positions))

            assert done[1].is_current
            assert values(store, view) == [first + 4] * 5


def test_readers_see_whole_generations_while_others_are_written(store):
    view, other = simple_view("counts"), simple_view("others")
    users = [{"user_id": user} for user in range(1, 401)]
    torn, reads, done = [], [0], threading.Event()
    store.publish(view, simple_rows([0] * 400), position(0))

    def read():
        while not done.is_set():
            seen = {row and row.values[0] for row in store.read([other, view], users)[1]}
            reads[0] += 1
            if len(seen) != 1:
                torn.append(seen)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 9):
        store.publish(view, simple_rows([number] * 400), position(number))
    done.set()
    for reader in readers:
        reader.join()

    assert torn == []
    assert reads[0] > 8


def test_versions_and_definitions_have_states_of_their_own(store):
    first = simple_view()
    redefined = replace(first, ttl=timedelta(days=1))
    second = replace(first, version=2)
    for number, view in enumerate((first, redefined, second), 1):
        store.publish(view, simple_rows([number]), position(9 - number))

    assert len({state_name(view) for view in (first, redefined, second)}) == 3
    assert [values(store, view, USERS[:1]) for view in (first, redefined, second)] == [[1], [2], [3]]


def test_cleaning_waits_until_the_view_is_published_as_it_is_now(store):
    first, second, kept, dropped = (
        simple_view(),
        make_view("counts", version=2),
        simple_view("kept"),
        simple_view("gone"),
    )
    for view in (first, kept, dropped):
        store.publish(view, simple_rows([1]), position(1))

    assert store.clean([second, kept]) == [state_name(dropped)]
    assert values(store, first, USERS[:1]) == [1]
    store.publish(second, pl.DataFrame(schema=second.schema), position(1))
    assert store.clean([second, kept]) == [state_name(first)]
    assert values(store, first, USERS[:1]) == [None]
    assert store.generation(first) is None
    assert values(store, kept, USERS[:1]) == [1]


def test_cleaning_without_views_leaves_nothing(store):
    view = simple_view()
    store.publish(view, simple_rows([1]), position(3))
    store.clean([])

    assert store.generation(view) is None
    assert values(store, view, USERS[:1]) == [None]
    assert store.publish(view, simple_rows([2]), position(1)).is_current
    assert store.clean([]) == [state_name(view)]
    assert store.clean([]) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows.drop("value"), r"value \(Int64 needed, missing found\)"),
        (lambda rows: rows.cast({"value": pl.Int32}), r"value \(Int64 needed, Int32 found\)"),
        (lambda rows: rows.with_columns(user_id=pl.lit(1, pl.Int64())), "an entity occurs twice"),
        (lambda rows: rows.with_columns(user_id=pl.lit(None, pl.Int64())), "null in user_id"),
    ],
    ids=["missing", "type", "twice", "null"],
)
def test_rows_that_do_not_fit_are_refused_and_change_nothing(store, spoil, message):
    view = simple_view()
    store.publish(view, simple_rows([1, 2]), position(1))

    with pytest.raises(FeatureViewError, match=message):
        store.publish(view, spoil(simple_rows([3, 4])), position(2))
    assert values(store, view) == [1, 2, None, None, None]


def test_types_that_a_store_would_change_are_refused(store):
    view = make_view(features=(Feature("at", MOMENT, "A moment."),))

    with pytest.raises(FeatureViewError, match="no online store keeps at"):
        store.publish(view, simple_rows([1]).select("user_id", "event_at", at="event_at"), position(1))


@pytest.mark.parametrize(
    ("open_silent", "variable"),
    [
        (lambda: RedisStore("redis://user:secret@127.0.0.1:1/0", "test"), "CLIENTNEST_ONLINE_STORE_URL"),
        (lambda: PostgresStore("postgresql://user:secret@127.0.0.1:1/warehouse"), "CLIENTNEST_WAREHOUSE_URL"),
    ],
    ids=["redis", "postgres"],
)
def test_a_store_that_does_not_answer_is_a_clear_error_without_its_password(open_silent, variable):
    view, silent = simple_view(), open_silent()
    attempts = (
        lambda: silent.read([view], USERS),
        lambda: silent.generation(view),
        lambda: silent.publish(view, simple_rows([1]), position(1)),
        lambda: silent.clean([view]),
    )
    for attempt in attempts:
        with pytest.raises(OnlineStoreError, match=variable) as raised:
            attempt()
        assert "secret" not in str(raised.value)


class TestPostgres:
    def test_rows_that_did_not_change_are_not_even_touched(self, postgres_store, postgres_url):
        view = simple_view()
        postgres_store.publish(view, simple_rows([1, 2, 3]), position(1))
        rows = f'select user_id, xmin::text, xmax::text from online."{state_name(view)}" order by 1'
        with psycopg.connect(postgres_url) as connection:
            before = connection.execute(rows).fetchall()
            postgres_store.publish(view, simple_rows([1, 5, 3]), position(2))
            after = connection.execute(rows).fetchall()

        assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]

    def test_connections_that_the_server_closed_are_replaced(self, postgres_store, postgres_url):
        view = simple_view()
        postgres_store.publish(view, simple_rows([1]), position(1))
        postgres_store.read([view], USERS)
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid != pg_backend_pid()"
            )

        assert values(postgres_store, view, USERS[:1]) == [1]

    def test_a_table_that_another_program_dropped_is_missing_and_no_error(self, postgres_store, postgres_url):
        view, other = simple_view(), simple_view("others")
        for each in (view, other):
            postgres_store.publish(each, simple_rows([1]), position(1))
        postgres_store.read([view, other], USERS)
        PostgresStore(postgres_url).clean([other])

        assert [[row and row.values[0] for row in rows] for rows in postgres_store.read([view, other], USERS[:1])] == [
            [None],
            [1],
        ]

    def test_a_publication_that_waited_in_vain_for_another_says_so(self, postgres_store, postgres_url, monkeypatch):
        view = simple_view("busy")
        monkeypatch.setattr(postgres, "LOCK_WAIT_SECONDS", 0.2)
        with psycopg.connect(postgres_url) as another:
            another.execute("select pg_advisory_lock(hashtext(%s))", (f'online."{state_name(view)}"',))
            with pytest.raises(OnlineStoreError, match="another publication of busy"):
                postgres_store.publish(view, simple_rows([1]), position(1))
        assert postgres_store.publish(view, simple_rows([1]), position(1)).is_current


class TestRedis:
    def state(self, store, view):
        return store._client.hgetall(store._state(view))

    def killed_writer(self, store, view, rows):
        """What a publication leaves that was killed after its last write, before its switch."""
        from clientnest_assets.features.online.redis import _packed

        with store._writer(view) as writer:
            held = store.generation(view)
            store._replace(writer, _packed(view, rows), held.number if held else 0)

    def test_what_a_killed_publication_left_is_never_seen_and_is_mended(self, redis_store):
        view = simple_view()
        redis_store.publish(view, simple_rows([1, 2, 3, None]), position(1))
        self.killed_writer(redis_store, view, simple_rows([None, 20, 3, 4]))

        assert values(redis_store, view) == [1, 2, 3, None, None]

        self.killed_writer(redis_store, view, simple_rows([100, None, None, None, 500]))
        assert values(redis_store, view) == [1, 2, 3, None, None]
        done = redis_store.publish(view, simple_rows([1, 2, 30, None]), position(2))
        assert counts(done) == (1, 2, 0)
        assert values(redis_store, view) == [1, 2, 30, None, None]
        # Three entities, and the two fields of bookkeeping.
        assert len(self.state(redis_store, view)) == 5

    def test_a_kill_before_the_first_switch_shows_nothing(self, redis_store):
        view = simple_view()
        self.killed_writer(redis_store, view, simple_rows([1, 2]))

        assert redis_store.generation(view) is None
        assert values(redis_store, view) == [None] * 5
        assert redis_store.clean([simple_view("others")]) == [state_name(view)]
        assert self.state(redis_store, view) == {}

    def test_a_writer_that_was_overtaken_cannot_write_any_more(self, redis_store):
        view = simple_view()
        with redis_store._writer(view) as writer:
            # It says nothing for longer than its lock is kept.
            redis_store.publish(view, simple_rows([1]), position(1))
            before = self.state(redis_store, view)
            with pytest.raises(OnlineStoreError, match="has taken over"):
                writer.set({b"generation": b"x"})

        assert self.state(redis_store, view) == before
        assert values(redis_store, view, USERS[:1]) == [1]

    def test_a_writer_whose_state_was_removed_leaves_nothing_behind(self, redis_store):
        view = simple_view()
        with redis_store._writer(view) as writer:
            redis_store.clean([])
            with pytest.raises(OnlineStoreError, match="has taken over"):
                writer.set({b"\x91\x01": b""})

        assert self.state(redis_store, view) == {}

    def test_installations_that_share_a_server_do_not_see_each_other(self, redis_store, redis_url):
        view, other = simple_view(), RedisStore(redis_url, "another")
        redis_store.publish(view, simple_rows([1]), position(1))
        other.publish(view, simple_rows([2]), position(1))
        other.clean([])

        assert values(redis_store, view, USERS[:1]) == [1]
        assert redis_store._client.keys("clientnest:another*") == []

    def test_many_rows_are_written_in_steps(self, redis_store):
        view = simple_view()
        users = [{"user_id": user} for user in range(1, 3001)]
        for number in range(3):
            redis_store.publish(view, simple_rows([number] * 3000), position(number))

        assert values(redis_store, view, users) == [2] * 3000
