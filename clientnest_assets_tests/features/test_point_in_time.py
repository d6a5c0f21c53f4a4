"""The as-of join against a reference that looks at every row, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.features.point_in_time import MISSING, PRESENT, STALE, get_historical_features
from clientnest_assets.features.view import MOMENT, Feature, FeatureView, FeatureViewError

START = datetime(2025, 1, 1, tzinfo=UTC)


def not_stored(_inputs, _window):
    raise NotImplementedError


def view(name: str, keys: tuple[str, ...], ttl: timedelta | None) -> FeatureView:
    return FeatureView(
        name=name,
        version=1,
        entity_keys=keys,
        features=(Feature("value", pl.Int64(), "Any number."),),
        compute=not_stored,
        upstream=(),
        owner="data@clientnest.example",
        description="For tests.",
        ttl=ttl,
    )


ACCOUNT = view("account", ("account_id",), timedelta(minutes=5))
PAIR = view("pair", ("account_id", "post_id"), None)


def at(minute: int | None) -> datetime | None:
    return None if minute is None else START + timedelta(minutes=minute)


def frame(keys: tuple[str, ...], rows: list[tuple[int | None, ...]]) -> pl.DataFrame:
    """Rows of keys, event minute, known minute, value."""
    schema = {**dict.fromkeys(keys, pl.Int64), "event_at": MOMENT, "known_at": MOMENT, "value": pl.Int64}
    n = len(keys)
    return pl.DataFrame(
        [(*row[:n], at(row[n]), at(row[n + 1]), row[n + 2]) for row in rows], schema=schema, orient="row"
    )


def entities(rows: list[tuple[int | None, int | None, int | None]]) -> pl.DataFrame:
    schema = {"account_id": pl.Int64, "post_id": pl.Int64, "as_of": MOMENT}
    return pl.DataFrame([(a, t, at(m)) for a, t, m in rows], schema=schema, orient="row")


def look_at_every_row(of: FeatureView, rows: pl.DataFrame, entity: dict) -> tuple[int | None, str, int | None]:
    """The rule, as one would say it: of what was available, the newest event, and of that the last word."""
    moment = entity["as_of"]
    usable = [
        (row["event_at"], row["known_at"], place, row["value"])
        for place, row in enumerate(rows.iter_rows(named=True))
        if moment is not None
        and all(row[key] is not None and row[key] == entity[key] for key in of.entity_keys)
        and row["event_at"] is not None
        and row["known_at"] is not None
        and row["event_at"] <= moment
        and row["known_at"] <= moment
    ]
    if not usable:
        return None, MISSING, None
    event, _, _, value = max(usable, key=lambda each: each[:3])
    age = moment - event
    seconds = int(age.total_seconds())
    return (None, STALE, seconds) if of.ttl is not None and age > of.ttl else (value, PRESENT, seconds)


minutes = st.one_of(st.integers(0, 12), st.none())
ids = st.one_of(st.integers(1, 3), st.none())
account_rows = st.lists(st.tuples(ids, minutes, minutes, st.integers(0, 99)), max_size=14)
pair_rows = st.lists(st.tuples(ids, st.integers(1, 2), minutes, minutes, st.integers(0, 99)), max_size=14)
requests = st.lists(st.tuples(ids, ids, minutes), max_size=10)


@settings(max_examples=200, deadline=None)
@given(account_rows, pair_rows, requests)
def test_join_equals_looking_at_every_row(of_account, of_pair, asked):
    accounts, pairs, rows = frame(ACCOUNT.entity_keys, of_account), frame(PAIR.entity_keys, of_pair), entities(asked)
    joined = get_historical_features(rows, {ACCOUNT: accounts, PAIR: pairs})
    expected = [
        (*look_at_every_row(ACCOUNT, accounts, entity), *look_at_every_row(PAIR, pairs, entity))
        for entity in rows.iter_rows(named=True)
    ]
    found = joined.collect()
    assert found.select(rows.columns).equals(rows)
    assert found.drop(rows.columns).rows() == expected


def test_late_correction_of_an_older_event_does_not_hide_a_newer_one():
    rows = frame(("account_id",), [(1, 2, 2, 20), (1, 1, 3, 11)])
    found = get_historical_features(entities([(1, 1, 4)]), {ACCOUNT: rows}).collect()
    assert found["account__value"].to_list() == [20]


def test_restatement_counts_from_the_moment_it_is_known():
    rows = frame(("account_id",), [(1, 1, 1, 10), (1, 1, 3, 11)])
    found = get_historical_features(entities([(1, 1, 2), (1, 1, 3)]), {ACCOUNT: rows}).collect()
    assert found["account__value"].to_list() == [10, 11]


def test_value_one_microsecond_in_the_future_is_not_seen():
    canary = frame(("account_id",), [(1, 5, 5, 1)]).with_columns(pl.col("known_at") + timedelta(microseconds=1))
    found = get_historical_features(entities([(1, 1, 5)]), {ACCOUNT: canary}).collect()
    assert found["account__status"].to_list() == [MISSING]


def test_stale_row_gives_no_value_but_its_age():
    rows = frame(("account_id",), [(1, 0, 0, 7)])
    found = get_historical_features(entities([(1, 1, 5), (1, 1, 6)]), {ACCOUNT: rows}).collect()
    assert found.select("account__value", "account__status", "account__age_seconds").rows() == [
        (7, PRESENT, 300),
        (None, STALE, 360),
    ]


def test_each_repeated_entity_row_is_kept_in_place():
    rows = frame(("account_id",), [(1, 0, 0, 7), (2, 0, 0, 8)])
    asked = entities([(2, 1, 3), (1, 1, 3), (2, 1, 3)])
    assert get_historical_features(asked, {ACCOUNT: rows}).collect()["account__value"].to_list() == [8, 7, 8]


def test_unlike_key_types_and_taken_names_are_refused():
    rows = frame(("account_id",), [(1, 0, 0, 7)])
    with pytest.raises(FeatureViewError, match="account_id \\(Int64 needed, Int32 found\\)"):
        get_historical_features(entities([(1, 1, 1)]).cast({"account_id": pl.Int32}), {ACCOUNT: rows})
    with pytest.raises(FeatureViewError, match="view account: value \\(Int64 needed, missing found\\)"):
        get_historical_features(entities([(1, 1, 1)]), {ACCOUNT: rows.drop("value")})
    with pytest.raises(FeatureViewError, match="already have account__value"):
        get_historical_features(entities([(1, 1, 1)]).with_columns(account__value=1), {ACCOUNT: rows})


def test_keys_and_moments_at_the_ends_of_what_there_is():
    """The join packs both into one number, and takes a wider one where 64 bits do not suffice."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    ids = [-(2**63), -1, 0, 2**63 - 1]
    schema = {"account_id": pl.Int64, "event_at": MOMENT, "known_at": MOMENT, "value": pl.Int64}
    of_all = [(key, moment, moment, n) for n, key in enumerate(ids) for moment in (first, START)]
    asked = pl.DataFrame(
        [(key, moment) for key in (*ids, 1) for moment in (first, last)],
        schema={"account_id": pl.Int64, "as_of": MOMENT},
        orient="row",
    )
    rows = pl.DataFrame(of_all, schema=schema, orient="row")
    found = get_historical_features(asked, {view("account", ("account_id",), None): rows}).collect()
    assert found["account__value"].to_list() == [0, 0, 1, 1, 2, 2, 3, 3, None, None]
    assert found["account__age_seconds"].to_list()[:2] == [0, int((last - START).total_seconds())]
