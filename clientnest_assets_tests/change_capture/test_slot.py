"""The slot and the snapshot it begins with: what the server must allow, what is refused, and what is told."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psycopg
import pytest

from clientnest_assets.contracts import APP_TABLES, ContractError
from clientnest_assets.contracts.postgres import app_tables
from clientnest_assets.lake import Lake
from clientnest_assets.sources.change_capture import (
    CaptureError,
    capture_once,
    connected,
    has_slot,
    snapshot,
    status,
    stop,
    take_snapshot,
)
from clientnest_assets.sources.change_capture import landing as change_landing
from clientnest_assets.sources.change_capture.status import CaptureStatus

AT = "2026-01-05 10:00+00"


def slots(captured):
    with psycopg.connect(captured.capture.url) as connection:
        rows = connection.execute(
            "select slot_name from pg_replication_slots where database = current_database()"
        ).fetchall()
    return [name for (name,) in rows]


def test_a_snapshot_that_is_cut_off_leaves_no_slot_and_is_begun_anew(captured, new_post, monkeypatch):
    captured.app(new_post(1, "one", AT), new_post(2, "two", "2025-01-01 10:00+00"))
    real, calls = change_landing.land_window, iter(range(10))

    def cut_off(*args, **options):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(change_landing, "land_window", cut_off)
    with pytest.raises(KeyboardInterrupt):
        captured.begin()
    monkeypatch.undo()
    with connected(captured.capture.url) as connection, pytest.raises(CaptureError, match="no replication slot"):
        capture_once(captured.capture, connection)

    captured.app("delete from social_posts where id = 2", f"update social_posts set content = 'x', updated_at = '{AT}'")
    captured.app(new_post(3, "three", AT))
    captured.begin()
    captured.drain()
    # What was landed before the cut and is gone since has ended.
    alive = captured.latest("social_posts").get_column("id").to_list()
    assert alive == [1, 3]


def test_a_new_snapshot_finds_what_was_missed(captured, new_post):
    captured.app(new_post(1, "one", AT), new_post(2, "two", AT), new_post(3, "three", AT))
    captured.begin()
    captured.app("delete from social_posts where id = 3")
    captured.drain()
    with connected(captured.capture.url) as connection:
        assert stop(connection)
        assert not has_slot(connection)
    captured.app("delete from social_posts where id = 1", new_post(3, "three", AT), new_post(4, "four", AT))
    captured.app("update social_posts set content = 'two again', updated_at = '2026-01-05 11:00+00' where id = 2")
    done = captured.begin()["social_posts"]

    assert captured.latest("social_posts").select("id", "content").rows() == [
        (2, "two again"),
        (3, "three"),
        (4, "four"),
    ]
    assert (done.tombstones, done.rows_written) == (1, 4)
    held = captured.raw("social_posts")
    assert captured.begin()["social_posts"].rows_written == 0
    assert captured.raw("social_posts") == held


def test_what_is_written_during_the_snapshot_comes_after_it(captured, new_post, monkeypatch):
    captured.app(new_post(1, "one", AT), new_post(2, "two", AT))
    real = snapshot._land

    def meanwhile(*args):
        captured.app(new_post(3, "three", AT), "update social_posts set content = 'x', updated_at = now() where id = 1")
        captured.app("delete from social_posts where id = 2")
        real(*args)

    monkeypatch.setattr(snapshot, "_land", meanwhile)
    assert captured.begin()["social_posts"].changes == 2
    assert captured.latest("social_posts").get_column("content").to_list() == ["one", "two"]
    captured.drain()
    assert captured.latest("social_posts").select("id", "content").rows() == [(1, "x"), (3, "three")]


def test_a_new_column_arrives_and_is_told(captured, new_post):
    captured.app(new_post(1, "one", AT))
    captured.begin()
    captured.app(new_post(2, "two", AT))
    captured.app('alter table social_posts add mood text, add rank integer, add "Rules" numeric(6, 2)')
    captured.app("update social_posts set mood = 'glad', rank = 7, \"Rules\" = 1.50, updated_at = now() where id = 1")
    captured.app("alter table social_posts drop rank")
    captured.app("update social_posts set mood = null, updated_at = now() where id = 1")
    done = captured.drain()["social_posts"]

    assert done.new_columns == {"mood", "rank", "app_Rules"}
    rows = captured.raw("social_posts", "id", "mood", "rank", "app_Rules")
    first, second, third = (row for row in rows if row[0] == 1)
    assert first == (1, None, None, None)
    assert len(second[1]) == 32
    assert (second[2], str(second[3])) == (7, "1.50")
    assert third[1:3] == (None, None)


@pytest.mark.parametrize(
    ("change", "mended", "message"),
    [
        ("alter table social_posts drop media_type", "add media_type text", "missing: media_type"),
        ("alter table social_posts rename content to body", "rename body to content", "missing: content"),
        (
            "alter table social_posts alter created_at type timestamp",
            "alter created_at type timestamptz",
            "created_at is timestamp without time zone instead of timestamptz",
        ),
    ],
)
def test_a_missing_or_retyped_column_stops_the_pass_before_anything_is_landed(
    captured, new_post, change, mended, message
):
    captured.app(new_post(1, "one", AT))
    captured.begin()
    captured.app("insert into ai_requests values (1, 1, 'image_caption', null, 'pending', now(), null, null, now())")
    captured.app("set timezone = 'UTC'", change, "update social_posts set status = 'failed', updated_at = now()")
    before = status(captured.capture.url, captured.capture.folder).slot.confirmed

    with pytest.raises(ContractError, match=message):
        captured.drain()
    assert captured.raw("ai_requests") == []
    assert status(captured.capture.url, captured.capture.folder).slot.confirmed == before
    # A table that is whole again stops it no longer than the changes from before.
    with pytest.raises(ContractError, match=message):
        captured.drain()
    captured.app("set timezone = 'UTC'", f"alter table social_posts {mended}")
    captured.begin()
    captured.drain()
    assert captured.latest("social_posts").get_column("status").to_list() == ["failed"]
    assert len(captured.raw("ai_requests")) == 1


def test_a_type_that_reaches_the_contracts_without_loss_is_taken(captured, new_post):
    captured.app(
        "create type state as enum ('draft', 'failed')",
        "alter table social_posts alter status type state using status::state, alter platform type varchar(30)",
    )
    captured.begin()
    captured.app(new_post(1, "one", AT))
    captured.drain()
    assert captured.raw("social_posts", "platform", "status") == [("twitter", "draft")]


def test_how_far_it_is_behind_is_told(captured, new_post):
    def told():
        return status(captured.capture.url, captured.capture.folder)

    assert (told().slot, told().captured_until) == (None, None)
    assert "no replication slot" in told().problem
    captured.begin()
    captured.drain()
    assert told().problem is None
    assert told().slot.wal_status == "reserved"
    assert datetime.now(UTC) - told().captured_until < timedelta(minutes=1)

    captured.app(
        "insert into social_posts select i, 1, 1, 'twitter', 'x', '{}', null, 'draft', null, null, true, now(), now() "
        "from generate_series(1, 5000) i"
    )
    behind = told()
    assert behind.slot.bytes_behind > 200_000
    assert behind.seconds_behind > 0
    late = CaptureStatus(behind.slot, datetime.now(UTC) - timedelta(hours=1))
    assert "far behind" in late.problem

    captured.drain()
    assert told().slot.bytes_behind < behind.slot.bytes_behind
    with connected(captured.capture.url) as connection:
        stop(connection)
    assert told().slot is None


def test_a_table_without_a_key_is_refused_before_the_app_would_be_stopped(captured):
    captured.app("alter table social_posts drop constraint social_posts_pkey")
    with pytest.raises(ContractError, match=r"alter table social_posts add primary key \(id\)"):
        captured.begin()
    captured.app(
        "insert into social_posts select 1, 1, 1, 'twitter', null, null, null, 'draft', null, null, true, now(), now()"
    )
    captured.app("delete from social_posts")
    assert slots(captured) == []


@pytest.fixture
def as_role(captured):
    """The address of the app's database for a role that owns nothing."""
    parts = urlsplit(captured.capture.url)
    name = "reader_" + parts.path.strip("/")
    captured.app(
        f"create role {name} login password 'secret'", f"grant select on all tables in schema public to {name}"
    )
    yield name, parts._replace(netloc=f"{name}:secret@{parts.hostname}:{parts.port}").geturl()
    captured.app(f"drop owned by {name}", f"drop role {name}")


