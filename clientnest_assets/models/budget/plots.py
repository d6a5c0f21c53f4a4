"""What people look at to judge what is known of platforms: the responses, and how later weeks were foretold."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.models.budget.evaluation import by_platform
from clientnest_assets.models.budget.response import NORMAL_80, Responses
from clientnest_assets.models.figures import BAND_OPACITY, GROUP_COLOURS, GROUP_MARKERS, INK, canvas
from clientnest_assets.models.model import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS: Final = 60


def sections_of(responses: Responses, evaluated: pl.DataFrame) -> tuple[Section, ...]:
    """The page's own parts."""
    return (
        Section(
            "What more posts bring",
            "A week's engagement over that of a week with a single post, by platform, with 80 % intervals. On the dotted line "
            "every post brings as much as the first. What is flatter has diminishing returns.",
            response_table(responses),
            response_curves(responses),
        ),
        Section(
            "Error by platform",
            "Mean absolute error of log1p of a later week's engagement, for the number of posts that there were, beside a week "
            "like the channel's usual ones and the platform's mean per post.",
            None if evaluated.is_empty() else by_platform(evaluated),
        ),
    )


def response_table(responses: Responses) -> pl.DataFrame:
    """One row per platform, in words that a plan is made of; without numbers where there is no evidence."""
    rows = []
    for name, each in responses.platforms.items():
        known, priced = each.is_identified, each.is_ai_identified
        rows.append(
            {
                "platform": name,
                "evidence": "yes" if known else "none",
                "channels": each.channels,
                "exponent": round(each.exponent_at(0), 3) if known else None,
                "low": round(each.exponent_at(-NORMAL_80), 3) if known else None,
                "high": round(each.exponent_at(NORMAL_80), 3) if known else None,
                "ai_post_brings_more": round(float(np.expm1(each.ai_effect)), 3) if priced else None,
                "cost_per_ai_post": each.cost_per_ai_post if priced else None,
                "range_posts": each.range_posts if known else None,
            }
        )
    schema = {
        "platform": pl.String,
        "evidence": pl.String,
        "channels": pl.Int64,
        **dict.fromkeys(("exponent", "low", "high", "ai_post_brings_more", "cost_per_ai_post"), pl.Float64),
        "range_posts": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema)


def response_curves(responses: Responses) -> Figure:
    """Engagement over that of one post, by posts in the week, for each platform with evidence."""
    figure, axes = canvas("What more posts bring", height=3.8)
    known = {name: each for name, each in responses.platforms.items() if each.is_identified}
    widest = max((each.range_posts for each in known.values()), default=1)
    axes.plot([1, widest], [1, widest], color=INK, linewidth=1, linestyle=":", label="as much as the first")
    for (name, each), colour, marker in zip(known.items(), cycle(GROUP_COLOURS), cycle(GROUP_MARKERS), strict=False):
        posts = np.linspace(1, max(each.range_posts, 1), POINTS)
        axes.plot(
            posts, posts ** each.exponent_at(0), color=colour, marker=marker, markevery=(POINTS - 1, POINTS), label=name
        )
        low, high = (posts ** each.exponent_at(errors) for errors in (-NORMAL_80, NORMAL_80))
        axes.fill_between(posts, low, high, color=colour, alpha=BAND_OPACITY, linewidth=0)
    axes.set_xlabel("posts in a week")
    axes.set_ylabel("engagement, in that of one post")
    axes.legend(frameon=False)
    return figure
