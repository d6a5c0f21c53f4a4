"""The platforms there are, by name."""

from __future__ import annotations

from clientnest_assets.sources.platforms.facebook import FACEBOOK
from clientnest_assets.sources.platforms.instagram import INSTAGRAM
from clientnest_assets.sources.platforms.linkedin import LINKEDIN
from clientnest_assets.sources.platforms.spec import Platform
from clientnest_assets.sources.platforms.tiktok import TIKTOK
from clientnest_assets.sources.platforms.twitter import TWITTER

PLATFORMS: dict[str, Platform] = {each.name: each for each in (TWITTER, FACEBOOK, INSTAGRAM, LINKEDIN, TIKTOK)}
