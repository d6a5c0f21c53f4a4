"""LinkedIn organisation pages, versioned REST API: posts, share statistics and network size.

https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/share-statistics
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

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
    Statistics,
    Version,
    at,
    id_at,
    listed,
    moment_at,
)

if TYPE_CHECKING:
    import httpx

PAGE_SIZE = 50
BY_STATUS = {403: Kind.FORBIDDEN, 404: Kind.GONE, 429: Kind.LIMITED}
REVOKED_TOKEN = "REVOKED_ACCESS_TOKEN"  # noqa: S105 - an error's code
NUMBERS = "totalShareStatistics"
KINDS = {"urn:li:share:": ("share", "shares"), "urn:li:ugcPost:": ("ugcPost", "ugcPosts")}
"""The two kinds of posts: the key of one in an answer, and the parameter that asks for several."""
STATISTICS = Version(
    posts={
        "likes_count": at(f"{NUMBERS}.likeCount"),
        "comments_count": at(f"{NUMBERS}.commentCount"),
        "shares_count": at(f"{NUMBERS}.shareCount"),
        "clicks_count": at(f"{NUMBERS}.clickCount"),
        "reach": at(f"{NUMBERS}.uniqueImpressionsCount"),
        "impressions": at(f"{NUMBERS}.impressionCount"),
    },
    account={"followers_count": at("firstDegreeSize")},
)


def _headers(asked: Asked) -> dict[str, str]:
    return {"LinkedIn-Version": asked.version, "X-Restli-Protocol-Version": "2.0.0"}


def _organisation(asked: Asked) -> str:
    return quote(f"urn:li:organization:{asked.external_id}", safe="")


def _posts(asked: Asked) -> Request:
    params: dict[str, str | int] = {"q": "author", "sortBy": "CREATED", "start": 0, "count": PAGE_SIZE}
    # Rest.li wants colons encoded and parentheses not, so what holds either is written into the address.
    return Request("posts", f"/rest/posts?author={_organisation(asked)}", params, headers=_headers(asked))


def _following(request: Request, body: Json) -> Request | None:
    count, start = int(request.params["count"]), int(request.params["start"])
    has_next = any(link.get("rel") == "next" for link in listed(body, "paging.links"))
    if not has_next and len(listed(body, "elements")) < count:
        return None
    return replace(request, params={**request.params, "start": start + count})


def _identity(item: Json) -> tuple[str, datetime]:
    published = "publishedAt" if item.get("publishedAt") is not None else "createdAt"
    return id_at(item, "id"), moment_at(item, published, unit="milliseconds")


def _statistics(asked: Asked, ids: Sequence[str]) -> list[Request]:
    requests = []
    for prefix, (_, parameter) in KINDS.items():
        mine = ",".join(quote(each, safe="") for each in ids if each.startswith(prefix))
        if mine:
            path = (
                "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
                f"&organizationalEntity={_organisation(asked)}&{parameter}=List({mine})"
            )
            requests.append(Request("statistics", path, headers=_headers(asked)))
    return requests


def _by_post(body: Json) -> Mapping[str, Json]:
    found = {}
    for each in listed(body, "elements"):
        post = next((each[key] for key, _ in KINDS.values() if each.get(key)), None)
        if not isinstance(post, str):
            raise MalformedError("elements has statistics of no post")
        found[post] = each
    return found


def _account(asked: Asked) -> Request:
    params: dict[str, str | int] = {"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"}
    return Request("account", f"/rest/networkSizes/{_organisation(asked)}", params, headers=_headers(asked))


def _problem(response: httpx.Response, body: Json | None) -> Problem | None:
    told = body or {}
    words = f"{told.get('code', f'status {response.status_code}')}: {told.get('message', '')}".rstrip(": ")
    if response.status_code == 401:
        return Problem(Kind.REVOKED if told.get("code") == REVOKED_TOKEN else Kind.EXPIRED, words)
    kind = BY_STATUS.get(response.status_code)
    if kind is None and response.is_client_error:
        kind = Kind.FORBIDDEN
    return Problem(kind, words) if kind else None


def _next_midnight(now: datetime) -> datetime:
    """LinkedIn's limits are per day and begin anew at midnight UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _refresh(client_id: str, client_secret: str, _access: str, refresh: str) -> tuple[dict[str, str], dict[str, str]]:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "client_id": client_id,
        "client_secret": client_secret,
    }
    return form, {}


LINKEDIN = Platform(
    name="linkedin",
    base_url="https://api.linkedin.com",
    versions={"202411": STATISTICS, "202506": STATISTICS, "202511": STATISTICS},
    account=_account,
    account_values=lambda _, body: body,
    posts=_posts,
    items=lambda body: listed(body, "elements"),
    following=_following,
    identity=_identity,
    refreshing=Refreshing("https://www.linkedin.com", "/oauth/v2/accessToken", _refresh),
    problem=_problem,
    not_before=retry_after,
    limited_together="application",
    usual_wait=_next_midnight,
    statistics=Statistics(size=20, requests=_statistics, read=_by_post),
    unsupported={
        "following_count": "a page follows nobody",
        "posts_count": "LinkedIn does not give one",
        "engagement_rate": "LinkedIn gives one a post, over impressions; ours is over reach",
    },
)
