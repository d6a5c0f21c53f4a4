"""How good recommendations are: on later posts, each against the other posts of its account, and against naive rules.

Drawing is in `sections.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.content_recommendation.options import Options
from clientnest_assets.models.content_recommendation.recommender import MIN_COUNT, Recommender
from clientnest_assets.models.content_recommendation.scoring import INTERVAL
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
from clientnest_assets.models.metrics import regression_metrics
from clientnest_assets.models.model import MODEL, Finding, Metric, Scoring
from clientnest_assets.models.skill import has_skill
from clientnest_assets.models.splits import LABEL_KNOWN_AT, TimeSplit
from clientnest_assets.models.traits import CATEGORY, LABEL

LOSS: Final = "loss"
NO_EFFECT, RAW_MEAN, OWN_MEAN = "no_effect", "raw_mean", "own_mean"
NAIVE_RULES: Final = {
    NO_EFFECT: "nothing that can be chosen makes a difference",
    RAW_MEAN: "each option's mean log engagement on the platform less the platform's, whoever posted",
    OWN_MEAN: "each option's mean among the user's own posts less the mean of these; nothing for options not tried",
}
RULES: Final = (MODEL, *NAIVE_RULES)
METRICS: Final = (
    Metric("rmse", "root mean square error of a later post's log engagement against its account's other posts"),
    Metric("spearman", "rank correlation of the same", higher_is_better=True),
    Metric(
        "first_contrast",
        "mean log engagement, against their accounts' other posts, of the later posts whose category was ranked first",
        higher_is_better=True,
    ),
)
SLOPE: Final = (0.7, 1.3)
MIN_LATER: Final = 50


@dataclass(frozen=True)
class Evaluation:
    """What the twin and the rules said of later posts.

    Attributes:
        predictions: post_id, user_id, platform, `as_of`, CONTRAST, a column a rule, LOSS.
        metrics: by rule.
        findings: whether it has skill, later posts bear out the intervals, and they differ by as much as was said.
    """

    predictions: pl.DataFrame
    metrics: dict[str, dict[str, float | None]]
    findings: tuple[Finding, ...]


def evaluate(twin: Recommender, split: TimeSplit) -> Evaluation:
    """The twin, learned from the earlier posts, on the later ones. What users' own posts tell is that of the cutoff.

    Raises:
        NotEnoughDataError: too few later posts have another one of their account to be compared with.
    """
    blocked = with_blocks(split.later)
    later = blocked.filter(pl.len().over(BLOCK) > 1)
    if later.height < MIN_LATER:
        raise NotEnoughDataError(
            f"{later.height} of the {split.later.height} posts from {split.cutoff:%Y-%m-%d} on can be compared with "
            f"another post of their account, {MIN_LATER} are needed: train a later week, or import more history"
        )
    beliefs = twin.believe(later, split.earlier)
    said = {rule: np.zeros(later.height) for rule in RULES}
    first = {}
    for trait, options in twin.options.items():
        belief = beliefs[trait]
        tables = {
            MODEL: belief.mean,
            RAW_MEAN: _means(split.earlier, later, options, ["platform"]),
            OWN_MEAN: _means(split.earlier, later, options, ["user_id", "platform"]),
        }
        taken = later.select(code_of(trait, options.names)).to_series()
        for rule, table in tables.items():
            said[rule] += _of_taken(table, taken)
        if trait == CATEGORY:
            enough = belief.posts[1] >= MIN_COUNT
            first = {rule: _is_first(table, enough, taken) for rule, table in tables.items()}
    block = later[BLOCK].to_numpy()
    predictions = later.select("post_id", "user_id", "platform", AS_OF).with_columns(
        pl.Series(CONTRAST, contrasts(later[LABEL].to_numpy(), block)),
        *(pl.Series(rule, contrasts(values, block)) for rule, values in said.items()),
    )
    metrics = {}
    for rule in RULES:
        found = regression_metrics(predictions, CONTRAST, rule)
        metrics[rule] = {
            "rmse": found["rmse"],
            "spearman": found["spearman"],
            "first_contrast": _mean(predictions[CONTRAST].to_numpy(), first.get(rule)),
        }
    loss = ((pl.col(CONTRAST) - pl.col(MODEL)) ** 2).round(DECIMALS).alias(LOSS)
    predictions = predictions.with_columns(loss)
    skill = has_skill(predictions, NO_EFFECT, pl.col(CONTRAST) ** 2, "user_id")
    return Evaluation(predictions, metrics, (skill, _intervals(twin, split), _slope(predictions)))


def losses(artefact: Artefact, scoring: Scoring) -> pl.Series:
    """The LOSS of each labelled post, as `evaluate` has it; null where no other post of its account is near.

    Args:
        artefact: the model.
        scoring: as rows, labelled posts of a span of time; as past, all labelled posts: those known before the first of
            the rows tell of the users.
    """
    recommender, rows = Recommender.from_json(artefact.learned), with_blocks(scoring.rows)
    beliefs = recommender.believe(
        rows, scoring.past.filter(pl.col(LABEL_KNOWN_AT) <= pl.lit(rows[AS_OF].min(), rows.schema[AS_OF]))
    )
    said = np.zeros(rows.height)
    for trait, belief in beliefs.items():
        said += _of_taken(belief.mean, rows.select(code_of(trait, recommender.options[trait].names)).to_series())
    return squared_contrasts(rows, LABEL, said).alias(LOSS)


def _of_taken(table: Vector, taken: pl.Series) -> Vector:
    """What the table says of the option that each post has; 0 of one that it does not know."""
    values: Vector = np.where(taken.is_null(), 0, table[np.arange(len(taken)), taken.fill_null(0).to_numpy()])
    return values


def _means(earlier: pl.DataFrame, later: pl.DataFrame, options: Options, keys: list[str]) -> Vector:
    """For each later post the mean label of its key's earlier posts by option, less that of them all; 0 where unknown."""
    group = earlier.select(keys).unique().sort(keys).with_row_index("group")
    count, width = group.height, len(options.names)
    found = earlier.join(group, on=keys, how="left", maintain_order="left").select(
        "group", code_of(options.trait, options.names).alias("code"), LABEL
    )
    number, label = found["group"].to_numpy().astype(np.int64), found[LABEL].to_numpy()
    of_all = np.bincount(number, label, minlength=count) / np.bincount(number, minlength=count)
    known = found["code"].is_not_null().to_numpy()
    places = number[known] * width + found["code"].drop_nulls().to_numpy()
    posts = np.bincount(places, minlength=count * width).reshape(count, width)
    total = np.bincount(places, label[known], minlength=count * width).reshape(count, width)
    table = np.where(posts > 0, total / np.maximum(posts, 1) - of_all[:, None], 0)
    place = later.join(group, on=keys, how="left", maintain_order="left")["group"].fill_null(count).to_numpy()
    means: Vector = np.concatenate([table, np.zeros((1, width))])[place]
    return means


