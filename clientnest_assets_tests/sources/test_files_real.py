"""The packaged mappings on the real files they are for, to the row and to the published totals."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientnest_assets.lake import Lake
from clientnest_assets.settings import PROJECT_ROOT
from clientnest_assets.sources.files import load_mapping, parse_mapping
from clientnest_assets.sources.files.suggesting import suggest

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


def test_cdnow_purchases(importer: Any) -> None:
    imported = importer.load(REAL / "cdnow" / "CDNOW_master.txt", load_mapping("cdnow_purchases"))

    # 255 purchases stand in the file twice, alike in every column: one of each lands.
    assert {table: (each.rows_written, each.rows_quarantined, each.rules) for table, each in imported.items()} == {
        table: (69_404, 255, {"duplicate_row": 255}) for table in ("user_sessions", "subscription_events")
    }
    visits, renewals = importer.raw("user_sessions"), importer.raw("subscription_events")
    assert visits.get_column("user_id").n_unique() == 23_570
    assert (visits.get_column("day").min(), visits.get_column("day").max()) == (date(1997, 1, 1), date(1998, 6, 30))
    both = visits.join(renewals, on="id", validate="1:1")
    assert both.select((pl.col("duration") == pl.col("mrr") * 100).all()).item()


def proposal(importer: Any, path: Path, edits: dict[str, str] | None = None) -> Any:
    """Imports a file by the mapping proposed for it, after the edits that the proposal asks for."""
    text = suggest(path).text
    for old, new in (edits or {}).items():
        assert old in text
        text = text.replace(old, new)
    imported = importer.load(path, parse_mapping(text, "the proposal"))
    return {table: (each.rows_written, each.rows_quarantined) for table, each in imported.items()}


def test_the_proposal_for_tweets_lands_them_as_the_packaged_mapping_does(importer: Any) -> None:
    path = REAL / "presidential_tweets" / "BarackObama.csv"
    assert proposal(importer, path) == {"social_posts": (3207, 0), "post_metrics": (3207, 0)}

    metrics = importer.raw("post_metrics").drop("source")
    importer.lake = Lake(f"{importer.lake.root}-packaged")
    importer.load(path, load_mapping("presidential_tweets"))
    assert metrics.equals(importer.raw("post_metrics").drop("source"))


def test_the_proposal_for_brand_posts_asks_for_the_year_and_keeps_the_totals(importer: Any) -> None:
    path = REAL / "facebook_brand_posts" / "dataset_Facebook.csv"
    landed = proposal(importer, path, {"2000-": "2014-"})

    assert landed == {"social_posts": (500, 0), "post_metrics": (500, 0), "account_metrics": (500, 0)}
    file = pl.read_csv(path, separator=";")
    metrics = importer.raw("post_metrics")
    for ours, theirs in {"likes_count": "like", "comments_count": "comment", "reach": "T_Reach"}.items():
        assert metrics.get_column(ours).sum() == file.get_column(theirs).sum()


def test_the_proposal_for_the_llm_trace_keeps_the_totals(importer: Any) -> None:
    totals = {"code": 18_059_974 + 245_896, "conv": 22_361_870 + 4_088_665}
    for name, rows in (("code", 8_819), ("conv", 19_366)):
        landed = proposal(importer, REAL / "azure_llm_trace" / f"AzureLLMInferenceTrace_{name}.csv")
        assert landed == {"ai_requests": (rows, 0), "ai_usage_logs": (rows, 0)}
    assert importer.raw("ai_usage_logs").get_column("tokens_used").sum() == sum(totals.values())


def test_the_proposal_for_purchases_keeps_every_customer_and_dollar(importer: Any) -> None:
    path = REAL / "cdnow" / "CDNOW_master.txt"
    # 255 purchases stand in the file twice, alike in every column: one of each lands.
    assert proposal(importer, path) == {"subscription_events": (69_404, 255), "user_sessions": (69_404, 255)}

    file = pl.read_csv(path, has_header=True, separator="\n", new_columns=["line"]).get_column("line")
    fields = file.str.extract_groups(r"^\s*(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)").struct.unnest().unique()
    landed = importer.raw("subscription_events")
    assert landed.get_column("mrr").sum() == fields.get_column("4").cast(pl.Decimal(12, 2)).sum()
    assert landed.get_column("user_id").n_unique() == 23_570


def test_the_proposal_for_a_series_keeps_its_points(importer: Any) -> None:
    path = REAL / "nab" / "data" / "realAdExchange" / "exchange-2_cpc_results.csv"
    rows = pl.read_csv(path).height

    assert proposal(importer, path) == {"app_events": (rows, 0)}
    events = importer.raw("app_events")
    values = events.get_column("properties").str.json_path_match("$.value").cast(pl.Float64)
    assert values.sort().to_list() == pl.read_csv(path).get_column("value").cast(pl.Float64).sort().to_list()
