"""The offline store: a table a version, and never rows of two definitions in one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from clientnest_assets.features.store import DefinitionChangedError, store_window, stored_rows, view_table
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.features.view import DEFINITION, MOMENT, Feature, FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window

DAY_ONE = Window.of_days(date(2025, 1, 1), date(2025, 1, 1))
DAY_TWO = Window.of_days(date(2025, 1, 2), date(2025, 1, 2))


def passed_on(inputs, window):
    return inputs["rows"].filter(pl.col("day") >= window.start, pl.col("day") < window.end)


def doubled(inputs, window):
    return passed_on(inputs, window).with_columns(pl.col("total") * 2)


VIEW = FeatureView(
    name="sums",
    version=1,
    entity_keys=("account_id",),
    features=(Feature("total", pl.Float64(), "A sum.", "likes"),),
    compute=passed_on,
    upstream=(Upstream("facts", "rows", (("day", pl.Date()),)),),
    owner="data@clientnest.example",
    description="For tests.",
)
ROWS = pl.LazyFrame(
    {
        "account_id": [1, 2, 1],
        "event_at": [datetime(2025, 1, day, tzinfo=UTC) for day in (2, 2, 3)],
        "known_at": [datetime(2025, 1, day, tzinfo=UTC) for day in (2, 2, 3)],
        "total": [1.0, 2.0, 3.0],
        "day": [date(2025, 1, 1), date(2025, 1, 1), date(2025, 1, 2)],
    },
    schema_overrides={"event_at": MOMENT, "known_at": MOMENT},
)


@pytest.fixture
def folder(tmp_path):
    return Lake(str(tmp_path / "lake"))


def store(lake, view, window):
    store_window(lake, view, view.materialise({"rows": ROWS}, window), window)


def totals(lake, view):
    return stored_rows(lake, view).sort("event_at", "account_id").collect()["total"].to_list()


def test_a_window_stored_again_is_replaced(folder):
    store(folder, VIEW, DAY_ONE)
    store(folder, VIEW, DAY_TWO)
    store(folder, VIEW, DAY_ONE)

    assert totals(folder, VIEW) == [1.0, 2.0, 3.0]
    assert stored_rows(folder, VIEW).collect()[DEFINITION].unique().to_list() == [VIEW.definition_hash]


def test_a_changed_definition_of_the_same_version_is_neither_written_nor_read(folder):
    store(folder, VIEW, DAY_ONE)
    changed = replace(VIEW, compute=doubled)

    with pytest.raises(DefinitionChangedError, match="Raise its version"):
        store(folder, changed, DAY_TWO)
    with pytest.raises(DefinitionChangedError, match="sums is computed in another way"):
        stored_rows(folder, changed)
    assert totals(folder, VIEW) == [1.0, 2.0]


def test_a_new_version_has_a_table_of_its_own(folder):
    store(folder, VIEW, DAY_ONE)
    second = replace(VIEW, version=2, compute=doubled)
    store(folder, second, DAY_ONE)

    assert (totals(folder, VIEW), totals(folder, second)) == ([1.0, 2.0], [2.0, 4.0])
    assert view_table(folder, second).full_name == "features.sums_v2"


def test_words_bounds_and_owner_may_change(folder):
    store(folder, VIEW, DAY_ONE)
    told = replace(
        VIEW,
        description="Other words.",
        owner="others@clientnest.example",
        features=(Feature("total", pl.Float64(), "Said in another way.", "likes", minimum=0.0, max_null_share=0.5),),
    )
    store(folder, told, DAY_TWO)

    assert totals(folder, told) == [1.0, 2.0, 3.0]