def test_a_role_that_may_not_is_told_what_its_administrator_runs(captured, as_role, new_post):
    name, url = as_role
    owner, captured.capture = captured.capture, replace(captured.capture, url=url)
    with pytest.raises(CaptureError, match=f"alter role {name} replication;"):
        captured.begin()
    with psycopg.connect(owner.url) as connection:
        connection.execute(f"alter role {name} replication".encode())
    with pytest.raises(
        CaptureError, match=r"Their owner runs: drop publication .*; create publication clientnest for table"
    ) as told:
        captured.begin()
    statement = str(told.value).split("runs: ")[1]
    with psycopg.connect(owner.url) as connection:
        connection.execute(statement.encode())
        connection.execute(new_post(1, "one", AT).encode())
    # From then on it needs nothing more.
    captured.begin()
    with psycopg.connect(owner.url) as connection:
        connection.execute(new_post(2, "two", AT).encode())
    captured.drain()
    assert captured.raw("social_posts", "content") == [("one",), ("two",)]
    captured.capture = owner


def test_a_publication_that_lacks_a_table_is_not_read_on_in_silence(captured):
    captured.begin()
    captured.app("alter publication clientnest drop table experiments")
    with pytest.raises(CaptureError, match=r"lacks experiments.*clientnest capture --snapshot"):
        captured.drain()
    captured.begin()
    captured.drain()


