"""The `content` view: what a post's own text and form say, per version of the post.

How engaging such posts are is not said here: views hold facts, models learn from them.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE
from clientnest_assets.contracts.content_category import content_category, rules
from clientnest_assets.features.language import LANGUAGES, UNDETERMINED, with_language
from clientnest_assets.features.upstream import RAW, Inputs, Upstream
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets.partitions import Window

MAX_HASHTAGS: Final = 10
MAX_WORDS: Final = 80

_HASHTAG = r"\B#(\w+)"
_MENTION = r"\B@\w+"
_WORD = r"@?\p{L}[\p{L}\p{M}\p{N}_'\u{2019}]+"
_ADDRESS = r"(?i)(?:\bhttps?://|\bwww\.)\S+"
_LINK = r"(?i)\bhttps?://\S|\bwww\.\w"
# Members of a joined emoji count one by one; the three signs are punctuation that Unicode lists as pictures.
_EMOJI = r"[\p{Extended_Pictographic}--[©®™]]"


def _count(name: str, what: str, unit: str) -> Feature:
    return Feature(name, pl.Int64(), what, unit, 0, minimum=0, max_null_share=0.0)


def _truth(name: str, what: str) -> Feature:
    return Feature(name, pl.Boolean(), what, default=False, max_null_share=0.0)


FEATURES: Final = (
    _count("content_length", "Length of the text.", "characters"),
    Feature(
        "log_content_length",
        pl.Float64(),
        "Natural logarithm of 1 + content_length.",
        "log characters",
        0.0,
        minimum=0,
        max_null_share=0.0,
    ),
    _count("word_count", "Words, as parted by white space.", "words"),
    _count("hashtag_count", "Hashtags of the post.", "hashtags"),
    _count("mention_count", "Other accounts named with @.", "mentions"),
    _count("emoji_count", "Emoji in the text.", "emoji"),
    _count("exclamation_count", "Exclamation marks in the text.", "marks"),
    _count("number_count", "Numbers written in digits.", "numbers"),
    Feature(
        "uppercase_share",
        pl.Float64(),
        "Capitals among the letters; 0 without letters.",
        "ratio",
        0.0,
        minimum=0,
        maximum=1,
        max_null_share=0.0,
    ),
    _truth("has_question", "True if the text has a question mark."),
    _truth("has_link", "True if the text has a web address."),
    _truth("is_reply", "True if the text begins with a mention."),
    _truth("is_repost", 'True if the text quotes another post: RT @…, or "@….'),
    Feature(
        "content_category",
        pl.String(),
        "The product's content category.",
        default=rules().empty,
        values=rules().categories,
        max_null_share=0.0,
    ),
    Feature(
        "language",
        pl.String(),
        f"The language of the text as far as rules can tell, in ISO 639-1; {UNDETERMINED} where they cannot.",
        default=UNDETERMINED,
        values=LANGUAGES,
        max_null_share=0.0,
    ),
    Feature("media_type", pl.String(), "What is attached, as the app names it; null if unknown."),
    Feature("ai_generated", pl.Boolean(), "True if the text came from ClientNest's AI.", default=False),
    Feature(
        "hashtags",
        pl.List(pl.String()),
        f"The first {MAX_HASHTAGS} hashtags in order of appearance, in lower case, without #.",
        max_null_share=0.0,
    ),
    Feature(
        "words",
        pl.List(pl.String()),
        f"The first {MAX_WORDS} distinct words of two letters or more, in order, in lower case, without addresses.",
        max_null_share=0.0,
    ),
)


def content_features(posts: pl.LazyFrame) -> pl.LazyFrame:
    """The posts with the view's features added, for a stored version and for a draft at request time alike.

    Grain: one row out per row in. Null text counts as empty. Hashtags that are unknown (null) are read from
    the text; a known empty list stays empty.

    Args:
        posts: content, hashtags (list of text), media_type and ai_generated; other columns are kept.
    """
    text = pl.col("content").fill_null("")
    letters = text.str.count_matches(r"\p{L}")
    found_in_text = text.str.extract_all(_HASHTAG).list.eval(pl.element().str.strip_prefix("#"))
    hashtags = pl.coalesce("hashtags", found_in_text).list.eval(pl.element().str.to_lowercase().str.strip_prefix("#"))
    length = text.str.len_chars().cast(pl.Int64)

    def count(pattern: str) -> pl.Expr:
        return text.str.count_matches(pattern).cast(pl.Int64)

    return with_language(posts, "content").with_columns(
        length.alias("content_length"),
        length.log1p().alias("log_content_length"),
        count(r"\S+").alias("word_count"),
        hashtags.list.len().cast(pl.Int64).alias("hashtag_count"),
        count(_MENTION).alias("mention_count"),
        count(_EMOJI).alias("emoji_count"),
        count("!").alias("exclamation_count"),
        count(r"\d+(?:[.,]\d+)*").alias("number_count"),
        pl.when(letters > 0).then(text.str.count_matches(r"\p{Lu}") / letters).otherwise(0.0).alias("uppercase_share"),
        text.str.contains("?", literal=True).alias("has_question"),
        text.str.contains(_LINK).alias("has_link"),
        text.str.contains(r"^\s*\.?@\w").alias("is_reply"),
        text.str.contains(r"(?i)^\s*(?:rt\s+@\w|[\"“]\s*@\w)").alias("is_repost"),
        content_category(pl.col("content")).alias("content_category"),
        hashtags.list.head(MAX_HASHTAGS).alias("hashtags"),
        text.str.replace_all(_ADDRESS, " ")
        .str.to_lowercase()
        .str.extract_all(_WORD)
        .list.unique(maintain_order=True)
        .list.head(MAX_WORDS)
        .alias("words"),
    )


def _compute(inputs: Inputs, window: Window) -> pl.LazyFrame:
    """The versions whose day lies in the window.

    The first version ever captured counts from the post's creation: its text is taken as written then,
    because no earlier text was seen. Later versions count from their own time. The versions before the
    window are needed only to tell the first: two columns of them are read. A version that came in more than
    one way, such as in two exports that overlap, is taken from one of them, as the warehouse takes it.
    """
    versions = inputs["social_posts"]
    first = versions.group_by("id").agg(pl.col("updated_at").min().alias("first_captured_at"))
    in_window = (
        versions.filter(pl.col(DAY) >= window.start, pl.col(DAY) < window.end)
        .sort("id", "updated_at", SOURCE)
        .unique(["id", "updated_at"], keep="first", maintain_order=True)
    )
    event = (
        pl.when(pl.col("updated_at") == pl.col("first_captured_at"))
        .then(pl.col("created_at"))
        .otherwise(pl.col("updated_at"))
    )
    return content_features(in_window.join(first, on="id", how="left", validate="m:1")).select(
        pl.col("id").alias("post_id"),
        event.alias("event_at"),
        event.alias("known_at"),
        *(feature.name for feature in FEATURES),
        DAY,
    )


POSTS: Final = Upstream(
    RAW,
    "social_posts",
    columns=(
        ("id", pl.Int64()),
        ("content", pl.String()),
        ("hashtags", pl.List(pl.String())),
        ("media_type", pl.String()),
        ("ai_generated", pl.Boolean()),
        ("created_at", MOMENT),
        ("updated_at", MOMENT),
        (SOURCE, pl.String()),
        (DAY, pl.Date()),
    ),
    days_back=None,
)
REQUEST: Final = (
    Feature("content", pl.String(), "The text."),
    Feature("hashtags", pl.List(pl.String()), "The hashtags; null reads them from the text."),
    Feature("media_type", pl.String(), "What is attached, as the app names it."),
    Feature("ai_generated", pl.Boolean(), "Whether the text came from ClientNest's AI.", default=False),
)
CONTENT: Final = FeatureView(
    name="content",
    version=2,
    entity_keys=("post_id",),
    features=FEATURES,
    compute=_compute,
    upstream=(POSTS,),
    request=REQUEST,
    on_request=content_features,
    owner="data@clientnest.example",
    description="One row per captured version of a post: its length, form, language, category, hashtags and media.",
)
