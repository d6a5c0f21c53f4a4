"""Every feature view, by name. A view that is not listed here has no asset, no table and no reader."""

from __future__ import annotations

from typing import Final

from clientnest_assets.features.view import FeatureView
from clientnest_assets.features.views.account_audience import ACCOUNT_AUDIENCE
from clientnest_assets.features.views.ai_usage import AI_USAGE
from clientnest_assets.features.views.content import CONTENT
from clientnest_assets.features.views.platform_timing import PLATFORM_TIMING
from clientnest_assets.features.views.support import SUPPORT
from clientnest_assets.features.views.user_activity import USER_ACTIVITY
from clientnest_assets.features.views.user_engagement_history import AUTHOR_ENGAGEMENT_HISTORY, USER_ENGAGEMENT_HISTORY

VIEWS: Final[dict[str, FeatureView]] = {
    view.name: view
    for view in (
        ACCOUNT_AUDIENCE,
        AI_USAGE,
        AUTHOR_ENGAGEMENT_HISTORY,
        CONTENT,
        PLATFORM_TIMING,
        SUPPORT,
        USER_ACTIVITY,
        USER_ENGAGEMENT_HISTORY,
    )
}
