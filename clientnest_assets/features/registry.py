"""Every feature view, by name. A view that is not listed here has no asset, no table and no reader."""

from __future__ import annotations

from typing import Final

from clientnest_assets.features.view import FeatureView
from clientnest_assets.features.views.content import CONTENT
from clientnest_assets.features.views.user_engagement_history import USER_ENGAGEMENT_HISTORY

VIEWS: Final[dict[str, FeatureView]] = {view.name: view for view in (CONTENT, USER_ENGAGEMENT_HISTORY)}
