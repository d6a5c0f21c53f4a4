"""What Facebook and Instagram share: the Graph API's pages, insights, errors, limits and long-lived tokens.

https://developers.facebook.com/docs/graph-api/guides/error-handling,
https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from clientnest_assets.sources.platforms.spec import (
    Field,
    Json,
    Kind,
    MalformedError,
    Problem,
    Refreshing,
    Request,
    listed,
)

if TYPE_CHECKING:
    import httpx

BASE_URL = "https://graph.facebook.com"
PAGE_SIZE = 50
RATE_CODES = {4, 17, 32, 613, 80001, 80002}
"""Too many calls of the application, the user, the page, an own limit, and the business use cases of both platforms."""
PASSING_CODES = {1, 2}
TOKEN_CODE = 190
EXPIRED_SUBCODE = 463
PERMISSION_CODES = {3, 10, *range(200, 300)}
GONE = {(100, 33), (803, None)}
INSIGHTS = "insights."


def insights_of(fields: Mapping[str, Field]) -> str:
    """The names of the insights among the fields, as a request wants them."""
    paths = [path for each in fields.values() for path in each.paths]
    return ",".join(path.removeprefix(INSIGHTS) for path in paths if path.startswith(INSIGHTS))


def with_insights(item: Json) -> Json:
    """The item with its insights by name.

    An empty set of insights is Meta's word for "not available", and becomes null: so does all in it.

    Raises:
        MalformedError: if the item has insights of another shape.
    """
    if "insights" not in item:
        return item
    found: dict[str, Any] = {}
    for each in listed(item, "insights.data"):
        try:
            found[each["name"]] = each["values"][0]["value"]
        except (KeyError, IndexError, TypeError):
            raise MalformedError("insights.data has an entry without name or value") from None
    return {**item, "insights": found or None}


def following(request: Request, body: Json) -> Request | None:
    """The next page by its cursor. The ready-made link is not followed: it carries the token in its address."""
    paging = body.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    try:
        return replace(request, params={**request.params, "after": paging["cursors"]["after"]})
    except (KeyError, TypeError):
        raise MalformedError("paging has a next page and no cursor") from None


def problem(response: httpx.Response, body: Json | None) -> Problem | None:
    """By the error's code and subcode."""
    error = body.get("error") if body else None
    if not isinstance(error, dict):
        return Problem(Kind.LIMITED, "status 429") if response.status_code == 429 else None
    code, subcode = (
        told if isinstance(told, int) else None for told in (error.get("code"), error.get("error_subcode"))
    )
    words = f"({code}{f'/{subcode}' if subcode else ''}) {error.get('message', '')}"
    if code in RATE_CODES:
        return Problem(Kind.LIMITED, words)
    if code in PASSING_CODES:
        return Problem(Kind.UNAVAILABLE, words)
    if code == TOKEN_CODE:
        return Problem(Kind.EXPIRED if subcode == EXPIRED_SUBCODE else Kind.REVOKED, words)
    if (code, subcode) in GONE:
        return Problem(Kind.GONE, words)
    if code in PERMISSION_CODES:
        return Problem(Kind.FORBIDDEN, words)
    # What is left is mostly (100): the request asks for what this version does not know.
    return Problem(Kind.UNAVAILABLE if response.is_server_error else Kind.FORBIDDEN, words)


def _exchange(client_id: str, client_secret: str, access: str, _refresh: str) -> tuple[dict[str, str], dict[str, str]]:
    params = {
        "grant_type": "fb_exchange_token",
        "client_id": client_id,
        "client_secret": client_secret,
        "fb_exchange_token": access,
    }
    return params, {}


REFRESHING = Refreshing(
    # A long-lived token (60 days) is exchanged for a new one while it is still valid; there is no refresh token.
    BASE_URL,
    "/oauth/access_token",
    _exchange,
    method="GET",
    needs_refresh_token=False,
    early=timedelta(days=7),
)
