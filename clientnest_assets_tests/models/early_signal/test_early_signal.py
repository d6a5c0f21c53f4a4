"""The early signal: from a post's first day, as of when it was seen, better than its platform's growth alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.sets import feature_set
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.early_signal import examples
from clientnest_assets.models.early_signal.declaration import EARLY_SIGNAL, TASK
from clientnest_assets.models.early_signal.predictor import AS_IS, GROWN
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.model import MODEL, Scoring, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT

UNTIL = datetime(2025, 4, 1, tzinfo=UTC)
FEATURES = feature_set(TASK)


@pytest.fixture(scope="module")
def inputs(world):
    posts = world.posts.with_columns(scheduled_at=pl.lit(None, MOMENT))
    return {
        "dim_post": posts.lazy(),
        "fact_posts": world.outcomes.lazy(),
        "fact_content_daily": world.observations.lazy(),
    }


@pytest.fixture(scope="module")
def rows(inputs):
    """Examples whose growth depends on the media, which platform growth does not know."""
    found = examples.examples(inputs, UNTIL)
    rng = np.random.default_rng(3)
    is_video = rng.random(found.height) < 0.5
    missing = {
        name: pl.lit(None, dtype)
        for view in FEATURES.views
        for name, dtype in ((f"{view.name}__{each.name}", each.dtype) for each in view.features)
        if name in FEATURES.columns
    }
    return found.with_columns(**missing).with_columns(
        pl.Series("content__media_type", np.where(is_video, "video", "image")),
        (
            pl.col(examples.OBSERVED) + 0.3 + 0.4 * pl.Series(is_video) + pl.Series(rng.normal(0, 0.1, found.height))
        ).alias(spec.LABEL),
    )


@pytest.fixture(scope="module")
def trained(rows):
    return EARLY_SIGNAL.train(Training(rows, FEATURES, UNTIL))


def test_examples_are_seen_a_day_after_publication_and_known_before_the_end(inputs, world):
    until = datetime(2025, 2, 20, tzinfo=UTC)
    examples_until = EARLY_SIGNAL.examples(inputs, until)
    found = examples_until.join(world.outcomes, on="post_id", suffix="_of_fact")
    age = found["as_of"] - found["published_at"]
    assert (age >= timedelta(hours=24)).all()
    assert (age < timedelta(hours=48)).all()
    assert (found[LABEL_KNOWN_AT] < until).all()
    assert found.height == world.outcomes.filter(pl.col("mature_at") < until).height
    assert examples_until["as_of"].is_sorted()
    assert np.allclose(found[spec.LABEL], np.log1p(found["mature_engagement_score"]))


def test_posts_seen_in_the_last_day_are_asked_for(inputs, world):
    end = datetime(2025, 2, 20, tzinfo=UTC)
    found = EARLY_SIGNAL.requests(inputs, end)
    seen = world.observations.filter(pl.col("observed_at") < end, pl.col("observed_at") >= end - timedelta(days=1))
    assert set(found["post_id"]) == set(seen["post_id"])


def test_model_beats_growth_alone_and_its_interval_covers(trained):
    ours = trained.metrics[MODEL]
    assert ours["mae"] < 0.7 * trained.metrics[GROWN]["mae"]
    assert trained.metrics[GROWN]["mae"] < trained.metrics[AS_IS]["mae"]
    assert [(each.name, each.passed) for each in trained.findings] == [("has_skill", True), ("covers", True)]
    assert all(section.table is not None or section.figure is not None for section in trained.sections)


def test_same_rows_give_the_same_files(trained, rows):
    assert EARLY_SIGNAL.train(Training(rows, FEATURES, UNTIL)).artefact.to_files() == trained.artefact.to_files()


def test_answers_are_as_declared_and_within_their_interval(trained, rows):
    found = EARLY_SIGNAL.score(trained.artefact, Scoring(rows, rows))
    assert found.schema == EARLY_SIGNAL.answers
    assert found["post_id"].equals(rows["post_id"])
    low, point, high = (found[f"{name}_engagement_score"] for name in ("low", "predicted", "high"))
    assert ((low <= point) & (point <= high)).all()
    assert EARLY_SIGNAL.score(trained.artefact, Scoring(rows.head(0), rows)).schema == EARLY_SIGNAL.answers


@pytest.mark.parametrize("count", [0, 3, 199])
def test_too_few_early_observations_are_said(rows, count):
    with pytest.raises(NotEnoughDataError, match=f"{count} posts that were mature.* 200 are needed"):
        EARLY_SIGNAL.train(Training(rows.head(count), FEATURES, UNTIL))
