"""What people look at to judge hashtag suggestions: how they did on later posts, and what is held of each hashtag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.models.effects import Z80
from clientnest_assets.models.figures import AXIS_COLOUR, INK, MODEL_COLOUR, canvas
from clientnest_assets.models.hashtags.evaluation import Evaluation
from clientnest_assets.models.hashtags.lift import Lifts
from clientnest_assets.models.hashtags.use import TAG
from clientnest_assets.models.model import MODEL, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN: Final = 15


def sections(shipped: Lifts, evaluation: Evaluation) -> tuple[Section, ...]:
    """The page's parts: figures of the twin on later posts, and the lifts that the shipped model holds."""
    compared = Section(
        "Expected against what came",
        "Each hashtag that later posts used: the lift that was expected of it, and the one that those posts tell. On the "
        "dashed line, what was said is what came; few posts tell little, so small points stray.",
        figure=_said_against_came(evaluation.tags),
    )
    table = lift_table(shipped)
    lifts = Section(
        "What hashtags add",
        f"Effects on log engagement for everybody, who posts and how many hashtags held fixed; low and high bound them at "
        f"80 %; 0.1 is about 10 %. Between platforms they spread by {_spread(shipped):.3f}, between users by {shipped.own_spread:.3f}. Shown "
        f"are the {SHOWN} best and the {SHOWN} worst of {table.height}.",
        pl.concat([table.head(SHOWN), table.tail(min(SHOWN, max(table.height - SHOWN, 0)))]),
        figure=_forest(table.head(SHOWN)),
    )
    out = ", ".join(f"#{tag}" for tag in shipped.dead) or "none"
    return (
        compared,
        lifts,
        Section("Out of use", f"Hashtags that are not suggested because hardly anyone uses them now: {out}."),
    )


def lift_table(lifts: Lifts) -> pl.DataFrame:
    """One row per hashtag, greatest lift first."""
    reach = Z80 * lifts.error
    return pl.DataFrame(
        {
            TAG: pl.Series(lifts.tags, dtype=pl.String),
            "lift": lifts.mean,
            "low": lifts.mean - reach,
            "high": lifts.mean + reach,
            "posts": lifts.posts,
            "accounts": lifts.accounts,
        }
    ).sort("lift", TAG, descending=[True, False])


def _spread(lifts: Lifts) -> float:
    return float(lifts.platform_error[-1].max(initial=0.0))


def _said_against_came(tags: pl.DataFrame) -> Figure:
    told = tags.drop_nulls("came")
    figure, axes = canvas("Each hashtag in later posts (larger: more posts)", height=4.0)
    size = 4 + 60 * told["later_posts"].to_numpy() / max(float(told["later_posts"].to_numpy().max(initial=0)), 1.0)
    axes.scatter(told[MODEL].to_numpy(), told["came"].to_numpy(), s=size, color=MODEL_COLOUR, alpha=0.5)
    axes.axline((0, 0), slope=1, color=INK, linewidth=1, linestyle="--", label="as expected")
    axes.set_xlabel("lift that was expected, log engagement")
    axes.set_ylabel("lift that later posts tell")
    axes.legend(frameon=False)
    return figure


def _forest(table: pl.DataFrame) -> Figure:
    figure, axes = canvas("The greatest lifts", height=1.0 + 0.28 * table.height)
    middle = table["lift"].to_numpy()
    reach = np.vstack([middle - table["low"].to_numpy(), table["high"].to_numpy() - middle])
    axes.errorbar(middle, [f"#{tag}" for tag in table[TAG]], xerr=reach, fmt="o", color=MODEL_COLOUR, capsize=2)
    axes.axvline(0, color=AXIS_COLOUR, linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("lift on log engagement")
    return figure
