"""Training: the recipe on earlier weeks, judged on later ones; then on all of them. The same for every quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.growth.evaluation import (
    by_band,
    coverage_finding,
    evaluated_rows,
    metrics_of,
    skill_finding,
)
from clientnest_assets.models.growth.forecasting import Forecaster
from clientnest_assets.models.growth.plots import sections_of
from clientnest_assets.models.growth.quantity import Quantity
from clientnest_assets.models.model import MODEL, Trained, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged

MIN_WEEKS: Final = 3
"""Mondays with a known truth: two to learn from at least, a later one to judge on."""


def train(training: Training, task: str, quantity: Quantity, told: Mapping[str, Any]) -> Trained:
    """The forecaster of all rows, and how its twin of the earlier ones did.

    Args:
        training: rows of `states.labelled`.
        task: the model's name.
        quantity: what is forecast.
        told: what every card tells.

    Raises:
        NotEnoughDataError: says from how many weeks there are truths, and how many are needed.
    """
    rows = training.rows
    weeks = rows[AS_OF].n_unique()
    if weeks < MIN_WEEKS:
        raise NotEnoughDataError(
            f"{quantity.name}: before {training.until:%Y-%m-%d} there are {weeks} Mondays with observations on which the "
            f"truth of a week later is known, of {rows[quantity.series].n_unique()} series; {MIN_WEEKS} Mondays are "
            "needed: train a later week, or import more history"
        )
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    evaluated = evaluated_rows(Forecaster.fit(split.earlier, quantity), split.later)
    metrics = metrics_of(evaluated, quantity)
    findings = (skill_finding(evaluated, quantity), coverage_finding(evaluated, quantity, metrics[MODEL]))
    shipped = Forecaster.fit(rows, quantity)
    card = {
        **told,
        **judged(metrics, findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows_earlier": split.earlier.height,
            "rows_later": split.later.height,
            "series_later": split.later[quantity.series].n_unique(),
        },
    }
    return Trained(
        artefact=Artefact.of(task, shipped.to_json(), {}, card),
        evaluated=evaluated,
        metrics=metrics,
        findings=findings,
        sections=sections_of(evaluated, quantity, shipped, by_band(evaluated, quantity)),
    )
