"""Training: better than the naive rules, reproducible, honest without signal, clear when data is thin."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.sets import feature_set
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.engagement.evaluation import explained_share
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.errors import ModelError, NotEnoughDataError
from clientnest_assets.models.model import MODEL, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT

UNTIL = datetime(2025, 4, 1, tzinfo=UTC)
LEAN = feature_set(spec.TASK, "lean")
PREDICTED = spec.PREDICTED
UNHEARD_OF = (pl.lit(0, pl.Int64).alias("young_posts"), pl.lit(None, pl.Float64).alias("young_mean_log"))
"""No young posts."""


def train(rows, features=LEAN, **options):
    return ENGAGEMENT.train(Training(rows, features, UNTIL, **options))


def test_model_beats_both_naive_rules_on_later_posts(trained, world):
    ours = trained.metrics[MODEL]
    for rule in spec.NAIVE_RULES:
        assert ours["mae"] < 0.9 * trained.metrics[rule]["mae"]
        assert ours["spearman"] > trained.metrics[rule]["spearman"]
    assert explained_share(trained.evaluated, world.truth)["share"] > 0.95


def test_every_declared_metric_of_model_and_rules_is_told(trained):
    assert set(trained.metrics) == {MODEL, *ENGAGEMENT.naive_rules}
    assert all(set(values) == {metric.name for metric in ENGAGEMENT.metrics} for values in trained.metrics.values())
    assert trained.evaluated[ENGAGEMENT.gate.loss].mean() == pytest.approx(trained.metrics[MODEL]["mae"])


def test_the_interval_and_the_tiers_hold_on_later_posts(trained):
    assert [finding.name for finding in trained.findings if finding.passed] == ["has_skill", "covers", "tells_tiers"]


def test_evaluated_rows_are_later_than_any_learned_from(trained):
    evaluated = trained.artefact.card["evaluated"]
    assert datetime.fromisoformat(evaluated["last_learned_as_of"]) < datetime.fromisoformat(evaluated["cutoff"])
    assert trained.evaluated["as_of"].min().isoformat() >= evaluated["cutoff"]


def test_same_rows_give_the_same_files_at_any_number_of_threads(rows):
    one, two = (train(rows.head(400), threads=count) for count in (1, 2))
    assert one.artefact.to_files() == two.artefact.to_files()
    assert one.evaluated.equals(two.evaluated)


def test_shuffled_labels_give_no_skill(rows):
    noise = np.random.default_rng(8).permutation(rows[spec.LABEL].to_numpy())
    shuffled = rows.with_columns(pl.Series(spec.LABEL, noise), *UNHEARD_OF)
    metrics = train(shuffled).metrics[MODEL]
    assert abs(metrics["spearman"]) < 0.15
    assert metrics["r2"] < 0.03


def test_what_happens_later_does_not_change_a_prediction(trained, rows):
    """Outcomes known after a post was written are history for others, never for it."""
    predictor = Predictor.of(trained.artefact)
    moment = rows["as_of"][1000]
    some = rows.filter(pl.col("as_of") <= moment)
    altered = rows.with_columns(
        pl.when(pl.col(LABEL_KNOWN_AT) > moment).then(99.0).otherwise(spec.LABEL).alias(spec.LABEL)
    )
    assert predictor.predict(some, rows)[PREDICTED].equals(predictor.predict(some, altered)[PREDICTED])


def test_an_account_that_outgrows_all_training_data_is_followed(trained, rows):
    grown = rows.with_columns(pl.col(spec.LABEL) + 5, pl.col("young_mean_log") + 5)
    predicted = Predictor.of(trained.artefact).predict(grown.tail(200), grown)
    assert (predicted[PREDICTED] - predicted[spec.LABEL]).mean() == pytest.approx(0, abs=0.6)


def test_only_the_newest_posts_are_learned_from_and_older_ones_are_past(rows, monkeypatch):
    monkeypatch.setattr(spec, "MIN_RECENT", 600)
    monkeypatch.setattr(spec, "RECENT", rows["as_of"][-1] - rows["as_of"][-700])
    columns = columns_of(LEAN)
    learned = Predictor.fit(rows, columns, threads=1)
    # What form did long ago does not count; what accounts did does.
    strange = pl.int_range(pl.len()) < rows.height - 700
    other_form = rows.with_columns(
        pl.when(strange).then(pl.lit("audio")).otherwise("content__media_type").alias("content__media_type")
    )
    assert "audio" not in Predictor.fit(other_form, columns, threads=1).encoder.vocabulary["content__media_type"]
    raised = rows.with_columns(pl.when(strange).then(pl.col(spec.LABEL) + 1).otherwise(spec.LABEL).alias(spec.LABEL))
    row = rows.slice(rows.height - 690, 20)
    assert (learned.predict(row, raised)[PREDICTED] > learned.predict(row, rows)[PREDICTED]).all()


@pytest.mark.parametrize("count", [0, 1, spec.MIN_MATURE_POSTS - 1])
def test_too_few_posts_are_said(rows, count):
    with pytest.raises(NotEnoughDataError, match=f"{count} posts have mature engagement.* {spec.MIN_MATURE_POSTS}"):
        train(rows.head(count))


def test_posts_of_one_moment_are_said(rows):
    with pytest.raises(NotEnoughDataError, match="the outcomes of 0 were known by then"):
        train(rows.with_columns(pl.lit(rows["as_of"][0]).alias("as_of")))


def test_one_platform_without_history_trains(rows):
    strangers = rows.with_columns(
        pl.lit("twitter").alias("platform"),
        pl.col("post_id").alias("account_id"),
        pl.col("post_id").alias("user_id"),
        *(pl.lit(None, pl.Float64).alias(column(spec.HISTORY, name)) for name in ("mean_log", "mean_log_20")),
        *UNHEARD_OF,
    )
    trained = train(strangers)
    assert trained.evaluated[PREDICTED].is_finite().all()


def test_truth_of_other_posts_is_an_error(trained, world):
    with pytest.raises(ModelError, match="no posts in common"):
        explained_share(trained.evaluated, world.truth.with_columns(pl.col("post_id") + 10**6))


def test_followers_in_the_set_tell_what_to_expect_of_an_account_without_a_past(rows):
    """Accounts that each write once: what their followers say is all that is known of them."""
    followers = pl.Series("followers", np.random.default_rng(4).normal(6, 1.5, rows.height))
    strangers = rows.with_columns(
        pl.col("post_id").alias("account_id"),
        pl.col("post_id").alias("user_id"),
        (pl.col(spec.LABEL) + 0.5 * (followers - 6)).alias(spec.LABEL),
        followers.alias(spec.FOLLOWERS),
        *(pl.lit(None, pl.Float64).alias(column(spec.HISTORY, name)) for name in spec.HISTORY.feature_names),
        *UNHEARD_OF,
    )
    lean, standard = (train(strangers, feature_set(spec.TASK, name)) for name in ("lean", "standard"))
    assert standard.artefact.learned["level"]["audience"]["growth"] == pytest.approx(0.5, abs=0.1)
    assert lean.artefact.learned["level"]["audience"]["growth"] == 0
    assert standard.metrics[MODEL]["mae"] < 0.93 * lean.metrics[MODEL]["mae"]
