"""Trying quarantined rows again: what lands, what stays, to the row, also when the retry is cut off in between."""

import json
from copy import copy
from datetime import UTC, date, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS, Contract
from clientnest_assets.lake import Lake, LakeTable
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources import quarantine
from clientnest_assets.sources.landing import PSEUDONYM, land_window, prepare, quarantine_table, raw_table
from clientnest_assets.sources.quarantine import Retried, retry, summary

KEY = b"k" * 32
NOON = datetime(2025, 1, 6, 12, 0, 0, 123, tzinfo=UTC)
MONDAY, TUESDAY = date(2025, 1, 6), date(2025, 1, 7)
WINDOW = Window.of_days(MONDAY, TUESDAY)
SESSIONS, USERS, POSTS, METRICS = (
    CONTRACTS[name] for name in ("user_sessions", "auth_user", "social_posts", "post_metrics")
)


@pytest.fixture
def lake(tmp_path):
    """A folder: that a store makes no difference is shown where tables are written."""
    return Lake(str(tmp_path / "lake"))


def mended(contract, **columns):
    """The contract with these columns in place of its own, or beside them."""
    own = {name: copy(column) for name, column in contract.columns.items() if name not in columns}
    schema = type("Mended", (dy.Schema,), {**own, **columns})
    return Contract(contract.name, contract.kind, contract.cursor, schema)


ANY_DURATION = mended(SESSIONS, duration=dy.Int64())


def sessions(*rows):
    """Rows of (id, duration, days after Monday)."""
    whole = [
        (number, 1, NOON + timedelta(days=after), duration, "tablet", f"203.0.113.{number}")
        for number, duration, after in rows
    ]
    return pl.DataFrame(whole, schema=SESSIONS.source_schema, orient="row")


def users(*rows):
    """Rows of (id, tier, hours after Monday noon)."""
    whole = [
        (number, f"{number}@example.com", None, tier, NOON, None, True, "UTC", None, NOON + timedelta(hours=hours))
        for number, tier, hours in rows
    ]
    return pl.DataFrame(whole, schema=USERS.source_schema, orient="row")


def land(lake, contract, frame, source="app_database", **options):
    return land_window(lake, contract, WINDOW, lambda: prepare(contract, frame, source, KEY), source=source, **options)


def held(lake, contract, *columns):
    return sorted(raw_table(lake, contract).scan().select(columns).collect().rows())


def kept(lake, contract):
    """The ids in quarantine, with the reason of each."""
    rows = quarantine_table(lake, contract).scan().collect().select("row", "reason").rows()
    return sorted((json.loads(row)["id"], reason) for row, reason in rows)


def test_rows_that_keep_the_mended_contract_land_and_the_others_stay(lake):
    bad = sessions((1, 60, 0), (2, -1, 0), (3, -2, 1)).vstack(
        sessions((4, -3, 1)).with_columns(pl.lit(0, pl.Int64).alias("user_id"))
    )
    land(lake, SESSIONS, bad)
    retried = retry(lake, ANY_DURATION, "app_database")

    assert retried == Retried(
        table="user_sessions",
        source="app_database",
        rows=3,
        rows_landed=2,
        left={"user_id is below its minimum": 1},
        days_changed=[MONDAY, TUESDAY],
    )
    assert held(lake, SESSIONS, "id", "duration", "day", "source") == [
        (1, 60, MONDAY, "app_database"),
        (2, -1, MONDAY, "app_database"),
        (3, -2, TUESDAY, "app_database"),
    ]
    assert kept(lake, SESSIONS) == [(4, "user_id is below its minimum")]


def test_a_row_lands_as_it_would_have_and_no_pseudonym_is_made_of_a_pseudonym(lake, tmp_path):
    frame = users((1, "gold", 0))
    land(lake, USERS, frame)
    any_tier = mended(USERS, subscription_tier=dy.String())
    retry(lake, any_tier, "app_database")
    other = Lake(str(tmp_path / "other"))
    land(other, any_tier, frame)

    rows = [raw_table(each, USERS).scan().collect().to_dicts() for each in (lake, other)]
    assert rows[0] == rows[1]
    assert rows[0][0]["email"] == pseudonymise(frame.select("email"), ["email"], KEY).item()


def test_texts_lists_and_missing_values_survive_quarantine(lake):
    post = {
        **dict.fromkeys(POSTS.source_schema),
        "id": 1,
        "user_id": 1,
        "account_id": 1,
        "platform": "myspace",
        "content": 'é "🔥" \\ \n',
        "hashtags": ["a", 'b"c', "d,e"],
        "status": "draft",
        "ai_generated": False,
        "created_at": NOON,
        "updated_at": NOON,
    }
    land(lake, POSTS, pl.DataFrame([post], schema=POSTS.source_schema))
    retry(lake, mended(POSTS, platform=dy.String()), "app_database")

    (row,) = raw_table(lake, POSTS).scan().collect().to_dicts()
    pseudonym = pseudonymise(pl.DataFrame({"content": [post["content"]]}), ["content"], KEY).item()
    private = {"content": pseudonym} if "content" in POSTS.personal_columns else {}
    assert {name: row[name] for name in post} == {**post, **private}


