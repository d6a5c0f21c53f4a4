"""What people look at to judge a forecast: errors beside the naive rules, coverage, and what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.figures import BAND_OPACITY, INK, MODEL_COLOUR, RULE_COLOURS, canvas, canvases
from clientnest_assets.models.growth.evaluation import RULES, by_horizon
from clientnest_assets.models.growth.forecasting import FORECAST, HIGH, LOW, Forecaster
from clientnest_assets.models.growth.quantity import HORIZON, HORIZONS, LABEL, LEVEL, VALUE, Quantity
from clientnest_assets.models.model import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SERIES_SHOWN: Final = 6


def sections_of(
    evaluated: pl.DataFrame, quantity: Quantity, shipped: Forecaster, bands: pl.DataFrame
) -> tuple[Section, ...]:
    """The page's own parts.

    Args:
        evaluated: the later rows.
        quantity: what is forecast.
        shipped: what was learned of all rows.
        bands: errors and coverage by size.
    """
    horizons = by_horizon(evaluated, quantity)
    unit = (
        "of the logarithm: 0.01 is one part in a hundred" if quantity.is_log else "in usual daily moves of the series"
    )
    fade = "does not fade" if shipped.drift.damping == 1 else f"fades to {shipped.drift.damping:.0%} each day"
    learned = (
        f"A series' drift is its mean daily move, in which a day counts half after {shipped.drift.half_life} days; it "
        f"{fade}."
    )
    sections = [
        Section(
            "Error by horizon",
            f"Mean absolute error {unit}, on later weeks, beside the naive rules.",
            horizons,
            error_by_horizon(horizons),
        ),
        Section(
            "Forecasts and truths",
            f"From the first later Monday on, by days ahead: forecasts with their {LEVEL:.0%} intervals, and what came. "
            "Series from the smallest to the largest.",
            figure=forecasts_and_truths(evaluated, quantity),
        ),
        Section("What was learned", learned, drifts(shipped)),
    ]
    if bands.height > 1:
        sections.insert(1, Section("Error and coverage by size", f"By {quantity.name} on the Monday, from.", bands))
    return tuple(sections)


def drifts(shipped: Forecaster) -> pl.DataFrame | None:
    """One row per group: the daily drift expected of it, how far series differ from it, how much a day jitters."""
    groups = shipped.drift.groups
    if not groups:
        return None
    return pl.DataFrame(
        {
            "group": list(groups),
            "drift_per_day": [prior.drift for prior in groups.values()],
            "spread_of_drifts": [round(prior.spread**0.5, 6) for prior in groups.values()],
            "spread_of_a_day": [round(prior.variance**0.5, 6) for prior in groups.values()],
        }
    )


def error_by_horizon(horizons: pl.DataFrame) -> Figure:
    """Bars of the model and each naive rule, by days ahead."""
    figure, axes = canvas("Error by days ahead", height=3.2)
    places = np.arange(horizons.height)
    for step, (rule, colour) in enumerate(zip(RULES, (MODEL_COLOUR, *RULE_COLOURS), strict=False)):
        label = rule.replace("_", " ")
        axes.bar(places + 0.26 * (step - 1), horizons[f"error_{rule}"].to_numpy(), 0.25, color=colour, label=label)
    axes.set_xticks(places, [f"{days} days" for days in horizons[HORIZON]])
    axes.set_ylabel("mean absolute error")
    axes.legend(frameon=False)
    return figure


def forecasts_and_truths(evaluated: pl.DataFrame, quantity: Quantity) -> Figure:
    """Forecasts of the first later Monday with their intervals, and what came, one panel a series from small to large."""
    first = evaluated.filter(pl.col(AS_OF) == pl.col(AS_OF).min()).sort(quantity.series, HORIZON)
    sizes = first.group_by(quantity.series).agg(pl.col(VALUE).first()).sort(VALUE, quantity.series)
    places = np.unique(np.linspace(0, sizes.height - 1, SERIES_SHOWN).round().astype(int))
    shown = sizes[places.tolist()][quantity.series].to_list() if sizes.height else []
    figure, grid = canvases(len(shown), height=2.1, columns=2)
    for axes, name in zip(grid, shown, strict=False):
        rows = first.filter(pl.col(quantity.series) == name)
        told = rows.select(
            HORIZON,
            *(quantity.unscaled(pl.col(column).fill_null(pl.col(FORECAST))).alias(column) for column in (LOW, HIGH)),
            *(quantity.unscaled(pl.col(column)).alias(column) for column in (FORECAST, LABEL)),
        )
        days, low, high, forecast, truth = (told[each].to_numpy() for each in (HORIZON, LOW, HIGH, FORECAST, LABEL))
        start = rows[VALUE][0]
        axes.fill_between(
            [0, *days], [start, *low], [start, *high], color=MODEL_COLOUR, alpha=BAND_OPACITY, linewidth=0
        )
        axes.plot([0, *days], [start, *forecast], color=MODEL_COLOUR, label="forecast")
        axes.plot(days, truth, "x", color=INK, label="what came")
        # Which account it is matters to nobody; how big it is does.
        axes.set_title(name if isinstance(name, str) else f"from {start:,.0f}", loc="left", fontsize=9)
        axes.set_xticks([0, *HORIZONS])
        axes.set_xlabel("days ahead")
    figure.supylabel(quantity.name, fontsize=9)
    if shown:
        figure.legend(*grid[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=2)
    return figure
