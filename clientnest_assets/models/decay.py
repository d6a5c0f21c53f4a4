"""Whether models kept what they had promised, by the outcomes that came to be known lately (`performance.py`).

What follows from a model that did not is in `retraining.py`.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.models.metrics import DECIMALS, WITHIN, clustered_half
from clientnest_assets.models.model import Finding
from clientnest_assets.models.performance import CLUSTER, IS_COVERED, LOSS, NAIVE_LOSS, PROMISED_LOSS, Outcome

RECENT_DAYS: Final = 28
"""A model is judged by the outcomes that came to be known in so many days: each weekday four times, and of a model that
looks four weeks ahead each horizon alike."""
SHOWN_DAYS: Final = 84
"""So far back the beginning of a decay is looked for, and weeks are shown."""
LEAST_CLUSTERS: Final = 5
"""Of fewer entities nothing is said: how much such a mean varies by chance is not known either."""


def recent(rows: pl.DataFrame, day: date, days: int = RECENT_DAYS) -> pl.DataFrame:
    """Those whose outcome came to be known on the day or in the days before it."""
    return rows.filter(pl.col(DAY) > day - timedelta(days=days), pl.col(DAY) <= day)


def findings(rows: pl.DataFrame, outcome: Outcome, day: date) -> list[Finding]:
    """All that is looked at.

    Args:
        rows: outcomes of SHOWN_DAYS or more, performance_schema.
        outcome: the model's outcome.
        day: the last day that counts.
    """
    covers = [interval_covers(rows, outcome, day)] if outcome.interval else []
    return [has_not_decayed(rows, outcome, day), *covers]


def has_not_decayed(rows: pl.DataFrame, outcome: Outcome, day: date) -> Finding:
    """Whether models kept, on the outcomes of RECENT_DAYS, what each had promised, and were no worse than the naive rule.

    Decayed: even the lower end of the 95 % interval of the mean loss is above what was promised and the tolerance, or
    above the naive rule's loss. The figure `since` is the day from which on the loss was too high, by where the sum of
    what exceeded turned upwards for good (Page 1954).

    Args:
        rows: outcomes of SHOWN_DAYS or more, performance_schema.
        outcome: the model's outcome.
        day: the last day that counts.
    """
    name = "has_not_decayed"
    judged = _compared(recent(rows, day))
    promised, ruled = _compared(judged, PROMISED_LOSS), _compared(judged, NAIVE_LOSS)
    if max(promised[CLUSTER].n_unique(), ruled[CLUSTER].n_unique()) < LEAST_CLUSTERS:
        return Finding(name, passed=True, words=_too_few(judged, day), figures={"predictions": judged.height})
    allowed = pl.col(PROMISED_LOSS) * (1 + outcome.tolerance)
    excess, surplus = pl.col(LOSS) - allowed, pl.col(LOSS) - pl.col(NAIVE_LOSS)
    shown = recent(rows, day, SHOWN_DAYS)
    broken, since = [], []
    if _lower_end(promised, excess) > 0:
        kept = _means(promised)
        broken.append(
            f"{kept[LOSS] / kept[PROMISED_LOSS] - 1:+.0%} beside the {kept[PROMISED_LOSS]:.4f} that was promised "
            f"({outcome.tolerance:.0%} is tolerated)"
        )
        since.append(_since(_compared(shown, PROMISED_LOSS), excess))
    if _lower_end(ruled, surplus) > 0:
        broken.append(f"worse than the {_means(ruled)[NAIVE_LOSS]:.4f} of the naive rule ({outcome.naive_rule})")
        since.append(_since(_compared(shown, NAIVE_LOSS), surplus))
    told = _means(judged)
    words = (
        f"Mean loss {told[LOSS]:.4f} on {judged.height:,} outcomes of {judged[CLUSTER].n_unique():,} entities that came to be "
        f"known in the {RECENT_DAYS} days up to {day}"
    )
    figures = {"predictions": judged.height, **{name: value for name, value in told.items() if value is not None}}
    if not broken:
        return Finding(
            name,
            passed=True,
            words=f"{words}: neither above what was promised nor above the naive rule.",
            figures=figures,
        )
    return Finding(
        name,
        passed=False,
        words=f"{words}: {'; '.join(broken)}; since {min(since)}.",
        figures={**figures, "since": str(min(since))},
    )


def interval_covers(rows: pl.DataFrame, outcome: Outcome, day: date) -> Finding:
    """Whether intervals held, of the outcomes of RECENT_DAYS, the share that they say, as far as chance lets tell.

    Args:
        rows: outcomes, performance_schema.
        outcome: the model's outcome.
        day: the last day that counts.
    """
    name = "interval_covers"
    judged = recent(rows, day).drop_nulls(IS_COVERED)
    if judged[CLUSTER].n_unique() < LEAST_CLUSTERS:
        return Finding(name, passed=True, words=_too_few(judged, day), figures={"predictions": judged.height})
    covered = judged[IS_COVERED].cast(pl.Float64).to_numpy()
    share, half = float(covered.mean()), clustered_half(covered, judged[CLUSTER]) or 0.0
    # Few that all held tell of no spread; it is never less than that of as many independent outcomes as entities.
    half = max(half, WITHIN * math.sqrt(outcome.level * (1 - outcome.level) / judged[CLUSTER].n_unique()))
    low, high = outcome.level - outcome.coverage_tolerance, outcome.level + outcome.coverage_tolerance
    return Finding(
        name,
        passed=share + half >= low and share - half <= high,
        words=(
            f"The {outcome.level:.0%} interval held {share:.1%} (95 % interval {max(share - half, 0):.1%} to "
            f"{min(share + half, 1):.1%}) of "
            f"{judged.height:,} outcomes that came to be known in the {RECENT_DAYS} days up to {day}; {low:.0%} to "
            f"{high:.0%} is wanted."
        ),
        figures={"predictions": judged.height, "covered": round(share, DECIMALS)},
    )


def _compared(rows: pl.DataFrame, *others: str) -> pl.DataFrame:
    """The rows that have a loss, and what it is to be compared with: one prediction without hides none of the others."""
    return rows.filter(*(pl.col(name).is_finite() for name in (LOSS, *others)))


def _means(rows: pl.DataFrame) -> dict[str, float]:
    """Of each loss, over the rows that have it."""
    names = (LOSS, NAIVE_LOSS, PROMISED_LOSS)
    known = (pl.col(name).filter(pl.col(name).is_finite()).mean().round(DECIMALS) for name in names)
    return rows.select(known).row(0, named=True)


def _too_few(rows: pl.DataFrame, day: date) -> str:
    return (
        f"Too little to tell: {rows.height:,} outcomes of {rows[CLUSTER].n_unique()} entities came to be known in the "
        f"{RECENT_DAYS} days up to {day}, {LEAST_CLUSTERS} entities are needed."
    )


def _lower_end(rows: pl.DataFrame, value: pl.Expr) -> float:
    """Of the 95 % interval of the mean; what too few entities tell is below everything."""
    if rows[CLUSTER].n_unique() < LEAST_CLUSTERS:
        return -math.inf
    values = rows.select(value).to_series().to_numpy()
    half = clustered_half(values, rows[CLUSTER])
    return -math.inf if half is None else float(values.mean()) - half


def _since(rows: pl.DataFrame, value: pl.Expr) -> date:
    """The day after which the sum of the values was never again as low as it was then."""
    daily = rows.group_by(DAY).agg(value.sum().round(DECIMALS).alias("sum")).sort(DAY)
    sums = np.append(0.0, np.cumsum(daily["sum"].to_numpy()))[:-1]
    lowest = len(sums) - 1 - int(np.argmin(sums[::-1]))
    found: date = daily[DAY][lowest]
    return found
