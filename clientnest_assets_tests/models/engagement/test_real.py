"""Real posts, through the product's own import and features, split by time and with nothing set by hand."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.contracts.content_category import content_category
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import feature_set
from clientnest_assets.features.view import MOMENT
from clientnest_assets.lake import Lake
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.engagement.examples import labelled_requests, with_features
from clientnest_assets.models.model import MODEL, Training
from clientnest_assets.partitions import Window
from clientnest_assets.settings import PROJECT_ROOT
from clientnest_assets.sources.files import check_file, land_file, load_mapping, require_fit
from clientnest_assets.sources.landing import raw_table

REAL = Path(os.environ.get("CLIENTNEST_REALDATA") or PROJECT_ROOT.parent / "shared" / "realdata")
UNTIL = datetime(2018, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real data in {REAL}: set CLIENTNEST_REALDATA to its folder to run this"
)


def imported(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    lake, mapping = Lake(str(folder / "lake")), load_mapping("presidential_tweets")
    for name in ("BarackObama", "realDonaldTrump"):
        spool = folder / name
        spool.mkdir()
        path = REAL / "presidential_tweets" / f"{name}.csv"
        checked = check_file(path, mapping, lake, b"k" * 32, spool, now=UNTIL)
        require_fit(checked)
        land_file(lake, checked)
    posts, metrics = (raw_table(lake, CONTRACTS[name]).scan().collect() for name in ("social_posts", "post_metrics"))
    return posts, metrics


def test_presidential_tweets_are_predicted_better_than_published_results(tmp_path):
    """0.428 is the error of the trailing mean that knows each tweet's outcome at once; 0.69 the rank correlation of trees."""
    posts, metrics = imported(tmp_path)
    score = pl.col("likes_count") + 2 * pl.col("comments_count") + 3 * pl.col("shares_count")
    facts = posts.join(
        metrics.select("post_id", pl.col("collected_at").alias("mature_at"), score.alias("mature_engagement_score")),
        left_on="id",
        right_on="post_id",
        validate="1:1",
    ).select(
        pl.col("id").alias("post_id"),
        *("user_id", "account_id", "platform", "created_at", "mature_at", "mature_engagement_score"),
        pl.col("published_time").alias("published_at"),
        pl.col("published_time").alias("planned_at"),
        pl.lit("UTC").alias("author_timezone"),
        content_category(pl.col("content")).alias("content_category"),
    )
    window = Window.of_days(date(2014, 8, 1), UNTIL.date())
    upstream = {"social_posts": posts.lazy(), "fact_posts": facts.lazy()}
    features = {view: view.materialise(upstream, window) for view in (spec.CONTENT, spec.HISTORY)}
    audience = VIEWS["account_audience"]
    no_observations = pl.DataFrame(
        schema={"post_id": pl.Int64(), "observed_at": MOMENT, "engagement_score": pl.Int64()}
    )
    rows = with_features(
        labelled_requests(facts, facts, no_observations, until=UNTIL),
        {**features, audience: pl.DataFrame(schema=audience.schema)},
    )
    trained = ENGAGEMENT.train(Training(rows, feature_set(spec.TASK), UNTIL))
    assert trained.evaluated.height > 1200
    assert trained.metrics[MODEL]["mae"] < 0.428
    assert trained.metrics[MODEL]["spearman"] > 0.69
    assert all(each.passed for each in trained.findings), [each.words for each in trained.findings]
