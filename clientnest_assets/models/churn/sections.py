"""What people look at to judge a churn model: are the chances right, whom do they find, for whom do they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from clientnest_assets.contracts.app import TIERS
from clientnest_assets.models.churn import spec
from clientnest_assets.models.churn.chances import METRICS, TOP_SHARE, chance_metrics, gains
from clientnest_assets.models.churn.predictor import Predictor
from clientnest_assets.models.figures import INK, MODEL_COLOUR, RULE_COLOURS, canvas, canvases, short_names
from clientnest_assets.models.metrics import WITHIN
from clientnest_assets.models.model import MODEL, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TENTHS: Final = 10
GAINS_SHOWN: Final = 15
RANKS_SHOWN: Final = 5
GROUP_ORDER: Final = (*TIERS, *spec.TENURE_BANDS.values(), spec.LONGEST_TENURE)


def sections_of(evaluated: pl.DataFrame, shipped: Predictor, alone: pl.DataFrame) -> tuple[Section, ...]:
    """The parts of the model's page.

    Args:
        evaluated: later examples with the truth, and the chances that the model and each rule gave.
        shipped: the model that learned from all examples.
        alone: how well each feature ranks leavers by itself.
    """
    tiers = group_table(evaluated, spec.TIER)
    tenures = group_table(evaluated, spec.TENURE_BAND)
    trees = feature_gains(shipped)
    return (
        Section(
            "Calibration",
            "Later examples by tenths of their chance: where a point lies on the line, as many left as were expected to. "
            "Bars are 95 % intervals.",
            calibration_table(evaluated),
            calibration_curve(evaluated),
        ),
        Section(
            "Gains and lift",
            "Of all who left, the share found among those with the highest chances. Where the line of a rule is below, the "
            "same effort finds fewer. Beside it, how many times more leave among them than among all.",
            figure=gains_and_lift(evaluated),
        ),
        Section(
            "By plan", "The model's chances and metrics on later examples.", tiers, expected_and_actual(tiers, "plan")
        ),
        Section(
            "By tenure",
            "The same by how long the user has been there.",
            tenures,
            expected_and_actual(tenures, "tenure"),
        ),
        Section(
            "Feature gain",
            "Share of the total gain, of the model that learned from all examples.",
            trees,
            feature_gain(trees),
        ),
        Section(
            "Features by themselves",
            "How well the strongest features rank leavers by themselves (AUC). One near 1 would be a feature that only a "
            "leaver has, and would have stopped the training.",
            alone.head(RANKS_SHOWN),
        ),
    )


def calibration_table(evaluated: pl.DataFrame) -> pl.DataFrame:
    """One row per tenth of the chances: examples, expected and actual share, and the latter's 95 % interval (Wilson)."""
    place = pl.int_range(pl.len()) * TENTHS // pl.len()
    share, examples = pl.col("actual"), pl.col("examples")
    spread = 1 + WITHIN**2 / examples
    centre = (share + WITHIN**2 / (2 * examples)) / spread
    half = WITHIN / spread * (share * (1 - share) / examples + WITHIN**2 / (4 * examples**2)).sqrt()
    return (
        evaluated.sort(MODEL, maintain_order=True)
        .with_columns((place + 1).alias("tenth"))
        .group_by("tenth", maintain_order=True)
        .agg(
            pl.len().alias("examples"),
            pl.col(MODEL).mean().alias("expected"),
            pl.col(spec.LABEL).cast(pl.Float64).mean().alias("actual"),
        )
        .with_columns((centre - half).clip(0).alias("low"), (centre + half).clip(None, 1).alias("high"))
    )


def group_table(evaluated: pl.DataFrame, group: str) -> pl.DataFrame:
    """One row per value of a column: examples, expected and actual share, and the model's METRICS."""
    parts = {str(name): rows for (name,), rows in evaluated.partition_by(group, as_dict=True).items()}
    order = sorted(parts, key=lambda name: (GROUP_ORDER.index(name) if name in GROUP_ORDER else -1, name))
    measured = []
    for name in order:
        left, chance = parts[name][spec.LABEL].cast(pl.Float64).to_numpy(), parts[name][MODEL].to_numpy()
        shares = {"examples": len(left), "expected": float(chance.mean()), "actual": float(left.mean())}
        measured.append({group: name, **shares, **chance_metrics(left, chance)})
    return pl.DataFrame(
        measured,
        schema={
            group: pl.String,
            "examples": pl.Int64,
            **dict.fromkeys(("expected", "actual", *(metric.name for metric in METRICS)), pl.Float64),
        },
    )


