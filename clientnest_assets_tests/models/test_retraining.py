"""What asks for a model to be trained again, how long, and which week answers."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.contracts import DAY
from clientnest_assets.features.quality.store import MAJOR, MODERATE, QUALITY_SCHEMA, store_quality
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.lake import Lake, with_fresh_input
from clientnest_assets.lake.files import Storage
from clientnest_assets.models import promotion, retraining, store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.performance import performance_schema, performance_table
from clientnest_assets.models.promotion import Decision
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.retraining import DRIFT_DAYS, Reason, due, kept_review, review
from clientnest_assets.partitions import Window

MODEL = MODELS["engagement"]
WEEK = timedelta(days=7)
OLD, NEXT = date(2025, 2, 3), date(2025, 3, 3)
"""The model in use is of the first week; nobody has trained since."""
TODAY = date(2025, 3, 12)
"""A Wednesday: the newest week that is over is NEXT."""
READ, UNREAD = ("content", "content_length"), ("user_activity", "sessions_7d")


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path))


def train(lake, week, *, promoted=True, code_version="7"):
    """A model of a week that reads the content's length; returns its version."""
    until = week + WEEK
    told = {
        "until": f"{until}T00:00:00+00:00",
        "code_version": code_version,
        "feature_set": {"features": {"content": ["content_length", "hashtag_count"]}},
    }
    artefact = Artefact.of("engagement", {"week": str(week)}, {}, told)
    store.keep(lake, week, artefact, pl.DataFrame({"platform": ["tiktok"], "loss": [1.0]}))
    promotion.keep_decision(lake, "engagement", week, Decision(artefact.card["fingerprint"], promoted))
    return artefact.version


def keep_outcomes(lake, versions, *, loss=1.0, since=TODAY, seed=0):
    """Four weeks of outcomes of models, by week, that promised a loss of 1, and from a day on lose more."""
    rng = np.random.default_rng(seed)
    rows = 1200
    back = rng.integers(0, 28, rows)
    days = pl.Series([TODAY]).new_from_index(0, rows) - pl.Series(back * 86_400_000).cast(pl.Duration("ms"))
    told = pl.DataFrame(
        {
            "post_id": np.arange(rows),
            "predicted_on": days,
            "model_version": [*versions.values()] * (rows // len(versions)),
            "model_week": [*versions] * (rows // len(versions)),
            "group": "tiktok",
            "cluster": rng.integers(0, 60, rows).astype(str),
            "loss": rng.gamma(4, 0.25, rows) * np.where(days >= since, loss, 1.0),
            "naive_loss": 2.0,
            "promised_loss": 1.0,
            "is_covered": True,
            DAY: days,
        }
    )
    schema = performance_schema(MODEL)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in told.columns]
    frame = told.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    table = performance_table(lake, MODEL)
    with_fresh_input(lambda: table.replace_window(table.open(), frame, Window.of_days(TODAY - 4 * WEEK, TODAY)))


def keep_drift(lake, view_and_feature, *, since, severity=MAJOR, day=TODAY):
    """The quality of a view on a day: one feature is drifted, the others are not."""
    name, feature = view_and_feature
    view = VIEWS[name]
    told = pl.DataFrame({"feature": view.feature_names, DAY: day}).with_columns(
        drifted=pl.col("feature") == feature,
        psi=pl.lit(0.4),
        severity=pl.when(pl.col("feature") == feature).then(pl.lit(severity)),
        since=pl.when(pl.col("feature") == feature).then(pl.lit(since)),
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in QUALITY_SCHEMA.items() if name not in told.columns]
    frame = told.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in QUALITY_SCHEMA.items())
    store_quality(lake, view, frame, Window.of_days(day, day))


def ago(days):
    return TODAY - timedelta(days=days)


def reasons(lake, day=TODAY):
    return [each.reason for each in review(lake, MODEL, day).requests]


def test_a_model_that_has_decayed_asks_once_until_a_later_week_is_trained(lake):
    version = train(lake, OLD)
    keep_outcomes(lake, {OLD: version}, loss=1.8, since=ago(14))

    (request,) = review(lake, MODEL, TODAY).requests

    assert (request.reason, request.model_version, request.asked_on) == (Reason.DECAY, version, TODAY)
    assert request.newest_week == OLD
    assert abs((request.since - ago(14)).days) <= 3
    assert "promised" in request.words
    assert due(lake, "engagement", NEXT) == (request,)
    # A day later the same is asked, by the same request.
    (again,) = review(lake, MODEL, TODAY + timedelta(days=1)).requests
    assert again.asked_on == TODAY
    # A model of that week that was not fit to be used answers it all the same, and so does every later week.
    train(lake, NEXT, promoted=False)
    assert due(lake, "engagement", NEXT) == ()
    review(lake, MODEL, TODAY + WEEK)
    assert due(lake, "engagement", NEXT + WEEK) == ()


