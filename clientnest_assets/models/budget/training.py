"""Training: responses of earlier weeks, judged on later ones; then of all weeks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.budget.evaluation import evaluated_rows, findings_of, metrics_of
from clientnest_assets.models.budget.plots import sections_of
from clientnest_assets.models.budget.response import Responses
from clientnest_assets.models.budget.weeks import CHANNEL
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged

MIN_WEEKS: Final = 4
MIN_ROWS: Final = 100
"""Channel weeks. Of fewer no regression within channels tells anything."""


def train(training: Training, task: str, told: Mapping[str, Any]) -> Trained:
    """The responses of all rows (`weeks.labelled`), and how their twin of the earlier ones did.

    Raises:
        NotEnoughDataError: says how many channel weeks there are, and how many are needed.
    """
    rows = training.rows
    weeks = rows[AS_OF].n_unique()
    if rows.height < MIN_ROWS or weeks < MIN_WEEKS:
        raise NotEnoughDataError(
            f"before {training.until:%Y-%m-%d} there are {rows.height} channel weeks (a user's posts of a week on a platform, "
            f"all mature) in {weeks} weeks; {MIN_ROWS} in {MIN_WEEKS} weeks are needed: train a later week, or import more "
            "history"
        )
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    twin = Responses.fit(split.earlier)
    evaluated = evaluated_rows(twin, split.earlier, split.later)
    metrics = metrics_of(evaluated)
    findings = findings_of(twin, evaluated)
    shipped = Responses.fit(rows)
    card = {
        **told,
        **judged(metrics, findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows_earlier": split.earlier.height,
            "rows_later": split.later.height,
            "rows_foretold": evaluated.height,
            "channels_later": split.later.select(CHANNEL).n_unique(),
        },
    }
    return Trained(
        artefact=Artefact.of(task, {"platforms": shipped.to_json()}, {}, card),
        evaluated=evaluated,
        metrics=metrics,
        findings=findings,
        sections=sections_of(shipped, evaluated),
    )
