"""LinkedIn as the stand-in speaks it: posts, share statistics and network size of the versioned REST API."""

from __future__ import annotations

import re
from datetime import datetime

from starlette.requests import Request
from starlette.routing import BaseRoute

from clientnest_assets.simulation.platforms.desk import Answer, Desk, Headers, Manners, renewing
from clientnest_assets.simulation.platforms.faults import Faults, Json, Limit
from clientnest_assets.simulation.platforms.shown import ShownAccount, ShownPost

USUAL, MOST = 10, 100
VERSIONS = ("202411", "202506", "202511")
LISTS = re.compile(r"(?:^|&)(shares|ugcPosts)=List\(([^()]*)\)")


def _error(status: int, code: str, message: str, service: int, headers: Headers | None = None) -> Answer:
    body = {"status": status, "serviceErrorCode": service, "code": code, "message": message}
    return Answer(body, status, headers or {})


def _limited(_limit: Limit, _now: datetime, headers: Headers, _faults: Faults) -> Answer:
    words = "Resource level throttle APPLICATION DAY limit for calls to this resource is reached."
    return _error(429, "TOO_MANY_REQUESTS", words, 101, headers)


MANNERS = Manners(
    "linkedin",
    expired=lambda: _error(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired", 65602),
    revoked=lambda: _error(
        401, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user", 65601
    ),
    gone=lambda external_id: _error(404, "RESOURCE_NOT_FOUND", f"Could not find organization {external_id}", 404),
    limited=_limited,
)


def routes(desk: Desk) -> list[BaseRoute]:
    """The endpoints."""

    async def posts(request: Request, account: ShownAccount) -> Answer:
        _require(request)
        query = request.query_params
        if query.get("q") != "author" or query.get("author") != _urn(account):
            raise _error(403, "ACCESS_DENIED", "Not enough permissions to access: posts.FINDER-author", 100)
        start, count = int(query.get("start", 0)), min(int(query.get("count", USUAL)), MOST)
        found = account.newest_first()
        page = found[start : start + count]
        links = []
        if start + count < len(found):
            links = [{"type": "application/json", "rel": "next", "href": f"/rest/posts?start={start + count}"}]
        elements = [_post(each, account) for each in page]
        return Answer({"elements": elements, "paging": {"start": start, "count": count, "links": links}})

    async def statistics(request: Request, account: ShownAccount) -> Answer:
        _require(request)
        if request.query_params.get("organizationalEntity") != _urn(account):
            raise _error(403, "ACCESS_DENIED", "Not enough permissions", 100)
        lists = LISTS.findall(request.url.query)
        if "List" in request.query_params.get("shares", "") + request.query_params.get("ugcPosts", "") and not lists:
            raise _error(400, "ILLEGAL_ARGUMENT", "Invalid query parameters passed to request", 0)
        by_id = {each.external_id: each for each in account.posts}
        elements = [
            desk.altered("linkedin", _shares(by_id[each], account, "share" if kind == "shares" else "ugcPost"))
            for kind, ids in lists
            for each in ids.replace("%3A", ":").split(",")
            if each in by_id
        ]
        return Answer({"elements": elements, "paging": {"start": 0, "count": USUAL, "links": []}})

    async def size(request: Request, account: ShownAccount) -> Answer:
        _require(request)
        if request.path_params["urn"] != _urn(account):
            raise _error(404, "RESOURCE_NOT_FOUND", "Could not find organization", 404)
        if request.query_params.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
            raise _error(400, "ILLEGAL_ARGUMENT", "Invalid value for field: edgeType", 0)
        return Answer(desk.altered("linkedin", {"firstDegreeSize": account.followers}))

    return [
        desk.route("/rest/posts", MANNERS, posts),
        desk.route("/rest/organizationalEntityShareStatistics", MANNERS, statistics),
        desk.route("/rest/networkSizes/{urn}", MANNERS, size),
        renewing(desk, "/oauth/v2/accessToken", ("linkedin",), lambda form: str(form.get("refresh_token"))),
    ]


def _require(request: Request) -> None:
    version = request.headers.get("linkedin-version")
    if version not in VERSIONS:
        raise _error(426, "NONEXISTENT_VERSION", f"Requested version {version} is not active", 0)
    if request.headers.get("x-restli-protocol-version") != "2.0.0":
        raise _error(400, "ILLEGAL_ARGUMENT", "Syntax exception in path variables", 0)


def _urn(account: ShownAccount) -> str:
    return f"urn:li:organization:{account.external_id}"


def _post(post: ShownPost, account: ShownAccount) -> Json:
    moment = int(post.published_at.timestamp() * 1000)
    return {
        "id": post.external_id,
        "author": _urn(account),
        "createdAt": moment,
        "publishedAt": moment,
        "lastModifiedAt": moment,
        "lifecycleState": "PUBLISHED",
    }


def _shares(post: ShownPost, account: ShownAccount, kind: str) -> Json:
    numbers = {
        "uniqueImpressionsCount": post.reach,
        "shareCount": post.shares,
        "engagement": 0.01,
        "clickCount": post.clicks or 0,
        "likeCount": post.likes,
        "impressionCount": post.impressions,
        "commentCount": post.comments,
    }
    return {"totalShareStatistics": numbers, kind: post.external_id, "organizationalEntity": _urn(account)}
