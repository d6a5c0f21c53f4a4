"""How good suggestions are: what the hashtags added in later posts, against naive rules.

Drawing is in `sections.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.design import code_of
from clientnest_assets.models.effects import (
    BLOCK,
    CONTRAST,
    DECIMALS,
    Z80,
    Vector,
    contrasts,
    squared_contrasts,
    with_blocks,
)
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.hashtags.lift import Lifts
from clientnest_assets.models.hashtags.suggester import Suggester, described
from clientnest_assets.models.hashtags.use import HASHTAGS, TAG
from clientnest_assets.models.metrics import regression_metrics
from clientnest_assets.models.model import MODEL, Finding, Metric, Scoring
from clientnest_assets.models.skill import has_skill
from clientnest_assets.models.splits import LABEL_KNOWN_AT, TimeSplit
from clientnest_assets.models.traits import LABEL

LOSS: Final = "loss"
NO_EFFECT, MOST_USED, RAW_MEAN = "no_effect", "most_used", "raw_mean"
NAIVE_RULES: Final = {
    NO_EFFECT: "no hashtag makes a difference",
    MOST_USED: "the more often a hashtag is used, the better; says nothing of how much",
    RAW_MEAN: "mean log engagement of the posts that have the hashtag less that of all posts, whoever posted",
}
RULES: Final = (MODEL, *NAIVE_RULES)
METRICS: Final = (
    Metric("rmse", "root mean square error of a later post's log engagement against its account's other posts"),
    Metric("spearman", "rank correlation of the same", higher_is_better=True),
    Metric(
        "top_lift",
        "what the hashtags that were ranked highest, a quarter of all and ten at most, added to log engagement in later posts",
        higher_is_better=True,
    ),
)
TOP: Final = 10
MIN_LATER: Final = 50
MIN_INFORMATION: Final = 10.0
SHARE: Final = 0.8


@dataclass(frozen=True)
class Evaluation:
    """What the twin and the rules said of later posts.

    Attributes:
        predictions: later posts with hashtags: post_id, account_id, platform, `as_of`, CONTRAST, a column for each rule
            that says how much, LOSS.
        tags: a row a hashtag: what was said, and what came.
        metrics: by rule.
        findings: whether it has skill, and later posts bear out the intervals.
    """

    predictions: pl.DataFrame
    tags: pl.DataFrame
    metrics: dict[str, dict[str, float | None]]
    findings: tuple[Finding, ...]


def evaluate(twin: Lifts, split: TimeSplit) -> Evaluation:
    """The twin, learned from the earlier posts, on the later ones. What users' own posts tell is that of the cutoff.

    Raises:
        NotEnoughDataError: too few later posts have a hashtag and another post of their account to be compared with.
    """
    blocked = with_blocks(split.later)
    place = twin.platform_places(blocked)
    raw = _raw_means(twin, split.earlier)
    said = {
        MODEL: _added(blocked, twin.tags, twin.mean + twin.on_platform, place)
        + _of_users(twin, blocked, split.earlier),
        NO_EFFECT: np.zeros(blocked.height),
        RAW_MEAN: _added(blocked, twin.tags, np.broadcast_to(raw, twin.on_platform.shape), place),
    }
    block = blocked[BLOCK].to_numpy()
    has_known = pl.col(HASHTAGS).list.eval(pl.element().is_in(twin.tags)).list.any()
    predictions = (
        blocked.with_columns(
            pl.Series(CONTRAST, contrasts(blocked[LABEL].to_numpy(), block)),
            *(pl.Series(rule, contrasts(values, block)) for rule, values in said.items()),
        )
        .filter(has_known, pl.len().over(BLOCK) > 1)
        .select("post_id", "account_id", "platform", AS_OF, CONTRAST, *said)
    )
    if predictions.height < MIN_LATER:
        raise NotEnoughDataError(
            f"{predictions.height} of the {split.later.height} posts from {split.cutoff:%Y-%m-%d} on have a known hashtag "
            f"and another post of their account, {MIN_LATER} are needed: train a later week, or import more history"
        )
    tags = _later_lifts(twin, split.later).with_columns(pl.Series(RAW_MEAN, raw), pl.Series(MOST_USED, twin.posts))
    metrics: dict[str, dict[str, float | None]] = {}
    for rule in RULES:
        found = regression_metrics(predictions, CONTRAST, rule) if rule in said else {"rmse": None, "spearman": None}
        top = _top_lift(tags, rule) if rule in tags.columns else None
        metrics[rule] = {"rmse": found["rmse"], "spearman": found["spearman"], "top_lift": top}
    loss = ((pl.col(CONTRAST) - pl.col(MODEL)) ** 2).round(DECIMALS).alias(LOSS)
    predictions = predictions.with_columns(loss)
    skill = has_skill(predictions, NO_EFFECT, pl.col(CONTRAST) ** 2, "account_id")
    return Evaluation(predictions, tags, metrics, (skill, _intervals(tags)))


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The LOSS of each labelled post, as `evaluate` has it; null where no other post of its account is near.

    Args:
        artefact: the model.
        scoring: as rows, labelled posts with features of a span of time; as past, all labelled ones: those known before
            the first of the rows tell of the users.
    """
    lifts, rows = Suggester.from_json(artefact.learned).lifts, with_blocks(described(scoring.rows))
    known = described(scoring.past.filter(pl.col(LABEL_KNOWN_AT) <= pl.lit(rows[AS_OF].min(), rows.schema[AS_OF])))
    said = _added(rows, lifts.tags, lifts.mean + lifts.on_platform, lifts.platform_places(rows))
    return squared_contrasts(rows, LABEL, said + _of_users(lifts, rows, known)).alias(LOSS)


