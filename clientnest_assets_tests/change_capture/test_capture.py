"""From the app's transactions to the raw tables, on a real PostgreSQL: each test is a story and what the lake holds of it."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources import app_database
from clientnest_assets.sources.change_capture import CaptureError, capture_once, connected
from clientnest_assets.sources.change_capture import capture as capturing
from clientnest_assets.sources.landing import land_window, prepare, raw_table

POSTS, USERS = CONTRACTS["social_posts"], CONTRACTS["auth_user"]
HOUR = timedelta(hours=1)
TEN = datetime(2026, 1, 5, 10, tzinfo=UTC)
BIG = "select string_agg(md5(i::text || '{}'), '') from generate_series(1, 200) i"
"""A text of 6,400 letters that cannot be made small: it is stored apart."""


def at(hours=0, *, us=0):
    return (TEN + hours * HOUR + timedelta(microseconds=us)).isoformat()


def moment(hours=0, *, us=0):
    return TEN + hours * HOUR + timedelta(microseconds=us)


def big(seed):
    return f"update social_posts set content = ({BIG.format(seed)}), updated_at = '{at(1)}' where id = 1"


def user(number, updated_at, *, tier="free", name="null"):
    return (
        f"insert into auth_user values ({number}, '{number}@example.com', {name}, '{tier}', '{at()}', null, true, 'UTC', "
        f"null, '{updated_at}')"
    )


def test_a_snapshot_and_what_changes_after_it_are_every_version_once(captured, new_post):
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()))
    begun = captured.begin()["social_posts"]
    assert (begun.changes, begun.rows_written) == (2, 2)

    captured.app(new_post(3, "three", at(1)))
    captured.app(f"update social_posts set content = 'two again', updated_at = '{at(2)}' where id = 2")
    captured.app(f"update social_posts set content = 'and again', updated_at = '{at(3)}' where id = 2")
    done = captured.drain()["social_posts"]

    assert (done.changes, done.rows_written, done.rows_already_held, done.rows_quarantined) == (3, 3, 0, 0)
    assert done.days_changed == {TEN.date()}
    assert captured.raw("social_posts", "id", "content", "updated_at", "day", "source", "deleted_at") == [
        (1, "one", moment(), TEN.date(), "app_database", None),
        (2, "two", moment(), TEN.date(), "app_database", None),
        (2, "two again", moment(2), TEN.date(), "app_database", None),
        (2, "and again", moment(3), TEN.date(), "app_database", None),
        (3, "three", moment(1), TEN.date(), "app_database", None),
    ]
    assert captured.drain() == {}


def test_of_several_changes_in_one_transaction_the_last_state_counts(captured, new_post):
    captured.begin()
    captured.app(
        new_post(1, "a", at()),
        "update social_posts set content = 'b' where id = 1",
        f"update social_posts set content = 'c', updated_at = '{at(1)}' where id = 1",
        "update social_posts set status = 'failed' where id = 1",
        new_post(2, "never seen", at()),
        "delete from social_posts where id = 2",
    )
    done = captured.drain()["social_posts"]

    assert captured.raw("social_posts", "id", "content", "status", "updated_at") == [(1, "c", "failed", moment(1))]
    assert (done.changes, done.superseded, done.deletes, done.tombstones, done.rows_written) == (6, 4, 1, 0, 1)


def test_what_was_rolled_back_never_happened(captured, new_post):
    captured.begin()
    with psycopg.connect(captured.capture.url) as connection:
        connection.execute(new_post(1, "whole transaction", at()))
        connection.rollback()
        with connection.transaction():
            connection.execute(new_post(2, "kept", at()))
            with connection.transaction():
                connection.execute(new_post(3, "inner", at()))
                raise psycopg.Rollback
            with connection.transaction():
                connection.execute(
                    f"update social_posts set content = 'inner kept', updated_at = '{at(1)}' where id = 2"
                )
    captured.drain()

    assert captured.raw("social_posts", "id", "content") == [(2, "inner kept")]


def test_a_deleted_row_leaves_a_tombstone_that_is_its_newest_version(captured, new_post):
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()))
    captured.begin()
    before = datetime.now(UTC)
    captured.app("delete from social_posts where id = 1")
    done = captured.drain()["social_posts"]

    first, tombstone = captured.raw("social_posts")[:2]
    assert first[:12] == tombstone[:12]
    row = dict(zip(POSTS.landed_schema, tombstone, strict=True))
    assert before <= row["deleted_at"] <= datetime.now(UTC)
    assert row["updated_at"] == row["deleted_at"]
    assert row["day"] == row["deleted_at"].date()
    assert (done.deletes, done.tombstones, done.rows_written) == (1, 1, 1)
    assert captured.latest("social_posts").get_column("id").to_list() == [2]


def test_a_tombstone_is_newer_than_a_version_from_a_clock_that_is_ahead(captured, new_post):
    ahead = datetime.now(UTC) + timedelta(days=3)
    captured.app(new_post(1, "one", ahead.isoformat()))
    captured.begin()
    captured.app("delete from social_posts where id = 1")
    captured.drain()

    assert captured.raw("social_posts", "updated_at")[1] == (ahead + timedelta(microseconds=1),)
    assert captured.latest("social_posts").is_empty()


def test_in_a_simulated_world_a_tombstone_comes_right_after_the_last_version(simulated, new_post):
    simulated.app(new_post(1, "one", at()))
    simulated.begin()
    simulated.app("delete from social_posts where id = 1")
    simulated.drain()
    assert simulated.raw("social_posts", "updated_at", "day")[1] == (moment(us=1), TEN.date())

    # And whatever the simulated time brings later is newer.
    simulated.app(new_post(1, "back", at(1)))
    simulated.drain()
    simulated.app(f"update social_posts set content = 'and on', updated_at = '{at(2)}' where id = 1")
    simulated.drain()
    assert simulated.latest("social_posts").select("content", "updated_at").rows() == [("and on", moment(2))]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_row_that_comes_back_lives(captured, new_post, at_once):
    captured.app(new_post(1, "one", at()))
    captured.begin()
    captured.app("delete from social_posts where id = 1")
    if not at_once:
        captured.drain()
    captured.app(new_post(1, "restored", at()))
    if not at_once:
        captured.drain()
        assert captured.latest("social_posts").get_column("content").to_list() == ["restored"]
    captured.app("delete from social_posts where id = 1")
    captured.app(new_post(1, "again", datetime.now(UTC).isoformat()))
    captured.drain()

    versions = captured.raw("social_posts", "content", "deleted_at")
    assert [content for content, _ in versions] == ["one", "one", "restored", "restored", "again"]
    assert [dead is not None for _, dead in versions] == [False, True, False, True, False]
    assert captured.latest("social_posts").get_column("content").to_list() == ["again"]


def test_a_row_replaced_within_a_transaction_was_never_gone(captured, new_post):
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()))
    captured.begin()
    captured.app("truncate social_posts", new_post(1, "anew", at(1)))
    captured.app("delete from social_posts where id = 1", new_post(1, "once more", at(2)))
    captured.drain()

    assert captured.raw("social_posts", "id", "content", "updated_at")[:3] == [
        (1, "one", moment()),
        (1, "anew", moment(1)),
        (1, "once more", moment(2)),
    ]
    assert captured.latest("social_posts").select("id", "content").rows() == [(1, "once more")]


def test_truncation_ends_every_row_that_lives(captured, new_post):
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()))
    captured.begin()
    captured.app(new_post(3, "three", at(1)))
    captured.app("delete from social_posts where id = 2")
    captured.app("truncate social_posts, ai_requests")
    captured.app(new_post(4, "four", datetime.now(UTC).isoformat()))
    captured.drain()

    dead = [number for number, when in captured.raw("social_posts", "id", "deleted_at") if when]
    assert dead == [1, 2, 3]
    assert captured.latest("social_posts").get_column("id").to_list() == [4]


def test_a_changed_id_ends_the_old_row_and_begins_the_new(captured, new_post):
    captured.app(new_post(1, "one", at()), big(1))
    (content,) = captured.app_value(f"{BIG.format(1)}")
    captured.begin()
    # The text is not sent along: it did not change. Another row takes the old id at once.
    captured.app(f"update social_posts set id = 7, updated_at = '{at(2)}' where id = 1")
    captured.app(new_post(1, "another", datetime.now(UTC).isoformat()))
    captured.app(f"update social_posts set status = 'failed', updated_at = '{at(3)}' where id = 7")
    captured.drain()

    assert captured.raw("social_posts", "id", "content", "status")[-2:] == [
        (7, content, "draft"),
        (7, content, "failed"),
    ]
    assert captured.latest("social_posts").select("id", "content").rows() == [(1, "another"), (7, content)]


def test_large_values_that_did_not_change_are_kept(captured, new_post):
    captured.app(new_post(1, "small", at()), new_post(2, "small", at()))
    captured.begin()
    captured.app(big(1))
    captured.app(f"update social_posts set status = 'scheduled', updated_at = '{at(2)}' where id = 1")
    captured.drain()
    # The value is in the lake only now.
    captured.app(f"update social_posts set status = 'failed', updated_at = '{at(3)}' where id = 1")
    captured.drain()
    (content,) = captured.app_value(BIG.format(1))

    assert captured.raw("social_posts", "id", "content", "status")[:4] == [
        (1, "small", "draft"),
        (1, content, "draft"),
        (1, content, "scheduled"),
        (1, content, "failed"),
    ]


def test_a_large_value_that_came_with_a_bad_row_is_not_taken_from_before_it(captured, new_post):
    captured.app(new_post(1, "small", at()))
    captured.begin()
    captured.app(f"update social_posts set content = ({BIG.format(1)}), platform = 'myspace', updated_at = '{at(1)}'")
    captured.drain()
    captured.app(f"update social_posts set platform = 'twitter', updated_at = '{at(2)}'")
    captured.drain()
    (content,) = captured.app_value(BIG.format(1))

    assert captured.raw("social_posts", "content", "updated_at") == [("small", moment()), (content, moment(2))]
    assert [rules for rules, _ in captured.bad("social_posts")] == [["platform|check__allowed_values"]]


def test_a_large_value_that_was_never_captured_is_said_to_be_missing(captured, new_post):
    captured.app(new_post(1, "small", at()), big(1))
    captured.begin()
    raw = captured.capture.lake.location("raw", "social_posts")
    from deltalake import DeltaTable

    DeltaTable(raw).delete()
    captured.app(f"update social_posts set status = 'failed', updated_at = '{at(2)}'")
    captured.drain()

    ((rules, row),) = captured.bad("social_posts")
    assert rules == ["content|not_captured"]
    assert json.loads(row)["status"] == "failed"


def test_with_the_whole_old_row_nothing_needs_to_be_looked_up(captured, new_post):
    captured.app("alter table social_posts replica identity full")
    captured.app(new_post(1, "small", at()), big(1))
    captured.begin()
    captured.app(f"update social_posts set id = 2, status = 'failed', updated_at = '{at(2)}'")
    captured.app("delete from social_posts where id = 2")
    captured.drain()
    (content,) = captured.app_value(BIG.format(1))

    assert captured.raw("social_posts", "id", "content")[2:] == [(2, content), (2, content)]
    assert captured.latest("social_posts").is_empty()


def test_personal_texts_are_pseudonyms_once_however_they_come(captured):
    long = f"(select substr(({BIG.format(1)}), 1, 5000))"
    captured.app(user(1, at(), name=long))
    captured.begin()
    captured.app(user(2, at(), name="'Ann'"))
    captured.app(f"update auth_user set subscription_tier = 'starter', updated_at = '{at(1)}' where id = 1")
    captured.drain()

    (content,) = captured.app_value(f"select {long}")
    expected = pseudonymise(pl.DataFrame({"name": [content, "Ann"]}), ["name"], captured.capture.pseudonym_key)
    first, second = expected.get_column("name")
    assert captured.raw("auth_user", "full_name") == [(first,), (first,), (second,)]


def test_an_update_that_keeps_its_time_is_quarantined(captured, new_post):
    captured.app(new_post(1, "one", at()))
    captured.begin()
    captured.app("update social_posts set content = 'other' where id = 1")
    captured.app("update social_posts set content = 'third' where id = 1")
    captured.app("update social_posts set content = 'one' where id = 1")
    done = captured.drain()["social_posts"]

    assert captured.raw("social_posts", "content") == [("one",)]
    found = sorted((rules[0], json.loads(row)["content"]) for rules, row in captured.bad("social_posts"))
    assert found == [("version_changed", "other"), ("version_changed", "third")]
    assert (done.changes, done.repeated, done.rows_already_held, done.rows_quarantined) == (3, 1, 0, 2)


def test_bad_rows_go_to_quarantine_with_their_values_and_their_mended_version_lands(captured, new_post):
    captured.app("alter table social_posts alter updated_at drop not null")
    captured.begin()
    captured.app(new_post(1, "one", at(), status="lost"))
    captured.app("update social_posts set status = 'draft' where id = 1")
    captured.app(new_post(2, "endless", "infinity"))
    captured.app(new_post(3, "old", "0044-03-15 10:00:00 BC"))
    captured.app(new_post(4, "square", at(), tags="array[['a', 'b']]"))
    captured.app(
        "insert into social_posts select 5, user_id, account_id, platform, 'no time', hashtags, media_type, "
        "status, null, null, ai_generated, created_at, null from social_posts where id = 1"
    )
    done = captured.drain()["social_posts"]

    assert captured.raw("social_posts", "id", "status") == [(1, "draft")]
    found = sorted((json.loads(row)["id"], rules) for rules, row in captured.bad("social_posts"))
    assert found == [
        (1, ["status|check__allowed_values"]),
        (2, ["updated_at|cast"]),
        (3, ["updated_at|cast"]),
        (4, ["hashtags|cast"]),
        (5, ["updated_at|nullability"]),
    ]
    by_id = {json.loads(row)["id"]: json.loads(row) for _, row in captured.bad("social_posts")}
    assert by_id[2]["updated_at"] == "infinity"
    assert by_id[4]["hashtags"] == "{{a,b},{NULL,NULL}}" or by_id[4]["hashtags"] == "{{a,b}}"
    assert (done.changes, done.rows_written, done.rows_quarantined) == (6, 1, 5)


def test_values_arrive_as_the_windowed_reading_brings_them(captured):
    """Lists with every awkward element, large and empty texts, moments in other zones and of daylight-saving hours."""
    rows = [
        ("'{}'", "''", "2026-03-29 01:59:59.999999+01"),
        (
            """array['a', null, 'NULL', '', 'b"c', 'd\\e', 'f,g', '{h}', ' i ', E'j\\nk', 'é🔥']""",
            "null",
            "2026-03-29 03:00+02",
        ),
        ("null", "E'tab\\tline\\nquote''\\\\ é🔥'", "2026-10-25 02:30:00.5+02"),
        ("array['x']", f"({BIG.format('x')})", "2026-10-25 02:30:00.123+01"),
        ("array['y']", "repeat('huge ', 1000000)", "1999-12-31 23:59:59+00"),
    ]
    statements = [
        f"insert into social_posts values ({n}, 1, 1, 'twitter', {text}, {tags}, null, 'draft', '{when}', null, {n % 2 == 0}, "
        f"'{when}', '{when}')"
        for n, (tags, text, when) in enumerate(rows, 1)
    ]
    accounts = [
        f"insert into social_media_accounts values ({n}, 1, 'twitter', 'h', {n}, null, 0, {rate}, '{at()}', null, '{at()}')"
        for n, rate in enumerate(("0.1", "1e-300", "0.30000000000000004", "1e15", "null"), 1)
    ]
    captured.begin()
    captured.app("set timezone = 'America/New_York'", "set datestyle = 'German'", *statements, *accounts)
    captured.drain()

    for table in ("social_posts", "social_media_accounts"):
        window = Window.of_days(date(1999, 12, 31), date(2026, 10, 25))
        extract = app_database.read_window(captured.capture.url, CONTRACTS[table], window)
        assert extract.rows.height == 5
        expected = prepare(CONTRACTS[table], extract.rows, app_database.SOURCE_NAME, captured.capture.pseudonym_key)
        found = raw_table(captured.capture.lake, CONTRACTS[table]).scan().collect()
        assert found.sort("id").equals(expected.raw.select(found.columns).sort("id"))


def test_numbers_that_are_none_are_quarantined(captured):
    captured.begin()
    account = "insert into social_media_accounts values ({}, 1, 'twitter', 'h', 1, 1, 0, '{}', now(), null, now())"
    captured.app(account.format(1, "NaN"), account.format(2, "Infinity"))
    captured.drain()

    found = sorted((json.loads(row)["id"], rules) for rules, row in captured.bad("social_media_accounts"))
    assert [rules for _, rules in found] == [["engagement_rate|nan"], ["engagement_rate|inf"]]


@pytest.fixture(params=["beside the reading of windows", "alone"])
def windows(request, captured):
    """Lands a window of posts as extraction does, or nothing."""

    def land():
        if request.param == "alone":
            return
        window = Window.of_days(date(2026, 1, 1), datetime.now(UTC).date())
        land_window(
            captured.capture.lake,
            POSTS,
            window,
            lambda: prepare(
                POSTS,
                app_database.read_window(captured.capture.url, POSTS, window).rows,
                app_database.SOURCE_NAME,
                captured.capture.pseudonym_key,
            ),
            source=app_database.SOURCE_NAME,
        )

    return land


def test_both_ways_side_by_side_hold_each_version_once(captured, new_post, windows):
    """Reading a window also lands what capture is to bring later: what is past a delete, a value that changed again."""
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()), new_post(3, "three", at()), big(1))
    windows()
    captured.begin()
    windows()
    captured.app(f"update social_posts set status = 'scheduled', updated_at = '{at(2)}' where id = 1")
    captured.app(big(2).replace(at(1), at(3)))
    windows()
    captured.app("delete from social_posts where id in (2, 3)")
    later = datetime.now(UTC) + timedelta(minutes=2)
    captured.app(new_post(2, "two again", later.isoformat()))
    windows()
    captured.drain()
    windows()
    captured.drain()
    before, after = captured.app_value(BIG.format(1))[0], captured.app_value(BIG.format(2))[0]

    versions = captured.raw("social_posts", "id", "content", "status", "deleted_at")
    assert [(number, content, status, dead is not None) for number, content, status, dead in versions] == [
        (1, before, "draft", False),
        (1, before, "scheduled", False),
        (1, after, "scheduled", False),
        (2, "two", "draft", False),
        (2, "two", "draft", True),
        (2, "two again", "draft", False),
        (3, "three", "draft", False),
        (3, "three", "draft", True),
    ]
    assert captured.bad("social_posts") == []


STORY = (
    lambda new_post: [
        new_post(4, "four", at(1)),
        f"update social_posts set content='x', updated_at='{at(1)}' where id=1",
    ],
    lambda new_post: ["delete from social_posts where id = 2"],
    lambda new_post: [new_post(2, "two again", at(1))],
    lambda new_post: ["delete from social_posts where id in (2, 3)"],
    lambda new_post: [f"update social_posts set status = 'failed', updated_at = '{at(2)}' where id = 1"],
    lambda new_post: ["truncate social_posts"],
    lambda new_post: [new_post(3, "three again", at(4))],
)


@pytest.mark.parametrize("failing", range(1, 7))
@pytest.mark.parametrize("where", ["land_window", "advance"])
def test_cut_off_anywhere_the_same_changes_are_landed_once(captured, new_post, monkeypatch, failing, where):
    """Killed after some of the windows, or before the slot is moved on: with changes that build on each other."""
    captured.app(new_post(1, "one", at()), new_post(2, "two", at()), new_post(3, "three", "2025-01-01 10:00+00"))
    captured.app(user(1, at()))
    captured.begin()
    for step in STORY:
        captured.app(*step(new_post))
    captured.app(f"update auth_user set country = 'DE', updated_at = '{at(1)}'", user(2, "2024-05-05 10:00+00"))
    module, name = (capturing.slots, "advance") if where == "advance" else (capturing_landing(), "land_window")
    real, calls = getattr(module, name), iter(range(1, 100))

    def cut_off(*args, **options):
        number = next(calls)
        if number >= failing:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(module, name, cut_off)
    try:
        captured.drain()
        was_cut = False
    except KeyboardInterrupt:
        was_cut = True
    monkeypatch.undo()
    captured.drain()
    once = {table: captured.raw(table) for table in ("social_posts", "auth_user")}
    assert was_cut or failing > 1

    captured.drain()
    assert {table: captured.raw(table) for table in once} == once
    dead = [
        (number, content)
        for number, content, when in captured.raw("social_posts", "id", "content", "deleted_at")
        if when
    ]
    assert dead == [(1, "x"), (2, "two"), (2, "two again"), (3, "three"), (4, "four")]
    assert captured.latest("social_posts").select("id", "content").rows() == [(3, "three again")]
    assert captured.bad("social_posts") == []


def capturing_landing():
    from clientnest_assets.sources.change_capture import landing

    return landing


def test_many_small_parts_give_the_same_as_one(captured, new_post, monkeypatch):
    from clientnest_assets.sources.change_capture import spool

    captured.app(*(new_post(number, f"post {number}", at()) for number in range(1, 41)))
    captured.begin()
    captured.app(
        *(f"update social_posts set content = 'a', updated_at = '{at(1)}' where id = {n}" for n in range(1, 21))
    )
    captured.app("update social_posts set id = id + 100, updated_at = now() where id <= 3")
    captured.app("delete from social_posts where id between 10 and 15")
    captured.app("truncate social_posts")
    captured.app(*(new_post(number, "anew", "now()") for number in range(5, 8)))
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(spool, "BYTES_IN_MEMORY", 1)
    monkeypatch.setattr(capturing, "MESSAGES_AT_ONCE", 20)
    captured.drain()

    assert captured.latest("social_posts").select("id", "content").rows() == [(5, "anew"), (6, "anew"), (7, "anew")]
    versions = pl.DataFrame(captured.raw("social_posts", "id", "deleted_at"), ["id", "deleted_at"], orient="row")
    assert versions.filter(pl.col("deleted_at").is_not_null()).get_column("id").to_list() == [
        *range(1, 41),
        101,
        102,
        103,
    ]
    assert versions.height == 40 + 20 + 3 + 43 + 3


def test_two_captures_at_once_are_refused(captured):
    with (
        connected(captured.capture.url),
        pytest.raises(CaptureError, match="capturing changes from this database already"),
    ):
        captured.begin()


def test_without_a_slot_the_remedy_is_told(captured):
    with connected(captured.capture.url) as connection, pytest.raises(CaptureError, match="capture --snapshot"):
        capture_once(captured.capture, connection)
