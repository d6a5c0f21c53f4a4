"""What all the stand-in's platforms do before they answer: who asks, is it too often, is something to go wrong."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clientnest_assets.simulation.platforms.faults import Faults, Json, Limit, Tokens
from clientnest_assets.simulation.platforms.shown import Shown, ShownAccount

Headers = Mapping[str, str]


@dataclass(eq=False)
class Answer(Exception):  # noqa: N818 - an answer is no error of ours
    """A finished answer. Raised where a platform refuses."""

    body: Json
    status: int = 200
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True)
class Manners:
    """How a platform words its refusals, and what it tells of its limits on each answer."""

    name: str
    expired: Callable[[], Answer]
    revoked: Callable[[], Answer]
    gone: Callable[[str], Answer]
    limited: Callable[[Limit, datetime, Headers, Faults], Answer]
    usage: Callable[[Limit, datetime], Headers] = lambda _limit, _now: {}


@dataclass
class Desk:
    """What is shown, and the state that the platforms' answers depend on."""

    shown: Shown
    now: Callable[[], datetime]
    faults: Faults = field(default_factory=Faults)
    tokens: Tokens = field(init=False)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Every data request so far: platform, and path with query."""

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.now)

    def route(
        self,
        path: str,
        manners: Manners,
        answer: Callable[[Request, ShownAccount], Awaitable[Answer]],
        method: str = "GET",
    ) -> Route:
        """A route for data: the platform's `answer` is asked once nothing stands against it."""

        async def endpoint(request: Request) -> Response:
            self.asked.append((manners.name, f"{request.url.path}?{request.url.query}"))
            if self.faults.seconds_late:
                await asyncio.sleep(self.faults.seconds_late)
            limit = self.faults.limits.get(manners.name)
            try:
                given = await answer(request, self._caller(request, manners, limit))
            except Answer as refusal:
                given = refusal
            usage = manners.usage(limit, self.now()) if limit else {}
            return self._response(given, {**usage, **given.headers})

        return Route(path, endpoint, methods=[method])

    def altered(self, platform: str, item: Json) -> Json:
        """An item as it is shown."""
        return self.faults.alter(platform, item)

    def _caller(self, request: Request, manners: Manners, limit: Limit | None) -> ShownAccount:
        now = self.now()
        if self.faults.fail_next:
            self.faults.fail_next -= 1
            raise Answer({"message": "Internal Server Error"}, 500)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        platform, external_id, expires_at = self.tokens.access.get(token, ("", "", now))
        key = (platform, external_id)
        if key in self.faults.revoked:
            raise manners.revoked()
        if platform != manners.name or expires_at <= now:
            raise manners.expired()
        if limit and not limit.take(now):
            raise manners.limited(limit, now, self._retry_after(limit, now), self.faults)
        if key in self.faults.failing:
            raise Answer({"message": "Service Unavailable"}, 503)
        if key in self.faults.gone:
            raise manners.gone(external_id)
        return self.shown.accounts[key]

    def _retry_after(self, limit: Limit, now: datetime) -> Headers:
        resets_at = limit.resets_at or now
        if self.faults.says_when == "seconds":
            return {"Retry-After": str(math.ceil((resets_at - now).total_seconds()))}
        if self.faults.says_when == "date":
            whole = (resets_at + timedelta(seconds=1)).replace(microsecond=0)
            return {"Retry-After": format_datetime(whole.astimezone(UTC), usegmt=True)}
        return {}

    def _response(self, given: Answer, headers: Headers) -> Response:
        content = json.dumps(given.body).encode()
        if self.faults.cut_next and given.status == 200:
            self.faults.cut_next -= 1
            content = content[: len(content) // 2]
        return Response(content, given.status, dict(headers), media_type="application/json")


def renewing(
    desk: Desk, path: str, platforms: tuple[str, ...], spent: Callable[[Mapping[str, Any]], str], method: str = "POST"
) -> Route:
    """A token endpoint (RFC 6749 section 6); `spent` finds in the form or query what is to be renewed."""

    async def endpoint(request: Request) -> Response:
        given = dict(request.query_params) if method == "GET" else dict(parse_qsl((await request.body()).decode()))
        old = spent(given)
        owner = desk.tokens.refresh.get(old) or desk.tokens.access.get(old, ("", ""))[:2]
        known = owner[0] in platforms and owner not in desk.faults.revoked
        fresh = desk.tokens.renewed(owner[0], old) if known else None
        if fresh is None:
            refusal: Json = {"error": "invalid_grant", "error_description": "Token was revoked or is spent"}
            if method == "GET":
                refusal = {"error": {"message": "The session is invalid", "type": "OAuthException", "code": 190}}
            return Response(json.dumps(refusal), 400, media_type="application/json")
        access, refresh, seconds = fresh
        body: Json = {"access_token": access, "token_type": "bearer", "expires_in": int(seconds)}
        if refresh:
            body["refresh_token"] = refresh
        return Response(json.dumps(body), media_type="application/json")

    return Route(path, endpoint, methods=[method])