def _added(rows: pl.DataFrame, tags: tuple[str, ...], lifts: Vector, place: np.typing.NDArray[np.int64]) -> Vector:
    """What the hashtags of each row add up to.

    Args:
        rows: posts.
        tags: those that have a lift.
        lifts: by platform and hashtag.
        place: of each row's platform.
    """
    found = (
        rows.select(pl.int_range(pl.len()).alias("row"), pl.col(HASHTAGS).alias(TAG))
        .explode(TAG, empty_as_null=True)
        .with_columns(code_of(TAG, tags).alias("tag"))
        .drop_nulls("tag")
    )
    row, tag = found["row"].to_numpy(), found["tag"].to_numpy()
    added: Vector = np.bincount(row, lifts[place[row], tag], minlength=rows.height).astype(np.float64)
    return added


def _of_users(twin: Lifts, later: pl.DataFrame, earlier: pl.DataFrame) -> Vector:
    """What the users' own earlier posts add to what the hashtags of each row are said to do."""
    own = twin.of_users(earlier).drop_nulls("tag").select("user_id", "platform", TAG, "added")
    found = (
        later.select(pl.int_range(pl.len()).alias("row"), "user_id", "platform", pl.col(HASHTAGS).alias(TAG))
        .explode(TAG, empty_as_null=True)
        .join(own, on=["user_id", "platform", TAG], how="inner", maintain_order="left")
    )
    return np.bincount(found["row"].to_numpy(), found["added"].to_numpy(), minlength=later.height).astype(np.float64)


def _raw_means(twin: Lifts, earlier: pl.DataFrame) -> Vector:
    """By hashtag."""
    label = earlier[LABEL].to_numpy()
    found = (
        earlier.select(pl.int_range(pl.len()).alias("row"), pl.col(HASHTAGS).alias(TAG))
        .explode(TAG, empty_as_null=True)
        .with_columns(code_of(TAG, twin.tags).alias("tag"))
        .drop_nulls("tag")
    )
    row, tag = found["row"].to_numpy(), found["tag"].to_numpy()
    total = np.bincount(tag, label[row], minlength=len(twin.tags))
    mean: Vector = total / np.bincount(tag, minlength=len(twin.tags)) - label.mean()
    return mean


def _later_lifts(twin: Lifts, later: pl.DataFrame) -> pl.DataFrame:
    """One row per hashtag of the twin, in its order: what it said for everybody, and what later posts tell by themselves.

    `came` is the twin's word corrected by what it leaves of the later posts, null where no later post tells.
    """
    left = (
        twin.left(later, ["platform"])
        .group_by(TAG, maintain_order=True)
        .agg(pl.col("posts").sum(), pl.col("information", "evidence").sum().round(DECIMALS))
    )
    told = pl.DataFrame({TAG: pl.Series(twin.tags, dtype=pl.String), MODEL: twin.mean, "error": twin.error})
    information, evidence = pl.col("information"), pl.col("evidence")
    return (
        told.join(left, on=TAG, how="left", maintain_order="left")
        .with_columns(pl.col("posts", "information", "evidence").fill_null(0))
        .with_columns(pl.when(information > 0).then(pl.col(MODEL) + evidence / information).alias("came"))
        .rename({"posts": "later_posts"})
    )


def _top_lift(tags: pl.DataFrame, rule: str) -> float | None:
    """Mean of what came of the hashtags that the rule puts first, weighted by how much later posts tell of them."""
    count = max(min(TOP, tags.height // 4), 1)
    first = tags.sort(rule, TAG, descending=[True, False]).head(count).drop_nulls("came")
    came, weight = first["came"].to_numpy(), first["information"].to_numpy()
    return round(float((came * weight).sum() / weight.sum()), DECIMALS) if weight.sum() > 0 else None


def _intervals(tags: pl.DataFrame) -> Finding:
    """Whether later posts bear out the intervals: what they tell differs by no more than both errors together allow."""
    told = tags.filter(pl.col("information") >= MIN_INFORMATION)
    error = np.sqrt(told["error"].to_numpy() ** 2 + 1 / told["information"].to_numpy())
    inside = np.abs(told["came"].to_numpy() - told[MODEL].to_numpy()) <= Z80 * error
    share = float(inside.mean()) if told.height else 1.0
    slack = 2 * float(np.sqrt(SHARE * (1 - SHARE) / max(told.height, 1)))
    return Finding(
        "intervals_hold",
        share >= SHARE - slack,
        f"Of {told.height} hashtags, later posts bear out {share:.0%} of the {SHARE:.0%} intervals.",
        {"hashtags": told.height, "share": round(share, DECIMALS), "least": round(SHARE - slack, DECIMALS)},
    )
