"""The packaged mappings on the real files they are for, to the row and to the published totals."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientnest_assets.settings import PROJECT_ROOT
from clientnest_assets.sources.files import load_mapping

REAL = Path(os.environ.get("CLIENTNEST_REALDATA") or PROJECT_ROOT.parent / "shared" / "realdata")
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real data in {REAL}: set CLIENTNEST_REALDATA to its folder to run this"
)


def test_presidential_tweets(importer: Any) -> None:
    mapping = load_mapping("presidential_tweets")
    for name, rows in {"BarackObama": 3207, "realDonaldTrump": 3232}.items():
        imported = importer.load(REAL / "presidential_tweets" / f"{name}.csv", mapping)
        assert {table: (each.rows_written, each.rows_quarantined) for table, each in imported.items()} == {
            "social_posts": (rows, 0),
            "post_metrics": (rows, 0),
        }

    posts, metrics = importer.raw("social_posts"), importer.raw("post_metrics")
    file = pl.concat(
        pl.read_csv(REAL / "presidential_tweets" / f"{name}.csv", encoding="mac_roman")
        for name in ("BarackObama", "realDonaldTrump")
    )
    assert metrics.select(pl.col("likes_count", "comments_count", "shares_count").sum()).row(0) == file.select(
        pl.col("favorites", "replies", "retweets").sum()
    ).row(0)
    assert posts.get_column("content").sort().equals(file.get_column("text").sort(), null_equal=True)
    assert posts.get_column("account_id").n_unique() == 2
    assert (posts.get_column("day").min(), posts.get_column("day").max()) == (date(2014, 8, 14), date(2017, 10, 23))
    # Every post has one set of numbers, old enough to be its mature engagement.
    both = posts.join(metrics, left_on="id", right_on="post_id", validate="1:1")
    age = pl.col("collected_at") - pl.col("published_time")
    assert both.height == 6439
    assert both.select((age >= pl.duration(days=7)).all()).item()


def test_facebook_brand_posts(importer: Any) -> None:
    imported = importer.load(
        REAL / "facebook_brand_posts" / "dataset_Facebook.csv", load_mapping("facebook_brand_posts")
    )

    assert {table: (each.rows_written, each.rows_quarantined) for table, each in imported.items()} == {
        "social_posts": (500, 0),
        "post_metrics": (500, 0),
        "account_metrics": (500, 0),
    }
    file = pl.read_csv(REAL / "facebook_brand_posts" / "dataset_Facebook.csv", separator=";")
    posts, metrics = importer.raw("social_posts"), importer.raw("post_metrics")
    named = {"likes_count": "like", "comments_count": "comment", "shares_count": "share", "reach": "T_Reach"}
    for ours, theirs in named.items():
        assert metrics.get_column(ours).sum() == file.get_column(theirs).sum()
        assert metrics.get_column(ours).null_count() == file.get_column(theirs).null_count()
    # Month, weekday (1 is Sunday) and hour are those of the file.
    time = pl.col("published_time").dt
    ours = posts.select(time.month(), time.weekday().mod(7).add(1).alias("w"), time.hour().alias("h")).rows()
    assert sorted(ours) == sorted(file.select("Month", "Weekday", "Hour").rows())


def test_azure_llm_trace(importer: Any) -> None:
    mapping = load_mapping("azure_llm_trace")
    totals = {"code": 18_059_974 + 245_896, "conv": 22_361_870 + 4_088_665}
    rows = {"code": 8_819, "conv": 19_366}
    for name in totals:
        importer.load(REAL / "azure_llm_trace" / f"AzureLLMInferenceTrace_{name}.csv", mapping)

    usage = importer.raw("ai_usage_logs").group_by("source").agg(pl.col("tokens_used").sum(), pl.len())
    assert {source.split("_")[-1].removesuffix(".csv"): (tokens, count) for source, tokens, count in usage.rows()} == {
        name: (totals[name], rows[name]) for name in totals
    }
    assert importer.raw("ai_requests").height == 28_185
