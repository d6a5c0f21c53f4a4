"""The terms in which a platform is described: versions and their fields, requests, pages, limits, errors, tokens.

A platform is one `Platform` value in a file of its own, listed in `registry.py`. What is done with it is in
`client.py` (requests) and `asking.py` (pages and rows).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
POST_COLUMNS = ("likes_count", "comments_count", "shares_count", "clicks_count", "reach", "impressions")
"""The columns of `post_metrics` that platforms are asked for."""
ACCOUNT_COLUMNS = ("followers_count", "following_count", "posts_count", "engagement_rate")
"""The columns of `account_metrics` that platforms are asked for."""


class Kind(StrEnum):
    """What stands in the way of an answer, by what is to be done about it."""

    EXPIRED = "the access token is not accepted"
    """Refresh the token and ask again, once."""
    REVOKED = "access was revoked"
    """The account's owner has to connect it again."""
    GONE = "the account is gone"
    FORBIDDEN = "the platform refuses"
    LIMITED = "rate limited"
    """Wait, and ask again."""
    UNAVAILABLE = "the platform does not answer"
    """Ask again a few times."""
    MALFORMED = "the answer cannot be read"
    """Ask again a few times: it may have been cut."""


@dataclass(frozen=True)
class Problem:
    """What stands in the way, in the platform's own words."""

    kind: Kind
    words: str

    def without(self, *secrets: str) -> Problem:
        """The same, without secrets of ours that the platform quotes ("Malformed access token ...")."""
        words = self.words
        for secret in filter(None, secrets):
            words = words.replace(secret, "(not shown)")
        return Problem(self.kind, words)


class MalformedError(ValueError):
    """An answer has not the documented shape; the message says where."""


@dataclass(frozen=True)
class Field:
    """Where one number stands in an answer's object: dotted paths, whose numbers are added.

    `absent` says what a field means that is not there. Only where the platform documents that it leaves the field
    out is it something else than an error.
    """

    paths: tuple[str, ...]
    absent: Literal["error", "null", "zero"] = "error"


def at(*paths: str, absent: Literal["error", "null", "zero"] = "error") -> Field:
    """A field by its paths."""
    return Field(paths, absent)


@dataclass(frozen=True)
class Version:
    """One version of an API: our column to its field. A column that is not here is unsupported, and null."""

    posts: Mapping[str, Field]
    account: Mapping[str, Field]


@dataclass(frozen=True)
class Asked:
    """What a platform's functions are told: whom to ask, in which version, and for posts since when."""

    external_id: str
    version: str
    fields: Version
    since: datetime


@dataclass(frozen=True)
class Request:
    """One request. `endpoint` names what is rate limited together and is used in messages; a body makes it a POST."""

    endpoint: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Statistics:
    """A second question for platforms that list posts without numbers: about so many posts at a time.

    `read` gives the numbers in an answer by the post's external id.
    """

    size: int
    requests: Callable[[Asked, Sequence[str]], list[Request]]
    read: Callable[[Json], Mapping[str, Json]]


@dataclass(frozen=True)
class Refreshing:
    """How a new access token is had (OAuth 2, RFC 6749 section 6, and its dialects).

    `request` is given client id, client secret, access and refresh token, and gives the parameters and headers.
    """

    base_url: str
    path: str
    request: Callable[[str, str, str, str], tuple[dict[str, str], dict[str, str]]]
    method: Literal["GET", "POST"] = "POST"
    needs_refresh_token: bool = True
    early: timedelta = timedelta(minutes=5)
    """So long before it expires a token is refreshed."""


@dataclass(frozen=True)
class Platform:
    """One platform's API."""

    name: str
    base_url: str
    versions: Mapping[str, Version]
    """By the name that a connections file gives them; the last is the default."""
    account: Callable[[Asked], Request]
    account_values: Callable[[Asked, Json], Json]
    posts: Callable[[Asked], Request]
    """The first page of the account's posts, the newest first."""
    items: Callable[[Json], list[Json]]
    following: Callable[[Request, Json], Request | None]
    """The request for the page after an answer, None after the last."""
    identity: Callable[[Json], tuple[str, datetime]]
    """External id and moment of publication of an item."""
    refreshing: Refreshing
    problem: Callable[[httpx.Response, Json | None], Problem | None]
    """What stands in the way, None if the answer (the body, None if it is no JSON object) is one."""
    not_before: Callable[[httpx.Response, datetime], datetime | None]
    """The moment before which the endpoint should not be asked again, as the platform's headers say it."""
    limited_together: Literal["account", "application"] = "account"
    """Whether a limit counts for one account's token or for all accounts of the application."""
    usual_wait: Callable[[datetime], datetime] = lambda now: now + timedelta(minutes=15)
    """When to ask again after a refusal for the rate that does not say when."""
    statistics: Statistics | None = None
    prepared: Callable[[Json], Json] = lambda item: item
    """An item (or its statistics) in the shape that the fields' paths speak of."""
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """Columns that the platform does not give, and why; documentation, held to the versions by a test."""

    @property
    def newest_version(self) -> str:
        """The default version."""
        return list(self.versions)[-1]


def inside(values: Any, path: str) -> Any:
    """What stands at a dotted path; null if something on the way is null.

    Raises:
        KeyError: if the path ends in nothing.
    """
    for name in path.split("."):
        if values is None:
            return None
        if not isinstance(values, dict) or name not in values:
            raise KeyError(path)
        values = values[name]
    return values


def listed(body: Json, path: str) -> list[Json]:
    """The list of objects at a path of an answer.

    Raises:
        MalformedError: if there is none.
    """
    try:
        found = inside(body, path)
    except KeyError:
        raise MalformedError(f"there is no {path}") from None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MalformedError(f"{path} is no list of objects")
    return found


def id_at(values: Json, path: str) -> str:
    """The id at a path.

    Raises:
        MalformedError: if there is none.
    """
    try:
        found = inside(values, path)
    except KeyError:
        raise MalformedError(f"there is no {path}") from None
    if not isinstance(found, str) or not found or not found.isascii() or not found.isprintable():
        raise MalformedError(f"{path} is no id")
    return found


def moment_at(values: Json, path: str, *, unit: Literal["iso", "seconds", "milliseconds"] = "iso") -> datetime:
    """The moment at a path, UTC: ISO 8601 text, or a number since 1970.

    Raises:
        MalformedError: if there is none.
    """
    try:
        found = inside(values, path)
        if unit == "iso":
            moment = datetime.fromisoformat(found)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return datetime.fromtimestamp(found / (1000 if unit == "milliseconds" else 1), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise MalformedError(f"{path} is no moment") from None
