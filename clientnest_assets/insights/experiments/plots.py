"""What people look at to judge experiments: every effect with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from clientnest_assets.insights.experiments.verdicts import (
    BROKEN_SPLIT,
    HARMS,
    NO_EFFECT,
    NOT_COMPARED,
    RUNNING,
    TOO_FEW,
    WORKS,
)
from clientnest_assets.models.figures import AXIS_COLOUR, FAILED_COLOUR, INK, MODEL_COLOUR, RULE_COLOURS, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST: Final = 20
"""More would not be read; the newest are shown."""
COLOURS: Final = {
    WORKS: MODEL_COLOUR,
    HARMS: FAILED_COLOUR,
    NO_EFFECT: INK,
    TOO_FEW: RULE_COLOURS[0],
    RUNNING: RULE_COLOURS[1],
    BROKEN_SPLIT: AXIS_COLOUR,
    NOT_COMPARED: AXIS_COLOUR,
}


def intervals(effects: pl.DataFrame) -> Figure:
    """The lift of each variant with its 95 % interval, the newest experiments at the top."""
    shown = effects.drop_nulls(["lift_low", "lift_high"]).sort("started_at", "experiment_id", "variant").tail(MOST)
    figure, axes = canvas("Lift with 95 % intervals", height=1.2 + 0.45 * shown.height)
    axes.axvline(0, color=AXIS_COLOUR, linewidth=1)
    for place, row in enumerate(shown.iter_rows(named=True)):
        axes.plot(
            [100 * row["lift_low"], 100 * row["lift_high"]], [place, place], color=COLOURS[row["verdict"]], linewidth=2
        )
        axes.plot(100 * row["lift"], place, marker="o", color=COLOURS[row["verdict"]])
    labels = shown.select(
        pl.format("{} {}\n{}: {}", pl.col("experiment_key").fill_null("?"), "variant", "metric", "verdict")
    ).to_series()
    axes.set_yticks(range(shown.height), labels.to_list(), fontsize=9)
    axes.set_ylim(-0.6, max(shown.height, 1) - 0.4)
    axes.set_xlabel("% more than in the control")
    return figure