def test_a_lost_slot_is_told_with_the_remedy(captured, new_post, monkeypatch):
    from clientnest_assets.sources.change_capture import slot

    captured.begin()
    real = slot.state
    monkeypatch.setattr(slot, "state", lambda connection: replace(real(connection), wal_status="lost"))
    with pytest.raises(CaptureError, match=r"is lost.*clientnest capture --snapshot"):
        captured.drain()
    assert "lost" in status(captured.capture.url, captured.capture.folder).problem
    monkeypatch.undo()
    captured.begin()
    captured.app(new_post(1, "one", AT))
    captured.drain()
    assert captured.raw("social_posts", "id") == [(1,)]


def test_each_change_is_reported_even_after_a_cut_before_the_report(captured, new_post):
    captured.begin()
    captured.app(new_post(1, "one", AT))

    def cut_off(_done):
        raise KeyboardInterrupt

    with connected(captured.capture.url) as connection:
        with pytest.raises(KeyboardInterrupt):
            capture_once(captured.capture, connection, cut_off)
        told = {}
        capture_once(captured.capture, connection, told.update)
        assert told["social_posts"].rows_already_held == 1
        assert [str(day) for day in told["social_posts"].days_changed] == ["2026-01-05"]
        again = {}
        captured.app(new_post(2, "two", AT))
        capture_once(captured.capture, connection, again.update)
    assert again["social_posts"].rows_written == 1


def test_a_snapshot_waits_for_transactions_that_are_open(captured, new_post):
    """Else a change that was begun before the slot and committed after the snapshot would be lost."""
    with psycopg.connect(captured.capture.url) as open_one:
        open_one.execute(new_post(1, "late", AT))
        beginner = threading.Thread(target=captured.begin)
        beginner.start()
        with psycopg.connect(captured.capture.url, autocommit=True) as watching:
            waiting = "select count(*) from pg_stat_activity where query ilike 'create_replication_slot%' and state = 'active'"
            deadline = datetime.now(UTC) + timedelta(seconds=60)
            while watching.execute(waiting).fetchone() == (0,):
                assert datetime.now(UTC) < deadline
        open_one.commit()
        beginner.join(60)
    captured.drain()
    assert captured.raw("social_posts", "content") == [("late",)]


