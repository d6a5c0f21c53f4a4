"""Training sets: nothing of the future, a record of all that was read, the same bytes again, kept through upkeep."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.features import sets
from clientnest_assets.features.canonical import sha256_of
from clientnest_assets.features.point_in_time import AS_OF, MISSING, PRESENT
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.store import DefinitionChangedError, store_window, view_table
from clientnest_assets.features.training import TrainingSetError, rebuild, recorded, training_dataset
from clientnest_assets.features.view import MOMENT, Feature, FeatureView, FeatureViewError
from clientnest_assets.lake import Lake, SchemaMismatchError, maintenance
from clientnest_assets.lake.maintenance import maintain_table
from clientnest_assets.lake.sql import tables
from clientnest_assets.partitions import Window

DAY = date(2025, 1, 6)
MONDAY = date(2025, 1, 13)
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)


def given(inputs, _window):
    return inputs["rows"]


def view(name, ttl=None, version=1):
    return FeatureView(
        name=name,
        version=version,
        entity_keys=("account_id",),
        features=(Feature("value", pl.Float64(), "Any number."), Feature("other", pl.Int64(), "Another.")),
        compute=given,
        upstream=(),
        owner="data@clientnest.example",
        description="For tests.",
        ttl=ttl,
    )


AUDIENCE, CANARY = view("audience", ttl=timedelta(days=30)), view("canary")


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def keep(lake, of, rows, day=DAY):
    """Stores the view's rows of a day: account, event and known time, value."""
    frame = pl.DataFrame(
        [(account, event, known, value, 7, day) for account, event, known, value in rows],
        schema=of.computed_schema,
        orient="row",
    )
    window = Window.of_days(day, day)
    store_window(lake, of, of.materialise({"rows": frame.lazy()}, window), window)


def entities(labels=(0.5, 1.5, 2.5)):
    return pl.DataFrame(
        {"account_id": [2, 1, 2], AS_OF: [NOON, NOON, NOON + timedelta(days=1)], "label": labels},
        schema_overrides={AS_OF: MOMENT},
    )


def make(lake, views=(AUDIENCE,), rows=None, partition=MONDAY):
    return training_dataset(lake, "engagement", partition, entities() if rows is None else rows, views)


@pytest.fixture
def stored(lake):
    keep(lake, AUDIENCE, [(1, NOON, NOON, 10.0), (2, NOON - timedelta(hours=1), NOON, 20.0)])
    return lake


def test_rows_are_the_entity_rows_in_their_order_with_what_was_known(stored):
    made = make(stored)
    assert made.rows.select("account_id", "label", "audience__value", "audience__status").rows() == [
        (2, 0.5, 20.0, PRESENT),
        (1, 1.5, 10.0, PRESENT),
        (2, 2.5, 20.0, PRESENT),
    ]


def test_a_label_known_one_second_later_never_reaches_a_training_row(lake):
    """The canary is the label itself, known a second after each row's moment, and once a microsecond after."""
    asked = pl.DataFrame(
        {"account_id": range(1, 201), AS_OF: [NOON + timedelta(minutes=n) for n in range(200)], "label": range(200)},
        schema_overrides={AS_OF: MOMENT},
    )
    for day, late in ((DAY, timedelta(seconds=1)), (DAY + timedelta(days=1), timedelta(microseconds=1))):
        known = [(row[0], row[1], row[1] + late, float(row[2])) for row in asked.iter_rows()]
        true_later = [(row[0], row[1] + late, row[1] - timedelta(hours=1), float(row[2])) for row in asked.iter_rows()]
        keep(lake, CANARY, known + true_later, day)
    made = make(lake, [CANARY], asked)
    assert made.rows["canary__status"].to_list() == [MISSING] * 200
    assert made.rows["canary__value"].null_count() == 200
    seen = make(lake, [CANARY], asked.with_columns(pl.col(AS_OF) + timedelta(seconds=1)))
    assert seen.rows["canary__value"].to_list() == [float(n) for n in range(200)]


def test_the_record_names_versions_definitions_and_a_digest(stored):
    made = make(stored)
    json.loads(json.dumps(made.record))
    assert [(each["layer"], each["name"], each["version"]) for each in made.record["tables"]] == [
        ("training_sets", "engagement", 1),
        ("features", "audience_v1", 1),
    ]
    assert made.record["views"][0]["definition"] == AUDIENCE.definition_hash
    assert made.record["views"][0]["ttl_seconds"] == 30 * 86_400
    assert (made.record["rows"], made.record["sha256"]) == (3, sha256_of(made.rows))
    assert recorded(stored, "engagement", MONDAY) == made.record
    assert recorded(stored, "engagement", DAY) is None


