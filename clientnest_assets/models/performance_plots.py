"""How predictions turned out, as people look at it: by week, beside what was promised and what a naive rule would have lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.models.figures import AXIS_COLOUR, INK, MODEL_COLOUR, RULE_COLOURS, canvases
from clientnest_assets.models.performance import IS_COVERED, LOSS, NAIVE_LOSS, PROMISED_LOSS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT_INCHES: Final = 2.4
LINES: Final = {
    LOSS: ("the model", MODEL_COLOUR, "o", "-"),
    PROMISED_LOSS: ("as promised", INK, "", "--"),
    NAIVE_LOSS: ("naive rule", RULE_COLOURS[1], "s", "-"),
}


def by_week(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per week in which outcomes came to be known: how many, the mean losses, and the share that intervals held."""
    return (
        rows.group_by(pl.col(DAY).dt.truncate("1w").alias("week"))
        .agg(
            pl.len().alias("outcomes"),
            pl.col(*LINES).mean().round(6),
            pl.col(IS_COVERED).mean().round(6).alias("covered"),
        )
        .sort("week")
    )


def performance_plot(rows: pl.DataFrame, level: float) -> Figure:
    """The mean loss by week and, where there are intervals, the share that they held beside the one they say."""
    weeks = by_week(rows)
    has_interval = weeks["covered"].count() > 0
    figure, plots = canvases(2 if has_interval else 1, height=HEIGHT_INCHES)
    losses = plots[0]
    for name, (label, colour, marker, style) in LINES.items():
        losses.plot(weeks["week"], weeks[name], label=label, color=colour, marker=marker, markersize=4, linestyle=style)
    losses.set_ylim(bottom=0)
    losses.set_title("Mean loss of what was predicted", loc="left", fontsize=10, fontweight="bold")
    losses.legend(fontsize=8, frameon=False)
    if has_interval:
        covered = plots[1]
        covered.axhline(level, color=AXIS_COLOUR, linestyle="--", label=f"{level:.0%} is said")
        covered.plot(weeks["week"], weeks["covered"], color=MODEL_COLOUR, marker="o", markersize=4, label="held")
        covered.set_ylim(0, 1)
        covered.set_title("Share of outcomes in their interval", loc="left", fontsize=10, fontweight="bold")
        covered.legend(fontsize=8, frameon=False)
    plots[-1].set_xlabel("week in which the outcome came to be known", fontsize=9)
    for axes in plots:
        axes.tick_params(axis="x", rotation=30)
    return figure
