"""What an experiment's numbers mean, in words that a decision can be made by. The numbers are made in `effects.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from clientnest_assets.partitions import MATURITY_DAYS

ALPHA: Final = 0.05
"""An experiment without any effect is said to have one no oftener than this."""
SPLIT_ALPHA: Final = 0.001
"""Below it a split is broken; as low as is usual (Fabijan et al. 2019), since every experiment is looked at."""
WORTH_FINDING: Final = 0.25
"""Not to have found an effect says something only where one of this lift would have been found."""

WORKS: Final = "works"
HARMS: Final = "does harm"
NO_EFFECT: Final = "no effect found"
TOO_FEW: Final = "too few users to tell"
RUNNING: Final = "still running"
BROKEN_SPLIT: Final = "broken split"
NOT_COMPARED: Final = "not compared"
VERDICTS: Final = (WORKS, HARMS, NO_EFFECT, TOO_FEW, RUNNING, BROKEN_SPLIT, NOT_COMPARED)
HIGHER: Final = "higher"
LOG: Final = "log"
"""The scale on which the engagement of posts is compared."""
ARRIVAL: Final = timedelta(days=1)
"""What happened is in the marts, and platforms have been asked, a day later."""
MATURITY: Final = timedelta(days=MATURITY_DAYS)
"""So much later the last posts' engagement is what it is measured by."""


def verdict(moment: datetime) -> pl.Expr:
    """The verdict of each row, one of VERDICTS. Null numbers decide nothing.

    Args:
        moment: an experiment runs until its outcomes are in by then.
    """
    is_found = pl.col("adjusted_p_value") < ALPHA
    is_wanted = (pl.col("difference") > 0) == (pl.col("better_when") == HIGHER)
    return (
        pl.when(pl.col("control_users").is_null() | pl.col("metric_type").is_null())
        .then(pl.lit(NOT_COMPARED))
        .when(pl.col("split_p_value") < SPLIT_ALPHA)
        .then(pl.lit(BROKEN_SPLIT))
        # Looked at every day until it is below ALPHA, a p-value of nothing gets there far too often.
        .when(pl.col("ended_at").is_null() | (outcomes_in() > moment))
        .then(pl.lit(RUNNING))
        .when(is_found & is_wanted)
        .then(pl.lit(WORKS))
        .when(is_found)
        .then(pl.lit(HARMS))
        .when(pl.col("detectable_lift") <= WORTH_FINDING)
        .then(pl.lit(NO_EFFECT))
        .otherwise(pl.lit(TOO_FEW))
    )


def outcomes_in() -> pl.Expr:
    """When all that an experiment measures is known; null while nobody has said when it ends."""
    return pl.col("ended_at") + pl.when(pl.col("scale") == LOG).then(ARRIVAL + MATURITY).otherwise(ARRIVAL)


def words() -> pl.Expr:
    """A sentence or two that give the verdict's reason, with its numbers."""
    metric = pl.col("metric").fill_null("the metric")
    found = pl.format(
        "{}: {} against the control{}, p = {}{}.",
        metric,
        _percent("lift", signed=True),
        pl.format(
            " (95 % interval {} to {})", _percent("lift_low", signed=True), _percent("lift_high", signed=True)
        ).fill_null(""),
        pl.col("p_value").round_sig_figs(2),
        pl.when(pl.col("adjusted_p_value") > pl.col("p_value"))
        .then(pl.format(", {} with the other variants counted", pl.col("adjusted_p_value").round_sig_figs(2)))
        .otherwise(pl.lit("")),
    )
    detectable = pl.format(
        " Four of five experiments of this size would find an effect of {}.", _percent("detectable_lift")
    ).fill_null("")
    measured = pl.format("{} and {} users were measured.", pl.col("control_measured_users"), pl.col("measured_users"))
    reasons = {
        BROKEN_SPLIT: pl.format(
            "{} users in the control and {} in the variant, where equal numbers were meant: so uneven a split has p = {}. Who "
            "is missing may differ from who is there, so that no difference means anything. Mend the assignment, and begin "
            "again.",
            pl.col("control_users"),
            pl.col("users"),
            pl.col("split_p_value").round_sig_figs(2),
        ),
        RUNNING: pl.format(
            "The verdict comes when {}. So far {}",
            pl.format("its outcomes are in, on {}", outcomes_in().dt.date()).fill_null("the experiment has ended"),
            found.fill_null(measured),
        ),
        NOT_COMPARED: pl.when(pl.col("metric_type").is_null())
        .then(pl.lit("Nobody has said how the metric is measured: see reference.experiment_metrics."))
        .otherwise(pl.lit("No variant is called control.")),
        TOO_FEW: pl.concat_str(found.fill_null(measured), detectable),
        NO_EFFECT: pl.concat_str(found, detectable),
    }
    told = found
    for name, reason in reasons.items():
        told = pl.when(pl.col("verdict") == name).then(reason).otherwise(told)
    return told


def _percent(column: str, *, signed: bool = False) -> pl.Expr:
    value = (pl.col(column) * 100).round(1)
    sign = pl.when(value > 0).then(pl.lit("+")).otherwise(pl.lit("")) if signed else pl.lit("")
    return pl.concat_str(sign, value.cast(pl.String), pl.lit(" %"))
