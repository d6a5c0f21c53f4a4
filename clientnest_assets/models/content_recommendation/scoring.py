"""Recommendations: the options of each trait, ranked for a user and platform, with what they rest on."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.content_recommendation.exploration import tried
from clientnest_assets.models.content_recommendation.options import Belief
from clientnest_assets.models.content_recommendation.recommender import MIN_COUNT, Recommender
from clientnest_assets.models.effects import DECIMALS, Z80, Vector
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.models.traits import AI, CATEGORY, LENGTH, MEDIA

ANSWERS: Final = pl.Schema(
    {
        "user_id": pl.Int64(),
        "platform": pl.String(),
        "trait": pl.String(),
        "rank": pl.Int64(),
        "option": pl.String(),
        "uplift": pl.Float64(),
        "uplift_low": pl.Float64(),
        "uplift_high": pl.Float64(),
        "everybody": pl.Float64(),
        "tier": pl.Float64(),
        "own": pl.Float64(),
        "posts_everybody": pl.Int64(),
        "posts_platform": pl.Int64(),
        "posts_tier": pl.Int64(),
        "posts_own": pl.Int64(),
        "is_exploration": pl.Boolean(),
        "why": pl.String(),
    }
)
TOP: Final = 3
"""So many options of a trait are told, and the one to try."""
INTERVAL: Final = 0.8
USUAL_POSTS: Final = 10
"""What a user usually posts is the platform's mix, which counts like so many posts, and the user's own."""

_SUBJECT: Final = {CATEGORY: "{} posts", MEDIA: "Posts with {}", LENGTH: "Texts of {}", AI: "Posts written {}"}


def score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    """Up to TOP options of each trait for each request, best first, and the one to try, where it is none of them (ANSWERS).

    `uplift` is the expected difference in log engagement to what the user usually posts there, with an interval that
    holds it at 80 %; `everybody`, `tier` and `own` are what each source adds to it. Nothing is said of an option with
    fewer than MIN_COUNT posts on the platform, of a trait that leaves no choice, nor of a platform that was not seen.

    Args:
        artefact: a trained recommender.
        scoring: requests (user_id, platform, subscription_tier, `as_of`), and labelled posts.
    """
    recommender = Recommender.from_json(artefact.learned)
    requests = scoring.rows.with_row_index("request")
    found = [pl.DataFrame(schema={"request": pl.UInt32(), "order": pl.Int32(), **ANSWERS})]
    for (moment,), asked in requests.group_by(AS_OF, maintain_order=True):
        beliefs = recommender.believe(
            asked, scoring.past.filter(pl.col(LABEL_KNOWN_AT) <= pl.lit(moment, asked.schema[AS_OF]))
        )
        found += [
            _answers(asked, trait, recommender.options[trait].names, belief).with_columns(order=pl.lit(order))
            for order, (trait, belief) in enumerate(beliefs.items())
        ]
    return pl.concat(found, how="diagonal").sort("request", "order", "rank").select(ANSWERS.names())


def usual(belief: Belief) -> Vector:
    """What each user usually posts, as shares of the options."""
    _, platform, _, own = belief.posts
    share = platform / np.maximum(platform.sum(axis=1, keepdims=True), 1)
    mixed: Vector = (own + USUAL_POSTS * share) / (own + USUAL_POSTS * share).sum(axis=1, keepdims=True).clip(1e-9)
    return mixed


def _answers(requests: pl.DataFrame, trait: str, names: tuple[str, ...], belief: Belief) -> pl.DataFrame:
    """The ranked options of one trait, in the order of the requests."""
    mix, shape = usual(belief), belief.mean.shape
    away = np.eye(len(names)) - mix[:, None, :]
    spread = np.sqrt(np.einsum("nki,nij,nkj->nk", away, belief.covariance, away).clip(0))
    parts = {
        name: values - (mix * values).sum(axis=1, keepdims=True)
        for name, values in (("everybody", belief.everybody), ("tier", belief.tier), ("own", belief.own))
    }
    uplift = sum(parts.values())
    sources = ("posts_everybody", "posts_platform", "posts_tier", "posts_own")
    columns = {
        "uplift": uplift,
        "uplift_low": uplift - Z80 * spread,
        "uplift_high": uplift + Z80 * spread,
        **parts,
    }
    has_evidence = belief.posts[1] >= MIN_COUNT
    to_try = tried(requests, trait, belief, has_evidence)
    rows = pl.DataFrame(
        {
            "request": np.repeat(requests["request"].to_numpy(), len(names)),
            "option": pl.Series(names).gather(np.tile(np.arange(len(names)), shape[0])),
            "has_evidence": has_evidence.ravel(),
            "is_tried": (np.arange(len(names)) == to_try[:, None]).ravel(),
            **{name: np.round(values.ravel(), DECIMALS) for name, values in columns.items()},
            **{name: posts.ravel() for name, posts in zip(sources, belief.posts, strict=True)},
        }
    )
    ranked = (
        rows.filter("has_evidence")
        .filter(pl.len().over("request") > 1)
        .sort("request", "uplift", "option", descending=[False, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1).over("request").alias("rank"))
        .with_columns((pl.col("is_tried") & (pl.col("rank") > 1)).alias("is_exploration"), pl.lit(trait).alias("trait"))
        .filter((pl.col("rank") <= TOP) | pl.col("is_exploration"))
    )
    return (
        requests.lazy()
        .select("request", "user_id", "platform")
        .join(ranked.lazy(), on="request", how="inner", maintain_order="left")
        .with_columns(_why(trait).alias("why"))
        .select("request", *(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items()))
        .collect()
    )


def _why(trait: str) -> pl.Expr:
    """Uplift, interval and evidence in words."""

    def percent(name: str) -> pl.Expr:
        return ((pl.col(name).exp() - 1) * 100).round().cast(pl.Int64)

    change = percent("uplift")
    told = pl.when(change < 0).then(pl.format("{} % less", -change)).otherwise(pl.format("{} % more", change))
    own = (
        pl.when(pl.col("posts_own") == 0)
        .then(pl.lit("none of them your own"))
        .otherwise(pl.format("{} of them your own", pl.col("posts_own")))
    )
    why = pl.format(
        "{} get {} engagement than your usual mix, with 80 % certainty between {} and {} %; {} such posts seen on {}, {}.",
        pl.format(_SUBJECT[trait], "option"),
        told,
        percent("uplift_low"),
        percent("uplift_high"),
        pl.col("posts_platform"),
        pl.col("platform"),
        own,
    )
    exploring = pl.lit(" Worth a try: it may be the best, and too little is known of it.")
    return pl.when("is_exploration").then(pl.concat_str(why, exploring)).otherwise(why)
