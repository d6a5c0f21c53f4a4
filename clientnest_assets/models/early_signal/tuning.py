"""What of the early signal is searched for better parameters: how its trees grow, as in the engagement model."""

from __future__ import annotations

from typing import Final

from clientnest_assets.models.early_signal.predictor import columns_of, grown, growth_of
from clientnest_assets.models.early_signal.training import MIN_POSTS
from clientnest_assets.models.encoding import Encoder
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.tuning import IN_USE, SPACE, tree_losses
from clientnest_assets.models.errors import ModelError
from clientnest_assets.models.tuning import Fold, Losses, Tuning


def prepare(fold: Fold) -> Losses:
    """How platforms grow, fitted once; then the absolute error of log engagement by the parameters of the trees."""
    if fold.features is None:
        raise ModelError("the early signal reads features: search it with its feature set")
    learned, judged = fold.learned, fold.judged
    growth, overall = growth_of(learned)
    encoder = Encoder.fit(learned, columns_of(fold.features), min_count=spec.MIN_COUNT)
    target, left = ((rows[spec.LABEL] - grown(rows, growth, overall)).to_numpy() for rows in (learned, judged))
    return tree_losses(encoder, encoder.encode(learned), target, encoder.encode(judged), left, threads=fold.threads)


TUNING: Final = Tuning(
    space=SPACE,
    in_use=IN_USE,
    where="clientnest_assets/models/engagement/spec.py, which the engagement model reads first of all",
    least=MIN_POSTS,
    prepare=prepare,
)
