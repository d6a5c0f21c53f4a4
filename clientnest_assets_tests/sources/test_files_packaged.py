"""The packaged mappings for common exports, each on a tiny file of its kind."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from clientnest_assets.sources.files import load_mapping


def test_posts_with_metrics(importer: Any) -> None:
    header = "platform,account,post_id,text,media_type,published_at,collected_at,likes,comments,shares,clicks,reach,impressions"
    rows = [
        "twitter,ann,17,Hi #all,text,2025-03-01T10:00:00+01:00,2025-03-08T10:00:00+01:00,5,1,2,,100,120",
        "twitter,ann,17,Hi #all,text,2025-03-01T10:00:00+01:00,2025-03-09T10:00:00+01:00,6,1,2,,110,130",
        "instagram,ann,17,Other,image,2025-03-01T10:00:00+01:00,,,,,,,",
    ]
    imported = importer.load(importer.write("x.csv", "\n".join([header, *rows])), load_mapping("posts_with_metrics"))

    posts, metrics = imported["social_posts"], imported["post_metrics"]
    # A post comes once for each time of reading; it lands once.
    assert (posts.rows_written, posts.rows_quarantined, posts.rules) == (2, 1, {"duplicate_row": 1})
    assert (metrics.rows_written, metrics.rows_quarantined, metrics.rows_left_out) == (2, 0, 1)
    landed = importer.raw("social_posts").sort("platform", descending=True)
    assert landed.select("platform", "content", "hashtags").rows() == [
        ("twitter", "Hi #all", ["all"]),
        ("instagram", "Other", []),
    ]
    assert landed.get_column("id").n_unique() == 2
    numbers = importer.raw("post_metrics").sort("collected_at")
    assert numbers.select("day", "likes_count", "clicks_count", "reach").rows() == [
        (date(2025, 3, 8), 5, None, 100),
        (date(2025, 3, 9), 6, None, 110),
    ]
    assert (
        numbers.get_column("post_id").unique().to_list() == landed.filter(platform="twitter").get_column("id").to_list()
    )


def test_tweets_archive(importer: Any) -> None:
    tweet = {
        "id_str": "1050118621198921728",
        "full_text": "To make room for more #expression",
        "created_at": "Wed Oct 10 20:19:24 +0000 2018",
        "favorite_count": "17",
        "retweet_count": "5",
        "entities": {"hashtags": []},
        "lang": "en",
    }
    content = "window.YTD.tweets.part0 = " + json.dumps([{"tweet": tweet}], indent=2)
    importer.load(importer.write("tweets.js", content), load_mapping("tweets_archive"), name="ann.js")

    post, numbers = importer.raw("social_posts").row(0, named=True), importer.raw("post_metrics").row(0, named=True)
    assert (post["id"], post["content"], post["hashtags"]) == (
        1050118621198921728,
        "To make room for more #expression",
        ["expression"],
    )
    assert post["published_time"] == datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC)
    assert (numbers["likes_count"], numbers["shares_count"], numbers["day"]) == (17, 5, date(2018, 10, 17))
    assert post["source"] == "file:tweets_archive/ann.js"


def test_ai_usage_log(importer: Any) -> None:
    lines = (
        "timestamp,request_id,user,request_type,prompt_tokens,completion_tokens,cost\n"
        "2025-03-01T10:00:00Z,req-1,ann,hashtag_suggestion,100,20,0.000015\n"
        "1740823200,req-2,bob,chat,50,10,\n"
    )
    importer.load(importer.write("usage.csv", lines), load_mapping("ai_usage_log"))

    requests, usage = importer.raw("ai_requests"), importer.raw("ai_usage_logs")
    assert sorted(requests.get_column("request_type")) == ["content_generation", "hashtag_suggestion"]
    assert sorted(usage.select("tokens_used", "cost").rows()) == [(60, Decimal(0)), (120, Decimal("0.000015"))]
    assert usage.get_column("timestamp").unique().to_list() == [datetime(2025, 3, 1, 10, tzinfo=UTC)]
    assert requests.get_column("user_id").n_unique() == 2
