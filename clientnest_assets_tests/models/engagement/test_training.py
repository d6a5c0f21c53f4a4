"""Training: better than the naive rules, reproducible, honest without signal, clear when data is thin."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.sets import feature_set
from clientnest_assets.models.artefact import fingerprint
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.evaluation import explained_share
from clientnest_assets.models.engagement.predictor import PREDICTED, Predictor
from clientnest_assets.models.engagement.training import train
from clientnest_assets.models.errors import ModelError, NotEnoughDataError

UNTIL = datetime(2025, 4, 1, tzinfo=UTC)
LEAN = feature_set(spec.TASK, "lean")


def test_model_beats_both_naive_rules_on_later_posts(trained, world):
    metrics = trained.evaluation.metrics
    assert trained.evaluation.beats_naive_rules
    assert metrics["model"]["mae"] < 0.9 * metrics[spec.TRAILING_MEAN]["mae"]
    assert explained_share(trained.evaluation.predictions, world.truth)["share"] > 0.9


def test_evaluated_rows_are_later_than_any_learned_from(trained):
    evaluated = trained.artefact.card["evaluated"]
    assert evaluated["last_as_of"] < evaluated["cutoff"]
    assert trained.evaluation.predictions["as_of"].min().isoformat() >= evaluated["cutoff"]
    assert evaluated["fingerprint"] != trained.artefact.card["fingerprint"]


def test_same_rows_give_the_same_files_at_any_number_of_threads(trained, rows):
    again = train(rows, LEAN, until=UNTIL, threads=2)
    assert again.artefact.to_files() == trained.artefact.to_files()
    assert fingerprint(again.artefact.model_text) == trained.artefact.card["fingerprint"]


def test_shuffled_labels_give_no_skill(rows):
    noise = np.random.default_rng(8).permutation(rows[spec.LABEL].to_numpy())
    shuffled = rows.with_columns(pl.Series(spec.LABEL, noise))
    metrics = train(shuffled, LEAN, until=UNTIL).evaluation.metrics["model"]
    assert abs(metrics["spearman"]) < 0.15
    assert metrics["r2"] < 0.03


def test_what_happens_later_does_not_change_a_prediction(trained, rows):
    """Outcomes known after a post was written are history for others, never for it."""
    predictor = Predictor.of(trained.artefact)
    moment = rows["as_of"][1000]
    some = rows.filter(pl.col("as_of") <= moment)
    altered = rows.with_columns(
        pl.when(pl.col("mature_at") > moment).then(99.0).otherwise(spec.LABEL).alias(spec.LABEL)
    )
    assert predictor.predict(some, rows)[PREDICTED].equals(predictor.predict(some, altered)[PREDICTED])


def test_an_account_that_outgrows_all_training_data_is_followed(trained, rows):
    grown = rows.with_columns(pl.col(spec.LABEL) + 5)
    predicted = Predictor.of(trained.artefact).predict(grown.tail(200), grown)
    assert (predicted[PREDICTED] - predicted[spec.LABEL]).mean() == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize("count", [0, 1, spec.MIN_MATURE_POSTS - 1])
def test_too_few_posts_are_said(rows, count):
    with pytest.raises(NotEnoughDataError, match=f"{count} posts have mature engagement.* {spec.MIN_MATURE_POSTS}"):
        train(rows.head(count), LEAN, until=UNTIL)


def test_posts_of_one_moment_are_said(rows):
    with pytest.raises(NotEnoughDataError, match="one moment"):
        train(rows.with_columns(pl.lit(rows["as_of"][0]).alias("as_of")), LEAN, until=UNTIL)


def test_one_platform_without_history_trains(rows):
    strangers = rows.with_columns(
        pl.lit("twitter").alias("platform"),
        pl.col("post_id").alias("account_id"),
        pl.col("post_id").alias("user_id"),
        *(pl.lit(None, pl.Float64).alias(column(spec.HISTORY, name)) for name in ("mean_log", "mean_log_20")),
    )
    trained = train(strangers, LEAN, until=UNTIL)
    assert trained.evaluation.metrics["model"]["rows"] == trained.evaluation.predictions.height
    assert trained.evaluation.predictions[PREDICTED].is_finite().all()


def test_truth_of_other_posts_is_an_error(trained, world):
    with pytest.raises(ModelError, match="no posts in common"):
        explained_share(trained.evaluation.predictions, world.truth.with_columns(pl.col("post_id") + 10**6))


def test_followers_in_the_set_tell_what_to_expect_of_an_account_without_a_past(rows):
    """Accounts that each write once: what their followers say is all that is known of them."""
    followers = pl.Series("followers", np.random.default_rng(4).normal(6, 1.5, rows.height))
    strangers = rows.with_columns(
        pl.col("post_id").alias("account_id"),
        pl.col("post_id").alias("user_id"),
        (pl.col(spec.LABEL) + 0.5 * (followers - 6)).alias(spec.LABEL),
        followers.alias(spec.FOLLOWERS),
        *(pl.lit(None, pl.Float64).alias(column(spec.HISTORY, name)) for name in spec.HISTORY.feature_names),
    )
    lean, standard = (train(strangers, feature_set(spec.TASK, name), until=UNTIL) for name in ("lean", "standard"))
    assert standard.artefact.card["level"]["audience"]["growth"] == pytest.approx(0.5, abs=0.1)
    assert lean.artefact.card["level"]["audience"]["growth"] == 0
    assert standard.evaluation.metrics["model"]["mae"] < 0.93 * lean.evaluation.metrics["model"]["mae"]
