"""Facebook and Instagram as the stand-in speaks them: Graph API, with the metrics that each version knows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.routing import BaseRoute

from clientnest_assets.simulation.platforms.desk import Answer, Desk, Headers, Manners, renewing
from clientnest_assets.simulation.platforms.faults import Faults, Json, Limit
from clientnest_assets.simulation.platforms.shown import ShownAccount, ShownPost

USUAL, MOST = 25, 100
FIRST_VERSION, LAST_VERSION = 21, 24
VIEWS_SINCE = {"facebook": 24, "instagram": 22}
"""The version that speaks of views where older ones speak of impressions."""
Number = Callable[[ShownPost], int | None]
ALWAYS: dict[str, dict[str, Number]] = {
    "facebook": {"post_clicks": lambda post: post.clicks or 0},
    "instagram": {"shares": lambda post: post.shares, "reach": lambda post: post.reach},
}
BEFORE: dict[str, dict[str, Number]] = {
    "facebook": {
        "post_impressions": lambda post: post.impressions,
        "post_impressions_unique": lambda post: post.reach,
    },
    "instagram": {"impressions": lambda post: post.impressions},
}
SINCE: dict[str, dict[str, Number]] = {
    "facebook": {
        "post_media_view": lambda post: post.impressions,
        "post_total_media_view_unique": lambda post: post.reach,
    },
    "instagram": {"views": lambda post: post.impressions},
}


def _error(
    message: str, code: int, subcode: int | None = None, status: int = 400, headers: Headers | None = None
) -> Answer:
    error: Json = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbCdEf123"}
    if subcode is not None:
        error["error_subcode"] = subcode
    return Answer({"error": error}, status, headers or {})


def _gone(external_id: str) -> Answer:
    words = f"Unsupported get request. Object with ID '{external_id}' does not exist, cannot be loaded due to missing permissions"
    return _error(words, 100, 33)


def _limited(limit: Limit, now: datetime, headers: Headers, _faults: Faults) -> Answer:
    minutes = math.ceil(((limit.resets_at or now) - now).total_seconds() / 60)
    usage = {
        "call_count": 101,
        "total_cputime": 20,
        "total_time": 25,
        "type": "pages",
        "estimated_time_to_regain_access": minutes,
    }
    told = {"X-Business-Use-Case-Usage": json.dumps({"17841400000000000": [usage]})}
    return _error("(#32) Page request limit reached", 32, headers={**told, **headers})


def _usage(limit: Limit, _now: datetime) -> Headers:
    percent = math.floor(100 * min(limit.used, limit.requests + 1) / (limit.requests + 1))
    return {"X-App-Usage": json.dumps({"call_count": percent, "total_time": 10, "total_cputime": 10})}


def _manners(platform: str) -> Manners:
    return Manners(
        platform,
        expired=lambda: _error("Error validating access token: Session has expired", 190, 463, 401),
        revoked=lambda: _error("The user has not authorized application 1", 190, 458, 401),
        gone=_gone,
        limited=_limited,
        usage=_usage,
    )


def facebook(desk: Desk) -> list[BaseRoute]:
    """A page's endpoints."""

    def post(each: ShownPost, fields: str, insights: list[Json]) -> Json:
        shown: Json = {"id": each.external_id, "created_time": _moment(each.published_at)}
        if "reactions.limit(0).summary(true)" in fields:
            shown["reactions"] = _summary(each.likes)
        if "comments.limit(0).summary(true)" in fields:
            shown["comments"] = _summary(each.comments)
        if "shares" in fields and each.shares:
            shown["shares"] = {"count": each.shares}
        return {**shown, **({"insights": {"data": insights}} if "insights" in fields else {})}

    def page(account: ShownAccount) -> Json:
        return {"id": account.external_id, "followers_count": account.followers, "fan_count": account.followers}

    return _routes(desk, "facebook", "posts", post, page)


def instagram(desk: Desk) -> list[BaseRoute]:
    """An account's endpoints."""

    def media(each: ShownPost, _fields: str, insights: list[Json]) -> Json:
        return {
            "id": each.external_id,
            "timestamp": _moment(each.published_at),
            "like_count": each.likes,
            "comments_count": each.comments,
            "insights": {"data": insights},
        }

    def profile(account: ShownAccount) -> Json:
        return {
            "id": account.external_id,
            "followers_count": account.followers,
            "follows_count": account.following,
            "media_count": account.posts_count,
        }

    return _routes(desk, "instagram", "media", media, profile)


def _routes(
    desk: Desk,
    platform: str,
    edge: str,
    item: Callable[[ShownPost, str, list[Json]], Json],
    profile: Callable[[ShownAccount], Json],
) -> list[BaseRoute]:
    manners = _manners(platform)

    async def posts(request: Request, account: ShownAccount) -> Answer:
        version = _version(request, account)
        query = request.query_params
        fields = query.get("fields", "")
        names = [name for found in re.findall(r"insights\.metric\(([^)]*)\)", fields) for name in found.split(",")]
        known = _metrics(platform, version)
        if unknown := [name for name in names if name not in known]:
            raise _error(f"(#100) The value must be a valid insights metric: {', '.join(unknown)}", 100)
        size = min(int(query.get("limit", USUAL)), MOST)
        since = datetime.fromtimestamp(int(query["since"]), UTC) if "since" in query else None
        start = int(query.get("after", "c0").removeprefix("c"))
        found = account.newest_first(since)
        page = found[start : start + size]
        data = [
            desk.altered(platform, item(each, fields, [_insight(each, name, known[name]) for name in names]))
            for each in page
        ]
        body: Json = {"data": data}
        if page:
            body["paging"] = {"cursors": {"before": f"c{start}", "after": f"c{start + len(page)}"}}
        if start + size < len(found):
            body["paging"]["next"] = f"{request.url}&after=c{start + len(page)}&access_token=secret"
        return Answer(body)

    async def account_itself(request: Request, account: ShownAccount) -> Answer:
        _version(request, account)
        wanted = set(request.query_params.get("fields", "id").split(","))
        shown = desk.altered(platform, profile(account))
        return Answer({name: value for name, value in shown.items() if name in wanted})

    return [
        desk.route(f"/{{version}}/{{id}}/{edge}", manners, posts),
        renewing(desk, "/oauth/access_token", (platform,), lambda query: str(query.get("fb_exchange_token")), "GET"),
        desk.route("/{version}/{id}", manners, account_itself),
    ]


def _version(request: Request, account: ShownAccount) -> int:
    found = re.fullmatch(r"v(\d+)\.0", request.path_params["version"])
    if not found or not FIRST_VERSION <= int(found[1]) <= LAST_VERSION:
        raise _error("(#2635) You are calling a deprecated version of the API", 2635)
    if request.path_params["id"] != account.external_id:
        raise _gone(request.path_params["id"])
    return int(found[1])


def _metrics(platform: str, version: int) -> dict[str, Number]:
    return ALWAYS[platform] | (SINCE if version >= VIEWS_SINCE[platform] else BEFORE)[platform]


def _insight(post: ShownPost, name: str, number: Number) -> Json:
    return {
        "name": name,
        "period": "lifetime",
        "values": [{"value": number(post)}],
        "id": f"{post.external_id}/insights/{name}",
    }


def _summary(count: int) -> Json:
    return {"data": [], "summary": {"total_count": count}}


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}+0000"
