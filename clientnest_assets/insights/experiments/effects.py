"""From the rows of the mart experiment_results to what each variant did, beside the control, and how sure that is.

The statistics are in `comparing.py`, the verdicts in `verdicts.py`; what a user's value is, the mart says.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.insights.experiments import comparing
from clientnest_assets.insights.experiments.comparing import Compared, FloatArray, Sample
from clientnest_assets.insights.experiments.verdicts import LOG, verdict, words

CONTROL: Final = "control"
"""The variant that the others are compared with."""
KEYS: Final = ("experiment_id", "variant")
SHARE: Final = "share"

_OF_THE_EXPERIMENT: Final = {
    "experiment_key": pl.String(),
    "experiment_name": pl.String(),
    "started_at": pl.Datetime("us", "UTC"),
    "ended_at": pl.Datetime("us", "UTC"),
    "metric": pl.String(),
    "metric_type": pl.String(),
    "scale": pl.String(),
    "better_when": pl.String(),
}
_OF_A_VARIANT: Final = {
    "users": pl.Int64(),
    "measured_users": pl.Int64(),
    "mean": pl.Float64(),
    "compared_mean": pl.Float64(),
    "compared_variance": pl.Float64(),
}
RESULTS: Final = pl.Schema({"experiment_id": pl.Int64(), "variant": pl.String(), **_OF_THE_EXPERIMENT, **_OF_A_VARIANT})
"""What is read of the mart."""
_NUMBERS: Final = (
    "difference",
    "difference_low",
    "difference_high",
    "lift",
    "lift_low",
    "lift_high",
    "detectable_lift",
    "p_value",
    "adjusted_p_value",
    "split_p_value",
)
EFFECTS: Final = pl.Schema(
    {
        "experiment_id": pl.Int64(),
        "variant": pl.String(),
        **_OF_THE_EXPERIMENT,
        "control_users": pl.Int64(),
        "users": pl.Int64(),
        "control_measured_users": pl.Int64(),
        "measured_users": pl.Int64(),
        "control_mean": pl.Float64(),
        "mean": pl.Float64(),
        **dict.fromkeys(_NUMBERS, pl.Float64()),
        "verdict": pl.String(),
        "words": pl.String(),
    }
)
"""One row per experiment and variant beside the control; what each column is, `effects` says."""


def effects(results: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """What each variant did to its experiment's metric, compared with the control.

    Grain: one row per experiment and variant beside CONTROL (of an experiment without one, every variant), as EFFECTS
    says, ordered by both. `difference` is of `compared_mean`, in the metric's unit or on the log scale; `lift` the same
    as a share of the control, 0.1 for 10 % more; both with 95 % intervals. `detectable_lift` is the smallest lift, up
    or down, that four of five such experiments would find. `p_value` is of no difference, `adjusted_p_value` by Holm
    over the experiment's comparisons, `split_p_value` of equal numbers in all variants. What is undefined is null.

    Args:
        results: rows of the mart, with the columns of RESULTS.
        moment: as of when; experiments whose outcomes are not in by then have no verdict.
    """
    rows = results.select(RESULTS.names()).sort(KEYS)
    control = rows.filter(variant=CONTROL).select("experiment_id", pl.col(_OF_A_VARIANT).name.prefix("control_"))
    pairs = (
        rows.filter(pl.col("variant") != CONTROL)
        .join(control, on="experiment_id", how="left", validate="m:1", maintain_order="left")
        .join(_splits(rows), on="experiment_id", how="left", validate="m:1", maintain_order="left")
    )
    told = _with_effects(pairs)
    return (
        told.with_columns(verdict(moment).alias("verdict")).with_columns(words().alias("words")).select(EFFECTS.names())
    )


def _splits(rows: pl.DataFrame) -> pl.DataFrame:
    """The p-value of each experiment's split of users over its variants."""
    groups = rows.select("experiment_id", "users").group_by("experiment_id", maintain_order=True).agg("users")
    values = [comparing.split_p_value(users.to_numpy().astype(np.float64)) for users in groups["users"]]
    return groups.select("experiment_id", pl.Series("split_p_value", values, pl.Float64).fill_nan(None))


def _with_effects(pairs: pl.DataFrame) -> pl.DataFrame:
    treatment, control = _sample(pairs, ""), _sample(pairs, "control_")
    is_share, is_log = (
        pairs.select(found.fill_null(value=False)).to_series().to_numpy()
        for found in (pl.col("metric_type") == SHARE, pl.col("scale") == LOG)
    )
    means, shares = comparing.compare_means(control, treatment), comparing.compare_shares(control, treatment)
    found = Compared(**{name: np.where(is_share, getattr(shares, name), value) for name, value in vars(means).items()})
    linear = comparing.lift(control, treatment, found.quantile)
    lifts = [
        np.where(is_log, np.expm1(of_log), of_mean)
        for of_log, of_mean in zip((found.difference, found.low, found.high), linear, strict=True)
    ]
    with np.errstate(all="ignore"):
        relative = np.where(control.mean > 0, found.detectable / control.mean, np.nan)
    numbers = {
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "lift": lifts[0],
        "lift_low": lifts[1],
        "lift_high": lifts[2],
        "detectable_lift": np.where(is_log, np.expm1(found.detectable), relative),
        "p_value": found.p_value,
    }
    return pairs.with_columns(
        pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in numbers.items()
    ).with_columns(
        pl.col("p_value").map_batches(_holm, return_dtype=pl.Float64).over("experiment_id").alias("adjusted_p_value")
    )


def _sample(pairs: pl.DataFrame, side: str) -> Sample:
    def column(name: str) -> FloatArray:
        return pairs[f"{side}{name}"].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    return Sample(column("measured_users"), column("compared_mean"), column("compared_variance"))


def _holm(p_values: pl.Series) -> pl.Series:
    return pl.Series(comparing.holm(p_values.fill_null(float("nan")).to_numpy()), dtype=pl.Float64).fill_nan(None)
