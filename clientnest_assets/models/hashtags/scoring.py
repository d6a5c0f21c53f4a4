"""Suggestions: the hashtags that add most to a draft, with what they rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.design import code_of
from clientnest_assets.models.effects import DECIMALS, Z80
from clientnest_assets.models.hashtags.banned import BANNED
from clientnest_assets.models.hashtags.suggester import Suggester, described
from clientnest_assets.models.hashtags.use import DEAD_DAYS, HASHTAGS, MIN_POSTS, TAG
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.splits import LABEL_KNOWN_AT

ANSWERS: Final = pl.Schema(
    {
        "post_id": pl.Int64(),
        "user_id": pl.Int64(),
        "platform": pl.String(),
        "rank": pl.Int64(),
        TAG: pl.String(),
        "lift": pl.Float64(),
        "lift_low": pl.Float64(),
        "lift_high": pl.Float64(),
        "relevance": pl.Float64(),
        "basis": pl.String(),
        "posts_own": pl.Int64(),
        "posts_platform": pl.Int64(),
        "posts_everybody": pl.Int64(),
        "accounts": pl.Int64(),
        "why": pl.String(),
    }
)
SUGGESTIONS: Final = 10
OWN, PLATFORM, EVERYBODY = "own", "platform", "everybody"
OWN_WEIGHT: Final = 0.5
"""From here on a suggestion rests on the user's own posts: it lies nearer to what they say than to what others' do."""
MIN_OWN_POSTS: Final = 3
"""A hashtag that only the user has is told of from so many posts on."""
Z95: Final = 1.6448536269514722
"""And nineteen of twenty are above this many below it."""
MIN_RELEVANCE: Final = -1.0
"""A hashtag that is less than exp(-1) times as likely in such a post as in any does not go with it."""
CHUNK: Final = 2000
"""So many drafts at a time: with each go numbers for all hashtags."""

_REQUEST: Final = "request"
_KEYS: Final = ["user_id", "platform"]


def score(artefact: Artefact, scoring: Scoring, *, banned: Collection[str] = BANNED) -> pl.DataFrame:
    """Up to SUGGESTIONS hashtags for each draft, best first, none for a draft that none is known to help (ANSWERS).

    A hashtag is suggested if it lifts with a certainty of 95 %, if it goes with the draft, and if it is not there
    already, dead or banned. They are ranked by the mean of what is believed: that is drawn to 0 already as far as
    little is known, so it is what adding the hashtag can be expected to bring; a rank by the lower bound would put the
    often used before the good.

    `lift` is what the hashtag adds to log engagement in the place of an average one. It is what everybody's posts say,
    corrected by the platform's, and by the user's own, each by how much it has seen; `basis` names the nearest of them
    that tells enough. So a new user has the platform's, and a new platform everybody's. Of a hashtag that too few
    accounts have, nothing but the own posts is told: the other numbers are null.

    Args:
        artefact: a trained suggester.
        scoring: drafts with the content view's features, and labelled posts with them.
        banned: never suggested; lower case, without #.
    """
    suggester = Suggester.from_json(artefact.learned)
    drafts = described(scoring.rows).with_row_index(_REQUEST)
    past = described(scoring.past)
    found = [
        _suggestions(
            suggester, part, past.filter(pl.col(LABEL_KNOWN_AT) <= pl.lit(moment, past.schema[LABEL_KNOWN_AT])), banned
        )
        for moment, part in _parts(drafts)
    ]
    answers = pl.concat([pl.DataFrame(schema={_REQUEST: pl.UInt32(), **ANSWERS}), *found])
    return answers.sort(_REQUEST, "rank").select(ANSWERS.names())


def _parts(drafts: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """Drafts of one moment, at most CHUNK at a time, in their order as far as their moments are."""
    for asked in drafts.partition_by(AS_OF, maintain_order=True):
        for part in asked.iter_slices(CHUNK):
            yield asked[AS_OF][0], part


def _suggestions(
    suggester: Suggester, drafts: pl.DataFrame, past: pl.DataFrame, banned: Collection[str]
) -> pl.DataFrame:
    lifts = suggester.lifts
    own = lifts.of_users(past.join(drafts, on=_KEYS, how="semi", maintain_order="left"))
    candidates = pl.concat([_shared(suggester, drafts, own, banned), _of_their_own(drafts, own, banned)])
    ranked = (
        candidates.filter(pl.col("lift") > Z95 * pl.col("error"))
        .sort(_REQUEST, "lift", TAG, descending=[False, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1).over(_REQUEST).alias("rank"))
        .filter(pl.col("rank") <= SUGGESTIONS)
    )
    reach = Z80 * pl.col("error")
    return (
        ranked.join(drafts.select(_REQUEST, "post_id", *_KEYS), on=_REQUEST, how="left", maintain_order="left")
        .with_columns(
            pl.col("lift").round(DECIMALS),
            (pl.col("lift") - reach).round(DECIMALS).alias("lift_low"),
            (pl.col("lift") + reach).round(DECIMALS).alias("lift_high"),
            pl.col("relevance").exp().round(DECIMALS),
            pl.when((pl.col("weight") >= OWN_WEIGHT) | pl.col("accounts").is_null())
            .then(pl.lit(OWN))
            .when(pl.col("posts_platform") >= MIN_POSTS)
            .then(pl.lit(PLATFORM))
            .otherwise(pl.lit(EVERYBODY))
            .alias("basis"),
        )
        .with_columns(_why().alias("why"))
        .select(pl.col(_REQUEST).cast(pl.UInt32), *(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items()))
    )


def _shared(suggester: Suggester, drafts: pl.DataFrame, own: pl.DataFrame, banned: Collection[str]) -> pl.DataFrame:
    """Hashtags with an effect of their own that may be suggested, the best SUGGESTIONS of each draft."""
    lifts = suggester.lifts
    place = lifts.platform_places(drafts)
    lift = lifts.mean + lifts.on_platform[place]
    error = lifts.error**2 + lifts.platform_error[place] ** 2 + lifts.own_spread**2
    used, weight = np.zeros(lift.shape, np.int64), np.zeros(lift.shape)
    mine = drafts.select("platform", "user_id", pl.int_range(pl.len()).alias("line")).join(
        own.drop_nulls("tag"), on=_KEYS, how="inner", maintain_order="left"
    )
    at = (mine["line"].to_numpy(), mine["tag"].to_numpy())
    lift[at] += mine["added"].to_numpy()
    error[at] += mine["error"].to_numpy() ** 2 - lifts.own_spread**2
    used[at], weight[at] = mine["posts"].to_numpy(), mine["weight"].to_numpy()
    relevance = suggester.relevance.of(drafts)
    there = drafts.select(pl.int_range(pl.len()).alias("line"), pl.col(HASHTAGS).alias(TAG)).explode(
        TAG, empty_as_null=True
    )
    there = there.with_columns(code_of(TAG, lifts.tags).alias("tag")).drop_nulls("tag")
    allowed = relevance >= MIN_RELEVANCE
    allowed[there["line"].to_numpy(), there["tag"].to_numpy()] = False
    allowed[:, [tag in banned or tag in lifts.dead for tag in lifts.tags]] = False
    allowed &= lift > Z95 * np.sqrt(error)
    # Ties are few and settled later by name; all of them are kept here.
    least = -np.partition(-np.where(allowed, lift, 0), min(SUGGESTIONS, lift.shape[1] - 1), axis=1)[
        :, min(SUGGESTIONS, lift.shape[1] - 1), None
    ]
    line, tag = np.nonzero(allowed & (lift >= least))
    return pl.DataFrame(
        {
            _REQUEST: drafts[_REQUEST].gather(line),
            TAG: pl.Series(lifts.tags, dtype=pl.String).gather(tag),
            "lift": lift[line, tag],
            "error": np.sqrt(error[line, tag]),
            "relevance": relevance[line, tag],
            "weight": weight[line, tag],
            "posts_own": used[line, tag],
            "posts_platform": lifts.posts_platform[place[line], tag],
            "posts_everybody": lifts.posts[tag],
            "accounts": lifts.accounts[tag],
        }
    )


def _of_their_own(drafts: pl.DataFrame, own: pl.DataFrame, banned: Collection[str]) -> pl.DataFrame:
    """Hashtags that only the user's own posts tell of, because too few others use them; dead where the user left them."""
    known = own.filter(pl.col("posts") >= MIN_OWN_POSTS, pl.col("tag").is_null(), ~pl.col(TAG).is_in(banned))
    return (
        drafts.select(_REQUEST, AS_OF, HASHTAGS, *_KEYS)
        .join(known, on=_KEYS, how="inner", maintain_order="left")
        .filter(~pl.col(HASHTAGS).list.contains(pl.col(TAG)))
        .filter(pl.col("last_used") > pl.col(AS_OF) - timedelta(days=DEAD_DAYS))
        .select(
            _REQUEST,
            TAG,
            pl.col("added").alias("lift"),
            "error",
            pl.lit(0.0).alias("relevance"),
            "weight",
            pl.col("posts").alias("posts_own"),
            *(pl.lit(None, pl.Int64).alias(name) for name in ("posts_platform", "posts_everybody", "accounts")),
        )
    )


def _why() -> pl.Expr:
    """Lift, interval and evidence in words."""

    def percent(name: str) -> pl.Expr:
        return ((pl.col(name).exp() - 1) * 100).round().cast(pl.Int64)

    bounds = (percent("lift"), percent("lift_low"), percent("lift_high"))
    gain = pl.format(
        "With #{} in the place of an average hashtag a post gets {} % more engagement, with 80 % certainty {} to {} %; ",
        TAG,
        *bounds,
    )
    seen = pl.format(
        "seen in {} posts of {} accounts, {} of them on {}, {} your own.",
        "posts_everybody",
        "accounts",
        "posts_platform",
        "platform",
        "posts_own",
    )
    own = pl.format("seen in {} posts of your own on {}; too few others use it to tell.", "posts_own", "platform")
    # Where nobody else's posts are told, the first sentence is null.
    return pl.concat_str(gain, pl.coalesce(seen, own))
