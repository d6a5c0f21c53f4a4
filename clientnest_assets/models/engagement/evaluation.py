"""How good the engagement model is: against the naive rules, by platform, and against the truth where there is one.

Only this module may read the simulated world's truth. Drawing is in `plots.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from clientnest_assets.models.engagement.predictor import PREDICTED
from clientnest_assets.models.engagement.spec import LABEL, NAIVE_RULES
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.metrics import METRICS, regression_metrics, regression_metrics_by

MODEL: Final = "model"
_TRUTH: Final = "expected_log1p_engagement_score"


@dataclass(frozen=True)
class Evaluation:
    """What the model and the rules did on rows later than any they learned from.

    `predictions` holds post_id, account_id, platform, as_of, LABEL, PREDICTED and each rule; `metrics` the METRICS
    of `model` and of each rule.
    """

    predictions: pl.DataFrame
    metrics: dict[str, dict[str, float | None]]

    @property
    def beats_naive_rules(self) -> bool:
        """True if the model has the lower MAE and the higher rank correlation than each rule.

        A rule without a rank correlation, because it says one number for all, ranks nothing.
        """
        ours = self.metrics[MODEL]
        return all(
            _number(ours["mae"]) < _number(theirs["mae"]) and _number(ours["spearman"]) > _number(theirs["spearman"])
            for theirs in (self.metrics[rule] for rule in NAIVE_RULES)
        )

    def metrics_table(self) -> pl.DataFrame:
        """One row for the model and for each rule: rows and METRICS."""
        return pl.DataFrame([{"predictor": name, **values} for name, values in self.metrics.items()]).select(
            "predictor", "rows", *METRICS
        )

    def platform_table(self) -> pl.DataFrame:
        """One row per platform: rows and METRICS of the model."""
        return regression_metrics_by(self.predictions, "platform", LABEL, PREDICTED)


def evaluate(predicted: pl.DataFrame) -> Evaluation:
    """The evaluation of rows that carry LABEL, PREDICTED and each naive rule's prediction."""
    columns = {MODEL: PREDICTED, **{rule: rule for rule in NAIVE_RULES}}
    return Evaluation(
        predictions=predicted.select("post_id", "account_id", "platform", "as_of", LABEL, PREDICTED, *NAIVE_RULES),
        metrics={name: regression_metrics(predicted, LABEL, column) for name, column in columns.items()},
    )


def explained_share(predictions: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """How much of what could be explained the model explains, on the same later posts.

    `share` is R² of the model over R² of the truth, both of log1p of the mature engagement_score; what
    the truth leaves unexplained is the noise of counting. 1 would be a perfect knower of the simulated world.

    Args:
        predictions: an evaluation's predictions.
        truth: the simulated world's posts: post_id, expected_log1p_engagement_score.

    Raises:
        ModelError: no post is in both.
    """
    both = predictions.join(truth.select("post_id", _TRUTH), on="post_id")
    model = regression_metrics(both, LABEL, PREDICTED)["r2"]
    best = regression_metrics(both, LABEL, _TRUTH)["r2"]
    if model is None or best is None:
        raise ModelError("no share of the explainable variance: the truth and the predictions have no posts in common")
    return {"share": model / best, "model_r2": model, "truth_r2": best}


def _number(value: float | None) -> float:
    return float("-inf") if value is None else value
