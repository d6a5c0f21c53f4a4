"""From a batch to raw and quarantine: what is written, what is kept, and that personal data goes no further."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import EmptyWindowError, SchemaMismatchError
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources.landing import (
    PSEUDONYM,
    Limit,
    TooManyBadRowsError,
    land_window,
    prepare,
    quarantine_table,
    raw_table,
)

KEY = b"k" * 32
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
MONDAY, TUESDAY = date(2025, 1, 6), date(2025, 1, 7)
WINDOW = Window.of_days(MONDAY, TUESDAY)
SESSIONS, USERS, USAGE, METRICS = (
    CONTRACTS[name] for name in ("user_sessions", "auth_user", "ai_usage_logs", "account_metrics")
)


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


def land(lake, contract, frame, *, source="app", **options):
    return land_window(lake, contract, WINDOW, lambda: prepare(contract, frame, source, KEY), source=source, **options)


def held(table, *columns):
    return sorted(table.scan().select(columns).collect().rows())


def test_rows_read_are_rows_written_and_rows_quarantined(lake):
    landed = land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0), (3, 60, 1)))

    assert (landed.rows_read, landed.rows_written, landed.rows_quarantined, landed.rows_already_held) == (3, 2, 1, 0)
    assert held(raw_table(lake, SESSIONS), "id", "day", "source") == [(1, MONDAY, "app"), (3, TUESDAY, "app")]
    (bad,) = quarantine_table(lake, SESSIONS).scan().collect().to_dicts()
    assert (bad["day"], bad["source"], bad["reason"]) == (MONDAY, "app", "duration is below its minimum")
    assert bad["rules"] == ["duration|min"]


def test_quarantine_keeps_the_original_values_and_no_personal_data():
    batch = prepare(SESSIONS, sessions((7, -1, 0)), "app", KEY)
    row = json.loads(batch.quarantine.get_column("row")[0])

    pseudonym = pseudonymise(pl.DataFrame({"ip": ["203.0.113.7"]}), ["ip"], KEY).item()
    assert row == {
        "id": 7,
        "user_id": 1,
        "created_at": "2025-01-06T12:00:00+00:00",
        "duration": -1,
        "device": "tablet",
        "ip_address": pseudonym,
    }


def test_quarantined_money_keeps_its_digits():
    frame = pl.DataFrame([(1, 1, 1, -5, Decimal("0.100000"), NOON)], schema=USAGE.source_schema, orient="row")
    batch = prepare(USAGE, frame, "app", KEY)

    assert json.loads(batch.quarantine.get_column("row")[0])["cost"] == "0.100000"


def test_quarantine_tells_what_is_no_number_from_what_is_missing():
    rates = [float("nan"), float("-inf"), 0.1]
    rows = [(number, 1, NOON, -1 if number == 3 else 1, None, None, rate) for number, rate in enumerate(rates, 1)]
    batch = prepare(METRICS, pl.DataFrame(rows, schema=METRICS.source_schema, orient="row"), "app", KEY)

    kept = [json.loads(row)["engagement_rate"] for row in batch.quarantine.get_column("row")]
    assert kept == ["NaN", "-inf", "0.1"]


def test_no_personal_text_reaches_either_table(lake):
    land(lake, USERS, users((1, "free", 0), (2, "gold", 0)))

    written = [table.scan().collect().write_json() for table in (raw_table(lake, USERS), quarantine_table(lake, USERS))]
    assert all("@example.com" not in text for text in written)
    assert "gold" in written[1]


def test_rerunning_a_day_keeps_one_copy_of_each_row(lake):
    for _ in range(3):
        land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0)))
        land(lake, USERS, users((1, "free", 0), (2, "gold", 0)))

    for contract in (SESSIONS, USERS):
        assert held(raw_table(lake, contract), "id") == [(1,)]
        assert quarantine_table(lake, contract).scan().collect().height == 1


def test_an_append_row_gone_at_the_source_is_gone_and_a_mended_one_leaves_quarantine(lake):
    land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0), (3, 60, 1)))
    land(lake, SESSIONS, sessions((2, 10, 0), (3, 60, 1)))

    assert held(raw_table(lake, SESSIONS), "id", "duration") == [(2, 10), (3, 60)]
    assert quarantine_table(lake, SESSIONS).scan().collect().is_empty()


def test_an_append_window_does_not_become_empty_by_accident(lake):
    land(lake, SESSIONS, sessions((1, 60, 0)))

    with pytest.raises(EmptyWindowError, match=r"raw\.user_sessions holds 1 rows"):
        land(lake, SESSIONS, sessions())
    assert held(raw_table(lake, SESSIONS), "id") == [(1,)]

    landed = land(lake, SESSIONS, sessions(), allow_empty=True)
    assert (landed.raw.rows, held(raw_table(lake, SESSIONS), "id")) == (0, [])


def test_every_captured_version_of_a_mutable_row_stays(lake):
    land(lake, USERS, users((1, "free", 0), (2, "free", 0)))
    # The app holds only the newest version; user 2 was deleted.
    landed = land(lake, USERS, users((1, "starter", 1)))
    nothing = land(lake, USERS, users())

    assert (landed.rows_read, landed.rows_written, landed.raw.rows) == (1, 1, 3)
    assert (nothing.rows_read, nothing.rows_written, nothing.raw.rows) == (0, 0, 3)
    versions = held(raw_table(lake, USERS), "id", "updated_at", "subscription_tier")
    assert versions == [(1, NOON, "free"), (1, NOON + timedelta(hours=1), "starter"), (2, NOON, "free")]


def test_a_bad_version_stays_in_quarantine_after_the_app_mended_it(lake):
    land(lake, USERS, users((1, "gold", 0)))
    land(lake, USERS, users((1, "free", 1)))

    assert held(raw_table(lake, USERS), "id", "subscription_tier") == [(1, "free")]
    assert quarantine_table(lake, USERS).scan().collect().height == 1


@pytest.mark.parametrize("contract", [SESSIONS, USERS], ids=["append", "mutable"])
def test_two_ways_in_do_not_touch_each_others_rows(lake, contract):
    first, second = (
        (sessions((1, 60, 0), (2, -1, 0)), sessions((3, 60, 0)))
        if contract is SESSIONS
        else (users((1, "free", 0), (2, "gold", 0)), users((3, "free", 0)))
    )
    land(lake, contract, first)
    land(lake, contract, second, source="file")
    land(lake, contract, second.clear(), source="file", allow_empty=True, replace_versions=True, is_whole=True)
    land(lake, contract, first)

    assert held(raw_table(lake, contract), "id", "source") == [(1, "app")]
    assert held(quarantine_table(lake, contract), "source") == [("app",)]


def test_a_batch_is_read_again_when_another_writer_was_quicker(lake):
    reads = []

    def read():
        if not reads:
            land(lake, SESSIONS, sessions((1, 10, 0)))
        reads.append(1)
        return prepare(SESSIONS, sessions((1, 20, 0)), "app", KEY)

    land_window(lake, SESSIONS, WINDOW, read, source="app")

    assert len(reads) == 2
    assert held(raw_table(lake, SESSIONS), "id", "duration") == [(1, 20)]


def new_column(frame, name, *values):
    return frame.with_columns(pl.Series(name, values))


def test_a_new_column_lands_as_nullable_and_its_text_as_pseudonyms(lake):
    land(lake, SESSIONS, sessions((1, 60, 0)))
    second = sessions((1, 60, 0), (2, 60, 0), (3, -1, 0))
    second = new_column(second, "nickname", None, "Ann from Ulm", "Bob")
    land(lake, SESSIONS, new_column(second, "pages", None, 7, 8))

    pseudonym = pseudonymise(pl.DataFrame({"text": ["Ann from Ulm", "Bob"]}), ["text"], KEY).get_column("text")
    assert held(raw_table(lake, SESSIONS), "id", "nickname", "pages") == [(1, None, None), (2, pseudonym[0], 7)]
    (bad,) = held(quarantine_table(lake, SESSIONS), "row")
    assert json.loads(bad[0])["nickname"] == PSEUDONYM + pseudonym[1]
    assert json.loads(bad[0])["pages"] == 8
    written = [
        table.scan().collect().write_json() for table in (raw_table(lake, SESSIONS), quarantine_table(lake, SESSIONS))
    ]
    assert not [text for text in written if "Ann" in text or "Bob" in text]


def test_a_new_column_that_is_gone_again_stays_in_the_lake(lake):
    land(lake, SESSIONS, new_column(sessions((1, 60, 0)), "pages", 7))
    land(lake, SESSIONS, sessions((1, 60, 0), (2, 60, 0)))

    assert held(raw_table(lake, SESSIONS), "id", "pages") == [(1, None), (2, None)]


def test_a_new_column_that_changes_its_type_fails_naming_it(lake):
    land(lake, SESSIONS, new_column(sessions((1, 60, 0)), "pages", 7))

    with pytest.raises(SchemaMismatchError, match="pages is Int64 instead of String"):
        land(lake, SESSIONS, new_column(sessions((1, 60, 0), (2, 60, 0)), "pages", "a", "b"))
    assert held(raw_table(lake, SESSIONS), "id", "pages") == [(1, 7)]


def test_versions_without_a_new_column_are_kept_beside_those_with_it(lake):
    land(lake, USERS, users((1, "free", 0)))
    land(lake, USERS, new_column(users((1, "starter", 1)), "seats", 5))

    assert held(raw_table(lake, USERS), "id", "subscription_tier", "seats") == [(1, "free", None), (1, "starter", 5)]


LIMIT = Limit(share=0.25, rows=2)


def test_a_day_with_too_many_bad_rows_fails_before_anything_is_replaced(lake):
    land(lake, SESSIONS, sessions((1, 60, 0), (2, 60, 1)))
    # Tuesday has 3 bad rows of 6, Monday none of 1: half of a day, but less than half of the window.
    bad = sessions((1, 10, 0), (2, 10, 1), (3, -1, 1), (4, -1, 1), (5, -1, 1), (6, 10, 1), (7, 10, 1))

    with pytest.raises(TooManyBadRowsError) as raised:
        land(lake, SESSIONS, bad, limit=LIMIT)

    for part in ("user_sessions", "2025-01-07: 3 of 6", "0.25", "duration is below its minimum", "--allow-bad-rows"):
        assert part in str(raised.value)
    assert held(raw_table(lake, SESSIONS), "id", "duration") == [(1, 60), (2, 60)]
    assert quarantine_table(lake, SESSIONS).scan().collect().is_empty()

    landed = land(lake, SESSIONS, bad)
    assert (landed.rows_written, landed.rows_quarantined) == (4, 3)


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        ([(1, -1, 0), (2, -1, 0)], True),
        ([(number, 60 if number > 3 else -1, 0) for number in range(1, 13)], True),
        ([(number, 60 if number > 3 else -1, 0) for number in range(1, 12)], False),
    ],
    ids=["few rows", "exactly the share", "over the share"],
)
def test_the_limit_is_a_share_of_a_day_and_a_handful_is_never_too_many(lake, rows, passes):
    if passes:
        assert land(lake, SESSIONS, sessions(*rows), limit=LIMIT).rows_read == len(rows)
    else:
        with pytest.raises(TooManyBadRowsError):
            land(lake, SESSIONS, sessions(*rows), limit=LIMIT)


def test_rows_keep_the_time_at_which_they_were_first_quarantined(lake):
    land(lake, SESSIONS, sessions((1, -1, 0)))
    first = held(quarantine_table(lake, SESSIONS), "quarantined_at")
    land(lake, SESSIONS, sessions((1, -1, 0), (2, -2, 0)))

    times = held(quarantine_table(lake, SESSIONS), "quarantined_at")
    assert times[0] == first[0]
    assert times[1] > first[0]


def test_a_part_of_a_day_adds_what_is_missing_and_removes_nothing(lake):
    land(lake, SESSIONS, sessions((1, 60, 0), (2, -1, 0)))
    landed = land(lake, SESSIONS, sessions((1, 60, 0), (3, 60, 1), (4, -1, 1)), adds=True)

    assert (landed.rows_read, landed.rows_written, landed.rows_already_held, landed.rows_quarantined) == (3, 1, 1, 1)
    assert landed.days_changed == [TUESDAY]
    assert held(raw_table(lake, SESSIONS), "id") == [(1,), (3,)]
    assert quarantine_table(lake, SESSIONS).scan().collect().height == 2


def test_rows_are_written_in_one_order_whatever_order_they_come_in(lake):
    frame = sessions((3, 60, 0), (1, 60, 1), (2, 60, 0))
    batches = [prepare(SESSIONS, each, "app", KEY).raw for each in (frame, frame.reverse())]

    assert batches[0].equals(batches[1])
    assert batches[0].get_column("id").to_list() == [2, 3, 1]
