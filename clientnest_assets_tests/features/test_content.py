"""The content view: values of awkward texts, and which moment a version counts from."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from clientnest_assets.features.views.content import CONTENT, POSTS, content_features
from clientnest_assets.partitions import Window


def features_of(content: str | None, hashtags: list[str] | None = None) -> dict:
    post = pl.LazyFrame(
        {"content": [content], "hashtags": [hashtags], "media_type": ["image"], "ai_generated": [False]},
        schema={
            "content": pl.String,
            "hashtags": pl.List(pl.String),
            "media_type": pl.String,
            "ai_generated": pl.Boolean,
        },
    )
    return content_features(post).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("content", "feature", "value"),
    [
        ("Größe 👍🏽 ok", "content_length", 11),
        ("one  two\nthree", "word_count", 3),
        ("mail me@example.org, @you and @me", "mention_count", 2),
        ("❤️ 👩‍👧 © 5️⃣", "emoji_count", 3),
        ("Wow! Yes!!", "exclamation_count", 3),
        ("from 1,200.50 to 7", "number_count", 2),
        ("AbCd 123", "uppercase_share", 0.5),
        ("123 …", "uppercase_share", 0.0),
        ("why not?", "has_question", True),
        ("see www.example.org", "has_link", True),
        ("see HTTPS://x", "has_link", True),
        ("awww.", "has_link", False),
        (".@you look", "is_reply", True),
        ("look @you", "is_reply", False),
        ("RT @you: hi", "is_repost", True),
        ('"@you: hi" indeed', "is_repost", True),
        ("start @you", "is_repost", False),
        ("Our big sale", "content_category", "Promotional"),
        (None, "content_category", "Unknown"),
        (None, "content_length", 0),
        ("Wir freuen uns auf euch", "language", "de"),
        (None, "language", "und"),
        ("Don\u2019t stop, don\u2019t! https://x.org/Stop it's a #Tag", "words", ["don\u2019t", "stop", "it's", "tag"]),
    ],
)
def test_value_of_text(content, feature, value):
    assert features_of(content)[feature] == value


def test_unknown_hashtags_are_read_from_the_text_and_known_ones_are_not():
    assert features_of("go #Sun #sea1 a#b")["hashtags"] == ["sun", "sea1"]
    assert features_of("go #Sun", [])["hashtags"] == []
    known = features_of("go", ["#A", "b", *"cdefghijk"])
    assert known["hashtags"] == ["a", "b", *"cdefghij"]
    assert known["hashtag_count"] == 11


def test_what_is_declared_to_be_one_of_a_set_is():
    closed = {feature.name: feature.values for feature in CONTENT.features if feature.values}
    for text in (None, "", "Our big sale", "Guten Morgen", "今日から", "🔥"):
        found = features_of(text)
        assert all(found[name] in values for name, values in closed.items())
    assert closed.keys() == {"content_category", "language"}


def versions(*rows: tuple[int, str, datetime, datetime], source: str = "app_database") -> pl.LazyFrame:
    return pl.LazyFrame(
        [
            (i, text, None, "text", False, created, updated, source, updated.date())
            for i, text, created, updated in rows
        ],
        schema=dict(POSTS.columns),
        orient="row",
    )


def on(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 1, day, hour, tzinfo=UTC)


HISTORY = versions(
    (1, "first", on(1), on(2)), (1, "second!", on(1), on(3, 4)), (2, "other", on(3), on(3)), (1, "third?", on(1), on(5))
)


def test_first_captured_version_counts_from_creation_and_later_ones_from_their_own_time():
    found = CONTENT.materialise({"social_posts": HISTORY}, Window.of_days(date(2025, 1, 1), date(2025, 1, 5)))
    assert found.select("post_id", "event_at", "known_at", "day").rows() == [
        (1, on(1), on(1), date(2025, 1, 2)),
        (1, on(3, 4), on(3, 4), date(2025, 1, 3)),
        (1, on(5), on(5), date(2025, 1, 5)),
        (2, on(3), on(3), date(2025, 1, 3)),
    ]


def test_a_range_gives_what_its_days_give():
    window = Window.of_days(date(2025, 1, 2), date(2025, 1, 5))
    together = CONTENT.materialise({"social_posts": HISTORY}, window)
    one_by_one = [CONTENT.materialise({"social_posts": HISTORY}, day) for day in window.chunks(1)]
    assert pl.concat(one_by_one).sort(CONTENT.row_key).equals(together)


def test_a_version_that_came_from_two_sources_counts_once():
    exported = versions(
        (1, "first, exported", on(1), on(2)), (1, "fourth", on(1), on(5, 1)), source="file:export/a.csv"
    )
    window = Window.of_days(date(2025, 1, 2), date(2025, 1, 5))
    for captured in [(HISTORY, exported), (exported, HISTORY)]:
        found = CONTENT.materialise({"social_posts": pl.concat(captured)}, window).filter(pl.col("post_id") == 1)
        assert found.select("event_at", "content_length").rows() == [
            (on(1), len("first")),
            (on(3, 4), len("second!")),
            (on(5), len("third?")),
            (on(5, 1), len("fourth")),
        ]
