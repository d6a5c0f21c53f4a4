"""TikTok as the stand-in speaks it: the Display API's video list and user info."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.routing import BaseRoute

from clientnest_assets.simulation.platforms.desk import Answer, Desk, Headers, Manners, renewing
from clientnest_assets.simulation.platforms.faults import Faults, Json, Limit
from clientnest_assets.simulation.platforms.shown import ShownAccount, ShownPost

USUAL, MOST = 10, 20
WELL: Json = {"code": "ok", "message": "", "log_id": "20260101000000"}


def _error(code: str, message: str, status: int, headers: Headers | None = None) -> Answer:
    body: Json = {"data": {}, "error": {"code": code, "message": message, "log_id": "20260101000000"}}
    return Answer(body, status, headers or {})


def _limited(_limit: Limit, _now: datetime, headers: Headers, faults: Faults) -> Answer:
    status = 200 if faults.limited_with_success else 429
    return _error("rate_limit_exceeded", "The API rate limit was exceeded. Please try again later.", status, headers)


MANNERS = Manners(
    "tiktok",
    expired=lambda: _error("access_token_invalid", "The access token is invalid or not found in the request.", 401),
    revoked=lambda: _error("scope_not_authorized", "The user did not authorize the scope required.", 401),
    gone=lambda _: _error("user_not_found", "The user does not exist.", 404),
    limited=_limited,
)


def routes(desk: Desk) -> list[BaseRoute]:
    """The endpoints."""

    async def videos(request: Request, account: ShownAccount) -> Answer:
        asked: Json = await request.json()
        size = int(asked.get("max_count", USUAL))
        if not 1 <= size <= MOST:
            raise _error("invalid_params", "max_count must be between 1 and 20", 400)
        found = account.newest_first()
        if "cursor" in asked:
            before = datetime.fromtimestamp(asked["cursor"] / 1000, UTC)
            found = [each for each in found if each.published_at < before]
        page = found[:size]
        wanted = request.query_params.get("fields", "").split(",")
        shown = [desk.altered("tiktok", _named(_video(each), wanted)) for each in page]
        # To the millisecond above, so that what was shown last is not left out of the second page's beginning.
        cursor = math.ceil(page[-1].published_at.timestamp() * 1000) if page else 0
        return Answer({"data": {"videos": shown, "cursor": cursor, "has_more": len(found) > size}, "error": WELL})

    async def user(request: Request, account: ShownAccount) -> Answer:
        wanted = request.query_params.get("fields", "").split(",")
        profile = {
            "open_id": account.external_id,
            "follower_count": account.followers,
            "following_count": account.following,
            "video_count": account.posts_count,
        }
        return Answer({"data": {"user": desk.altered("tiktok", _named(profile, wanted))}, "error": WELL})

    return [
        desk.route("/v2/video/list/", MANNERS, videos, method="POST"),
        desk.route("/v2/user/info/", MANNERS, user),
        renewing(desk, "/v2/oauth/token/", ("tiktok",), lambda form: str(form.get("refresh_token"))),
    ]


def _named(values: Json, wanted: list[str]) -> Json:
    return {name: value for name, value in values.items() if name in wanted}


def _video(post: ShownPost) -> Json:
    return {
        "id": post.external_id,
        "create_time": int(post.published_at.timestamp()),
        "like_count": post.likes,
        "comment_count": post.comments,
        "share_count": post.shares,
        "view_count": post.impressions,
    }
