"""X as the stand-in speaks it: API v2, user timeline and user lookup."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.routing import BaseRoute

from clientnest_assets.simulation.platforms.desk import Answer, Desk, Headers, Manners, renewing
from clientnest_assets.simulation.platforms.faults import Faults, Json, Limit
from clientnest_assets.simulation.platforms.shown import ShownAccount, ShownPost

LEAST, MOST, USUAL = 5, 100, 10
PRIVATE_FOR = timedelta(days=30)


def _problem(title: str, detail: str, status: int, headers: Headers | None = None) -> Answer:
    body = {"title": title, "detail": detail, "type": "about:blank", "status": status}
    return Answer(body, status, headers or {})


def _gone(external_id: str) -> Answer:
    error = {
        "value": external_id,
        "detail": f"Could not find user with id: [{external_id}].",
        "title": "Not Found Error",
        "resource_type": "user",
        "parameter": "id",
        "resource_id": external_id,
        "type": "https://api.twitter.com/2/problems/resource-not-found",
    }
    return Answer({"errors": [error]})


def _usage(limit: Limit, now: datetime) -> Headers:
    resets_at = limit.resets_at or now
    return {
        "x-rate-limit-limit": str(limit.requests),
        "x-rate-limit-remaining": str(limit.remaining),
        "x-rate-limit-reset": str(math.ceil(resets_at.timestamp())),
    }


def _limited(_limit: Limit, _now: datetime, headers: Headers, _faults: Faults) -> Answer:
    return _problem("Too Many Requests", "Too Many Requests", 429, headers)


MANNERS = Manners(
    "twitter",
    expired=lambda: _problem("Unauthorized", "Unauthorized", 401),
    revoked=lambda: _problem("Unauthorized", "Unauthorized", 401),
    gone=_gone,
    limited=_limited,
    usage=_usage,
)


def routes(desk: Desk) -> list[BaseRoute]:
    """The endpoints."""

    async def tweets(request: Request, account: ShownAccount) -> Answer:
        _require_own(request, account)
        query = request.query_params
        size = int(query.get("max_results", USUAL))
        if not LEAST <= size <= MOST:
            raise _problem("Invalid Request", f"The `max_results` query parameter value [{size}] is not valid", 400)
        since = datetime.fromisoformat(query["start_time"]) if "start_time" in query else None
        start = int(query.get("pagination_token", "t0").removeprefix("t"))
        posts = account.newest_first(since)
        page = posts[start : start + size]
        if not page:
            return Answer({"meta": {"result_count": 0}})
        wanted = set(query.get("tweet.fields", "").split(","))
        meta: Json = {"result_count": len(page), "newest_id": page[0].external_id, "oldest_id": page[-1].external_id}
        if start + size < len(posts):
            meta["next_token"] = f"t{start + size}"
        return Answer(
            {"data": [desk.altered("twitter", _tweet(each, wanted, desk.now())) for each in page], "meta": meta}
        )

    async def user(request: Request, account: ShownAccount) -> Answer:
        _require_own(request, account)
        metrics = {
            "followers_count": account.followers,
            "following_count": account.following,
            "tweet_count": account.posts_count,
            "listed_count": 0,
        }
        data: Json = {"id": account.external_id, "name": "A Person", "username": "aperson"}
        if "public_metrics" in request.query_params.get("user.fields", ""):
            data["public_metrics"] = metrics
        return Answer({"data": desk.altered("twitter", data)})

    return [
        desk.route("/2/users/{id}/tweets", MANNERS, tweets),
        desk.route("/2/users/{id}", MANNERS, user),
        renewing(desk, "/2/oauth2/token", ("twitter",), lambda form: str(form.get("refresh_token"))),
    ]


def _require_own(request: Request, account: ShownAccount) -> None:
    if request.path_params["id"] != account.external_id:
        raise _gone(request.path_params["id"])


def _tweet(post: ShownPost, wanted: set[str], now: datetime) -> Json:
    tweet: Json = {"id": post.external_id, "text": "...", "edit_history_tweet_ids": [post.external_id]}
    if "created_at" in wanted:
        tweet["created_at"] = f"{post.published_at:%Y-%m-%dT%H:%M:%S}.000Z"
    quotes = post.shares // 5
    if "public_metrics" in wanted:
        tweet["public_metrics"] = {
            "retweet_count": post.shares - quotes,
            "reply_count": post.comments,
            "like_count": post.likes,
            "quote_count": quotes,
            "bookmark_count": 0,
            "impression_count": post.impressions,
        }
    if "non_public_metrics" in wanted and now - post.published_at <= PRIVATE_FOR:
        private = {"impression_count": post.impressions, "user_profile_clicks": 0}
        tweet["non_public_metrics"] = private | ({} if post.clicks is None else {"url_link_clicks": post.clicks})
    return tweet