def test_trying_again_with_nothing_mended_changes_nothing(lake):
    land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0)))
    before = quarantine_table(lake, SESSIONS).open().version(), raw_table(lake, SESSIONS).open().version()
    told = []
    retried = retry(lake, SESSIONS, "app_database", arrived=told.append)

    assert (retried.rows, retried.rows_landed, retried.rows_left, retried.days_changed) == (1, 0, 1, [])
    assert (quarantine_table(lake, SESSIONS).open().version(), raw_table(lake, SESSIONS).open().version()) == before
    assert told == []


def test_a_dry_run_tells_the_same_and_writes_nothing(lake):
    land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0)))
    dry = retry(lake, ANY_DURATION, "app_database", dry_run=True)

    assert kept(lake, SESSIONS) == [(2, "duration is below its minimum")]
    assert held(lake, SESSIONS, "id") == [(1,)]
    assert dry == retry(lake, ANY_DURATION, "app_database")


class Cut(BaseException):
    """A kill, for a test."""


@pytest.mark.parametrize("place", ["before raw is told of", "before quarantine is written"])
def test_a_retry_that_was_cut_off_is_given_again_and_each_row_is_in_one_place(lake, place, monkeypatch):
    land(lake, SESSIONS, sessions((1, -1, 0), (2, -1, 1), (3, 60, 0)))
    told = []

    def cut(*_arguments, **_options):
        raise Cut

    with monkeypatch.context() as patched:
        if place == "before quarantine is written":
            patched.setattr(LakeTable, "replace_window", cut)
        with pytest.raises(Cut):
            retry(lake, ANY_DURATION, "app_database", arrived=told.append if "quarantine" in place else cut)
    # Both are in raw and still in quarantine.
    assert (len(held(lake, SESSIONS, "id")), len(kept(lake, SESSIONS))) == (3, 2)

    retried = retry(lake, ANY_DURATION, "app_database", arrived=told.append)

    assert (retried.rows_landed, retried.rows_held, retried.rows_left) == (0, 2, 0)
    assert told[-1].days_changed == [MONDAY, TUESDAY]
    assert held(lake, SESSIONS, "id") == [(1,), (2,), (3,)]
    assert kept(lake, SESSIONS) == []


def test_only_rows_of_the_days_given_leave_and_a_shared_key_counts_on_any_day(lake):
    land(lake, SESSIONS, sessions((1, -1, 0), (2, -1, 1), (3, 60, 0), (3, 60, 1)))
    retried = retry(lake, ANY_DURATION, "app_database", window=Window.of_days(MONDAY, MONDAY))

    assert (retried.rows, retried.rows_landed, retried.rows_left) == (2, 1, 1)
    assert held(lake, SESSIONS, "id") == [(1,)]
    assert [number for number, _ in kept(lake, SESSIONS)] == [2, 3, 3]


def test_of_rows_alike_one_lands(lake):
    rows = sessions((1, -1, 0), (1, -1, 0))
    land(lake, SESSIONS, rows.head(1), adds=True)
    # The same row of another batch; a batch of its own tells copies apart by itself.
    quarantined = quarantine_table(lake, SESSIONS)
    quarantined.replace_window(
        quarantined.open(), pl.concat([quarantined.scan().collect()] * 2), WINDOW, source="app_database"
    )
    retried = retry(lake, ANY_DURATION, "app_database")

    assert (retried.rows, retried.rows_landed) == (2, 1)
    assert kept(lake, SESSIONS) == [(1, "the same row came more than once; one copy was kept")]
    assert retry(lake, ANY_DURATION, "app_database").rows_left == 1


def test_a_version_that_raw_holds_with_other_values_stays_and_says_so(lake):
    land(lake, USERS, users((1, "gold", 0)))
    land(lake, USERS, users((1, "free", 0)))
    retried = retry(lake, mended(USERS, subscription_tier=dy.String()), "app_database")

    assert (retried.rows_landed, retried.rows_held, retried.rows_left) == (0, 0, 1)
    assert kept(lake, USERS) == [(1, "this version was landed before with other values")]
    assert held(lake, USERS, "id", "subscription_tier") == [(1, "free")]


def test_a_row_that_has_landed_since_leaves_quarantine(lake):
    any_tier = mended(USERS, subscription_tier=dy.String())
    land(lake, USERS, users((1, "gold", 0)))
    land(lake, any_tier, users((1, "gold", 0)))

    retried = retry(lake, any_tier, "app_database")

    assert (retried.rows_landed, retried.rows_held, retried.rows_left) == (0, 1, 0)
    assert (len(held(lake, USERS, "id")), kept(lake, USERS)) == (1, [])


