"""Reading windows from a real PostgreSQL whose tables are not always as our own simulation would make them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from clientnest_assets.contracts import CONTRACTS, ContractError
from clientnest_assets.partitions import Window
from clientnest_assets.sources.app_database import parts, read_window

MOMENT = datetime(2025, 1, 6, 10, 0, 0, 123000, tzinfo=UTC)
DAY = Window.of_days(date(2025, 1, 6), date(2025, 1, 6))
SESSIONS, POSTS, USAGE, USERS = (
    CONTRACTS[name] for name in ("user_sessions", "social_posts", "ai_usage_logs", "auth_user")
)


def execute(url, *statements):
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def session(number, created_at, *more):
    """The statement that adds a session, with values of further columns."""
    values = ", ".join([str(number), "1", f"'{created_at}'", "60", "'desktop'", "'203.0.113.9'", *more])
    return f"insert into user_sessions values ({values})"


def test_a_window_holds_its_first_moment_and_not_the_next_days(empty_app):
    execute(
        empty_app,
        "set timezone = 'America/New_York'",
        session(1, "2025-01-05 23:59:59.999999+00"),
        session(2, "2025-01-06 00:00+00"),
        session(3, "2025-01-06 23:59:59.999999+00"),
        session(4, "2025-01-07 00:00+00"),
        session(5, "2025-01-05 19:00-05"),
    )
    rows = read_window(empty_app, SESSIONS, DAY).rows.sort("id")

    assert rows.get_column("id").to_list() == [2, 3, 5]
    assert rows.get_column("created_at").to_list()[1] == datetime(2025, 1, 6, 23, 59, 59, 999999, tzinfo=UTC)
    assert rows.schema == SESSIONS.source_schema


@pytest.mark.parametrize("contract", [each for each in CONTRACTS.values() if each.origin == "app_database"])
def test_an_empty_window_has_the_contracts_types(empty_app, contract):
    found = read_window(empty_app, contract, DAY)

    assert found.rows.schema == contract.source_schema
    assert found.rows.is_empty()
    assert found.unknown_columns == []


def test_money_and_lists_arrive_exactly(empty_app):
    execute(
        empty_app,
        "insert into ai_usage_logs values (1, 1, 1, 10, 123456.654321, '2025-01-06 10:00+00')",
        "insert into social_posts values (1, 1, 1, 'twitter', 'é 🔥', array['a', 'b''c'], null, 'draft', null, null, "
        "true, '2025-01-06 10:00+00', '2025-01-06 10:00+00')",
        "insert into social_posts values (2, 1, 1, 'twitter', null, null, null, 'draft', null, null, "
        "true, '2025-01-06 10:00+00', '2025-01-06 10:00+00')",
    )

    assert read_window(empty_app, USAGE, DAY).rows.get_column("cost").to_list() == [Decimal("123456.654321")]
    posts = read_window(empty_app, POSTS, DAY).rows.sort("id").select("content", "hashtags", "ai_generated")
    assert posts.rows() == [("é 🔥", ["a", "b'c"], True), (None, None, True)]


def test_a_table_as_an_object_mapper_makes_it_is_read(empty_app):
    """Texts with a length, an enumeration, an address, a narrow integer, milliseconds."""
    execute(
        empty_app,
        "create type tier as enum ('free', 'starter')",
        "alter table auth_user alter email type varchar(254), alter country type varchar(2), "
        "alter subscription_tier type tier using subscription_tier::tier, "
        "alter date_joined type timestamptz(3), alter updated_at type timestamptz(0)",
        "alter table user_sessions alter ip_address type inet using ip_address::inet, alter duration type integer",
        "insert into auth_user values (1, 'a@example.com', null, 'starter', '2025-01-06 10:00:00.123+00', null, true, "
        "'UTC', 'DE', '2025-01-06 10:00+00')",
        session(1, "2025-01-06 10:00+00"),
    )
    (user,) = read_window(empty_app, USERS, DAY).rows.to_dicts()
    (visit,) = read_window(empty_app, SESSIONS, DAY).rows.to_dicts()

    assert (user["email"], user["subscription_tier"], user["country"]) == ("a@example.com", "starter", "DE")
    assert user["date_joined"] == datetime(2025, 1, 6, 10, 0, 0, 123000, tzinfo=UTC)
    assert visit["ip_address"].startswith("203.0.113.9")
    assert visit["duration"] == 60


def test_a_heavy_window_is_read_in_whole_days(empty_app):
    # 10 rows on the 6th, none on the 7th, 10 on the 8th, 50 on the 9th and 10 on the 10th.
    rows = {6: 10, 8: 10, 9: 50, 10: 10}
    first = 0
    for day, count in rows.items():
        execute(
            empty_app,
            "insert into user_sessions (id, user_id, created_at, duration) "
            f"select {first} + i, 1, '2025-01-{day:02} 10:00+00'::timestamptz + i * interval '1 s', 1 "
            f"from generate_series(1, {count}) as i",
        )
        first += count
    execute(empty_app, "analyze user_sessions")
    window = Window.of_days(date(2025, 1, 6), date(2025, 1, 10))

    assert parts(empty_app, SESSIONS, window, most_rows=100) == [window]
    found = parts(empty_app, SESSIONS, window, most_rows=25)
    assert [str(each) for each in found] == [
        "2025-01-06 to 2025-01-08",
        "2025-01-09 to 2025-01-09",
        "2025-01-10 to 2025-01-10",
    ]
    assert [read_window(empty_app, SESSIONS, each).rows.height for each in found] == [20, 50, 10]


def test_a_table_that_is_not_there_is_one_part_and_reading_says_so(empty_app):
    execute(empty_app, "drop table user_sessions")

    assert parts(empty_app, SESSIONS, DAY) == [DAY]


NEW = {
    "whole": ("smallint", "7", pl.Int64(), 7),
    "fraction": ("real", "0.5", pl.Float64(), 0.5),
    "flag": ("boolean", "true", pl.Boolean(), True),
    "seen": ("timestamptz(3)", "'2025-01-06 10:00:00.123+00'", pl.Datetime("us", "UTC"), MOMENT),
    "birthday": ("date", "'1990-02-28'", pl.Date(), date(1990, 2, 28)),
    "price": ("numeric(20,3)", "12345678901234567.125", pl.Decimal(20, 3), Decimal("12345678901234567.125")),
    "any_price": ("numeric", "0.1234567890123456789", pl.String(), "0.1234567890123456789"),
    "rounded": ("numeric(3,-2)", "12300", pl.String(), "12300"),
    "browser": ("varchar(20)", "'Firefox'", pl.String(), "Firefox"),
    "tags": ("text[]", "array['a']", pl.String(), "{a}"),
    "place": ("point", "point(1,2)", pl.String(), "(1,2)"),
    "local time": ("timestamp", "'2025-01-06 10:00'", pl.String(), "2025-01-06 10:00:00"),
}
"""By a new column's name: its type in the app, a value, and both as they arrive."""


