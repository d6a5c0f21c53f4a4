"""What a post has, in words."""

from __future__ import annotations

import polars as pl
import pytest

from clientnest_assets.models.traits import AI, CATEGORY, HASHTAG_COUNT, LENGTH, MEDIA, with_traits


def traits(prefix: str = "", **given: object) -> dict[str, object]:
    row = {
        "content_category": "General",
        "media_type": "image",
        "content_length": 100,
        "ai_generated": True,
        "hashtag_count": 2,
        **given,
    }
    schema = {
        f"{prefix}content_category": pl.String,
        f"{prefix}media_type": pl.String,
        f"{prefix}content_length": pl.Int64,
        f"{prefix}ai_generated": pl.Boolean,
        f"{prefix}hashtag_count": pl.Int64,
    }
    frame = pl.DataFrame([{f"{prefix}{name}": value for name, value in row.items()}], schema=schema)
    return with_traits(frame.lazy(), prefix).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("length", "band"),
    [
        (None, "no text"),
        (0, "no text"),
        (1, "up to 60 characters"),
        (60, "up to 60 characters"),
        (61, "61 to 120 characters"),
        (480, "241 to 480 characters"),
        (481, "over 480 characters"),
    ],
)
def test_length_is_told_in_bands(length, band):
    assert traits(content_length=length)[LENGTH] == band


def test_what_is_unknown_has_a_value_too():
    found = traits(content_category=None, media_type=None, ai_generated=None, hashtag_count=None)
    assert {name: found[name] for name in (CATEGORY, MEDIA, AI, HASHTAG_COUNT)} == {
        CATEGORY: "Unknown",
        MEDIA: "unknown",
        AI: "without AI",
        HASHTAG_COUNT: "0",
    }


def test_joined_features_are_read_by_their_names():
    found = traits("content__", hashtag_count=14)
    assert (found[MEDIA], found[AI], found[HASHTAG_COUNT]) == ("image", "with AI", "10")
