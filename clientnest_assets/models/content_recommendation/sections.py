"""What people look at to judge a recommender: how it did on later posts, and what it holds of each option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.models.content_recommendation.evaluation import Evaluation
from clientnest_assets.models.content_recommendation.options import Options
from clientnest_assets.models.content_recommendation.recommender import ADVISED, Recommender
from clientnest_assets.models.effects import CONTRAST, Z80
from clientnest_assets.models.figures import AXIS_COLOUR, INK, MODEL_COLOUR, canvas, canvases
from clientnest_assets.models.model import MODEL, Section
from clientnest_assets.models.traits import CATEGORY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS: Final = 8


def sections(shipped: Recommender, evaluation: Evaluation) -> tuple[Section, ...]:
    """The page's parts: figures of the twin on later posts, and the effects that the shipped model holds."""
    compared = Section(
        "Expected against what came",
        "Later posts in equal parts by what was expected of their form against the account's other posts, and what they got "
        "against those. On the dashed line, what was said is what came.",
        figure=_expected_against_came(evaluation.predictions),
    )
    effects = Section(
        "What each option adds",
        "What an option adds to the log engagement of the platform's mean post, who posts held fixed, as all posts tell it, "
        "with the posts it rests on; low and high bound it at 80 %. 0.1 is about 10 %. The plot is of the categories.",
        pl.concat(_effects(shipped.options[trait]) for trait in ADVISED if trait in shipped.options)
        if shipped.options
        else None,
        figure=_forest(shipped.options[CATEGORY]) if CATEGORY in shipped.options else None,
    )
    return compared, effects, Section("Whose evidence counts", _SOURCES, _spreads(shipped))


_SOURCES: Final = (
    "How far the effects of a trait's options spread, as learned from the posts: for everybody, between platforms, between "
    "plans, and between users. Where users spread by 0, a user's own posts tell nothing that everybody's do not."
)


def _spreads(shipped: Recommender) -> pl.DataFrame:
    spreads = shipped.effects.spreads
    return pl.DataFrame(
        [
            {
                "trait": trait,
                "everybody": spreads[trait],
                "platforms": spreads[f"{trait}:platform"],
                "plans": spreads[f"{trait}:subscription_tier"],
                "users": options.own_spread,
            }
            for trait, options in shipped.options.items()
        ],
        schema={"trait": pl.String} | dict.fromkeys(("everybody", "platforms", "plans", "users"), pl.Float64),
    )


def _effects(options: Options) -> pl.DataFrame:
    """One row per platform and option, best first: what it adds to the platform's mean post."""
    platforms, width = options.platforms, len(options.names)
    posts = options.posts_platform[: len(platforms)]
    mix = posts / np.maximum(posts.sum(axis=1, keepdims=True), 1)
    away = np.eye(width) - mix[:, None, :]
    # On the platform, without any plan's part.
    variance = np.einsum("pki,pij,pkj->pk", away, options.covariance[: len(platforms), -1], away)
    error = Z80 * np.sqrt(variance.clip(0)).ravel()
    effect = np.einsum("pki,pi->pk", away, options.on_platform[: len(platforms)]).ravel()
    return (
        pl.DataFrame(
            {
                "platform": pl.Series(platforms, dtype=pl.String).gather(np.repeat(np.arange(len(platforms)), width)),
                "option": pl.Series(options.names, dtype=pl.String).gather(np.tile(np.arange(width), len(platforms))),
                "effect": effect,
                "low": effect - error,
                "high": effect + error,
                "posts": posts.ravel(),
            }
        )
        .select(pl.lit(options.trait).alias("trait"), pl.all())
        .sort("platform", "effect", "option", descending=[False, True, False])
    )


def _forest(options: Options) -> Figure:
    table = _effects(options)
    figure, panels = canvases(len(options.platforms), height=0.7 + 0.24 * len(options.names))
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    for axes, platform in zip(panels, options.platforms, strict=False):
        rows = table.filter(pl.col("platform") == platform)
        middle = rows["effect"].to_numpy()
        reach = rows["high"].to_numpy() - middle
        axes.errorbar(middle, rows["option"].to_list(), xerr=reach, fmt="o", color=MODEL_COLOUR, capsize=2)
        axes.axvline(0, color=AXIS_COLOUR, linewidth=1)
        axes.invert_yaxis()
        axes.set_xlim(float(low.min()), float(high.max()))
        axes.margins(x=0.02)
        axes.set_title(platform, loc="left", fontsize=10, fontweight="bold")
    panels[-1].set_xlabel("effect on log engagement")
    return figure


def _expected_against_came(predictions: pl.DataFrame) -> Figure:
    """Later posts in equal parts by what was said of them: mean of what was said, and of what came."""
    figure, axes = canvas("Later posts: expected and what came", height=4.0)
    ranked = predictions.sort(MODEL, "post_id")
    said, came = ranked[MODEL].to_numpy(), ranked[CONTRAST].to_numpy()
    parts = [part for part in np.array_split(np.arange(len(said)), PARTS) if len(part)]
    middle = [said[part].mean() for part in parts]
    error = [2 * came[part].std() / np.sqrt(len(part)) for part in parts]
    axes.errorbar(middle, [came[part].mean() for part in parts], yerr=error, fmt="o", color=MODEL_COLOUR, capsize=2)
    axes.axline((0, 0), slope=1, color=INK, linewidth=1, linestyle="--", label="as expected")
    axes.set_xlabel("expected, log engagement")
    axes.set_ylabel("what came, with twice its error")
    axes.legend(frameon=False)
    return figure
