"""Instagram professional accounts, Graph API: media with their insights, and the account itself.

https://developers.facebook.com/docs/instagram-platform/reference/instagram-media/insights
"""

from __future__ import annotations

from datetime import datetime

from clientnest_assets.sources.platforms import meta
from clientnest_assets.sources.platforms.limits import meta_usage
from clientnest_assets.sources.platforms.spec import (
    Asked,
    Json,
    Platform,
    Request,
    Version,
    at,
    id_at,
    listed,
    moment_at,
)

COUNTS = {
    "likes_count": at("like_count"),
    "comments_count": at("comments_count"),
    "shares_count": at("insights.shares"),
    "reach": at("insights.reach"),
}
ACCOUNT = {
    "followers_count": at("followers_count"),
    "following_count": at("follows_count"),
    "posts_count": at("media_count"),
}
IMPRESSIONS = Version(posts={**COUNTS, "impressions": at("insights.impressions")}, account=ACCOUNT)
VIEWS = Version(posts={**COUNTS, "impressions": at("insights.views")}, account=ACCOUNT)
"""From v22.0 on impressions are called views."""


def _posts(asked: Asked) -> Request:
    params: dict[str, str | int] = {
        "fields": (f"id,timestamp,like_count,comments_count,insights.metric({meta.insights_of(asked.fields.posts)})"),
        "since": int(asked.since.timestamp()),
        "limit": meta.PAGE_SIZE,
    }
    return Request("posts", f"/{asked.version}/{asked.external_id}/media", params)


def _account(asked: Asked) -> Request:
    fields = "id,followers_count,follows_count,media_count"
    return Request("account", f"/{asked.version}/{asked.external_id}", {"fields": fields})


def _identity(item: Json) -> tuple[str, datetime]:
    return id_at(item, "id"), moment_at(item, "timestamp")


INSTAGRAM = Platform(
    name="instagram",
    base_url=meta.BASE_URL,
    versions={"v21.0": IMPRESSIONS, "v22.0": VIEWS, "v23.0": VIEWS, "v24.0": VIEWS},
    account=_account,
    account_values=lambda _, body: body,
    posts=_posts,
    items=lambda body: listed(body, "data"),
    following=meta.following,
    identity=_identity,
    refreshing=meta.REFRESHING,
    problem=meta.problem,
    not_before=meta_usage,
    limited_together="application",
    prepared=meta.with_insights,
    unsupported={
        "clicks_count": "Instagram posts carry no links",
        "engagement_rate": "Graph does not give one",
    },
)
