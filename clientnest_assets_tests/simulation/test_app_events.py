"""The simulated company's events: they follow from its rows, are always the same, and are as imperfect as real ones."""

import json
from datetime import date

import polars as pl
import pytest

from clientnest_assets.contracts.events import EVENT_TYPES, UUID
from clientnest_assets.simulation import World, write_world
from clientnest_assets.simulation.app_events import DUPLICATE_SHARE, events, messages, told_events
from clientnest_assets.simulation.world import DAY

COLUMNS = {
    "user_sessions": ["id", "user_id", "created_at", "duration", "device"],
    "social_posts": ["id", "user_id", "created_at", "platform", "ai_generated"],
    "ai_requests": ["id", "user_id", "created_at", "platform", "request_type"],
}


@pytest.fixture(scope="module")
def rows(small):
    """What the app's database holds of the last 31 days."""
    since = small.world.end - 31 * DAY
    return [
        small.tables[name]
        .select(columns)
        .with_columns(pl.col("created_at").dt.epoch("us"))
        .filter(pl.col("created_at") >= since)
        for name, columns in COLUMNS.items()
    ]


@pytest.fixture(scope="module")
def happened(small, rows):
    return events(small.world, *rows)


@pytest.fixture(scope="module")
def sent(small, happened):
    return messages(small.world, happened)


def test_each_session_logs_in_and_has_three_events_or_so(rows, happened):
    sessions = rows[0]

    logins = happened.filter(pl.col("event_type") == "login")
    found = logins.select(pl.col("session_id").str.strip_prefix("s-").cast(pl.Int64), "user_id", "occurred_at")
    assert found.sort("session_id").rows() == sessions.select("id", "user_id", "created_at").sort("id").rows()
    assert 2.5 < happened.height / sessions.height < 4
    assert set(happened.get_column("event_type")) == set(EVENT_TYPES)


def test_posts_and_ai_requests_are_features_used_in_the_session_begun_last(rows, happened):
    sessions, posts, requests = rows
    made = happened.filter(pl.col("name").str.starts_with("ai_") | (pl.col("name") == "compose_post"))
    assert made.height == posts.height + requests.height

    joined = made.with_columns(pl.col("session_id").str.strip_prefix("s-").cast(pl.Int64)).join(
        sessions, left_on="session_id", right_on="id"
    )
    begun = joined.filter(pl.col("user_id") == pl.col("user_id_right"), pl.col("occurred_at") >= pl.col("created_at"))
    assert begun.height == made.height
    # Sessions of one user may overlap, and the one begun last be over before the other.
    is_over = pl.col("occurred_at") > pl.col("created_at") + pl.col("duration") * 1_000_000
    assert begun.filter(is_over).height < 0.03 * made.height


def test_ids_are_uuids_and_different(happened):
    ids = happened.get_column("event_id")
    assert ids.n_unique() == happened.height
    assert ids.str.contains(UUID).all()
    assert set(ids.str.slice(14, 1)) == {"4"}


def test_before_login_nobody_is_known_and_no_event_leaves_its_day(rows, happened):
    anonymous = happened.filter(pl.col("user_id").is_null())
    assert set(anonymous.get_column("name")) == {"sign_in"}
    started = dict(rows[0].select(pl.format("s-{}", "id"), "created_at").rows())
    for session, moment in anonymous.select("session_id", "occurred_at").iter_rows():
        assert started[session] // DAY * DAY <= moment <= started[session]


def test_what_is_sent_is_what_happened_and_says_what_is_wrong_with_it(happened, sent):
    flawless = sent.filter(pl.col("flaw").is_null())
    decoded = [json.loads(text) for text in flawless.get_column("payload").head(500)]
    for message, row in zip(decoded, flawless.rows(named=True), strict=False):
        assert message.pop("occurred_at").endswith("Z")
        assert message.pop("properties") == json.loads(row["properties"])
        assert message == {name: row[name] for name in ("event_id", "user_id", "session_id", "event_type", "name")}

    assert sent.filter(pl.col("flaw").is_null() | pl.col("flaw").str.starts_with("broken")).height == happened.height
    duplicates = sent.filter(pl.col("flaw") == "duplicate")
    assert 0.7 * DUPLICATE_SHARE < duplicates.height / happened.height < 1.3 * DUPLICATE_SHARE
    first = sent.filter(pl.col("flaw").ne_missing("duplicate")).select("event_id", "payload")
    assert duplicates.join(first, on=["event_id", "payload"], how="semi").height == duplicates.height
    conflicting = sent.filter(pl.col("flaw") == "conflicting")
    assert conflicting.join(happened, on=["event_id", "name"], how="anti").height == conflicting.height > 0
    assert {flaw for flaw in sent.get_column("flaw") if flaw and flaw.startswith("broken")} <= {
        f"broken: {what}" for what in ("event_type", "user_id", "occurred_at", "cut")
    }


def test_some_events_come_days_late(sent):
    newest = sent.get_column("occurred_at").cum_max()
    late = (newest - sent.get_column("occurred_at")) > DAY
    assert 0.001 < late.mean() < 0.006


def test_events_are_the_same_again_and_others_with_another_seed(small, rows, sent):
    assert messages(small.world, events(small.world, *(each.reverse() for each in rows))).equals(sent)
    other = World(users=1_000, days=50, seed=12, last_day=small.world.last_day)
    assert set(events(other, *rows).get_column("event_id")).isdisjoint(sent.get_column("event_id"))


def test_a_later_telling_of_more_days_begins_with_the_same_events(app_database_url, tmp_path):
    world = World(users=60, days=40, seed=3, last_day=date(2026, 4, 19))
    write_world(world, app_database_url, tmp_path / "truth", lambda *_: None)

    whole = pl.concat(told_events(world, app_database_url, world.day_start(0), world.end))
    parts = [
        *told_events(world, app_database_url, world.day_start(0), world.day_start(35)),
        *told_events(world, app_database_url, world.day_start(35), world.end),
    ]

    assert pl.concat(parts).sort("event_id", "flaw").equals(whole.sort("event_id", "flaw"))
    assert list(told_events(world, app_database_url, world.end, world.end + DAY)) == []
