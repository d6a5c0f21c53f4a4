"""Facebook pages, Graph API: published posts with their insights, and the page itself.

https://developers.facebook.com/docs/graph-api/reference/page/feed, .../reference/insights
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
    "likes_count": at("reactions.summary.total_count"),
    "comments_count": at("comments.summary.total_count"),
    # Graph leaves the field out of a post that nobody has shared.
    "shares_count": at("shares.count", absent="zero"),
    "clicks_count": at("insights.post_clicks"),
}
ACCOUNT = {"followers_count": at("followers_count")}
IMPRESSIONS = Version(
    posts={**COUNTS, "reach": at("insights.post_impressions_unique"), "impressions": at("insights.post_impressions")},
    account=ACCOUNT,
)
VIEWS = Version(
    posts={
        **COUNTS,
        "reach": at("insights.post_total_media_view_unique"),
        "impressions": at("insights.post_media_view"),
    },
    account=ACCOUNT,
)
"""In 2025 impressions were renamed views, and reach viewers."""


def _posts(asked: Asked) -> Request:
    counts = "reactions.limit(0).summary(true),comments.limit(0).summary(true),shares"
    params: dict[str, str | int] = {
        "fields": f"id,created_time,{counts},insights.metric({meta.insights_of(asked.fields.posts)})",
        "since": int(asked.since.timestamp()),
        "limit": meta.PAGE_SIZE,
    }
    return Request("posts", f"/{asked.version}/{asked.external_id}/posts", params)


def _account(asked: Asked) -> Request:
    return Request("account", f"/{asked.version}/{asked.external_id}", {"fields": "id,followers_count"})


def _identity(item: Json) -> tuple[str, datetime]:
    return id_at(item, "id"), moment_at(item, "created_time")


FACEBOOK = Platform(
    name="facebook",
    base_url=meta.BASE_URL,
    versions={
        "v21.0": IMPRESSIONS,
        "v22.0": IMPRESSIONS,
        "v23.0": IMPRESSIONS,
        "v24.0": VIEWS,
    },
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
        "following_count": "a page follows nobody",
        "posts_count": "Graph does not give one",
        "engagement_rate": "Graph does not give one",
    },
)
