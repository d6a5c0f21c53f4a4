"""The comparison of both stores: silent while they agree, and exact about what differs."""

from datetime import date, timedelta

import polars as pl
import psycopg
import pytest

from clientnest_assets.features.online.latest import latest
from clientnest_assets.features.online.parity import compare
from clientnest_assets.features.online.store import state_name
from clientnest_assets.features.store import store_window
from clientnest_assets.features.view import DEFINITION
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets_tests.features.online.conftest import NOW, make_view

DAYS = 4


@pytest.fixture
def view():
    return make_view(keys=("user_id", "platform"), ttl=timedelta(days=2))


@pytest.fixture
def folder(tmp_path):
    return Lake(str(tmp_path / "lake"))


def rows_of(view, day_number, users):
    """A day's rows as they are stored."""
    event = NOW - timedelta(days=DAYS - 1 - day_number)
    return pl.DataFrame(
        [
            (user, "x", event, event, 10 * user + day_number, user / 3, True, "pro", ["w"], day, view.definition_hash)
            for user in users
            for day in [date(2026, 4, 27) + timedelta(days=day_number)]
        ],
        view.schema,
        orient="row",
    )


@pytest.fixture
def stored(view, folder):
    for number, users in enumerate([range(1, 51), range(1, 41), range(1, 31), range(1, 21)]):
        day = date(2026, 4, 27) + timedelta(days=number)
        store_window(folder, view, rows_of(view, number, users), Window.of_days(day, day))
    return folder


def publish(store, lake, view):
    return store.publish(view, *latest(lake, view, NOW))


def test_after_a_publication_both_say_the_same(store, stored, view):
    publish(store, stored, view)

    found = compare(stored, store, view, NOW, seed=1)

    assert found.holds
    assert (found.entities_offline, found.entities_online, found.sampled, found.differing) == (50, 50, 50, 0)
    assert found.differences.is_empty()


def test_a_sample_is_the_same_for_a_seed_and_another_for_another(store, stored, view):
    def entities(seed):
        return set(compare(stored, store, view, NOW, seed=seed, sample=5).differences["entity"])

    # Nothing is published: all that is sampled differs.
    assert entities(1) == entities(1) != entities(2)


def test_one_value_altered_by_hand_is_found(postgres_store, postgres_url, stored, view):
    publish(postgres_store, stored, view)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f'update online."{state_name(view)}" set sessions = 7 where user_id = 3')

    found = compare(stored, postgres_store, view, NOW, seed=1)

    assert not found.holds
    assert found.differing == 1
    assert found.differences.rows() == [("user_id 3, platform x", "activity__sessions", "7", "33")]
    publish(postgres_store, stored, view)
    assert compare(stored, postgres_store, view, NOW, seed=1).holds


def test_a_later_day_that_is_not_published_is_found(store, stored, view):
    publish(store, stored, view)
    newer = rows_of(view, 3, range(1, 21)).with_columns(sessions=pl.lit(0, pl.Int64()))
    store_window(stored, view, newer, Window.of_days(date(2026, 4, 30), date(2026, 4, 30)))

    found = compare(stored, store, view, NOW, seed=1)

    assert found.differing == 20
    assert set(found.differences["feature"]) == {"activity__sessions"}
    assert publish(store, stored, view).written == 20
    assert compare(stored, store, view, NOW, seed=1).holds


def test_entities_that_only_one_of_them_knows_are_found(store, stored, view):
    rows, position = latest(stored, view, NOW)
    extra = rows.head(1).with_columns(user_id=pl.lit(99, pl.Int64()))
    store.publish(view, pl.concat([rows, extra]), position)

    found = compare(stored, store, view, NOW, seed=1)

    assert (found.entities_offline, found.entities_online, found.differing) == (50, 51, 0)
    assert not found.holds


def test_a_row_put_in_or_taken_out_by_hand_is_found_outside_the_sample_too(postgres_store, postgres_url, stored, view):
    publish(postgres_store, stored, view)
    table = f'online."{state_name(view)}"'
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"insert into {table} (user_id, platform, {view.event_time}) values (777, 'x', now())")
    assert compare(stored, postgres_store, view, NOW, seed=1, sample=1).entities_online == 51

    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"delete from {table} where user_id in (777, 3)")
    found = compare(stored, postgres_store, view, NOW, seed=1, sample=1)
    assert found.entities_online == 49
    assert not found.holds


def test_before_anything_is_made_both_know_nothing(store, folder, view):
    rows, position = latest(folder, view, NOW)

    assert rows.is_empty()
    assert (position.created_ms, position.version) == (0, -1)
    assert compare(folder, store, view, NOW, seed=1).holds
    assert store.publish(view, rows, position).is_current
    assert compare(folder, store, view, NOW, seed=1).holds


def test_a_table_that_was_made_anew_is_newer_than_the_one_before(store, stored, view, tmp_path):
    _, before = latest(stored, view, NOW)
    anew = Lake(str(tmp_path / "another"))
    day = date(2026, 4, 30)
    store_window(anew, view, rows_of(view, 3, [1]).with_columns(pl.col(DEFINITION)), Window.of_days(day, day))
    rows, after = latest(anew, view, NOW)
    publish(store, stored, view)

    assert before < after
    assert before.version > after.version
    assert store.publish(view, rows, after).removed == 49
