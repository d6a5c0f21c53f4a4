"""How well later weeks were foretold, beside rules that do not know what posts bring."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.budget.response import NORMAL_80, Responses, engagement_of_post
from clientnest_assets.models.budget.weeks import CHANNEL, LABEL
from clientnest_assets.models.metrics import regression_metrics, regression_metrics_by
from clientnest_assets.models.model import MODEL, Finding
from clientnest_assets.models.skill import has_skill

PREDICTED: Final = "predicted_log_total"
LOSS: Final = "loss"
USUAL_WEEK: Final = "usual_week"
PLATFORM_RATE: Final = "platform_rate"
RULES: Final = {MODEL: PREDICTED, USUAL_WEEK: USUAL_WEEK, PLATFORM_RATE: PLATFORM_RATE}
MAX_BIAS: Final = 0.25
"""What all platforms gain or lose together moves no split; more than this is no season, but an error."""
DECIMALS: Final = 9


def evaluated_rows(responses: Responses, earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """The later channel weeks of which the model knows something, with what it and each rule said, on log1p.

    Each is told how many posts there were and which part of them AI wrote, as a plan would say. The rules: a week like
    the channel's usual ones, whatever its posts; and as much a post as the platform's mean.
    """
    rate = (
        earlier.group_by("platform")
        .agg((pl.col(LABEL).exp() - 1).sum().alias("total"), pl.col("posts").sum().alias("of_posts"))
        .select("platform", (pl.col("total") / pl.col("of_posts")).alias("rate"))
    )
    return (
        later.with_columns(predicted(responses, later))
        .join(rate, on="platform", how="left", maintain_order="left", validate="m:1")
        .with_columns(
            pl.col("past_week_total").log1p().alias(USUAL_WEEK),
            (pl.col("rate") * pl.col("posts")).log1p().alias(PLATFORM_RATE),
        )
        .filter(pl.all_horizontal(pl.col(*RULES.values()).is_not_null()))
        .with_columns((pl.col(PREDICTED) - pl.col(LABEL)).abs().round(DECIMALS).alias(LOSS))
        .select(*CHANNEL, AS_OF, "posts", "ai_share", LABEL, *RULES.values(), LOSS)
    )


def predicted(responses: Responses, rows: pl.DataFrame) -> pl.Series:
    """The log1p of what is expected of each channel week with its posts; null without evidence."""
    per_post = responses.per_post(rows).with_columns(rows["posts"], rows["ai_share"])
    of_post = engagement_of_post(per_post, pl.col("ai_share"))
    return (
        per_post.with_columns(of_post=of_post)
        .select((pl.col("of_post") * pl.col("posts").cast(pl.Float64).pow("exponent")).log1p().alias(PREDICTED))
        .to_series()
    )


def losses(artefact: Artefact, rows: pl.DataFrame) -> pl.Series:
    """The LOSS of each labelled row, in their order; without evidence, that of the channel's usual week."""
    said = predicted(Responses.from_json(artefact.learned["platforms"]), rows)
    told = rows.with_columns(said).select(pl.coalesce(PREDICTED, pl.col("past_week_total").log1p().fill_null(0.0)))
    return (told.to_series() - rows[LABEL]).abs().round(DECIMALS).alias(LOSS)


def metrics_of(evaluated: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """By MODEL and naive rule, the regression metrics of log1p of a week's engagement."""
    return {rule: regression_metrics(evaluated, LABEL, column) for rule, column in RULES.items()}


def by_platform(evaluated: pl.DataFrame) -> pl.DataFrame:
    """One row per platform: channel weeks, and the mean absolute error of the model and of each rule."""
    tables = [
        regression_metrics_by(evaluated, "platform", LABEL, column).select(
            "platform", "rows", pl.col("mae").alias(f"mae_{rule}")
        )
        for rule, column in RULES.items()
    ]
    first, *others = tables
    for table in others:
        first = first.join(table.drop("rows"), on="platform", how="left", maintain_order="left")
    return first


def findings_of(responses: Responses, evaluated: pl.DataFrame) -> tuple[Finding, ...]:
    """Whether anything is known at all, and whether later weeks brought in all what they were expected to."""
    naive = (pl.col(USUAL_WEEK) - pl.col(LABEL)).abs()
    skill = has_skill(evaluated, USUAL_WEEK, naive, "user_id")
    return skill, _has_evidence(responses), _is_unbiased(evaluated)


def _has_evidence(responses: Responses) -> Finding:
    known = {name: each for name, each in responses.platforms.items() if each.is_identified}
    unknown = sorted(set(responses.platforms) - set(known))
    told = [
        f"{name} {each.exponent_at(0):.2f} ({each.exponent_at(-NORMAL_80):.2f} to {each.exponent_at(NORMAL_80):.2f})"
        for name, each in known.items()
    ]
    words = f"Exponents with their 80 % intervals: {', '.join(told)}." if told else "No platform's weeks tell anything."
    if unknown:
        words += f" No evidence for {', '.join(unknown)}: too few channels that post now more, now less."
    return Finding(
        "has_evidence",
        passed=bool(known),
        words=words,
        figures={name: {"exponent": each.exponent, "error": each.exponent_error} for name, each in known.items()},
    )


def _is_unbiased(evaluated: pl.DataFrame) -> Finding:
    """Truth over forecast of a post, weighted by posts; its standard error is clustered by channel."""
    if evaluated.is_empty():
        return Finding(
            "is_unbiased", passed=False, words="No later channel week has a forecast: nothing is known of it."
        )
    rows = evaluated.with_columns(
        channel=pl.struct(*CHANNEL).rank("dense"), ratio=(pl.col(LABEL) - pl.col(PREDICTED)).exp()
    )
    weight, ratio = rows["posts"].to_numpy().astype(np.float64), rows["ratio"].to_numpy()
    mean = float(np.average(ratio, weights=weight))
    by_channel = np.bincount(rows["channel"].to_numpy().astype(np.int64), weight * (ratio - mean))
    error = float(np.sqrt((by_channel**2).sum())) / float(weight.sum())
    slack = MAX_BIAS + 2 * error
    return Finding(
        "is_unbiased",
        passed=abs(mean - 1) <= slack,
        words=(
            f"Later weeks brought {mean:.2f} times what was expected of them, channel by channel; {1 - slack:.2f} to "
            f"{1 + slack:.2f} is allowed."
        ),
        figures={"ratio": round(mean, 6), "error": round(error, 6)},
    )
