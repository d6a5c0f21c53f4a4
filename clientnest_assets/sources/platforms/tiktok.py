"""TikTok, Display API v2: the video list and the user's own profile.

https://developers.tiktok.com/doc/tiktok-api-v2-video-list, .../tiktok-api-v2-error-handling
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from clientnest_assets.sources.platforms.limits import retry_after
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

PAGE_SIZE = 20
BY_CODE = {
    "access_token_invalid": Kind.EXPIRED,
    "rate_limit_exceeded": Kind.LIMITED,
    "internal_error": Kind.UNAVAILABLE,
    "scope_not_authorized": Kind.REVOKED,
    "scope_permission_missed": Kind.FORBIDDEN,
    "user_not_found": Kind.GONE,
}


def _paths(asked: Asked) -> list[str]:
    return [path for each in asked.fields.posts.values() for path in each.paths]


def _posts(asked: Asked) -> Request:
    fields = ",".join(["id", "create_time", *_paths(asked)])
    return Request("posts", "/v2/video/list/", {"fields": fields}, body={"max_count": PAGE_SIZE})


def _following(request: Request, body: Json) -> Request | None:
    data = body.get("data")
    if not isinstance(data, dict) or not data.get("has_more"):
        return None
    if "cursor" not in data:
        raise MalformedError("data has more and no cursor")
    return replace(request, body={**(request.body or {}), "cursor": data["cursor"]})


def _identity(item: Json) -> tuple[str, datetime]:
    return id_at(item, "id"), moment_at(item, "create_time", unit="seconds")


def _account(_asked: Asked) -> Request:
    return Request("account", "/v2/user/info/", {"fields": "open_id,follower_count,following_count,video_count"})


def _account_values(asked: Asked, body: Json) -> Json:
    try:
        user = inside(body, "data.user")
        # Nothing but the token says whose numbers these are.
        owner = inside(user, "open_id")
    except KeyError as error:
        raise MalformedError(f"there is no {error.args[0]}") from None
    if owner != asked.external_id:
        raise MalformedError("data.user.open_id is of another account than the connection: the token is not its own")
    return dict(user)


def _problem(response: httpx.Response, body: Json | None) -> Problem | None:
    error = body.get("error") if body else None
    if not isinstance(error, dict):
        return Problem(Kind.LIMITED, "status 429") if response.status_code == 429 else None
    code = str(error.get("code", "ok"))
    if code == "ok":
        return None
    kind = BY_CODE.get(code, Kind.UNAVAILABLE if response.is_server_error else Kind.FORBIDDEN)
    return Problem(kind, f"{code}: {error.get('message', '')}")


def _refresh(client_id: str, client_secret: str, _access: str, refresh: str) -> tuple[dict[str, str], dict[str, str]]:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "client_key": client_id,
        "client_secret": client_secret,
    }
    return form, {}


TIKTOK = Platform(
    name="tiktok",
    base_url="https://open.tiktokapis.com",
    versions={
        "v2": Version(
            posts={
                "likes_count": at("like_count"),
                "comments_count": at("comment_count"),
                "shares_count": at("share_count"),
                "impressions": at("view_count"),
            },
            account={
                "followers_count": at("follower_count"),
                "following_count": at("following_count"),
                "posts_count": at("video_count"),
            },
        )
    },
    account=_account,
    account_values=_account_values,
    posts=_posts,
    items=lambda body: listed(body, "data.videos"),
    following=_following,
    identity=_identity,
    refreshing=Refreshing("https://open.tiktokapis.com", "/v2/oauth/token/", _refresh),
    problem=_problem,
    not_before=retry_after,
    # Its limits are over a sliding minute.
    usual_wait=lambda now: now + timedelta(minutes=1),
    unsupported={
        "clicks_count": "TikTok tells no clicks",
        "reach": "TikTok counts views, not people",
        "engagement_rate": "TikTok does not give one",
    },
)
