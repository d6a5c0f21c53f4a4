"""What readers get: the values, ages and statuses that a point-in-time read of the whole history gives as of now."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clientnest_assets.features.online import get_online_features, read_entities
from clientnest_assets.features.online.latest import latest_rows
from clientnest_assets.features.point_in_time import get_historical_features
from clientnest_assets.features.view import MOMENT, Feature, FeatureViewError
from clientnest_assets_tests.features.online.conftest import (
    NOW,
    make_view,
    position,
    simple_rows,
    simple_view,
)

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def history(view, chance, entities=300, rows=3000):
    """Random rows: late, corrected, tied, not known yet, of the future, with nulls in their values."""
    hours = lambda size, most: chance.integers(0, most, size) * 3_600_000_000  # noqa: E731
    end = int(NOW.timestamp() * 1_000_000)
    event = end - hours(rows, 24 * 6) + chance.integers(-1, 2, rows)
    known = event + np.where(chance.random(rows) < 0.3, hours(rows, 48), 0)
    is_null = chance.random((rows, len(view.features))) < 0.1
    values = {
        pl.Int64(): chance.integers(-(2**62), 2**62, rows).tolist(),
        pl.Float64(): np.where(chance.random(rows) < 0.05, np.nan, chance.normal(size=rows)).tolist(),
        pl.Boolean(): (chance.random(rows) < 0.5).tolist(),
        pl.String(): [f"tier {each}" for each in chance.integers(0, 4, rows)],
        pl.List(pl.String()): [[f"w{each}"] * (each % 3) for each in chance.integers(0, 9, rows).tolist()],
    }
    keys = {
        "user_id": chance.integers(1, entities, rows),
        "platform": [["twitter", "x é", ""][each] for each in chance.integers(0, 3, rows)],
    }
    frame = pl.DataFrame(
        {
            **{key: keys[key] for key in view.entity_keys},
            "event_at": pl.Series(event, dtype=MOMENT),
            "known_at": pl.Series(known, dtype=MOMENT),
            **{
                each.name: pl.Series(
                    [None if null else value for null, value in zip(is_null[:, n], values[each.dtype], strict=True)],
                    dtype=each.dtype,
                )
                for n, each in enumerate(view.features)
            },
        }
    )
    return frame.unique(view.row_key, keep="first", maintain_order=True)


@pytest.mark.parametrize("seed", range(3))
def test_online_equals_offline_for_every_entity_of_several_views(store, seed):
    chance = np.random.default_rng(seed)
    views = [
        make_view("with_ttl", ttl=timedelta(days=2)),
        make_view("by_platform", ("user_id", "platform"), ttl=timedelta(hours=36)),
        make_view("for_ever", ("user_id",), ttl=None),
        make_view("unpublished", ("user_id",)),
    ]
    stored = {view: history(view, chance) for view in views[:3]}
    stored[views[3]] = history(views[3], chance).clear()
    for view in views[:3]:
        store.publish(view, latest_rows(view, stored[view].lazy(), NOW), position(1))
    asked = pl.DataFrame(
        {
            "row": range(1500),
            "user_id": pl.Series([int(each) or None for each in chance.integers(0, 320, 1500)], dtype=pl.Int64()),
            "platform": [["twitter", "x é", "", "nobody's", None][each] for each in chance.integers(0, 5, 1500)],
        },
        schema_overrides={"platform": pl.String()},
    )

    online = get_online_features(store, asked, views, NOW)

    offline = get_historical_features(asked.with_columns(pl.lit(NOW).cast(MOMENT).alias("as_of")), stored).collect()
    assert_frame_equal(online, offline.drop("as_of"), check_exact=True)
    statuses = {status for view in views[:2] for status in online[f"{view.name}__status"]}
    assert statuses == {"PRESENT", "STALE", "MISSING"}


def test_the_light_read_says_the_same_as_the_frame(store):
    chance = np.random.default_rng(8)
    views = [make_view("first"), make_view("second", ("user_id", "platform"), ttl=None)]
    for view in views:
        store.publish(view, latest_rows(view, history(view, chance).lazy(), NOW), position(1))
    asked = pl.DataFrame({"user_id": range(1, 200), "platform": ["twitter"] * 199})

    frame = get_online_features(store, asked, views, NOW)
    light = read_entities(store, asked.to_dicts(), views, NOW)

    assert [list(row) for row in light] == [["first", "second"]] * 199
    for view in views:
        rows = [row[view.name] for row in light]
        flat = pl.DataFrame(
            [(*row.values.values(), row.status, row.age_seconds) for row in rows],
            [name for name in frame.columns if name.startswith(f"{view.name}__")],
            orient="row",
            infer_schema_length=None,
        )
        assert_frame_equal(flat, frame.select(flat.columns), check_exact=True, check_dtypes=False)


@pytest.mark.parametrize(
    ("age", "status", "seconds"),
    [
        (timedelta(0), "PRESENT", 0),
        (timedelta(days=3) - MICROSECOND, "PRESENT", 3 * 86_400 - 1),
        (timedelta(days=3), "PRESENT", 3 * 86_400),
        (timedelta(days=3) + MICROSECOND, "STALE", 3 * 86_400),
        (-MICROSECOND, "MISSING", None),
    ],
    ids=["now", "just under", "at the limit", "just over", "not true yet"],
)
def test_status_and_age_at_the_edges_of_the_ttl(store, age, status, seconds):
    view = simple_view()
    store.publish(view, simple_rows([7], NOW - age), position(1))

    ((row,),) = [each.values() for each in read_entities(store, [{"user_id": 1}], [view], NOW)]
    frame = get_online_features(store, pl.DataFrame({"user_id": [1]}), [view], NOW)

    assert (row.status, row.age_seconds, row.values) == (status, seconds, {"value": 7 if status == "PRESENT" else None})
    assert frame.row(0) == (1, row.values["value"], status, seconds)
    assert (row.event_at is None) == (status == "MISSING")


def test_what_is_published_is_what_was_known_by_then():
    view = simple_view()
    at = lambda hours: NOW + timedelta(hours=hours)  # noqa: E731
    rows = pl.DataFrame(
        [
            (1, at(-5), at(-5), 10),
            (1, at(-3), at(1), 11),  # true, and not known yet
            (2, at(-5), at(-5), 20),
            (2, at(-5), at(-1), 21),  # its correction
            (2, at(-9), at(0), 22),  # an older one's, known last
            (3, at(1), at(-9), 30),  # known, and not true yet
            (None, at(-1), at(-1), 40),
        ],
        {"user_id": pl.Int64(), "event_at": MOMENT, "known_at": MOMENT, "value": pl.Int64()},
        orient="row",
    )

    assert latest_rows(view, rows.lazy(), NOW)["user_id", "value"].rows() == [(1, 10), (2, 21)]
    assert latest_rows(view, rows.lazy(), at(1))["user_id", "value"].rows() == [(1, 11), (2, 21), (3, 30)]
    assert latest_rows(view, rows.lazy(), at(-10)).is_empty()


def test_rows_keep_their_order_and_their_other_columns(store):
    view = simple_view()
    store.publish(view, simple_rows([1, 2, 3]), position(1))
    asked = pl.DataFrame({"post": ["c", "a", "c"], "user_id": [3, 9, 3]})

    found = get_online_features(store, asked, [view], NOW)

    assert found.select("post", "user_id", "counts__value").rows() == [("c", 3, 3), ("a", 9, None), ("c", 3, 3)]


def test_no_rows_and_no_keys_give_all_columns(store):
    view = simple_view()
    schema = {"counts__value": pl.Int64(), "counts__status": pl.String(), "counts__age_seconds": pl.Int64()}

    nothing = get_online_features(store, pl.DataFrame(schema={"user_id": pl.Int64()}), [view], NOW)
    keyless = get_online_features(store, pl.DataFrame({"post": [1, 2]}), [view], NOW)

    assert nothing.schema == {"user_id": pl.Int64(), **schema}
    assert keyless["counts__status"].to_list() == ["MISSING", "MISSING"]
    assert read_entities(store, [], [view], NOW) == []


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        ({"user_id": "1"}, "user_id is '1'"),
        ({"user_id": True}, "user_id is True"),
        ({"user_id": 2**63}, "user_id is 9223372036854775808"),
        ({"platform": 5}, "platform is 5"),
        ({"platform": "a\0b"}, "platform is 'a"),
        ({"platform": "\ud800"}, "platform is "),
    ],
    ids=["text", "flag", "too large", "number", "nul", "half a character"],
)
def test_a_key_that_no_store_could_hold_is_refused(store, entity, said):
    view = make_view(keys=("user_id", "platform"))

    with pytest.raises(FeatureViewError, match=said):
        read_entities(store, [entity], [view], NOW)


def test_frames_that_do_not_fit_are_refused(store):
    view = simple_view()

    with pytest.raises(FeatureViewError, match=r"user_id \(Int64 needed, Int32 found\)"):
        get_online_features(store, pl.DataFrame({"user_id": [1]}, {"user_id": pl.Int32()}), [view], NOW)
    with pytest.raises(FeatureViewError, match="already have counts__value"):
        get_online_features(store, pl.DataFrame({"user_id": [1], "counts__value": [1]}), [view], NOW)


def test_every_view_of_the_product_can_be_stored():
    from clientnest_assets.features.online.store import conformed
    from clientnest_assets.features.registry import VIEWS

    for view in VIEWS.values():
        assert conformed(view, pl.DataFrame(schema=view.schema)).is_empty()


def test_a_view_of_one_feature_of_each_type_keeps_types_when_all_is_null(store):
    view = make_view(
        features=(Feature("words", pl.List(pl.String()), "Texts."), Feature("rate", pl.Float64(), "Rate."))
    )
    rows = pl.DataFrame(
        [(1, NOW, None, None)],
        {"user_id": pl.Int64(), "event_at": MOMENT, "words": pl.List(pl.String()), "rate": pl.Float64()},
        orient="row",
    )
    store.publish(view, rows, position(1))

    found = get_online_features(store, rows.select("user_id"), [view], NOW)

    assert found.schema["activity__words"] == pl.List(pl.String())
    assert found.row(0) == (1, None, None, "PRESENT", 0)
