"""X (formerly Twitter), API v2: user timeline and user lookup.

https://docs.x.com/x-api/posts/user-posts-timeline-by-user-id, https://docs.x.com/x-api/fundamentals/rate-limits
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clientnest_assets.sources.platforms.limits import window_reset
from clientnest_assets.sources.platforms.spec import (
    Asked,
    Json,
    Kind,
    MalformedError,
    Platform,
    Problem,
    Refreshing,
    Request,
    Version,
    at,
    id_at,
    inside,
    listed,
    moment_at,
)

if TYPE_CHECKING:
    import httpx

BY_STATUS = {401: Kind.EXPIRED, 403: Kind.FORBIDDEN, 404: Kind.GONE, 429: Kind.LIMITED}
BY_TITLE = {"Not Found Error": Kind.GONE, "Forbidden": Kind.FORBIDDEN}
"""Of a problem about the account itself, in an answer that is otherwise well (status 200, without data)."""


def _posts(asked: Asked) -> Request:
    params: dict[str, str | int] = {
        "tweet.fields": "created_at,public_metrics,non_public_metrics",
        "start_time": f"{asked.since:%Y-%m-%dT%H:%M:%SZ}",
        "exclude": "retweets",
        "max_results": 100,
    }
    return Request("posts", f"/2/users/{asked.external_id}/tweets", params)


def _items(body: Json) -> list[Json]:
    # Without a post there is no data at all.
    empty = isinstance(body.get("meta"), dict) and body["meta"].get("result_count") == 0
    return [] if empty and "data" not in body else listed(body, "data")


def _following(request: Request, body: Json) -> Request | None:
    meta = body.get("meta")
    token = meta.get("next_token") if isinstance(meta, dict) else None
    return replace(request, params={**request.params, "pagination_token": token}) if token else None


def _identity(item: Json) -> tuple[str, datetime]:
    return id_at(item, "id"), moment_at(item, "created_at")


def _account(asked: Asked) -> Request:
    return Request("account", f"/2/users/{asked.external_id}", {"user.fields": "public_metrics"})


def _account_values(_asked: Asked, body: Json) -> Json:
    found: Any = inside(body, "data") if "data" in body else None
    if not isinstance(found, dict):
        raise MalformedError("there is no data")
    return found


def _problem(response: httpx.Response, body: Json | None) -> Problem | None:
    words = _words(body)
    if kind := BY_STATUS.get(response.status_code):
        return Problem(kind, words or f"status {response.status_code}")
    errors = body.get("errors") if body else None
    if response.is_success and body and "data" not in body and isinstance(errors, list) and errors:
        title = errors[0].get("title") if isinstance(errors[0], dict) else None
        return Problem(BY_TITLE.get(str(title), Kind.FORBIDDEN), words)
    return None


def _words(body: Json | None) -> str:
    told = body or {}
    errors = told.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return str(told.get("detail") or told.get("title") or first.get("detail") or first.get("title") or "")


def _refresh(client_id: str, client_secret: str, _access: str, refresh: str) -> tuple[dict[str, str], dict[str, str]]:
    basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": client_id}
    return form, {"Authorization": f"Basic {basic}"}


TWITTER = Platform(
    name="twitter",
    base_url="https://api.x.com",
    versions={
        "2": Version(
            posts={
                "likes_count": at("public_metrics.like_count"),
                "comments_count": at("public_metrics.reply_count"),
                "shares_count": at("public_metrics.retweet_count", "public_metrics.quote_count"),
                # Only posts with a link have it.
                "clicks_count": at("non_public_metrics.url_link_clicks", absent="null"),
                "impressions": at("public_metrics.impression_count"),
            },
            account={
                "followers_count": at("public_metrics.followers_count"),
                "following_count": at("public_metrics.following_count"),
                "posts_count": at("public_metrics.tweet_count"),
            },
        )
    },
    account=_account,
    account_values=_account_values,
    posts=_posts,
    items=_items,
    following=_following,
    identity=_identity,
    refreshing=Refreshing("https://api.x.com", "/2/oauth2/token", _refresh),
    problem=_problem,
    not_before=window_reset,
    unsupported={
        "reach": "X counts impressions, not people",
        "engagement_rate": "X does not give one",
    },
)
