"""Training the suggester: learned from the earlier posts, judged on the later ones, and learned again from all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.foreknowledge import refuse_foreknowledge
from clientnest_assets.models.hashtags.evaluation import evaluate
from clientnest_assets.models.hashtags.lift import Lifts
from clientnest_assets.models.hashtags.sections import sections
from clientnest_assets.models.hashtags.suggester import Suggester, described
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged
from clientnest_assets.models.traits import LABEL

TASK: Final = "hashtags"


def train(training: Training, told: Mapping[str, Any]) -> Trained:
    """The suggester of all posts, and how the lifts of the earlier posts did on the later fifth.

    Args:
        training: labelled posts with features.
        told: what the card tells of the training.

    Raises:
        LeakingFeatureError: names a feature that knows the outcome.
        NotEnoughDataError: says how many posts, or hashtags, there are and what is needed.
    """
    if training.features is not None:
        refuse_foreknowledge(training.rows, training.features, LABEL, "account_id")
    posts = described(training.rows)
    shipped = Suggester.fit(posts)
    split = split_by_time(posts, AS_OF, LABEL_KNOWN_AT)
    evaluation = evaluate(Lifts.fit(split.earlier), split)
    card = {
        **told,
        **judged(evaluation.metrics, evaluation.findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows_earlier": split.earlier.height,
            "rows_later": split.later.height,
        },
    }
    return Trained(
        Artefact.of(TASK, shipped.to_json(), {}, card),
        evaluation.predictions,
        evaluation.metrics,
        evaluation.findings,
        sections(shipped.lifts, evaluation),
    )
