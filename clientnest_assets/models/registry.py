"""Every model there is, by name. A model more is an entry more: assets, page, commands and catalogue follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clientnest_assets.models.budget.declaration import BUDGET
from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.content_recommendation.declaration import CONTENT_RECOMMENDATION
from clientnest_assets.models.early_signal.declaration import EARLY_SIGNAL
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.growth.declaration import FOLLOWER_GROWTH, MRR_GROWTH
from clientnest_assets.models.hashtags.declaration import HASHTAGS
from clientnest_assets.models.model import Model
from clientnest_assets.models.posting_times.declaration import POSTING_TIMES

_MODELS: Final = (
    ENGAGEMENT,
    EARLY_SIGNAL,
    CHURN,
    POSTING_TIMES,
    CONTENT_RECOMMENDATION,
    HASHTAGS,
    FOLLOWER_GROWTH,
    MRR_GROWTH,
    BUDGET,
)
MODELS: Final[Mapping[str, Model]] = {each.name: each for each in _MODELS}
