"""One account's conversation with its platform: asks, waits, asks again, refreshes; and says why it gave up."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.connections import Connection
from clientnest_assets.sources.platforms.spec import Json, Kind, MalformedError, Platform, Problem, Request
from clientnest_assets.sources.platforms.tokens import RefreshError, Token, Tokens

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
ATTEMPTS = 5
"""Questions asked before a platform that does not answer is given up for this time."""
FIRST_PAUSE_SECONDS = 1.0
LARGEST_ANSWER_BYTES = 32 * 2**20
WORDS_SHOWN = 300


class AccountError(Exception):
    """An account cannot be collected now; the message says what was asked and what came."""

    def __init__(self, kind: Kind, words: str) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind = kind


class PostponedError(Exception):
    """The platform wants to be left alone for longer than a collection waits."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"to be asked again from {until:%Y-%m-%d %H:%M:%S} UTC on")
        self.until = until


@dataclass
class Gates:
    """Until when each endpoint is to be left alone, for one account or for all together."""

    _closed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self, scope: str, endpoint: str, until: datetime) -> None:
        """Closes a gate, or keeps it closed for longer."""
        with self._lock:
            held = self._closed.get((scope, endpoint))
            self._closed[scope, endpoint] = max(until, held) if held else until

    def opens(self, scope: str, endpoint: str) -> datetime | None:
        """When the gate opens; None if it was never closed."""
        with self._lock:
            return self._closed.get((scope, endpoint))


class Client:
    """Asks for one account. `longest_wait` bounds all its waiting for limits together."""

    def __init__(
        self,
        platform: Platform,
        connection: Connection,
        base_url: str,
        http: httpx.Client,
        tokens: Tokens,
        gates: Gates,
        clock: Clock,
        longest_wait: timedelta,
    ) -> None:
        self._platform, self._connection, self._base_url = platform, connection, base_url.rstrip("/")
        self._http, self._tokens, self._gates, self._clock = http, tokens, gates, clock
        self._patience = longest_wait
        self._token: Token | None = None
        self._scope = connection.name if platform.limited_together == "account" else platform.name

    def ask(self, request: Request, read: Callable[[Json], T]) -> T:
        """What `read` makes of the answer's body; a body that it cannot read is asked for again, as one that was cut.

        Raises:
            AccountError: if there is none to be had; for the whole account, as its other questions fare no better.
            PostponedError: if the platform wants a longer pause than there is patience for.
        """
        refreshed = False
        failures = 0
        while True:
            self._pass(request.endpoint)
            if self._token is None:
                self._token = self._fresh(None)
            body, problem = self._try(request, self._token)
            if problem is None:
                try:
                    return read(body)
                except MalformedError as error:
                    problem = Problem(Kind.MALFORMED, str(error))
            if problem.kind is Kind.LIMITED:
                continue
            if problem.kind is Kind.EXPIRED and not refreshed:
                refreshed = True
                self._token = self._fresh(self._token)
                continue
            failures += 1
            if problem.kind not in (Kind.UNAVAILABLE, Kind.MALFORMED) or failures >= ATTEMPTS:
                raise AccountError(problem.kind, f"{request.path.partition('?')[0]}: {problem.words[:WORDS_SHOWN]}")
            pause = FIRST_PAUSE_SECONDS * 2 ** (failures - 1)
            self._clock.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret

    def _pass(self, endpoint: str) -> None:
        """Waits until the endpoint may be asked, with what is left of the patience."""
        opens = self._gates.opens(self._scope, endpoint)
        if opens is None:
            return
        wait = opens - self._clock.now()
        if wait <= timedelta(0):
            return
        if wait > self._patience:
            raise PostponedError(opens)
        self._patience -= wait
        self._clock.wait_until(opens)

    def _fresh(self, spent: Token | None) -> Token:
        """The account's token; another than the spent one, if one is."""
        try:
            if spent is None:
                return self._tokens.current(self._connection)
            return self._tokens.refreshed(self._connection, spent.access)
        except RefreshError as error:
            raise AccountError(error.problem.kind, error.problem.words) from None

    def _try(self, request: Request, token: Token) -> tuple[Json, Problem | None]:
        import httpx

        headers = {**request.headers, "Authorization": f"Bearer {token.access}"}
        method = "GET" if request.body is None else "POST"
        try:
            response = self._send(method, request, headers)
        except httpx.HTTPError as error:
            return {}, Problem(Kind.UNAVAILABLE, f"{type(error).__name__}: {error}")
        body = _object(response)
        now = self._clock.now()
        problem = self._platform.problem(response, body) or _plain_problem(response, body)
        not_before = self._platform.not_before(response, now)
        if problem is not None and problem.kind is Kind.LIMITED and not_before is None:
            not_before = self._platform.usual_wait(now)
        if not_before is not None:
            # At least a moment, lest a platform that says "now" be asked without a pause.
            least = now + timedelta(seconds=1)
            self._gates.close(self._scope, request.endpoint, max(not_before, least))
        return body or {}, problem and problem.without(token.access)

    def _send(self, method: str, request: Request, headers: dict[str, str]) -> httpx.Response:
        """The whole answer, unless it is larger than any answer is."""
        import httpx

        with self._http.stream(
            method, self._base_url + _address(request), json=request.body, headers=headers
        ) as response:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER_BYTES:
                    raise httpx.DecodingError(f"more than {LARGEST_ANSWER_BYTES >> 20} MB")
            plain = {
                name: value
                for name, value in response.headers.items()
                if name not in ("content-encoding", "content-length", "transfer-encoding")
            }
            return httpx.Response(response.status_code, headers=plain, content=bytes(content))


def _address(request: Request) -> str:
    """Path and query. A query that the path brings already stays as it is: httpx would replace or encode it anew."""
    if not request.params:
        return request.path
    return f"{request.path}{'&' if '?' in request.path else '?'}{urlencode(request.params)}"


def _object(response: httpx.Response) -> Json | None:
    try:
        body = response.json(parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _refused(constant: str) -> None:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(constant)


def _plain_problem(response: httpx.Response, body: Json | None) -> Problem | None:
    """What any platform means by a status, where its own error says nothing."""
    if response.is_server_error:
        return Problem(Kind.UNAVAILABLE, f"status {response.status_code}")
    if not response.is_success:
        return Problem(Kind.FORBIDDEN, f"status {response.status_code}")
    return None if body is not None else Problem(Kind.MALFORMED, "the body is no JSON object; was it cut?")