def test_sources_are_tried_one_by_one(lake):
    land(lake, SESSIONS, sessions((1, -1, 0)))
    land(lake, SESSIONS, sessions((2, -1, 0)), source="platform:twitter", adds=True)

    retry(lake, ANY_DURATION, "platform:twitter")

    assert held(lake, SESSIONS, "id", "source") == [(2, "platform:twitter")]
    assert [number for number, _ in kept(lake, SESSIONS)] == [1]


def test_a_rule_that_only_the_source_can_judge_keeps_its_row(lake):
    land(lake, SESSIONS, sessions((1, -1, 0)))
    table = quarantine_table(lake, SESSIONS)
    unread = table.scan().collect().with_columns(pl.lit(["duration|min", "device|missing_field"]).alias("rules"))
    table.replace_window(table.open(), unread, WINDOW, source="app_database")

    assert retry(lake, ANY_DURATION, "app_database").rows_landed == 0


def test_new_columns_are_landed_from_quarantine_too(lake):
    new = sessions((1, -1, 0)).with_columns(mood=pl.lit("merry"), pages=pl.lit(7, pl.Int64))
    land(lake, SESSIONS, new)
    retry(lake, ANY_DURATION, "app_database")

    pseudonym = pseudonymise(pl.DataFrame({"mood": ["merry"]}), ["mood"], KEY).item()
    assert held(lake, SESSIONS, "id", "mood", "pages") == [(1, pseudonym, 7)]


@pytest.mark.parametrize("is_personal", [True, False])
def test_a_column_that_the_contract_came_to_know_holds_no_pseudonym_for_its_value(lake, is_personal):
    land(lake, SESSIONS, sessions((1, -1, 0)).with_columns(mood=pl.lit("merry")))
    mood = dy.String(nullable=True, metadata={"personal": is_personal})
    retried = retry(lake, mended(SESSIONS, duration=dy.Int64(), mood=mood), "app_database")

    if is_personal:
        assert (retried.rows_landed, retried.rows_left) == (1, 0)
        assert not held(lake, SESSIONS, "mood")[0][0].startswith(PSEUDONYM)
    else:
        assert held(lake, SESSIONS, "id") == []
        assert kept(lake, SESSIONS) == [
            (1, "mood was new to the contract when the row came, so only its pseudonym was kept")
        ]


def test_numbers_of_a_post_land_once_it_is_linked(lake):
    numbers = pl.DataFrame(
        [{**dict.fromkeys(METRICS.source_schema), "id": 5, "collected_at": NOON, "likes_count": 3}],
        schema=METRICS.source_schema,
    )
    source = "platform:twitter"
    land(lake, METRICS, numbers, source=source, adds=True)
    table = quarantine_table(lake, METRICS)
    found = table.scan().collect()
    row = json.dumps({"platform": "twitter", "account_id": 1, "external_id": "x7", **json.loads(found["row"][0])})
    table.replace_window(table.open(), found.with_columns(pl.lit(row).alias("row")), WINDOW, source=source)

    assert retry(lake, METRICS, source).rows_left == 1
    asked = []

    def links(platform, posts):
        asked.append((platform, posts))
        return {(1, "x7"): 42}

    assert retry(lake, METRICS, source, links=links).rows_landed == 1
    assert held(lake, METRICS, "id", "post_id", "likes_count") == [(5, 42, 3)]
    assert asked == [("twitter", [(1, "x7")])]


def test_the_summary_tells_table_source_reason_days_and_since(lake):
    land(lake, SESSIONS, sessions((1, -1, 0), (2, -1, 1), (3, 60, 0)))
    land(lake, USERS, users((1, "gold", 0)), source="other")
    found = summary(lake)
    first = quarantine_table(lake, SESSIONS).scan().collect().get_column("quarantined_at").min()

    assert found.drop("since").rows() == [
        ("auth_user", "other", "subscription_tier is not one of the allowed values", 1, MONDAY, MONDAY),
        ("user_sessions", "app_database", "duration is below its minimum", 2, MONDAY, TUESDAY),
    ]
    assert found.get_column("since")[1] == first
    assert summary(lake, Window.of_days(TUESDAY, TUESDAY)).get_column("rows").to_list() == [1]


def test_rows_are_found_by_rule_or_reason(lake):
    without_user = sessions((2, 60, 1)).with_columns(pl.lit(None, pl.Int64).alias("user_id"))
    land(lake, SESSIONS, pl.concat([sessions((1, -1, 0)), without_user]))

    def found(**options):
        rows = quarantine.rows(lake, SESSIONS, **options).collect().get_column("row")
        return sorted(json.loads(row)["id"] for row in rows)

    assert found() == [1, 2]
    assert found(words="duration|min") == [1]
    assert found(words="is missing") == [2]
    assert found(words="no such") == []
    assert found(window=Window.of_days(TUESDAY, TUESDAY)) == [2]
    assert found(source="other") == []
