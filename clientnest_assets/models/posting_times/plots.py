"""What people look at to judge posting times: maps of the week, hours with intervals, and what later posts got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.effects import Z80
from clientnest_assets.models.figures import AXIS_COLOUR, BAND_OPACITY, INK, MODEL_COLOUR, canvas, canvases
from clientnest_assets.models.model import MODEL, Section
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import PostingTimes, outlook
from clientnest_assets.models.posting_times.examples import ZONE
from clientnest_assets.models.posting_times.judging import ACTUAL, WEIGHT, uplift_by_predictor
from clientnest_assets.models.posting_times.suggestions import suggest
from clientnest_assets.models.posting_times.week import HOURS, WEEKDAYS
from clientnest_assets.models.traits import HOUR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BINS: Final = 10


def sections_of(
    model: PostingTimes, rows: pl.DataFrame, evaluated: pl.DataFrame, cells: pl.DataFrame
) -> tuple[Section, ...]:
    """The model's page: the curves of all posts, and how the twin's did on later ones.

    Args:
        model: of all posts.
        rows: all posts.
        evaluated: as `evaluate` gives it.
        cells: as `hours_seen_later` gives it.
    """
    scales = ", ".join(f"{name} {value:g}" for name, value in model.scales.items())
    return (
        Section(
            "Best times by platform",
            "For an account that is new to the platform. Uplift is more engagement than at the times at which the "
            f"platform's posts appear, 0.3 for 30 %, with an 80 % interval; slots are {spec.APART_HOURS} hours apart. "
            "Weekday and hour are on the author's clock.",
            table=_suggested(model, rows),
        ),
        Section(
            "The week",
            "What each hour adds on the author's clock. Where few posts are, the colour fades to the platform's hours and "
            "weekdays.",
            figure=week_maps(model),
        ),
        Section(
            "Hours of the day, and what later posts showed",
            "The line is the expectation learned from earlier posts with its 80 % interval and that of what later posts "
            "can show; the dots are later posts against others of their accounts.",
            figure=hours_against_later(cells),
        ),
        Section(
            "Expected against observed uplift",
            "Later posts in ten groups by what was expected of their time, each post against others of its account.",
            figure=expected_against_observed(evaluated),
        ),
        Section(
            "What the best tenth got",
            "Later posts that each predictor put into the top tenth of their platform: what they got beyond the other "
            "posts of their accounts, 0.3 for 30 %; the error is in log engagement.",
            table=uplift_by_predictor(evaluated),
        ),
        Section(
            "How alike times are",
            f"Spread of effects in log engagement, found in the data: {scales}. Accounts stray from their platform's hours "
            f"by {model.own['spread']:g}.",
        ),
    )


def week_maps(model: PostingTimes) -> Figure:
    """Uplift by weekday and hour, a map a platform."""
    figure, every = canvases(len(model.curves), height=1.75)
    limit = max((float(np.abs(curve.uplift).max()) for curve in model.curves.values()), default=0.0) or 1.0
    image = None
    for axes, (name, curve) in zip(every, model.curves.items(), strict=True):
        uplift = curve.uplift.reshape(WEEKDAYS, HOURS)
        image = axes.imshow(uplift, aspect="auto", cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
        axes.set_yticks(range(WEEKDAYS), DAYS)
        axes.set_xticks(range(0, HOURS, 4), [f"{hour}:00" for hour in range(0, HOURS, 4)])
    every[-1].set_xlabel("hour on the author's clock")
    if image is not None:
        told = "log engagement beyond the usual"
        figure.colorbar(image, ax=list(every), label=told, location="top", shrink=0.8, aspect=40)
    return figure


def hours_against_later(cells: pl.DataFrame) -> Figure:
    """Expected and observed uplift by hour of the day, a plot a platform."""
    platforms = cells["platform"].unique(maintain_order=True).to_list()
    figure, every = canvases(len(platforms), height=1.9)
    for axes, name in zip(every, platforms, strict=False):
        of_platform = cells.filter(pl.col("platform") == name)
        hour, expected, observed, error = (
            of_platform[column].to_numpy() for column in (HOUR, "expected", "observed", "error")
        )
        margin = Z80 * error
        axes.fill_between(
            hour, expected - margin, expected + margin, color=MODEL_COLOUR, alpha=BAND_OPACITY, linewidth=0
        )
        axes.plot(hour, expected, color=MODEL_COLOUR, label="expected")
        axes.plot(hour, observed, "o", color=INK, markersize=3, label="later posts")
        axes.axhline(0, color=AXIS_COLOUR, linewidth=0.8)
        axes.set_xlim(-0.5, HOURS - 0.5)
        axes.set_xticks(range(0, HOURS, 4))
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
    every[-1].set_xlabel("hour on the author's clock")
    figure.supylabel("log engagement beyond the usual", fontsize=9)
    figure.legend(*every[0].get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=2)
    return figure


def expected_against_observed(evaluated: pl.DataFrame) -> Figure:
    """Mean observed contrast by tenths of the expected one, with the line of no error."""
    tenths = (
        evaluated.with_columns(tenth=pl.col(MODEL).rank("ordinal") * BINS // (pl.len() + 1))
        .group_by("tenth")
        .agg(
            (pl.col(MODEL).sum() / pl.col(WEIGHT).sum()).alias("expected"),
            (pl.col(ACTUAL).sum() / pl.col(WEIGHT).sum()).alias("observed"),
            (pl.col(ACTUAL).std() / pl.len().sqrt()).fill_null(0.0).alias("error"),
        )
        .sort("tenth")
    )
    figure, axes = canvas("Later posts in ten groups", height=4.0)
    expected, observed, error = (tenths[name].to_numpy() for name in ("expected", "observed", "error"))
    axes.errorbar(expected, observed, yerr=Z80 * error, fmt="o", color=MODEL_COLOUR, capsize=2)
    ends = [min(expected.min(), observed.min()), max(expected.max(), observed.max())]
    axes.plot(ends, ends, color=INK, linewidth=1, linestyle="--", label="as expected")
    axes.set_xlabel("expected, log engagement")
    axes.set_ylabel("observed, with its 80 % interval")
    axes.legend(frameon=False)
    return figure


def _suggested(model: PostingTimes, rows: pl.DataFrame) -> pl.DataFrame:
    requests = pl.DataFrame({"platform": list(model.curves)}, schema={"platform": pl.String}).with_columns(
        pl.lit(None, pl.Int64).alias("account_id"),
        pl.lit(None, pl.String).alias(ZONE),
        pl.lit(rows[AS_OF].max()).alias(AS_OF),
    )
    return suggest(requests, outlook(model, requests, rows.clear()), spec.SUGGESTED).select(
        "platform",
        "rank",
        pl.col("weekday").replace_strict(dict(enumerate(DAYS, start=1)), return_dtype=pl.String),
        pl.format("{}:00", "hour").alias("time"),
        "uplift",
        "uplift_low",
        "uplift_high",
        pl.col("platform_posts").alias("posts"),
    )