def test_rebuilding_gives_the_same_bytes_whatever_was_written_since(stored):
    made = make(stored)
    keep(stored, AUDIENCE, [(1, NOON, NOON, 99.0), (2, NOON, NOON, 99.0)])
    make(stored, rows=entities((9.0, 9.0, 9.0)).head(1), partition=MONDAY + timedelta(days=7))
    record = json.loads(json.dumps(made.record))

    again = rebuild(stored, record)

    assert again.rows.equals(made.rows)
    assert sha256_of(again.rows) == made.record["sha256"]
    assert make(stored).rows["audience__value"].to_list() == [99.0] * 3


def test_a_partition_made_twice_from_the_same_tables_has_the_same_bytes(stored):
    assert make(stored).record["sha256"] == make(stored).record["sha256"]


def test_a_feature_set_joins_its_features_only(stored, monkeypatch):
    monkeypatch.setitem(sets.VIEWS, "audience", AUDIENCE)
    made = make(stored, FeatureSet("engagement", "small", "For tests.", {"audience": ("other",)}))
    added = made.rows.columns[3:]
    assert added == ["audience__other", "audience__status", "audience__age_seconds"]
    assert rebuild(stored, made.record).rows.equals(made.rows)


def test_upkeep_keeps_the_versions_that_a_record_names_and_no_others(stored, monkeypatch):
    monkeypatch.setattr(maintenance, "CLOCK_MARGIN", timedelta(0))
    made = make(stored)
    for value in (30.0, 40.0, 50.0):
        keep(stored, AUDIENCE, [(1, NOON, NOON, value)])
        make(stored, rows=entities((value, value, value)), partition=MONDAY + timedelta(days=7))

    def upkeep():
        return [maintain_table(stored, *table, retention=timedelta(0)) for table in tables(stored)]

    upkeep()
    removed = [upkeep() for _ in range(2)][-1]

    assert [each.files_removed for each in removed] == [0, 0]
    assert rebuild(stored, made.record).rows.equals(made.rows)
    table = view_table(stored, AUDIENCE)
    assert table.scan().collect()["value"].to_list() == [50.0]
    # No moment is mistaken for the older version that was kept.
    assert min(each["version"] for each in table.open().history()) > made.record["tables"][1]["version"]
    for version in (2, 3):
        gone = {**made.record, "tables": [made.record["tables"][0], {**made.record["tables"][1], "version": version}]}
        with pytest.raises(TrainingSetError, match=rf"version {version} of features.audience_v1, which does not keep"):
            rebuild(stored, gone)

    make(stored)
    upkeep()
    with pytest.raises(
        TrainingSetError, match=r"of (training_sets.engagement|features.audience_v1), which does not keep"
    ):
        rebuild(stored, made.record)


def test_what_cannot_be_rebuilt_says_why(stored):
    made = make(stored)
    for change, message in (
        ({"sha256": "0"}, "come out otherwise than recorded"),
        ({"form": 0}, "rebuild it with the version that made it"),
        ({"tables": [{**each, "id": "other"} for each in made.record["tables"]]}, "was made anew since"),
        ({"tables": [{**each, "name": "none"} for each in made.record["tables"]]}, "training_sets.none"),
    ):
        with pytest.raises(TrainingSetError, match=message):
            rebuild(stored, {**made.record, **change})


def test_entity_rows_and_views_that_do_not_fit_are_refused(stored):
    with pytest.raises(FeatureViewError, match="cannot have columns named day"):
        make(stored, rows=entities().with_columns(day=MONDAY))
    with pytest.raises(FeatureViewError, match="account_id"):
        make(stored, rows=entities().drop("account_id"))
    make(stored)
    with pytest.raises(SchemaMismatchError, match="label"):
        make(stored, rows=entities().cast({"label": pl.String}))
    with pytest.raises(DefinitionChangedError, match="audience"):
        make(stored, [view("audience", ttl=timedelta(days=31))])


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1.5, None, -0.0, float("nan")]),
        pl.Series(["a", "bc", None, ""]),
        pl.Series([["a", "b"], None, [], [None]]),
        pl.Series([DAY, None, DAY, DAY]),
        pl.Series([True, None, False, True]),
    ],
    ids=["floats", "texts", "lists", "dates", "booleans"],
)
def test_the_digest_tells_values_and_nulls_apart_and_nothing_else(values):
    frame = values.alias("x").to_frame()
    pieced = pl.concat([frame[:1], frame[1:3], frame[3:]], rechunk=False)
    assert sha256_of(pieced) == sha256_of(frame)
    different = [frame.reverse(), frame.head(3), frame.rename({"x": "y"}), frame.with_columns(pl.col("x").shift())]
    assert len({sha256_of(each) for each in (frame, *different)}) == 5


def test_the_digest_is_the_same_in_every_version():
    frame = pl.DataFrame({"id": [1, 2], "text": ["a", None], "at": [NOON, NOON], "tags": [["x"], []]})
    assert sha256_of(frame.cast({"at": MOMENT})) == "805e94bf62d774efe3da17157eccfa2be6587d2f4395d614b8c3fcd7f30a8232"
