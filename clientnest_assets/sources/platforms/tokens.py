"""Access tokens: the connections file's, until they are refreshed; then those kept in the home.

A refresh token is often good for one use (rotation, RFC 9700 section 4.14.2): so each account is refreshed by one thread at a
time, and what came is on disk before it is used. A connection whose tokens were replaced in the file begins anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clientnest_assets.sources.kept import read_json, write_json
from clientnest_assets.sources.platforms.clock import Clock
from clientnest_assets.sources.platforms.connections import Application, Connection
from clientnest_assets.sources.platforms.spec import Kind, Platform, Problem

if TYPE_CHECKING:
    import httpx

REFUSED = range(400, 500)
TOO_MANY = 429
ATTEMPTS = 3
LONGEST_LIFE = timedelta(days=3660)


class RefreshError(Exception):
    """No new access token was had."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.words)
        self.problem = problem


@dataclass(frozen=True)
class Token:
    """What to ask with, and for how long it is good, where that is known."""

    access: str
    refresh: str
    expires_at: datetime | None


class Tokens:
    """The tokens of one platform's accounts. Safe to use from several threads, not from several processes."""

    def __init__(
        self, platform: Platform, application: Application, file: Path, client: httpx.Client, clock: Clock
    ) -> None:
        self._platform, self._application = platform, application
        self._file, self._client, self._clock = file, client, clock
        self._kept = read_json(file)
        self._writing = threading.Lock()
        self._refreshing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def current(self, connection: Connection) -> Token:
        """The account's token, refreshed if it is about to expire.

        Raises:
            RefreshError: if it has expired and cannot be refreshed.
        """
        token = self._token(connection)
        if token.expires_at is None:
            return token
        left = token.expires_at - self._clock.now()
        if left > self._platform.refreshing.early or not self._can_refresh(token):
            return token
        try:
            return self.refreshed(connection, token.access)
        except RefreshError:
            if left > timedelta(0):
                # Still good, and the platform will say so or not.
                return token
            raise

    def refreshed(self, connection: Connection, spent: str) -> Token:
        """A token other than the spent one: a fresh one, or what another thread has got meanwhile.

        Raises:
            RefreshError: if the platform gives none.
        """
        with self._writing:
            lock = self._refreshing[connection.name]
        with lock:
            token = self._token(connection)
            if token.access != spent:
                return token
            if not self._can_refresh(token):
                raise RefreshError(Problem(Kind.REVOKED, "the token is not accepted, and there is none to refresh it"))
            try:
                fresh = self._ask(token)
            except RefreshError as error:
                secret = self._application.client_secret.get_secret_value()
                raise RefreshError(error.problem.without(token.access, token.refresh, secret)) from None
            self._keep(connection, fresh)
            return fresh

    def _can_refresh(self, token: Token) -> bool:
        return bool(token.refresh) or not self._platform.refreshing.needs_refresh_token

    def _token(self, connection: Connection) -> Token:
        kept = self._kept.get(connection.name)
        if kept is None or kept["of"] != _fingerprint(connection):
            return Token(
                connection.access_token.get_secret_value(),
                connection.refresh_token.get_secret_value(),
                connection.expires_at,
            )
        expires_at = datetime.fromisoformat(kept["expires_at"]) if kept["expires_at"] else None
        return Token(kept["access_token"], kept["refresh_token"], expires_at)

    def _keep(self, connection: Connection, token: Token) -> None:
        entry = {
            "of": _fingerprint(connection),
            "access_token": token.access,
            "refresh_token": token.refresh,
            "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        }
        with self._writing:
            self._kept = {**self._kept, connection.name: entry}
            write_json(self._file, self._kept)

    def _ask(self, token: Token) -> Token:
        how = self._platform.refreshing
        secret = self._application.client_secret.get_secret_value()
        parameters, headers = how.request(self._application.client_id, secret, token.access, token.refresh)
        address = (self._application.base_url or how.base_url).rstrip("/") + how.path
        form: dict[str, Any] = {"params": parameters} if how.method == "GET" else {"data": parameters}
        body = self._answer(how.method, address, form, headers)
        access = body.get("access_token")
        if not isinstance(access, str) or not access:
            # Some say with status 200 that they refuse.
            raise RefreshError(Problem(Kind.REVOKED, _words(body, "the answer has no access_token")))
        seconds = body.get("expires_in")
        lasts = isinstance(seconds, int | float) and seconds > 0
        longest = LONGEST_LIFE.total_seconds()
        expires_at = self._clock.now() + timedelta(seconds=min(seconds, longest)) if lasts and seconds else None
        return Token(access, str(body.get("refresh_token") or token.refresh), expires_at)

    def _answer(self, method: str, address: str, form: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        import httpx

        words = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._clock.sleep(2.0**attempt)
            try:
                response = self._client.request(method, address, headers=headers, **form)
            except httpx.ConnectError as error:
                words = type(error).__name__
                continue
            except httpx.HTTPError as error:
                # The token may be spent by now: to send it again could look like theft.
                raise RefreshError(Problem(Kind.UNAVAILABLE, f"token endpoint: {type(error).__name__}")) from None
            body = _json(response)
            if response.status_code in REFUSED and response.status_code != TOO_MANY:
                raise RefreshError(Problem(Kind.REVOKED, _words(body, f"status {response.status_code}")))
            if response.is_success:
                return body
            words = f"status {response.status_code}"
        raise RefreshError(Problem(Kind.UNAVAILABLE, f"token endpoint: {words}"))


def _fingerprint(connection: Connection) -> str:
    secrets = connection.access_token.get_secret_value() + "\0" + connection.refresh_token.get_secret_value()
    return hashlib.sha256(secrets.encode()).hexdigest()


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(body: dict[str, Any], otherwise: str) -> str:
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or otherwise)
    told = " ".join(str(each) for each in (error, body.get("error_description")) if each)
    return f"no new token: {told or otherwise}"
