"""What a declaration promises: an exact schema, keys that hold, a hash that moves with the meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView, FeatureViewError
from clientnest_assets.partitions import Window

WINDOW = Window.of_days(date(2025, 1, 1), date(2025, 1, 2))
ROWS = Upstream("facts", "rows", (("day", pl.Date()),))


def passed_on(inputs, _window):
    return inputs["rows"]


def passed_on_in_another_way(inputs, _window):
    return inputs["rows"].filter(pl.col("total") > 0)


VIEW = FeatureView(
    name="sums",
    version=1,
    entity_keys=("account_id",),
    features=(Feature("total", pl.Float64(), "A sum.", "likes"),),
    compute=passed_on,
    upstream=(ROWS,),
    owner="data@clientnest.example",
    description="For tests.",
)
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def rows(*accounts: int | None) -> pl.DataFrame:
    schema = {"account_id": pl.Int64, "event_at": MOMENT, "known_at": MOMENT, "total": pl.Float64, "day": pl.Date}
    return pl.DataFrame([(each, NOON, NOON, 1.5, NOON.date()) for each in accounts], schema=schema, orient="row")


def test_rows_come_in_the_order_of_their_key():
    found = VIEW.materialise({"rows": rows(3, 1, 2).lazy()}, WINDOW)
    assert found["account_id"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows(1).drop("total"), "missing total"),
        (rows(1).with_columns(extra=1), "not declared extra"),
        (rows(1).cast({"total": pl.Int64}), "total is Int64, declared Float64"),
        (rows(1).select("day", "account_id", "event_at", "known_at", "total"), "out of order"),
        (rows(1, None), "null in account_id"),
        (rows(1, 2, 1), "1 rows repeat a key"),
    ],
)
def test_a_frame_that_is_not_as_declared_is_refused(frame, message):
    with pytest.raises(FeatureViewError, match=message):
        VIEW.materialise({"rows": frame.lazy()}, WINDOW)


def test_a_missing_upstream_is_named():
    with pytest.raises(FeatureViewError, match="upstream rows not given"):
        VIEW.materialise({}, WINDOW)


def test_hash_moves_with_meaning_and_not_with_prose():
    assert replace(VIEW, description="Other words.", owner="x").definition_hash == VIEW.definition_hash
    changed = [
        replace(VIEW, version=2),
        replace(VIEW, ttl=timedelta(days=1)),
        replace(VIEW, features=(Feature("total", pl.Float64(), "A sum.", "shares"),)),
        replace(VIEW, features=(Feature("total", pl.Float64(), "A sum.", "likes", 0.0),)),
        replace(VIEW, upstream=(replace(ROWS, days_back=7),)),
        replace(VIEW, compute=passed_on_in_another_way),
    ]
    assert len({view.definition_hash for view in [VIEW, *changed]}) == 7


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_each_view_says_what_it_is(view):
    assert view.description
    assert view.owner.endswith(".example")
    assert all(feature.description for feature in view.features)
    assert len(set(view.schema)) == len(view.entity_keys) + len(view.features) + 4
