"""Ten thousand random cases of the as-of join against two references that look at every row: Python's and DuckDB's.

A case is a handful of entities with some stored and some entity rows, all its own, so that a hundred cases fit into one
frame. Each world, of a hundred cases, is of one kind: what the join decides once for a frame differs between worlds.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
import pytest

from clientnest_assets.features import pieces
from clientnest_assets.features.point_in_time import MISSING, PRESENT, STALE, get_historical_features
from clientnest_assets.features.view import MOMENT, Feature, FeatureView

WORLDS, CASES_A_WORLD = 100, 100
START = datetime(2025, 1, 1, tzinfo=UTC)
MICROSECONDS_A_MINUTE = 60_000_000
SPAN_MINUTES = 12
KINDS = {
    "coarse": "whole minutes: ties, duplicates and restatements abound",
    "fine": "microseconds: no ties",
    "on time": "known when true, as daily views are",
    "known before": "known before it is true: ties in the moment of availability",
    "holed": "a fifth of keys and times is null",
}
"""Of what kind a world is, and what is particular about it."""


def view(name, keys, ttl_minutes):
    return FeatureView(
        name=name,
        version=1,
        entity_keys=keys,
        features=(Feature("value", pl.Int64(), "Any number."), Feature("text", pl.String(), "The same as a text.")),
        compute=lambda _inputs, _window: None,
        upstream=(),
        owner="data@clientnest.example",
        description="For tests.",
        ttl=None if ttl_minutes is None else timedelta(minutes=ttl_minutes),
    )


ACCOUNT = view("account", ("account_id",), 5)
PLATFORM = view("of_platform", ("platform",), 3)
PAIR = view("pair", ("account_id", "platform"), None)
VIEWS = (ACCOUNT, PLATFORM, PAIR)


def world(seed):
    """Entity rows and stored rows of a hundred cases of one kind; `case` says which. Frames are shuffled."""
    random = np.random.default_rng(seed)
    kind = list(KINDS)[seed % len(KINDS)]

    def cases(most):
        return np.repeat(np.arange(CASES_A_WORLD), random.integers(0, most + 1, CASES_A_WORLD))

    def moments(size):
        minutes = random.integers(0, SPAN_MINUTES, size) if kind != "fine" else random.random(size) * SPAN_MINUTES
        return pl.Series((minutes * MICROSECONDS_A_MINUTE).astype(np.int64)).cast(pl.Duration("us")) + START

    def holed(frame):
        if kind != "holed":
            return frame
        names = [name for name in frame.columns if name != "case"]
        is_hole = pl.DataFrame(random.random((frame.height, len(names))) < 0.2, schema=names)
        return frame.with_columns(
            pl.when(~is_hole[name]).then(pl.col(name)).alias(name) for name in names if name != "value"
        )

    def keys(case):
        # Negative and huge keys too; every third case shares no account with its neighbours in the order of keys.
        account = (case - 50) * 3 + random.integers(0, 3, case.size) + np.where(case % 3, 0, 2**60)
        platform = np.char.add(np.char.add("platform ", case.astype(str)), random.choice(["", "é", " b"], case.size))
        return {"case": case, "account_id": account, "platform": platform}

    def stored(case):
        event = moments(case.size)
        known = {
            "on time": event,
            "known before": event - timedelta(minutes=1) * pl.Series(random.integers(0, 4, case.size)),
        }.get(kind, moments(case.size))
        value = random.integers(0, 1000, case.size)
        rows = pl.DataFrame({**keys(case), "event_at": event, "known_at": known, "value": value})
        rows = holed(rows.cast({"event_at": MOMENT, "known_at": MOMENT}))
        return rows.with_columns(text=pl.col("value").cast(pl.String)).sample(fraction=1, shuffle=True, seed=seed)

    case = cases(8)
    asked = holed(pl.DataFrame({**keys(case), "as_of": moments(case.size)}).cast({"as_of": MOMENT}))
    return asked.sample(fraction=1, shuffle=True, seed=seed), {each: stored(cases(14)) for each in VIEWS}


def found_by_python(of, rows, asked):
    """The rule, as one would say it: of what was available, the newest event, and of that the last word."""
    by_case = defaultdict(list)
    for place, row in enumerate(rows.iter_rows(named=True)):
        by_case[row["case"]].append((place, row))
    return [_found(of, by_case[entity["case"]], entity) for entity in asked.iter_rows(named=True)]


def _found(of, rows, entity):
    moment = entity["as_of"]
    usable = [
        (row["event_at"], row["known_at"], place, row["value"], row["text"])
        for place, row in rows
        if moment is not None
        and row["event_at"] is not None
        and row["known_at"] is not None
        and max(row["event_at"], row["known_at"]) <= moment
        and all(row[key] is not None and row[key] == entity[key] for key in of.entity_keys)
    ]
    if not usable:
        return None, None, MISSING, None
    event, _, _, value, text = max(usable, key=lambda each: each[:3])
    seconds = (moment - event) // timedelta(seconds=1)
    is_stale = of.ttl is not None and moment - event > of.ttl
    return (None, None, STALE, seconds) if is_stale else (value, text, PRESENT, seconds)


def found_by_sql(of, rows, asked):
    """The same by a cross join of each case's rows and a window."""
    same = " and ".join(f"a.{key} = r.{key}" for key in of.entity_keys)
    ttl = "false" if of.ttl is None else f"age > interval {int(of.ttl.total_seconds())} seconds"
    with duckdb.connect() as connection:
        connection.register("asked", asked.with_row_index("place"))
        connection.register("stored", rows.with_row_index("place"))
        return connection.execute(
            f"""
            with pairs as (
                select a.place, r.value, r.text, a.as_of - r.event_at as age
                from asked as a inner join stored as r
                    on a."case" = r."case" and {same} and r.event_at <= a.as_of and r.known_at <= a.as_of
                qualify row_number() over (partition by a.place order by r.event_at desc, r.known_at desc, r.place desc) = 1
            )
            select
                case when not ({ttl}) then value end,
                case when not ({ttl}) then text end,
                case when age is null then '{MISSING}' when {ttl} then '{STALE}' else '{PRESENT}' end,
                floor(epoch_us(age) / 1000000)::bigint
            from asked left join pairs using (place) order by place
            """
        ).fetchall()