def test_a_new_recipe_in_use_is_not_blamed_for_the_one_before(lake):
    keep_outcomes(lake, {OLD: train(lake, OLD)}, loss=1.8, since=ago(14))
    assert reasons(lake) == [Reason.DECAY]

    train(lake, NEXT, code_version="8")

    assert reasons(lake) == []
    assert kept_review(lake, "engagement").requests == ()


def test_models_that_are_replaced_every_week_ask_too(lake):
    """What the model in use said has no outcome yet, and never has before the next one is in use."""
    weeks = [OLD + each * WEEK for each in range(5)]
    versions = {week: train(lake, week) for week in weeks}
    assert promotion.champion_week(lake, "engagement", TODAY) not in weeks[:3]
    keep_outcomes(lake, {week: versions[week] for week in weeks[:3]}, loss=1.8, since=ago(14))

    (request,) = review(lake, MODEL, TODAY).requests

    in_use = promotion.champion_week(lake, "engagement", TODAY)
    assert (request.reason, request.model_version) == (Reason.DECAY, versions[in_use])
    assert abs((request.since - ago(14)).days) <= 3
    assert request.newest_week == NEXT
    review(lake, MODEL, NEXT + 2 * WEEK)
    assert [each.reason for each in due(lake, "engagement", NEXT + WEEK)] == [Reason.DECAY]


def test_a_model_whose_card_is_damaged_hides_no_decay_of_the_others(lake):
    weeks = [OLD, OLD + WEEK, NEXT - WEEK]
    versions = {week: train(lake, week) for week in weeks}
    keep_outcomes(lake, versions, loss=1.8, since=ago(14))
    Storage.of(lake).write(f"models/engagement/{OLD}/card.json", b"{")

    assert reasons(lake) == [Reason.DECAY]


def test_a_model_that_keeps_its_promise_asks_nothing(lake):
    keep_outcomes(lake, {OLD: train(lake, OLD)})
    assert reasons(lake) == []


def test_a_feature_that_drifts_for_long_asks(lake):
    train(lake, OLD)
    keep_drift(lake, READ, since=ago(DRIFT_DAYS - 1))

    (request,) = review(lake, MODEL, TODAY).requests

    assert (request.reason, request.since) == (Reason.DRIFT, ago(DRIFT_DAYS - 1))
    assert "content.content_length since 2025-02-27 (population stability index 0.40)" in request.words


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        (UNREAD, {"since": ago(60)}),
        (("content", "words"), {"since": ago(60)}),
        (READ, {"since": ago(60), "severity": MODERATE}),
        (READ, {"since": ago(DRIFT_DAYS - 2)}),
        (READ, {"since": ago(60), "day": ago(8)}),
    ],
    ids=["unread view", "unread feature", "moderate", "not for long", "measured long ago"],
)
def test_other_drifts_ask_nothing(lake, feature, told):
    train(lake, OLD)
    keep_drift(lake, feature, **told)
    assert reasons(lake) == []


def test_days_of_a_drift_on_which_the_model_learned_do_not_count(lake):
    keep_drift(lake, READ, since=ago(60))
    train(lake, NEXT - WEEK)
    assert reasons(lake) == []
    later = NEXT + timedelta(days=DRIFT_DAYS - 1)
    keep_drift(lake, READ, since=ago(60), day=later)
    assert reasons(lake, later) == [Reason.DRIFT]


def test_nothing_is_trained_before_the_week_was_looked_at_to_its_end(lake):
    train(lake, OLD)
    keep_drift(lake, READ, since=ago(30), day=NEXT + timedelta(days=5))
    assert reasons(lake, NEXT + timedelta(days=5)) == [Reason.DRIFT]
    assert due(lake, "engagement", NEXT) == ()
    assert len(due(lake, "engagement", NEXT - WEEK)) == 1
    review(lake, MODEL, NEXT + timedelta(days=6))
    assert len(due(lake, "engagement", NEXT)) == 1
    # The week of the model itself would give the same model again.
    assert due(lake, "engagement", OLD) == ()


def test_a_day_long_past_that_is_made_again_changes_nothing(lake):
    train(lake, OLD)
    keep_drift(lake, READ, since=ago(30))
    kept = review(lake, MODEL, TODAY)
    assert review(lake, MODEL, ago(20)) == kept
    assert kept_review(lake, "engagement") == kept


def test_without_a_model_nothing_is_asked(lake):
    keep_drift(lake, READ, since=ago(30))
    assert review(lake, MODEL, TODAY).requests == ()
    train(lake, OLD, promoted=False)
    assert reasons(lake) == []
    assert due(lake, "churn", NEXT) == ()


def test_what_is_kept_is_json_that_people_can_read(lake):
    train(lake, OLD)
    keep_drift(lake, READ, since=ago(30))
    review(lake, MODEL, TODAY)
    text = Storage.of(lake).read(f"models/engagement/{retraining.REQUESTS_FILE}").decode()
    assert '"reason": "drift"' in text
    assert f'"since": "{ago(30)}"' in text
