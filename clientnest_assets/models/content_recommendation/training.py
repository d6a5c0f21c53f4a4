"""Training the recommender: learned from the earlier posts, judged on the later ones, and learned again from all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.content_recommendation.evaluation import evaluate
from clientnest_assets.models.content_recommendation.recommender import Recommender
from clientnest_assets.models.content_recommendation.sections import sections
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged

TASK: Final = "content_recommendation"


def train(training: Training, told: Mapping[str, Any]) -> Trained:
    """The recommender of all posts, and how one of the earlier posts did on the later fifth.

    Args:
        training: labelled posts.
        told: what the card tells of the training.

    Raises:
        NotEnoughDataError: says how many posts there are and how many are needed.
    """
    rows = training.rows
    shipped = Recommender.fit(rows)
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    evaluation = evaluate(Recommender.fit(split.earlier), split)
    told = {
        **told,
        **judged(evaluation.metrics, evaluation.findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows_earlier": split.earlier.height,
            "rows_later": split.later.height,
        },
    }
    return Trained(
        Artefact.of(TASK, shipped.to_json(), {}, told),
        evaluation.predictions,
        evaluation.metrics,
        evaluation.findings,
        sections(shipped, evaluation),
    )