@pytest.mark.parametrize("block", range(0, WORLDS, 10))
def test_joined_rows_equal_those_of_two_references_that_look_at_every_row(block):
    for seed in range(block, block + 10):
        asked, stored = world(seed)
        joined = get_historical_features(asked, stored)
        added = joined.collect(engine="in-memory").drop(asked.columns)
        assert joined.collect(engine="streaming").select(asked.columns).equals(asked)
        for each in VIEWS:
            rows = added.select(f"^{each.name}__.*$").rows()
            assert rows == found_by_python(each, stored[each], asked), (seed, each.name)
            assert rows == found_by_sql(each, stored[each], asked), (seed, each.name)


def test_the_worlds_hold_what_makes_joining_hard():
    worlds = [world(seed) for seed in range(len(KINDS) * 2)]
    rows = pl.concat([stored[ACCOUNT].with_columns(world=n) for n, (_, stored) in enumerate(worlds)])
    of_entity = ["world", "case", "account_id"]
    assert rows.filter(pl.struct(*of_entity, "event_at", "known_at").is_duplicated()).height > 100
    assert rows.filter(pl.struct(*of_entity, "event_at").is_duplicated()).height > 300
    late = rows.filter(pl.col("known_at") > pl.col("event_at"))
    assert late.height > 1000
    assert rows.filter(pl.col("known_at") < pl.col("event_at")).height > 1000
    assert rows.filter(pl.col("account_id").is_null() | pl.col("event_at").is_null()).height > 100
    statuses = pl.concat(
        [get_historical_features(*each).collect().select(f"{of.name}__status" for of in VIEWS) for each in worlds]
    )
    for each in VIEWS[:2]:
        counts = dict(statuses.group_by(f"{each.name}__status").len().iter_rows())
        assert min(counts[PRESENT], counts[STALE], counts[MISSING]) > 200


@pytest.mark.parametrize("seed", range(len(KINDS)))
def test_joining_in_pieces_gives_the_same_rows_in_the_same_order(seed, monkeypatch, tmp_path):
    """With so little memory that there are several batches, and several pieces of a view."""
    monkeypatch.setattr(pieces, "LEAST_BYTES", 150_000)
    monkeypatch.setattr(pieces, "LEAST_ROWS", 16)
    asked, stored = world(seed)
    whole = get_historical_features(asked, stored)
    pieced = get_historical_features(asked.lazy(), stored, memory_limit=1)

    assert pieced.collect_schema() == whole.collect_schema()
    pieced.sink_parquet(tmp_path / "joined.parquet")
    assert pl.read_parquet(tmp_path / "joined.parquet").equals(whole.collect())


def test_what_is_left_out_of_a_result_in_pieces_is_left_out_of_its_batches():
    asked, stored = world(0)
    whole = get_historical_features(asked, stored).collect()
    pieced = get_historical_features(asked, stored, memory_limit=1)
    wanted = ["as_of", "pair__value"]
    is_high = pl.col("account__value") > 500
    assert pieced.filter(is_high).select(wanted).collect().equals(whole.filter(is_high).select(wanted))
    assert pieced.head(7).collect().equals(whole.head(7))


def test_empty_frames_are_joined_to_empty_or_missing():
    asked, stored = world(0)
    for limit in (None, 1):
        no_rows = {each: rows.clear() for each, rows in stored.items()}
        missing = get_historical_features(asked, no_rows, memory_limit=limit).collect()
        assert missing.height == asked.height
        assert set(missing["pair__status"]) == {MISSING}
        nothing = get_historical_features(asked.clear(), stored, memory_limit=limit)
        assert nothing.collect().equals(pl.DataFrame(schema=nothing.collect_schema()))
