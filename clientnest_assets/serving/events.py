"""`POST /api/v1/events`: takes application events and answers once they are safe on disk, in the spool.

What an event must look like is not decided here: one that breaks the contract is taken too, and goes to quarantine
with its reason when `clientnest consume` carries it into the lake. What is no JSON at all is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from clientnest_assets.installation import Installation
from clientnest_assets.serving.events_body import LIMITS, MOST_EVENTS, read_body, split
from clientnest_assets.serving.keys import CLOSE, Keys
from clientnest_assets.sources.events.spool_writer import Limits, SpoolFullError, SpoolWriteError, SpoolWriter

MOST_BYTES_IN_HAND = 64 << 20
"""Of all requests that are being read together."""
COLLECTOR, KEYS_VARIABLE = "collector", "CLIENTNEST_EVENTS_KEYS"
BODY_SECONDS = 30
RETRY_SOON, RETRY_LATER = {"Retry-After": "1"}, {"Retry-After": "30"}
EVENT = {
    "type": "object",
    "properties": {
        "event_id": {"type": "string", "format": "uuid"},
        "user_id": {"type": ["integer", "null"]},
        "session_id": {"type": ["string", "null"]},
        "event_type": {"enum": ["login", "feature_used", "click", "error", "performance"]},
        "name": {"type": "string"},
        "properties": {"type": ["object", "null"]},
        "occurred_at": {"type": "string", "format": "date-time"},
    },
    "required": ["event_id", "event_type", "name", "occurred_at"],
    "additionalProperties": False,
    "example": {
        "event_id": "0198c5a2-7b1e-7cc3-9d7e-3f1f0a2b4c5d",
        "user_id": 42,
        "session_id": "s-81f2",
        "event_type": "feature_used",
        "name": "schedule_post",
        "properties": {"platform": "instagram"},
        "occurred_at": "2026-04-02T10:15:30.123Z",
    },
}
EVENTS = {"type": "array", "items": EVENT, "maxItems": MOST_EVENTS}
BODY = {
    "required": True,
    "description": "`Content-Encoding: gzip` is understood.",
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    EVENT,
                    EVENTS,
                    {
                        "type": "object",
                        "properties": {"events": EVENTS},
                        "required": ["events"],
                        "additionalProperties": False,
                    },
                ]
            }
        }
    },
}
_bearer = HTTPBearer(auto_error=False, description="A key of the collector; `clientnest status --json` tells it.")


class Received(BaseModel):
    """The answer to events that are safe on disk."""

    received: int = Field(description="How many events the request had. All of them are kept.", examples=[100])


class Problem(BaseModel):
    """Why a request was refused, and what to do."""

    detail: str


REFUSALS = {
    400: "The body is no JSON, or no gzip where it says so. The place is named.",
    401: "No key, or none of this collector's.",
    408: f"The body did not arrive within {BODY_SECONDS} seconds.",
    413: LIMITS,
    415: "A Content-Encoding other than gzip.",
    429: "More waits than the collector holds. Send the same again after `Retry-After` seconds.",
    503: "The disk is full or broken, or the collector has no key yet. Send the same again after `Retry-After` seconds.",
}


class Collector:
    """The collector of one web process: who may send, and the spool it writes."""

    def __init__(self, installation: Installation, limits: Limits | None = None) -> None:
        self._installation = installation
        self._limits = limits
        self._keys = Keys([], COLLECTOR, KEYS_VARIABLE)
        self._writer: SpoolWriter | None = None
        self._bytes_in_hand = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Holds a partition of the spool; at the end what was taken is written."""
        self._keys = Keys(self._installation.events_keys, COLLECTOR, KEYS_VARIABLE)
        self._writer = await asyncio.to_thread(SpoolWriter.open, self._installation.spool, self._limits)
        try:
            yield
        finally:
            await asyncio.to_thread(self._writer.close)

    def router(self) -> APIRouter:
        """The route."""
        router = APIRouter()

        @router.post(
            "/events",
            status_code=202,
            responses={code: {"model": Problem, "description": text} for code, text in REFUSALS.items()},
            openapi_extra={"requestBody": BODY},
        )
        async def collect_events(
            request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
        ) -> Received:
            """Take one event, an array of events, or `{"events": [...]}`. The answer means: safe on disk.

            An event may be sent again, with the same `event_id`, until it is answered: it counts once. An event that
            breaks the contract is taken too and goes to quarantine with the reason, the others of its request are not
            held up. `received_at` is not sent: it is when the event came here.
            """
            self._keys.require(shown.credentials if shown else "")
            return Received(received=await self.collect(request))

        return router

    async def collect(self, request: Request) -> int:
        """Keeps all events of a request; returns how many, once they are safe on disk.

        Raises:
            HTTPException: as in `REFUSALS`.
        """
        assert self._writer, "only within running()"
        with self._in_hand() as take:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    payloads = split(await read_body(request, take))
            except TimeoutError:
                raise HTTPException(408, REFUSALS[408], CLOSE) from None
            except ClientDisconnect:
                raise HTTPException(400, "The connection ended before the body.") from None
            if not payloads:
                return 0
            try:
                await self._writer.append(payloads)
            except SpoolFullError as error:
                raise HTTPException(429, str(error), {"Retry-After": str(error.retry_after_seconds)}) from None
            except SpoolWriteError as error:
                raise HTTPException(
                    503, f"{error}. Send them again later; events that were kept all the same count once.", RETRY_LATER
                ) from None
        return len(payloads)

    @contextmanager
    def _in_hand(self) -> Iterator[Callable[[int], None]]:
        """Counts what one request holds in memory, so that many slow ones together do not fill it."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self._bytes_in_hand + size > MOST_BYTES_IN_HAND:
                raise HTTPException(429, "Too many requests are being read. Send the same again.", RETRY_SOON)
            self._bytes_in_hand += size
            mine += size

        try:
            yield take
        finally:
            self._bytes_in_hand -= mine