def _is_first(table: Vector, enough: np.typing.NDArray[np.bool_], taken: pl.Series) -> np.typing.NDArray[np.bool_]:
    """Whether each post has the option that the table puts first, of those with enough posts."""
    best = np.where(enough, table, -np.inf).argmax(axis=1)
    first: np.typing.NDArray[np.bool_] = taken.is_not_null().to_numpy() & (taken.fill_null(0).to_numpy() == best)
    return first


def _mean(values: Vector, chosen: np.typing.NDArray[np.bool_] | None) -> float | None:
    return round(float(values[chosen].mean()), DECIMALS) if chosen is not None and chosen.any() else None


def _intervals(twin: Recommender, split: TimeSplit) -> Finding:
    """Whether later posts bear out the intervals.

    Of each option on each platform the later posts give an estimate of their own, with an error of its own. As far as
    it lies from what the twin said, measured by both errors together, it should be in the middle INTERVAL in that share
    of them; what the twin did not know of a platform is one error for all of its users, of a user's own, one for each.
    """
    inside, seen = 0, 0
    came, said = twin.own(split.later), twin.own(split.earlier)
    for trait, options in twin.options.items():
        own, unknown_tier = came[trait], pl.lit(None, pl.String).alias("subscription_tier")
        belief = options.believe(own.entities.with_columns(unknown_tier), said[trait])
        missed = own.evidence - np.einsum("nij,nj->ni", own.information, belief.own)
        of_users = own.information + own.information @ belief.own_covariance @ own.information
        for position, platform in enumerate(options.platforms):
            here = (own.entities["platform"] == platform).to_numpy()
            information = own.information[here].sum(axis=0)
            error = of_users[here].sum(axis=0) + information @ options.covariance[position, -1] @ information
            counted = np.diag(information) * twin.effects.noise[platform] ** 2 >= MIN_COUNT / 2
            inside += int((np.abs(missed[here].sum(axis=0)) <= Z80 * np.sqrt(np.diag(error)))[counted].sum())
            seen += int(counted.sum())
    share = inside / seen if seen else 1.0
    slack = 2 * float(np.sqrt(INTERVAL * (1 - INTERVAL) / max(seen, 1)))
    return Finding(
        "intervals_hold",
        share >= INTERVAL - slack,
        f"Of {seen} options by platform, later posts bear out {share:.0%} of the {INTERVAL:.0%} intervals.",
        {"options": seen, "share": round(share, DECIMALS), "least": round(INTERVAL - slack, DECIMALS)},
    )


def _slope(predictions: pl.DataFrame) -> Finding:
    """Whether later posts differ by as much as was said: the slope of what came on what was said, within twice its error."""
    said, came = predictions[MODEL].to_numpy(), predictions[CONTRAST].to_numpy()
    square = float(said @ said)
    if square == 0:
        return Finding("is_calibrated", passed=True, words="Nothing was said to make a difference.")
    slope = float(said @ came) / square
    error = float(np.sqrt(((came - slope * said) ** 2 * said**2).sum())) / square
    low, high = SLOPE
    return Finding(
        "is_calibrated",
        slope + 2 * error >= low and slope - 2 * error <= high,
        f"Where 1 % more engagement was expected there came {slope:.2f} % more (± {2 * error:.2f}); "
        f"{low} to {high} is as it should be.",
        {"slope": round(slope, DECIMALS), "error": round(error, DECIMALS)},
    )
