"""Variants of the model side by side: trained on the same posts, measured on the same later ones.

How good one model is by itself is in `evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from clientnest_assets.features.sets import STANDARD, FeatureSet
from clientnest_assets.models.engagement.spec import LABEL, PREDICTED
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.metrics import METRICS, clustered_interval, regression_metrics
from clientnest_assets.models.model import Section

COMPARISON_SCHEMA: Final = pl.Schema(
    {
        "variant": pl.String(),
        "rows": pl.Int64(),
        **dict.fromkeys(METRICS, pl.Float64()),
        "error_more": pl.Float64(),
        "error_more_low": pl.Float64(),
        "error_more_high": pl.Float64(),
    }
)


def compare(variants: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a variant, in the order given (COMPARISON_SCHEMA).

    `error_more` is the mean absolute error less that of the standard variant, post by post, with its 95 %
    interval: where the whole interval is below 0 the variant is better beyond chance. Posts of one account
    fail together, so the interval's standard error is clustered by account (Liang and Zeger 1986, for a mean);
    of one account alone nothing tells how much is chance, and the interval is null.

    Args:
        variants: by variant, STANDARD among them, the predictions of its evaluation.

    Raises:
        ModelError: a variant was not measured on the posts and outcomes of the standard one.
    """
    measured = {variant: rows.sort("as_of", "post_id") for variant, rows in variants.items()}
    standard = measured[STANDARD]
    same = ["post_id", "account_id", LABEL]
    if unlike := [name for name, rows in measured.items() if not rows.select(same).equals(standard.select(same))]:
        raise ModelError(
            f"{', '.join(unlike)}: measured on other posts, or other outcomes, than {STANDARD}. Train the variants "
            "of the week again, one after the other."
        )
    return pl.DataFrame(
        [
            {"variant": variant, **regression_metrics(rows, LABEL, PREDICTED), **_error_more(rows, standard)}
            for variant, rows in measured.items()
        ],
        schema=COMPARISON_SCHEMA,
    )


def better_than_standard(comparison: pl.DataFrame) -> list[str]:
    """The variants whose error is lower than the standard one's beyond chance."""
    return comparison.filter(pl.col("error_more_high") < 0)["variant"].to_list()


def comparison_sections(sets: Sequence[FeatureSet], comparison: pl.DataFrame) -> tuple[Section, ...]:
    """What people look at to judge the variants of a week.

    Args:
        sets: the variants' feature sets.
        comparison: what `compare` gives of them.
    """
    better = better_than_standard(comparison)
    verdict = (
        f"Better than the standard one beyond chance: {', '.join(better)}."
        if better
        else "None is better than the standard one beyond chance."
    )
    described = [{"variant": each.variant, "features": len(each.columns), "for": each.description} for each in sets]
    return (
        Section(
            "Variants side by side",
            f"{verdict} Each was trained on the same posts and measured on the same later ones. error_more is the mean "
            "absolute error less the standard variant's, post by post; low and high bound its 95 % interval, in which posts "
            "of one account count together.",
            comparison,
        ),
        Section("Feature sets", "What each variant reads of the feature store.", pl.DataFrame(described)),
    )


def _error_more(rows: pl.DataFrame, standard: pl.DataFrame) -> dict[str, float | None]:
    def error(each: pl.DataFrame) -> pl.Series:
        return (each[PREDICTED] - each[LABEL]).abs()

    more = (error(rows) - error(standard)).to_numpy()
    low, high = clustered_interval(more, standard["account_id"])
    return {"error_more": float(more.mean()), "error_more_low": low, "error_more_high": high}