def feature_gains(model: Predictor) -> pl.DataFrame:
    """One row per feature that a tree uses, with its share of the total gain, greatest first."""
    gain = model.booster.feature_importance(importance_type="gain")
    return (
        pl.DataFrame({"feature": model.encoder.columns.names, "gain": gain})
        .filter(pl.col("gain") > 0)
        .select("feature", share=pl.col("gain") / pl.col("gain").sum())
        .sort("share", "feature", descending=[True, False])
        .head(GAINS_SHOWN)
    )


def calibration_curve(evaluated: pl.DataFrame) -> Figure:
    """Actual against expected share by tenths of the chance."""
    table = calibration_table(evaluated)
    expected, actual, low, high = (table[name].to_numpy() for name in ("expected", "actual", "low", "high"))
    figure, axes = canvas("Expected and actual share that left", height=4.0)
    most = max(float(high.max()), float(expected.max())) * 1.05
    axes.plot([0, most], [0, most], color=INK, linewidth=1, linestyle="--", label="as expected")
    axes.errorbar(
        expected,
        actual,
        np.maximum(0, [actual - low, high - actual]),
        fmt="o-",
        color=MODEL_COLOUR,
        linewidth=1,
        label="model",
    )
    axes.set_xlabel("expected share")
    axes.set_ylabel("actual share")
    axes.legend(frameon=False)
    return figure


def gains_and_lift(evaluated: pl.DataFrame) -> Figure:
    """Share of all who left that is found, and lift, by the share of users looked at; of model and rules."""
    figure, (of_all, of_share) = canvases(2, height=2.9)
    left = evaluated[spec.LABEL].cast(pl.Float64).to_numpy()
    looks = zip((MODEL, *spec.NAIVE_RULES), (MODEL_COLOUR, *RULE_COLOURS), ("-", "-.", "--", ":"), strict=False)
    for name, colour, dashes in looks:
        found, asked = gains(left, evaluated[name].to_numpy())
        looked_at, recall = np.append(0.0, asked / len(left)), np.append(0.0, found / max(left.sum(), 1.0))
        width = 2.0 if name == MODEL else 1.5
        of_all.plot(looked_at, recall, dashes, color=colour, linewidth=width, label=name.replace("_", " "))
        grid = np.linspace(0.02, 1, 50)
        of_share.plot(grid, np.interp(grid, looked_at, recall) / grid, dashes, color=colour, linewidth=width)
    of_all.plot([0, 1], [0, 1], color=INK, linewidth=0.8, label="by chance")
    of_share.axhline(1, color=INK, linewidth=0.8)
    of_share.axvline(TOP_SHARE, color=INK, linewidth=0.8, linestyle=":")
    of_all.set_ylabel("share of all who left")
    of_share.set_ylabel("lift, times the mean")
    of_share.set_xlabel("share of users, highest chance first")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure


def expected_and_actual(table: pl.DataFrame, words: str) -> Figure:
    """Expected and actual share by group."""
    figure, axes = canvas(f"Share that left, by {words}", height=1.3 + 0.45 * table.height)
    places = np.arange(table.height)
    axes.barh(places - 0.2, table["expected"].to_numpy(), 0.36, color=MODEL_COLOUR, label="expected")
    axes.barh(places + 0.2, table["actual"].to_numpy(), 0.36, color=RULE_COLOURS[0], label="actual")
    axes.set_yticks(places, [f"{name} ({rows:,})" for name, rows in zip(table[:, 0], table["examples"], strict=True)])
    axes.invert_yaxis()
    axes.set_xlabel("share that left")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def feature_gain(table: pl.DataFrame) -> Figure:
    """The features by which the trees tell leavers most."""
    figure, axes = canvas("What the trees look at", height=0.9 + 0.26 * max(table.height, 1))
    axes.barh(short_names(table["feature"]), table["share"].to_numpy(), color=MODEL_COLOUR)
    axes.invert_yaxis()
    axes.set_xlabel("share of the total gain")
    return figure
