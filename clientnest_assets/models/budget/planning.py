"""Plans: what of a total each platform should get, what that brings, and how sure the split is.

The optimum itself is in `allocation.py`, what posts bring in `response.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from clientnest_assets.models.budget.allocation import (
    AMOUNT,
    EXPONENT,
    LEAST,
    MOST,
    ONE_MORE,
    PLAN,
    SCALE,
    TOTAL,
    allocate_money,
    allocate_units,
    worth,
)
from clientnest_assets.models.budget.response import MIN_PAST_POSTS, NORMAL_80, Responses, engagement_of_post

POSTS: Final = "posts"
AI_SPEND: Final = "ai_spend"
RESOURCES: Final = (POSTS, AI_SPEND)
DECIMALS: Final = 4
"""Of dollars, as `allocation.STEPS` has them."""
LOG_ERROR: Final = "log_error"
EVIDENCE: Final = "own posts"
NO_RESPONSE: Final = "no evidence: how engagement answers to posts is not known of this platform"
NO_POSTS: Final = "no evidence: never posted on"
FEW_POSTS: Final = f"no evidence: fewer than {MIN_PAST_POSTS} of its posts are mature"
NO_COST: Final = "no evidence: what AI brings or costs is not known of this platform"


@dataclass(frozen=True)
class Limits:
    """What a caller wants kept: at least and at most so much on a platform. None leaves it open."""

    least: float = 0.0
    most: float | None = None


def plan(
    responses: Responses,
    channels: pl.DataFrame,
    resource: str,
    *,
    total: float | None = None,
    limits: Mapping[str, Limits] | None = None,
) -> pl.DataFrame:
    """One row per channel, in their order: what each user should give each platform.

    Columns: `usual` (of a week, so far), `suggested`, with `suggested_low` and `suggested_high`: the least and the most
    it would be if the response of any one platform lay at an end of its 80 % interval; `expected_engagement` (the
    week's scores) of what is suggested, with `expected_low` and `expected_high`, the interval of its mean, not of a
    single week; `one_more`, what the best further post, or cent, of the user would add; `evidence`. Where there is
    none, the channel gets its least and nothing is said of what it brings.

    Asked for nothing, a plan has what the user usually gives in all, and no platform gets more than most channels of it
    ever give or the user has given: beyond, the response is guessed.

    Args:
        responses: of the platforms.
        channels: rows of `weeks.current`.
        resource: POSTS, in whole posts, or AI_SPEND, in US dollars spent on writing by AI; what they bring are the
            posts they pay for.
        total: to be split by every user; None for what each usually gives.
        limits: by platform.

    Raises:
        ModelError: limits contradict each other or the total.
    """
    options = _options(responses, channels, resource, total, limits or {})
    allocate = allocate_units if resource == POSTS else allocate_money
    best = allocate(options.hstack(_curves(responses, channels, resource, {})))
    known = [name for name, response in responses.platforms.items() if response.is_identified]
    others = [
        allocate(options.hstack(_curves(responses, channels, resource, {name: errors})))[AMOUNT]
        for name in known
        for errors in (-NORMAL_80, NORMAL_80)
    ]
    ends = pl.DataFrame([best[AMOUNT], *(each.alias(f"{AMOUNT}_{n}") for n, each in enumerate(others))])
    brings = pl.when(pl.col(SCALE).is_not_null()).then(worth(pl.col(SCALE), pl.col(EXPONENT), pl.col(AMOUNT)))
    off = best.with_columns(_log_error(responses, channels, resource, best[AMOUNT]))
    low, high = (
        off.select((brings * (errors * pl.col(LOG_ERROR)).exp()).round(2)).to_series()
        for errors in (-NORMAL_80, NORMAL_80)
    )
    return best.select(
        pl.col("usual"),
        pl.col(AMOUNT).cast(pl.Float64).alias("suggested"),
        ends.min_horizontal().cast(pl.Float64).alias("suggested_low"),
        ends.max_horizontal().cast(pl.Float64).alias("suggested_high"),
        brings.round(2).alias("expected_engagement"),
        low.alias("expected_low"),
        high.alias("expected_high"),
        pl.when(pl.col(SCALE).is_not_null()).then(pl.col(ONE_MORE).round(2)).alias("one_more"),
        _evidence(responses, channels, resource),
    )


def _options(
    responses: Responses, channels: pl.DataFrame, resource: str, total: float | None, limits: Mapping[str, Limits]
) -> pl.DataFrame:
    """The limits of each channel, and the total of each user."""
    is_whole = resource == POSTS
    usual = pl.col("usual_posts" if is_whole else "usual_ai_cost")
    names = list(responses.platforms)
    seen = [response.range_posts for response in responses.platforms.values()]
    cost = [response.cost_per_ai_post for response in responses.platforms.values()]
    per_post = pl.lit(1.0) if is_whole else _of_platform(names, cost)
    reach = pl.max_horizontal(_of_platform(names, seen).fill_null(0), "most_posts") * per_post.fill_null(0.0)
    least = _of_platform(list(limits), [each.least for each in limits.values()]).fill_null(0.0)
    asked = _of_platform(list(limits), [each.most for each in limits.values()])
    whole = usual.sum().over("user_id") if total is None else pl.lit(float(total))
    dtype = pl.Int64 if is_whole else pl.Float64
    places = 0 if is_whole else DECIMALS
    if total is None and is_whole:
        whole = whole.round().clip(1)
    elif total is None:
        whole = whole.round(DECIMALS)
    # The reach bounds what is suggested unasked; a least that is asked for goes beyond it.
    bounds = channels.select(
        pl.col("user_id").alias(PLAN),
        usual.cast(pl.Float64).alias("usual"),
        least.round(places).alias(LEAST),
        asked.fill_null(pl.max_horizontal(reach.round(places), least)).round(places).alias(MOST),
        whole.alias(TOTAL),
    )
    return bounds.with_columns(pl.col(LEAST, MOST, TOTAL).cast(dtype))


def _of_platform(names: list[str], values: list[float] | list[int] | list[float | None]) -> pl.Expr:
    return pl.col("platform").replace_strict(names, values, default=None, return_dtype=pl.Float64)


def _curves(responses: Responses, channels: pl.DataFrame, resource: str, errors: Mapping[str, float]) -> pl.DataFrame:
    """SCALE and EXPONENT of what each channel brings; null without evidence.

    What is spent on AI buys posts at the platform's price, which bring what posts written by AI do.
    """
    per_post = responses.per_post(channels, errors)
    if resource == POSTS:
        of_post = engagement_of_post(per_post.hstack(channels.select("past_ai_share")), pl.col("past_ai_share"))
        return pl.DataFrame({SCALE: of_post, EXPONENT: per_post["exponent"]})
    of_post = engagement_of_post(per_post, pl.lit(1.0))
    price = channels.select(
        _of_platform(
            list(responses.platforms),
            [each.cost_per_ai_post if each.is_ai_identified else None for each in responses.platforms.values()],
        )
    ).to_series()
    bought = pl.DataFrame({"of_post": of_post, EXPONENT: per_post["exponent"], "price": price})
    return bought.select(
        (pl.col("of_post") / pl.col("price").pow(pl.col(EXPONENT))).alias(SCALE),
        pl.when(pl.col("price").is_not_null()).then(EXPONENT).alias(EXPONENT),
    )


def _log_error(responses: Responses, channels: pl.DataFrame, resource: str, amount: pl.Series) -> pl.Series:
    """The standard error of the logarithm of what each channel's amount brings.

    That of the channel's level, at its usual number of posts; that of the exponent, the more the further from there;
    and of what AI adds, where AI writes.
    """
    platforms = responses.platforms
    names = list(platforms)
    exponent_error = _of_platform(names, [each.exponent_error for each in platforms.values()])
    ai_error: pl.Expr = pl.lit(0.0)
    price: pl.Expr = pl.lit(1.0)
    if resource == AI_SPEND:
        ai_error = _of_platform(names, [each.ai_effect_error for each in platforms.values()])
        price = _of_platform(names, [each.cost_per_ai_post for each in platforms.values()])
    away = (pl.col(AMOUNT) / price).log() - pl.col("past_mean_log_posts")
    squares = pl.col("level_error") ** 2 + (away * exponent_error) ** 2 + ai_error**2
    return (
        channels.with_columns(amount.alias(AMOUNT), responses.per_post(channels)["level_error"])
        .select(pl.when(pl.col(AMOUNT) > 0).then(squares.sqrt()).otherwise(0.0).alias(LOG_ERROR))
        .to_series()
    )


def _evidence(responses: Responses, channels: pl.DataFrame, resource: str) -> pl.Series:
    identified = [name for name, each in responses.platforms.items() if each.is_identified]
    priced = [name for name, each in responses.platforms.items() if each.is_ai_identified]
    posts = pl.col("past_posts").fill_null(0)
    told = pl.lit(EVIDENCE)
    if resource == AI_SPEND:
        told = pl.when(pl.col("platform").is_in(priced)).then(told).otherwise(pl.lit(NO_COST))
    return channels.select(
        pl.when(posts == 0)
        .then(pl.lit(NO_POSTS))
        .when(posts < MIN_PAST_POSTS)
        .then(pl.lit(FEW_POSTS))
        .when(~pl.col("platform").is_in(identified))
        .then(pl.lit(NO_RESPONSE))
        .otherwise(told)
        .alias("evidence")
    ).to_series()
