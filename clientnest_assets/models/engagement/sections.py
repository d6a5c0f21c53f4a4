"""What people look at to judge an engagement model: figures and tables, each with words on how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.evaluation import coverage, platform_errors, tier_calibration
from clientnest_assets.models.engagement.predictor import Predictor
from clientnest_assets.models.engagement.spread import BANDS
from clientnest_assets.models.figures import (
    ALLOWED_COLOUR,
    FAILED_COLOUR,
    GROUP_COLOURS,
    GROUP_MARKERS,
    INK,
    MODEL_COLOUR,
    RULE_COLOURS,
    canvas,
    short_names,
)
from clientnest_assets.models.model import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAINS_SHOWN: Final = 20
MIN_POSTS_DRAWN: Final = 10


def sections(evaluated: pl.DataFrame, shipped: Predictor) -> tuple[Section, ...]:
    """The parts of the model's page.

    Args:
        evaluated: an evaluation's rows.
        shipped: what was learned from all posts.
    """
    errors, covered, calibration, gains = (
        platform_errors(evaluated),
        bands_in_order(coverage(evaluated)),
        tier_calibration(evaluated),
        feature_gains(shipped),
    )
    return (
        Section(
            "Predicted against actual",
            "Posts later than any that were learned from, all on the scale log1p(engagement score). Points on the dashed "
            "line were predicted exactly; above it a post did better than predicted.",
            figure=predicted_against_actual(evaluated),
        ),
        Section(
            "Error by platform",
            "Mean absolute error of log engagement: 0.1 is about 10 % off, 0.7 a factor of two. Beside it, what the "
            "account's trailing mean would have got.",
            errors,
            error_by_platform(errors),
        ),
        Section(
            "What the interval covers",
            f"The interval says that it holds {spec.INTERVAL:.0%} of posts. A point is the share that it held, the grey bar "
            "how far it may be off: a fixed tolerance, or chance where posts are few. In the table, factor is how many times "
            "the lower bound the upper one is.",
            covered,
            covered_by_group(covered),
        ),
        Section(
            "Chances of the tiers",
            "Of the posts to which a chance was given, the share that became so. On the dashed line, what was said is what "
            f"happened. Chances that fewer than {MIN_POSTS_DRAWN} posts were given are in the table alone.",
            calibration,
            said_against_happened(calibration),
        ),
        Section(
            "What the trees correct the expectation by",
            "The trees start from what the account's level and the post's form let expect; these features make them differ "
            "from it most. What is expected itself is not shown here.",
            gains.head(GAINS_SHOWN),
            feature_gain(gains),
        ),
    )


def bands_in_order(covered: pl.DataFrame) -> pl.DataFrame:
    """The rows of `coverage` with the follower bands last, from the smallest."""
    places = {name: place for place, name in enumerate(BANDS)}
    return covered.sort(pl.col("group").replace_strict(places, default=-1), maintain_order=True)


def predicted_against_actual(evaluated: pl.DataFrame) -> Figure:
    """Predicted against actual log engagement of the later posts, as density, with the line of no error."""
    figure, axes = canvas("Later posts: predicted against actual", height=4.0)
    actual, predicted = (evaluated[name].to_numpy() for name in (spec.LABEL, spec.PREDICTED))
    hexagons = axes.hexbin(predicted, actual, gridsize=36, mincnt=1, bins="log", cmap="Blues", linewidths=0.1)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    axes.plot(ends, ends, color=INK, linewidth=1, linestyle="--", label="predicted exactly")
    axes.set_xlabel("predicted log1p(engagement score)")
    axes.set_ylabel("actual log1p(engagement score)")
    axes.legend(frameon=False)
    figure.colorbar(hexagons, ax=axes, label="posts")
    return figure


def error_by_platform(errors: pl.DataFrame) -> Figure:
    """Mean absolute error by platform, beside that of the account's trailing mean, from `platform_errors`."""
    figure, axes = canvas("Error of log engagement, by platform", height=1.2 + 0.45 * errors.height)
    places = np.arange(errors.height)
    axes.barh(places - 0.2, errors["mae"].to_numpy(), 0.36, color=MODEL_COLOUR, label="model")
    axes.barh(places + 0.2, errors["mae_trailing_mean"].to_numpy(), 0.36, color=RULE_COLOURS[0], label="trailing mean")
    axes.set_yticks(places, _names(errors, "platform"))
    axes.invert_yaxis()
    axes.set_xlabel("mean absolute error (0.7 is a factor of two)")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def covered_by_group(covered: pl.DataFrame) -> Figure:
    """The share that the interval held, by group, with how far it may be off, from `coverage`."""
    figure, axes = canvas("Share of later posts within the interval", height=1.3 + 0.32 * covered.height)
    places = np.arange(covered.height)
    share, tolerance = covered["covered"].to_numpy(), covered["tolerance"].to_numpy()
    axes.barh(places, 2 * tolerance, 0.6, left=spec.INTERVAL - tolerance, color=ALLOWED_COLOUR, label="allowed")
    axes.axvline(spec.INTERVAL, color=INK, linewidth=1, linestyle="--")
    within = covered["is_within"].to_numpy()
    axes.plot(share[within], places[within], "o", color=MODEL_COLOUR, label="held")
    if not within.all():
        axes.plot(share[~within], places[~within], "X", markersize=8, color=FAILED_COLOUR, label="outside")
    axes.set_yticks(places, _names(covered, "group"))
    axes.invert_yaxis()
    axes.set_xlabel("share of posts")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure


def said_against_happened(calibration: pl.DataFrame) -> Figure:
    """The chance said against the share that happened, a line a tier, from `tier_calibration`."""
    figure, axes = canvas("Chance of each tier: said against happened", height=4.0)
    drawn = calibration.filter(pl.col("rows") >= MIN_POSTS_DRAWN)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as said")
    for tier, colour, marker in zip(spec.TIERS, GROUP_COLOURS, GROUP_MARKERS, strict=False):
        said, happened = (drawn.filter(tier=tier)[name].to_numpy() for name in ("chance", "happened"))
        axes.plot(said, happened, marker=marker, markersize=5, color=colour, label=tier)
    axes.set_xlabel("chance said")
    axes.set_ylabel("share that happened")
    axes.legend(frameon=False)
    return figure


def feature_gain(gains: pl.DataFrame) -> Figure:
    """The features by which the trees correct the expectation most, from `feature_gains`."""
    shown = gains.head(GAINS_SHOWN)
    figure, axes = canvas("What the trees correct the expectation by", height=0.9 + 0.26 * shown.height)
    axes.barh(short_names(shown["feature"]), shown["share"].to_numpy(), color=MODEL_COLOUR)
    axes.invert_yaxis()
    axes.set_xlabel("share of the total gain")
    return figure


def feature_gains(shipped: Predictor) -> pl.DataFrame:
    """One row per feature of the point prediction's trees, with its gain and its share of the total, greatest first."""
    gain = shipped.trees.boosters[spec.POINT].feature_importance(importance_type="gain")
    return (
        pl.DataFrame({"feature": shipped.encoder.columns.names, "gain": gain})
        .with_columns((pl.col("gain") / pl.max_horizontal(pl.col("gain").sum(), 1e-12)).alias("share"))
        .sort("gain", "feature", descending=[True, False])
    )


def _names(table: pl.DataFrame, name: str) -> list[str]:
    return [f"{group} ({rows:,})" for group, rows in table.select(name, "rows").iter_rows()]
