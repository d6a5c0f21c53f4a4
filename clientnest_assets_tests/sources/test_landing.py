"""From a batch to raw and quarantine: what is written, what is kept, and that personal data goes no further."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import EmptyWindowError
from clientnest_assets.partitions import Window
from clientnest_assets.privacy.pseudonyms import pseudonymise
from clientnest_assets.sources.landing import land_window, prepare, quarantine_table, raw_table

KEY = b"k" * 32
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
MONDAY, TUESDAY = date(2025, 1, 6), date(2025, 1, 7)
WINDOW = Window.of_days(MONDAY, TUESDAY)
SESSIONS, USERS, USAGE = (CONTRACTS[name] for name in ("user_sessions", "auth_user", "ai_usage_logs"))


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
