"""How good a model of posting times is, on posts later than any it learned from.

Nobody sees what an hour adds; what is seen is how a post did against the others of its account around it. So all that
is judged are such contrasts: predicted against observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.effects import BLOCK, Z80, Matrix, contrasts, with_blocks
from clientnest_assets.models.metrics import DECIMALS, regression_metrics
from clientnest_assets.models.model import MODEL, Finding, Scoring
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import PostingTimes, outlook
from clientnest_assets.models.posting_times.suggestions import best_slots
from clientnest_assets.models.posting_times.week import HOURS, SLOTS
from clientnest_assets.models.traits import HOUR, LABEL, WEEKDAY

ACTUAL: Final = "actual"
WEIGHT: Final = "weight"
LOSS: Final = "loss"
IS_SUGGESTED: Final = "is_suggested"
PREDICTORS: Final = (MODEL, *spec.NAIVE_RULES)
_SAID_AT: Final = "said_at"
_KEYS: Final = ("post_id", "user_id", "account_id", "platform", AS_OF)
TOP_SHARE: Final = 0.1
MIN_CELL_POSTS: Final = 10
MIN_CELLS: Final = 12
CHANCE: Final = 0.01
"""A finding fails on what would happen by chance, were all well, in fewer cases than this."""
Z_99: Final = 2.3263478740408408


def evaluate(model: PostingTimes, later: pl.DataFrame, rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """What the model and each rule say of later posts, against others of the same account around them.

    Grain: one row per later post that has another one of its account in its BLOCK, in their order: keys, `as_of`,
    WEEKDAY, HOUR, WEIGHT, ACTUAL and PREDICTORS, all less their mean over the block; LOSS, the squared error of the
    model; and IS_SUGGESTED, whether the slot was suggested to the account. The mean of few others is noisy: 1 - 1 / n
    weighs for it where contrasts are summed.

    The others may be earlier posts: what an account usually gets is no secret. What the model says is what it would
    have said at the beginning of the week in which the block's first later post appeared.

    Args:
        model: learned from the earlier posts.
        later: labelled posts to judge by.
        rows: all labelled posts.
        earlier: what the naive rules learn from.
    """
    by_hour, by_own_hour = _naive(earlier)
    posts = (
        _predicted(model, later, rows)
        .with_columns(pl.lit(0.0).alias(spec.NO_EFFECT))
        .join(by_hour, on=["platform", HOUR], how="left", maintain_order="left")
        .join(by_own_hour, on=["account_id", HOUR], how="left", maintain_order="left")
        .with_columns(pl.col(spec.RAW_HOUR, spec.OWN_HOUR).fill_null(0.0))
    )
    return (
        _contrasts(posts, PREDICTORS)
        .filter("is_later", pl.col(WEIGHT) > 0)
        .with_columns(((pl.col(MODEL) - pl.col(ACTUAL)) ** 2).alias(LOSS))
        .select(*_KEYS, BLOCK, WEEKDAY, HOUR, WEIGHT, ACTUAL, *PREDICTORS, LOSS, IS_SUGGESTED)
    )


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The loss of each labelled post, as `evaluate` has it; that of a platform without a curve is of no effect at all.

    Args:
        artefact: the model.
        scoring: as rows, labelled posts; as past, all labelled posts.
    """
    model = PostingTimes.from_json(artefact.learned)
    found = _contrasts(_predicted(model, scoring.rows, scoring.past), (MODEL,)).select(
        "post_id", ((pl.col(MODEL) - pl.col(ACTUAL)) ** 2).alias(LOSS)
    )
    return scoring.rows.select("post_id").join(found, on="post_id", how="left", maintain_order="left")[LOSS]