@pytest.fixture
def other_database(databases):
    """The address of an app's database of a given name and encoding, dropped after the test."""
    made = []

    def make(name: str, encoding: str = "UTF8") -> str:
        url = urlsplit(databases.create())._replace(path=f"/{name}").geturl()
        with psycopg.connect(databases.create(), autocommit=True) as connection:
            settings = f"encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0"
            connection.execute(f'create database "{name}" {settings}'.encode())
        with psycopg.connect(url) as connection:
            connection.execute(app_tables(APP_TABLES).encode())
        made.append(url)
        return url

    yield make
    for url in made:
        with connected(url) as connection:
            stop(connection)


def test_the_slot_of_another_database_is_not_dropped(captured, other_database):
    # Slots are named once a server, in small letters, digits and underscores.
    mine, other = other_database("app-1"), other_database("app_1")
    captured.capture = replace(captured.capture, url=mine)
    captured.begin()

    with connected(other) as connection:
        assert not stop(connection)
        with pytest.raises(CaptureError, match="belongs to another database"):
            take_snapshot(replace(captured.capture, url=other), connection)
    with connected(mine) as connection:
        assert has_slot(connection)


def test_texts_of_a_database_in_another_encoding_arrive_as_they_are(captured, other_database, new_post):
    captured.capture = replace(captured.capture, url=other_database("latin", "LATIN1"))
    captured.app(new_post(1, "Café", AT))
    captured.begin()
    captured.app(new_post(2, "naïve", AT))
    captured.drain()

    assert captured.raw("social_posts", "id", "content") == [(1, "Café"), (2, "naïve")]


def test_texts_in_no_encoding_are_refused(captured, other_database):
    captured.capture = replace(captured.capture, url=other_database("bytes", "SQL_ASCII"))

    with pytest.raises(CaptureError, match="SQL_ASCII"):
        captured.begin()


def test_two_installations_do_not_share_a_slot_in_silence(captured, new_post, tmp_path):
    captured.begin()
    first = captured.capture
    captured.capture = replace(first, lake=Lake(str(tmp_path / "other")), folder=tmp_path / "other_home")
    with pytest.raises(CaptureError, match="another installation"):
        captured.drain()
    captured.begin()
    captured.app(new_post(1, "a", AT))
    captured.drain()

    captured.capture = first
    with pytest.raises(CaptureError, match="take a snapshot"):
        captured.drain()
    captured.begin()
    assert captured.raw("social_posts", "id") == [(1,)]


def test_a_lost_connection_is_told_and_loses_nothing(captured, new_post):
    captured.begin()
    captured.app(new_post(1, "a", AT))

    def cut_off():
        with connected(captured.capture.url) as connection:
            captured.app(f"select pg_terminate_backend({connection.info.backend_pid})")
            capture_once(captured.capture, connection)

    with pytest.raises(CaptureError, match="the connection to the app's database was lost"):
        cut_off()
    captured.drain()
    assert captured.raw("social_posts", "id") == [(1,)]


def test_a_publication_of_some_rows_only_is_not_read_on_in_silence(captured):
    captured.begin()
    captured.app(
        "alter publication clientnest set table auth_user, social_media_accounts, social_posts where (id > 100), "
        "ai_requests, support_tickets, experiments"
    )

    with pytest.raises(CaptureError, match="lacks social_posts"):
        captured.drain()


def test_a_table_whose_rows_have_no_time_is_refused(captured, new_post):
    captured.app("alter table social_posts alter updated_at drop not null")
    captured.app(new_post(1, "a", AT), "update social_posts set updated_at = null")

    with pytest.raises(ContractError, match="1 rows of social_posts have no updated_at"):
        captured.begin()