def test_new_columns_arrive_typed_and_are_told(empty_app):
    execute(
        empty_app,
        session(1, "2025-01-06 10:00+00"),
        *(f'alter table user_sessions add "{name}" {kind}' for name, (kind, *_) in NEW.items()),
        session(2, "2025-01-06 11:00+00", *(value for _, value, *_ in NEW.values())),
    )
    found = read_window(empty_app, SESSIONS, DAY)
    first, second = found.rows.sort("id").select(*NEW).to_dicts()

    assert found.unknown_columns == sorted(NEW)
    assert found.rows.schema == {**SESSIONS.source_schema, **{name: dtype for name, (_, _, dtype, _) in NEW.items()}}
    assert second == {name: value for name, (*_, value) in NEW.items()}
    assert first == dict.fromkeys(NEW)


def test_a_new_column_whose_name_the_lake_has_itself_gets_another(empty_app):
    execute(
        empty_app,
        'alter table user_sessions add source text, add "Device" text, add deleted_at date, add rules integer',
        session(1, "2025-01-06 10:00+00", "'web'", "'iPad'", "'2025-01-07'", "5"),
    )
    found = read_window(empty_app, SESSIONS, DAY)

    assert found.unknown_columns == ["Device", "deleted_at", "rules", "source"]
    (row,) = found.rows.drop(SESSIONS.source_schema.names()).to_dicts()
    assert row == {"app_source": "web", "app_Device": "iPad", "app_deleted_at": date(2025, 1, 7), "app_rules": 5}
    assert found.rows.get_column("device").to_list() == ["desktop"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("alter table user_sessions drop device, drop duration", "missing: duration, device"),
        ('alter table user_sessions rename device to "Device"', "missing: device"),
        ("alter table user_sessions alter created_at type timestamp", "created_at is timestamp without time zone"),
        (
            "alter table user_sessions alter created_at type timestamp(3)",
            r"created_at is timestamp\(3\) without time zone",
        ),
        ("alter table user_sessions alter duration type numeric", "duration is numeric instead of bigint"),
        (
            "alter table user_sessions alter device type text[] using array[device]",
            r"device is text\[\] instead of text",
        ),
        ("drop table user_sessions", "has no table user_sessions"),
    ],
)
def test_what_breaks_the_contract_is_named(empty_app, change, message):
    execute(empty_app, change)

    with pytest.raises(ContractError, match=message):
        read_window(empty_app, SESSIONS, DAY)


def test_money_that_would_lose_digits_is_refused(empty_app):
    execute(empty_app, "alter table ai_usage_logs alter cost type numeric(14,8)")

    with pytest.raises(ContractError, match=r"cost is numeric\(14,8\) instead of numeric\(12,6\)"):
        read_window(empty_app, USAGE, DAY)


def test_rows_without_a_cursor_are_not_lost_unseen(empty_app):
    execute(
        empty_app,
        "alter table user_sessions alter created_at drop not null",
        "insert into user_sessions values (1, 1, null, 60, 'desktop', '203.0.113.9')",
    )
    with pytest.raises(ContractError, match=r"1 rows of user_sessions have no created_at"):
        read_window(empty_app, SESSIONS, DAY)