def _predicted(model: PostingTimes, later: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The blocks of posts that have a later one, with what the model said of each post before the first of these."""
    first = pl.col(AS_OF).filter("is_later").min().over(BLOCK)
    posts = (
        with_blocks(rows)
        .with_columns(pl.col("post_id").is_in(later["post_id"].implode()).alias("is_later"))
        .filter(pl.col("is_later").any().over(BLOCK))
        .with_columns(first.dt.truncate("1w").alias(_SAID_AT))
    )
    keys = ["platform", "account_id", _SAID_AT]
    asked = posts.select(keys).unique().sort(keys)
    requests = asked.rename({_SAID_AT: AS_OF})
    line = posts.join(asked.with_row_index("line"), on=keys, how="left", maintain_order="left")["line"].to_numpy()
    slot = posts[spec.SLOT].cast(pl.Int64).to_numpy()
    uplift, is_suggested = np.empty(posts.height), np.empty(posts.height, np.bool_)
    for start in range(0, asked.height, spec.REQUESTS_AT_ONCE):
        expected = outlook(model, requests.slice(start, spec.REQUESTS_AT_ONCE), rows)
        here = (line >= start) & (line < start + spec.REQUESTS_AT_ONCE)
        of, at = line[here] - start, slot[here]
        uplift[here] = np.nan_to_num(expected.uplift[of, at])
        is_suggested[here] = (best_slots(expected, spec.SUGGESTED)[of] == at[:, None]).any(axis=1)
    return posts.with_columns(pl.Series(MODEL, uplift), pl.Series(IS_SUGGESTED, is_suggested))


def _contrasts(posts: pl.DataFrame, predictors: tuple[str, ...]) -> pl.DataFrame:
    """The posts with ACTUAL and predictors less their means over the block, and WEIGHT."""
    block = posts[BLOCK].to_numpy()
    return posts.with_columns(
        pl.Series(ACTUAL, contrasts(posts[LABEL].to_numpy(), block)),
        *(pl.Series(name, contrasts(posts[name].to_numpy(), block)) for name in predictors),
        (1 - 1 / pl.len().over(BLOCK)).alias(WEIGHT),
    )


def metrics_of(evaluated: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """By predictor, how far its contrasts are from those that were seen."""
    return {name: regression_metrics(evaluated, ACTUAL, name) for name in PREDICTORS}


def uplift_of(posts: pl.DataFrame, name: str = ACTUAL) -> tuple[float, float]:
    """What posts got beyond the others of their account, on the mean, and its standard error.

    Posts of one block share its mean and are no independent evidence: the error is that of sums by block (K.-Y. Liang
    and S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73 (1986)); infinite for
    one.

    Args:
        posts: rows of `evaluate`, at least one.
        name: the contrast to take.
    """
    weight = float(posts[WEIGHT].sum())
    mean = float(posts[name].sum()) / weight
    by_block = posts.group_by(BLOCK).agg((pl.col(name) - mean * pl.col(WEIGHT)).sum().alias("sum"))
    squares = float((by_block.sort(BLOCK)["sum"].to_numpy() ** 2).sum())
    blocks = by_block.height
    error = (squares * blocks / (blocks - 1)) ** 0.5 / weight if blocks > 1 else float("inf")
    return round(mean, DECIMALS), round(error, DECIMALS)


def uplift_by_predictor(evaluated: pl.DataFrame) -> pl.DataFrame:
    """What the posts got that a predictor put into the top tenth of their platform. One row a predictor that can tell."""
    found = []
    for name in PREDICTORS:
        top = evaluated.filter(
            pl.col(name).rank("ordinal", descending=True).over("platform") <= TOP_SHARE * pl.len().over("platform")
        )
        if top.height and evaluated[name].n_unique() > 1:
            uplift, error = uplift_of(top)
            found.append(
                {
                    "predictor": name,
                    "posts": top.height,
                    "uplift": float(np.expm1(uplift)),
                    "error": error if np.isfinite(error) else None,
                }
            )
    return pl.DataFrame(
        found, schema={"predictor": pl.String, "posts": pl.Int64, "uplift": pl.Float64, "error": pl.Float64}
    )


def suggested_do_better(evaluated: pl.DataFrame) -> Finding:
    """Whether later posts in the suggested slots did better than the others of their accounts, beyond chance."""
    name = "suggested_slots_do_better"
    chosen = evaluated.filter(IS_SUGGESTED)
    if chosen.height < MIN_CELL_POSTS or chosen[BLOCK].n_unique() == 1:
        return Finding(
            name, passed=False, words=f"{chosen.height} later posts lie in suggested slots: too few to tell", figures={}
        )
    observed, error = uplift_of(chosen)
    predicted, _ = uplift_of(chosen, MODEL)
    return Finding(
        name,
        passed=observed - Z_99 * error > 0,
        words=(
            f"{chosen.height:,} later posts in suggested slots got {np.expm1(observed):+.1%} against the others of their "
            f"accounts, {np.expm1(predicted):+.1%} was expected of their times alone; the standard error is {error:.3f} in log "
            "engagement"
        ),
        figures={"posts": chosen.height, "observed": observed, "error": error, "predicted": predicted},
    )


def intervals_cover(cells: pl.DataFrame) -> Finding:
    """Whether the 80 % intervals of hours held what later posts showed, as often as they say."""
    from scipy import stats

    name = "intervals_cover"
    if cells.height < MIN_CELLS:
        words = f"{cells.height} hours of a platform have {MIN_CELL_POSTS} later posts, {MIN_CELLS} are needed to tell"
        return Finding(name, passed=True, words=words, figures={"cells": cells.height})
    covered = int(cells["is_covered"].sum())
    least = int(stats.binom.ppf(CHANCE, cells.height, 0.8))
    return Finding(
        name,
        passed=covered >= least,
        words=(
            f"the 80 % intervals hold {covered} of {cells.height} hours as later posts showed them "
            f"({covered / cells.height:.0%}); {least} at least are to be expected"
        ),
        figures={"cells": cells.height, "covered": covered, "share": round(covered / cells.height, 4)},
    )


def hours_seen_later(model: PostingTimes, covariances: Mapping[str, Matrix], later: pl.DataFrame) -> pl.DataFrame:
    """The hours of each platform: what was expected of its later posts, and what they got.

    Grain: one row per platform and hour of the day with MIN_CELL_POSTS later posts: `posts`, `expected`, `observed`
    (both log engagement beyond the usual), `error` (of the two together) and `is_covered`. Later posts are set against
    others of their accounts, and their form is taken out, so each is as noisy as the model says a post is.

    Args:
        model: learned from earlier posts.
        covariances: of what it does not know of its slots, by platform.
        later: labelled posts.
    """
    blocked = with_blocks(later)
    found = []
    for name, curve in model.curves.items():
        posts = blocked.filter(pl.col("platform") == name)
        counts = np.bincount(posts[spec.SLOT].cast(pl.Int64).to_numpy(), minlength=SLOTS).reshape(-1, HOURS)
        total = counts.sum(axis=0)
        mix = np.zeros((HOURS, SLOTS))
        for hour in np.flatnonzero(total):
            mix[hour, hour::HOURS] = counts[:, hour] / total[hour]
        missed = (
            posts.select(BLOCK, pl.col(HOUR).cast(pl.Int64), pl.Series("rest", curve.left_over(posts)))
            .with_columns(pl.col("rest") - pl.col("rest").mean().over(BLOCK), weight=1 - 1 / pl.len().over(BLOCK))
            .group_by(HOUR)
            .agg(pl.len().alias("posts"), pl.col("rest", "weight").sum())
            .filter(pl.col("posts") >= MIN_CELL_POSTS, pl.col("weight") > 0)
            .sort(HOUR)
        )
        hours, weight = missed[HOUR].to_numpy(), missed["weight"].to_numpy()
        unknown = np.diag(mix @ covariances[name] @ mix.T).clip(0)
        error = np.sqrt(unknown[hours] + curve.noise / weight)
        expected, rest = (mix @ curve.uplift)[hours], missed["rest"].to_numpy() / weight
        found.append(
            pl.DataFrame(
                {
                    "platform": name,
                    HOUR: hours,
                    "posts": missed["posts"],
                    "expected": expected,
                    "observed": np.round(expected + rest, DECIMALS),
                    "error": np.round(error, DECIMALS),
                    "is_covered": np.abs(rest) <= Z80 * error,
                }
            )
        )
    return pl.concat(found)


def _naive(past: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The mean label by platform and hour, and by account and hour less the account's mean."""
    by_hour = past.group_by("platform", HOUR).agg(pl.col(LABEL).mean().round(DECIMALS).alias(spec.RAW_HOUR))
    of_account = pl.col(LABEL).mean().over("account_id")
    by_own_hour = (
        past.select("account_id", HOUR, (pl.col(LABEL) - of_account).alias(spec.OWN_HOUR))
        .group_by("account_id", HOUR)
        .agg(pl.col(spec.OWN_HOUR).mean().round(DECIMALS))
    )
    return by_hour, by_own_hour
