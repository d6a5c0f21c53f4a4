"""What people look at to judge engagement models: figures, and pages with all that was measured."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.engagement.comparison import better_than_standard
from clientnest_assets.models.engagement.evaluation import Evaluation
from clientnest_assets.models.engagement.predictor import PREDICTED
from clientnest_assets.models.engagement.spec import LABEL, TRAILING_MEAN
from clientnest_assets.models.figures import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAINS_SHOWN: Final = 20
_MODEL_COLOUR, _RULE_COLOUR = "#2563eb", "#9ca3af"


def predicted_against_actual(evaluation: Evaluation) -> Figure:
    """Predicted against actual log engagement of the later posts, as density, with the line of no error."""
    figure, axes = _canvas("Later posts: predicted against actual", height=4.6)
    actual, predicted = (evaluation.predictions[name].to_numpy() for name in (LABEL, PREDICTED))
    hexagons = axes.hexbin(predicted, actual, gridsize=45, mincnt=1, bins="log", cmap="Blues", linewidths=0.1)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    axes.plot(ends, ends, color="#111827", linewidth=1, linestyle="--")
    axes.set_xlabel("predicted log1p(engagement score)")
    axes.set_ylabel("actual log1p(engagement score)")
    figure.colorbar(hexagons, ax=axes, label="posts")
    return figure


def error_by_platform(evaluation: Evaluation) -> Figure:
    """Mean absolute error by platform, beside that of the account's trailing mean."""
    table = platform_errors(evaluation)
    figure, axes = _canvas("Mean absolute error of log engagement, by platform", height=1.3 + 0.5 * table.height)
    places = np.arange(table.height)
    axes.barh(places - 0.2, table["mae"].to_numpy(), 0.36, color=_MODEL_COLOUR, label="model")
    axes.barh(places + 0.2, table["mae_trailing_mean"].to_numpy(), 0.36, color=_RULE_COLOUR, label="trailing mean")
    axes.set_yticks(places, [f"{name} ({rows:,})" for name, rows in table.select("platform", "rows").iter_rows()])
    axes.invert_yaxis()
    axes.set_xlabel("error (0.7 is a factor of two)")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def feature_gain(model: Artefact) -> Figure:
    """The features by which the trees correct the expectation most; the expectation is where they start from."""
    table = feature_gains(model).head(GAINS_SHOWN)
    figure, axes = _canvas("What the trees correct the expectation by", height=0.9 + 0.26 * table.height)
    axes.barh(table["feature"].to_list(), table["share"].to_numpy(), color=_MODEL_COLOUR)
    axes.invert_yaxis()
    axes.set_xlabel("share of the total gain")
    return figure


def platform_errors(evaluation: Evaluation) -> pl.DataFrame:
    """One row per platform: rows, the model's metrics, and the trailing mean's mean absolute error."""
    naive = evaluation.predictions.group_by("platform").agg(
        (pl.col(TRAILING_MEAN) - pl.col(LABEL)).abs().mean().alias("mae_trailing_mean")
    )
    return evaluation.platform_table().join(naive, on="platform", how="left", maintain_order="left")


def feature_gains(model: Artefact) -> pl.DataFrame:
    """One row per feature of the trees, with its gain and its share of the total, greatest first."""
    return (
        pl.DataFrame(
            {
                "feature": model.encoder.columns.names,
                "gain": model.booster.feature_importance(importance_type="gain"),
            }
        )
        .with_columns((pl.col("gain") / pl.max_horizontal(pl.col("gain").sum(), 1e-12)).alias("share"))
        .sort("gain", "feature", descending=[True, False])
    )


def report_html(model: Artefact, evaluation: Evaluation) -> str:
    """A page that needs no other file: what was evaluated, what is shipped, metrics and figures."""
    card = model.card
    evaluated, shipped, features = card["evaluated"], card["shipped"], card["feature_set"]
    count = sum(map(len, features["features"].values()))
    figures = (
        ("Predicted against actual", predicted_against_actual(evaluation)),
        ("Error by platform", error_by_platform(evaluation)),
        ("Feature gain", feature_gain(model)),
    )
    images = "".join(f'<img src="{data_uri(figure)}" alt="{html.escape(name)}">' for name, figure in figures)
    verdict = "beats both naive rules" if evaluation.beats_naive_rules else "does not beat both naive rules"
    purge = "" if evaluated["is_purged"] else " Some of its labels became known only after the cutoff."
    return _page(
        model.version,
        f"""
<p>A post's mature engagement score, from what is known when it is written. On later posts it <b>{verdict}</b>.</p>
<p>Feature set {html.escape(features["name"])}/{html.escape(features["variant"])}: {html.escape(features["description"])}
It takes {count} features from {html.escape(", ".join(features["features"]))}.</p>
<p>Evaluated: a model of {evaluated["rows"]:,} posts, on the {evaluated["rows_later"]:,} posts written from
{html.escape(evaluated["cutoff"])} on.{purge} Shipped: the same recipe on all {shipped["rows"]:,} mature posts,
known before {html.escape(card["until"])}.</p>
<h2>On later posts, all on the scale log1p(engagement score)</h2>{_table(evaluation.metrics_table())}
<h2>By platform</h2>{_table(platform_errors(evaluation))}
{images}""",
    )


def comparison_html(week: str, sets: Sequence[FeatureSet], comparison: pl.DataFrame) -> str:
    """A page that needs no other file: the variants of a week, side by side.

    Args:
        week: its Monday.
        sets: the variants' feature sets.
        comparison: what `compare` gives of them.
    """
    better = better_than_standard(comparison)
    verdict = (
        f"Better than the standard one beyond chance: {', '.join(better)}."
        if better
        else "None is better than the standard one beyond chance."
    )
    described = "".join(
        f"<tr><td>{html.escape(each.variant)}</td><td>{len(each.columns)}</td>"
        f'<td class="text">{html.escape(each.description)}</td></tr>'
        for each in sets
    )
    return _page(
        f"Engagement models of the week from {week}",
        f"""
<p>Each was trained on the same posts and measured on the same later ones. <b>{html.escape(verdict)}</b></p>
<p>error_more is the mean absolute error less the standard variant's, post by post; low and high bound its 95 %
interval, in which posts of one account count together.</p>
{_table(comparison)}
<h2>Feature sets</h2><table><tr><th>variant</th><th>features</th><th class="text">for</th></tr>{described}</table>""",
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:860px;margin:2rem auto;padding:0 1rem;color:#111827}}
table{{border-collapse:collapse;margin:1rem 0}}td,th{{padding:.3rem .8rem;border-bottom:1px solid #e5e7eb;
text-align:right}}td:first-child,th:first-child,.text{{text-align:left}}img{{max-width:100%;display:block;margin:1.5rem 0}}
</style></head><body>
<h1>{html.escape(title)}</h1>{body}
</body></html>
"""


def _canvas(title: str, *, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _table(frame: pl.DataFrame) -> str:
    def cell(value: object) -> str:
        if value is None:
            return "-"
        return f"{value:,.3f}" if isinstance(value, float) else html.escape(str(value))

    head = "".join(f"<th>{html.escape(name)}</th>" for name in frame.columns)
    body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in frame.rows())
    return f"<table><tr>{head}</tr>{body}</table>"
